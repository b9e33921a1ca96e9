// The table of what changed.

function versusColumns() {
  const numbered = row => (row.regions_b - row.regions_a) * row.devices.length;
  const columns = [
    { id: "bytes", head: "Bytes", n: true, key: row => row.bytes_change, text: row => versusSigned(row.bytes_change) },
    { id: "number", head: "Allocations", n: true, key: numbered, text: row => `${count(row.regions_a * row.devices.length)} to ${count(row.regions_b * row.devices.length)}` },
    { id: "change", head: "What", key: row => row.change },
    { id: "size", head: "Size", n: true, key: row => row.size, text: row => bytes(row.size) },
    { id: "memory", head: "Memory", key: row => row.memory },
    { id: "op", head: "Op", key: row => row.op || "" },
    { id: "site", head: "Call site", key: row => row.site[0] || "", text: row => row.site.map(shortName).join(" ← "), csv: row => row.site.join(" < ") },
    { id: "devices", head: "Devices", key: row => row.devices[0], text: row => devices(row.devices), csv: row => devices(row.devices) },
  ].map(column => ({ text: column.key, csv: column.key, ...column }));
  // On a phone the call site stands before the numbers.
  return matchMedia("(max-width: 600px)").matches ? [columns[6], ...columns.slice(0, 6), columns[7]] : columns;
}

function versusTable(state) {
  const node = card("What changed", "changes"), columns = versusColumns();
  let sort = columns.find(column => column.id === "bytes"), down = true, wanted = "", room = ROOM, rows = [];
  const body = el("tbody"), shown = el("span", { class: "faint", id: "shown" });
  const fill = () => {
    const isWithin = row => { const path = [...versusPath(row), `${bytes(row.size)} each`]; return state.path.every((name, at) => path[at] === name); };
    const text = row => columns.map(column => column.text(row)).join("\n").toLowerCase();
    rows = state.rows.filter(row => isWithin(row) && (!wanted || text(row).includes(wanted)));
    // The largest change first, whichever way it went.
    const key = sort.id === "bytes" || sort.id === "number" ? row => Math.abs(sort.key(row)) : sort.key;
    rows.sort((a, b) => { const one = key(a), other = key(b); return (one < other ? -1 : one > other ? 1 : 0) * (down ? -1 : 1); });
    const sum = rows.reduce((sum, row) => ofPrograms(row.memory) ? sum : sum + row.bytes_change, 0);
    shown.textContent = `${plural(rows.length, "row", "rows")} of ${count(state.rows.length)}, ${versusSigned(sum)}`;
    body.replaceChildren(...rows.slice(0, room).map(row => el("tr", {}, ...columns.map(column => {
      const cell = el("td", { class: column.n ? "n" : column.id === "site" ? "site" : "" }, String(column.text(row)));
      if (column.id === "bytes") cell.style.color = `var(${row.bytes_change > 0 ? "--c4" : "--c0"})`;
      return cell;
    }))));
    if (rows.length > room) body.append(el("tr", {}, el("td", { colspan: columns.length }, button(`${count(rows.length - room)} more`, () => { room *= 4; fill(); }))));
  };
  const heads = columns.map(column => el("th", { class: column.n ? "n sort" : "sort", "data-column": column.id, tabindex: 0, title: "sort",
    onclick: () => { down = sort === column ? !down : Boolean(column.n); sort = column; fill(); },
    onkeydown: event => { if (event.key === "Enter") event.target.click(); } }, column.head));
  const search = el("input", { type: "search", placeholder: "filter", "aria-label": "filter the table", oninput: () => { wanted = search.value.toLowerCase(); fill(); } });
  const copied = button("copy as CSV", async () => { copied.textContent = await copy(csvOf(columns, rows)) ? "copied" : "cannot copy"; });
  node.bar.append(search, copied, shown);
  node.append(el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, ...heads)), body)));
  state.followers.push(fill);
  fill();
}
