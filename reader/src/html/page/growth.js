// Loops, and what grows in them; and the regions of the program.

/** Each loop in a sentence, what grows with its call site. */
function growthCard(process) {
  if (!process.growth.length) return;
  const node = card("Growth", "growth"), list = el("ul");
  for (const loop of process.growth) {
    const item = el("li", {}, el("span", loop.grows ? { class: "bad" } : {}, loop.text));
    if (loop.sources.length) item.append(el("ul", {}, ...loop.sources.map(source => el("li", {}, source.text,
      ...source.site.slice(0, 6).map((frame, at) => el("div", { class: at ? "mono faint" : "mono" }, frame, sourceOf(process, frame) ? el("div", { class: "source" }, sourceOf(process, frame)) : null))))));
    if (loop.more) item.append(el("div", { class: "faint" }, `${count(loop.more)} more sources`));
    list.append(item);
  }
  node.append(list);
}

// Stretches of the program that the user named, by name.
function programRegions(process) {
  if (!process.regions.length) return;
  const node = card("Regions", "program-regions"), body = el("tbody");
  const signed = value => (Number(value) > 0 ? "+" : "") + bytes(value);
  const fill = room => {
    body.replaceChildren(...process.regions.slice(0, room).map(row => el("tr", {}, el("td", {}, row.name),
      ...[count(row.times), bytes(row.peak), `${bytes(row.added)} ${row.memory}`.trim(), signed(row.growth), bytes(row.left), count(row.left_buffers)].map(text => el("td", { class: "n" }, text)))));
    if (process.regions.length > room) body.append(el("tr", {}, el("td", { colspan: 7 }, button("show more", () => fill(room + 1000)))));
  };
  fill(12);
  if (process.regions_not_listed) node.bar.append(el("span", { class: "faint" }, `${count(process.regions_not_listed)} older ones are not listed`));
  node.append(el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", {}, "Name"),
    ...["Times", "Peak of a device", "Added at most", "Growth", "Left", "Allocations left"].map(text => el("th", { class: "n" }, text)))), body)));
}
