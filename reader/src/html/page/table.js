// The table of allocations: those that are alike in one row with their number, which opens.

/** Allocations that are alike: memory, call site, op, tensor, size, devices. */
function groupsOf(process, rows) {
  const groups = new Map();
  for (const row of rows) {
    const key = [row.m, row.f || 0, row.y ?? -1, row.s, row.d, row.n || 0].join();
    const known = groups.get(key);
    if (known) known.rows.push(row); else groups.set(key, { row, rows: [row], open: false });
  }
  const all = [...groups.values()];
  for (const group of all) {
    group.number = group.rows.length * process.device_sets[group.row.d].length;
    group.total = Number(group.row.s) * group.number;
    group.since = group.rows.reduce((first, row) => Math.min(first, row.t), Infinity);
  }
  return all;
}

const notesOf = row => [(row.n || 0) & 1 ? "program cache" : "", (row.n || 0) & 2 ? "inside a buffer" : "", (row.n || 0) & 4 ? "pre-allocated" : ""].filter(Boolean).join(", ");
const tensorOf = (process, row) => row.y === undefined ? "" : process.tensors[row.y];
const ownersOf = row => row.r > 1 ? `${row.h ?? 1} of ${row.r}` : "1";

/** Each its id, its head, whether it is a number, what it is sorted by, its text for a group and for one of it, and for CSV. */
function columnsOf(process) {
  const ids = group => process.device_sets[group.row.d], frame = group => process.sites[group.row.f || 0][0] || "";
  const columns = [
    { id: "total", head: "Total", n: true, key: group => group.total, text: group => bytes(group.total), csv: group => group.total },
    { id: "number", head: "Count", n: true, key: group => group.number, text: group => count(group.number), csv: group => group.number },
    { id: "size", head: "Size", n: true, key: group => Number(group.row.s), text: group => bytes(group.row.s), csv: group => group.row.s },
    { id: "memory", head: "Memory", key: group => process.memories[group.row.m] },
    { id: "op", head: "Op", key: group => process.ops[group.row.f || 0] || "" },
    { id: "tensor", head: "Tensor", key: group => tensorOf(process, group.row) },
    { id: "site", head: "Call site", key: frame, text: group => shortName(frame(group)), csv: group => process.sites[group.row.f || 0].join(" < ") },
    { id: "devices", head: "Devices", key: group => ids(group)[0], text: group => devices(ids(group)), csv: group => devices(ids(group)) },
    { id: "owners", head: "Owners", key: group => group.row.r || 1, text: group => group.rows.length > 1 ? "" : ownersOf(group.row), csv: group => group.rows.length > 1 ? "" : ownersOf(group.row) },
    { id: "since", head: "Since", n: true, key: group => group.since, text: group => time(group.since), csv: group => group.since },
    { id: "address", head: "Address", key: group => Number(group.row.a), text: group => group.rows.length > 1 ? "" : hex(group.row.a), csv: group => group.rows.map(row => hex(row.a)).join(" ") },
  ].map(column => ({ text: column.key, csv: column.key, ...column }));
  // On a phone the call site stands before the numbers.
  return matchMedia("(max-width: 600px)").matches ? [columns[6], ...columns.slice(0, 6), ...columns.slice(7)] : columns;
}

function allocations(state) {
  const { process } = state, node = card("Allocations", "allocations"), columns = columnsOf(process);
  let room = ROOM, sort = columns.find(column => column.id === "total"), down = true, wanted = "", groups = [], shown = [];
  const texts = new Map();
  const text = group => {
    let known = texts.get(group);
    if (known === undefined) {
      const { row } = group;
      known = [bytes(row.s), process.memories[row.m], ...group.rows.map(one => hex(one.a)), "device " + devices(process.device_sets[row.d]), notesOf(row), tensorOf(process, row),
        process.ops[row.f || 0] || "", ...process.sites[row.f || 0]].join("\n").toLowerCase();
      texts.set(group, known);
    }
    return known;
  };
  const head = el("tr"), body = el("tbody"), foot = el("div", { class: "bar" });
  const collect = () => {
    texts.clear();
    groups = groupsOf(process, state.moment.rows.filter(row => isSelected(state, row)));
    arrange();
  };
  const arrange = () => {
    const way = down ? -1 : 1, keyed = groups.map(group => ({ key: sort.key(group), group }));
    groups = keyed.sort((a, b) => a.key < b.key ? -way : a.key > b.key ? way : 0).map(one => one.group);
  };
  const cellsOf = group => columns.map(column => {
    const shownText = String(column.text(group)), cell = el("td", { class: column.n ? "n" : ["address", "devices", "owners"].includes(column.id) ? "nw" : column.id }, shownText);
    if (column.id === "address") cell.classList.add("mono");
    if (column.id === "size") cell.title = count(group.row.s) + " B" + (group.row.b === undefined ? "" : `, ${bytes(group.row.b)} per bank`);
    if (column.id === "site") {
      cell.title = process.sites[group.row.f || 0].map(frame => withSource(process, frame)).join("\n");
      const more = [shortName(process.sites[group.row.f || 0][1] || ""), notesOf(group.row)].filter(Boolean).join(" · ");
      if (more) cell.append(el("div", { class: "faint" }, more));
    }
    return cell;
  });
  const rowsOf = group => {
    const cells = cellsOf(group), rows = [el("tr", {}, ...cells)];
    if (group.rows.length > 1) {
      const opens = el("button", { type: "button", class: "opens", "aria-expanded": String(group.open), title: "each by itself",
        onclick: () => { group.open = !group.open; fill(); } }, group.open ? "▾ " : "▸ ");
      cells[columns.findIndex(column => column.id === "number")].prepend(opens);
      if (group.open) {
        const one = row => ({ row, rows: [row], number: process.device_sets[row.d].length, total: Number(row.s) * process.device_sets[row.d].length, since: row.t });
        rows.push(...group.rows.slice(0, 1000).map(row => el("tr", { class: "inner" }, ...cellsOf(one(row)))));
      }
    }
    return rows;
  };
  function fill() {
    shown = wanted ? groups.filter(group => text(group).includes(wanted)) : groups;
    head.replaceChildren(...columns.map(column => el("th", { class: column.n ? "n sort" : "sort", tabindex: 0, "data-column": column.id,
      "aria-sort": column === sort ? (down ? "descending" : "ascending") : "none",
      onclick: () => { down = column === sort ? !down : !!column.n; sort = column; arrange(); fill(); },
      onkeydown: event => { if (event.key === "Enter") event.target.click(); } },
      column.head + (column === sort ? (down ? " ▾" : " ▴") : ""))));
    body.replaceChildren(...shown.slice(0, room).flatMap(rowsOf));
    const all = state.moment, number = shown.reduce((sum, group) => sum + group.rows.length, 0), total = shown.reduce((sum, group) => sum + group.total, 0);
    foot.replaceChildren(el("span", { class: "faint", id: "shown" }, `${count(Math.min(room, shown.length))} of ${plural(shown.length, "row", "rows")}, ${plural(number, "allocation", "allocations")}, ${bytes(total)}`
      + (all.more_rows ? `; ${count(all.more_rows)} smaller ones (${bytes(all.more_bytes)}) are not in this page` : "")));
    if (shown.length > room) foot.append(button("show more", () => { room += 1000; fill(); }));
    where.textContent = state.moment.name + (state.selected === null ? "" : `, only ${shortName(state.selected)}`);
  }
  // However fast somebody writes or goes through time, the table is made once a frame.
  let asked = false, isStale = false;
  const fillSoon = anew => {
    isStale ||= anew;
    if (!asked) requestAnimationFrame(() => { asked = false; if (isStale) collect(); isStale = false; fill(); });
    asked = true;
  };
  const where = el("span", { class: "faint", id: "allocations-of" });
  const search = el("input", { type: "search", placeholder: "filter", "aria-label": "filter the allocations", oninput: () => { wanted = search.value.toLowerCase(); room = ROOM; fillSoon(false); } });
  const copies = button("copy as CSV", async () => {
    copies.textContent = await copy(csvOf(columns, shown)) ? "copied" : "not allowed here";
    setTimeout(() => { copies.textContent = "copy as CSV"; }, 1500);
  });
  node.bar.append(search, copies, where);
  node.append(el("div", { class: "wide" }, el("table", {}, el("thead", {}, head), body)), foot);
  listen(state, what => { if (what === "moment" || what === "selected" || what === "sources") { room = ROOM; fillSoon(true); } });
  collect();
  fill();
}
