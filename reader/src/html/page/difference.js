// What changed between two marks, or from the start, or to the end: by memory, site and size.
function difference(state) {
  const { process } = state, node = card("What changed", "diff");
  const points = [["start", null], ...process.at_marks.map(([mark], at) => [`${mark + 1}. ${process.marks[mark] ? process.marks[mark][0] : "mark"}`, at]), ["end", -1]];
  // A live page has other points, and compares the same.
  const nameOf = point => point === null ? "start" : point === -1 ? "end" : process.at_marks[point][0];
  const placeOf = (name, other) => { const at = points.findIndex(([, point]) => nameOf(point) === name); return at < 0 ? other : at; };
  let from = placeOf(state.compared?.from, points.length > 3 ? 1 : 0), to = placeOf(state.compared?.to, points.length > 3 ? points.length - 2 : points.length - 1);
  const choose = () => { state.compared = { from: nameOf(points[from][1]), to: nameOf(points[to][1]) }; fill(); };
  // Counts are kept for what was compared before: a point after it begins there.
  const counted = new Map();
  const at = point => {
    const known = counted.get(point);
    if (known) return known;
    let near = -1;
    if (point !== null) for (const earlier of counted.keys()) if (earlier !== null && earlier < point) near = Math.max(near, earlier);
    const counts = near >= 0 ? Float64Array.from(counted.get(near)) : new Float64Array(process.kinds.length);
    if (counted.size > 8) counted.clear();
    counted.set(point, counts);
    if (point === null) return counts;
    const lists = point === -1 ? [process.at_end] : process.at_marks.slice(near + 1, point + 1).map(([, list]) => list);
    for (const list of lists) for (const [kind, number] of list) counts[kind] = number;
    return counts;
  };
  const body = el("tbody"), told = el("p", { id: "difference" });
  function fill() {
    const a = at(points[from][1]), b = at(points[to][1]);
    const changes = [];
    let more = 0, regions = 0;
    for (let kind = 0; kind < a.length; kind++) {
      if (a[kind] === b[kind]) continue;
      const [memory, , size] = process.kinds[kind], number = b[kind] - a[kind], change = number * Number(size);
      changes.push([Math.abs(change), kind, change]);
      if (!ofPrograms(process.memories[memory])) { more += change; regions += number; }
    }
    // Only those are put in order that are shown.
    const least = Float64Array.from(changes, one => one[0]).sort()[Math.max(0, changes.length - ROOM)];
    const shown = changes.filter(one => one[0] >= least).sort((x, y) => y[0] - x[0] || x[1] - y[1]).slice(0, ROOM);
    told.textContent = changes.length ? `${regions >= 0 ? "+" : "-"}${plural(Math.abs(regions), "allocation", "allocations")}, ${more >= 0 ? "+" : ""}${bytes(more)} over all devices, circular buffers left out` : "no difference";
    body.replaceChildren(...shown.map(([, kind, change]) => {
      const [memory, site, size] = process.kinds[kind], before = a[kind], after = b[kind];
      return el("tr", {},
        el("td", { class: "n" }, (change > 0 ? "+" : "") + bytes(change)), el("td", { class: "n" }, `${count(before)} to ${count(after)}`),
        el("td", {}, before === 0 ? "appeared" : after === 0 ? "went" : after > before ? "grew" : "shrank"),
        el("td", { class: "n" }, bytes(size)), el("td", {}, process.memories[memory]), el("td", { class: "site" }, [callSite(process, site), ...process.sites[site].slice(1)].join(" ← ")));
    }));
    if (changes.length > ROOM) body.append(el("tr", {}, el("td", { colspan: 6, class: "faint" }, count(changes.length - ROOM) + " more")));
  }
  node.bar.append("from", choice("from", points.map(one => one[0]), from, value => { from = value; choose(); }),
    "to", choice("to", points.map(one => one[0]), to, value => { to = value; choose(); }));
  if (process.marks.length > process.at_marks.length) node.bar.append(el("span", { class: "faint" }, `${process.at_marks.length} of ${plural(process.marks.length + process.marks_left_out, "mark", "marks")}`));
  node.append(told, el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { class: "n" }, "Bytes"), el("th", { class: "n" }, "Allocations"),
    el("th", {}, ""), el("th", { class: "n" }, "Size"), el("th", {}, "Memory"), el("th", {}, "Call site"))), body)));
  fill();
}

