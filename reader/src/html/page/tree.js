// Who called whom: callers with their callees, each with what is live at the moment, its own peak, and what it allocated.

/**
 * @typedef {object} Call `name`, `children` by name, `level`; bytes that are `live` at the moment, the most that were live at once (`peak`), and
 *   all that were `allocated`; allocations live (`number`).
 */
const callOf = (name, level) => ({ name, level, children: new Map(), live: 0, now: 0, peak: 0, allocated: 0, number: 0 });

/** The calls of a memory from the outermost frame on, and for each call site those on its stack. */
function callsOf(process, memory) {
  const root = callOf("all", 0), history = historyOf(process);
  const paths = process.sites.map((site, at) => {
    const path = [root], names = [...[...site].reverse(), process.ops[at]].filter(Boolean);
    for (const name of names.length ? names : ["unknown call site"]) {
      const last = path[path.length - 1];
      if (!last.children.has(name)) last.children.set(name, callOf(name, path.length));
      path.push(last.children.get(name));
    }
    return path;
  });
  const devices = process.device_sets.map(ids => ids.length);
  for (let step = 0; step < history.count; step++) {
    const raw = history.life[step], place = history.place[raw < 0 ? ~raw : raw];
    if (history.memories[place] !== memory) continue;
    const bytes = history.sizes[place] * devices[history.devices[place]];
    for (const call of paths[history.sites[place]]) {
      call.now += raw < 0 ? -bytes : bytes;
      if (call.now > call.peak) call.peak = call.now;
      if (raw >= 0 && history.is_exact) call.allocated += bytes;
    }
  }
  // Those that no checkpoint saw are in these sums alone.
  if (!history.is_exact) process.allocations.forEach((number, kind) => {
    const [of, site, size] = process.kinds[kind];
    if (of === memory) for (const call of paths[site]) call.allocated += Number(size) * Number(number);
  });
  return { root, paths };
}

function callTree(state) {
  const { process } = state;
  if (!process.places.m.length) return;
  const node = card("Call tree", "tree"), names = process.memories.filter(name => !ofPrograms(name));
  if (!names.length) { node.remove(); return; }
  let memory = names.includes("DRAM") ? "DRAM" : names[0], tree = null, shownCalls = [];
  const open = new Set(), body = el("tbody"), note = el("span", { class: "faint" });
  const keyOf = call => call.level + call.name;
  const inOrder = call => [...call.children.values()].filter(one => one.peak || one.allocated).sort((a, b) => b.live - a.live || b.peak - a.peak || b.allocated - a.allocated);
  const make = () => { tree = callsOf(process, process.memories.indexOf(memory)); countLive(); };
  const countLive = () => {
    const clear = call => { call.live = call.number = 0; call.children.forEach(clear); };
    clear(tree.root);
    const at = process.memories.indexOf(memory);
    for (const row of state.moment.rows.filter(row => row.m === at && isSelected(state, row))) {
      const number = process.device_sets[row.d].length;
      for (const call of tree.paths[row.f || 0]) { call.live += Number(row.s) * number; call.number += number; }
    }
  };
  // What has one callee alone is opened with it.
  const toggle = (path, isOpen) => {
    for (let call = path[path.length - 1], at = path.map(keyOf).join("\n"); call; ) {
      if (isOpen) open.add(at); else { open.delete(at); return; }
      const next = inOrder(call);
      if (next.length !== 1) return;
      call = next[0];
      at += "\n" + keyOf(call);
    }
  };
  const rowOfCall = path => {
    const call = path[path.length - 1], key = path.map(keyOf).join("\n"), opens = inOrder(call).length > 0, isOpen = open.has(key);
    const press = () => { toggle(path, !isOpen); fill(); [...body.querySelectorAll("button")].find(one => one.dataset.key === key)?.focus(); };
    const cell = el("td", { class: "site" }, opens ? el("button", { type: "button", class: "opens", "data-key": key, "aria-label": (isOpen ? "close " : "open ") + call.name, onclick: press }, isOpen ? "▾" : "▸") : "· ", shortName(call.name));
    cell.style.paddingLeft = (call.level - 1) * 14 + "px";
    cell.title = withSource(process, call.name);
    const source = sourceOf(process, call.name);
    if (source) cell.append(el("div", { class: "source mono" }, source));
    return el("tr", { "aria-level": call.level, ...opens ? { "aria-expanded": String(isOpen) } : {} }, cell,
      ...[bytes(call.live), call.number ? count(call.number) : "", bytes(call.peak), bytes(call.allocated)].map(text => el("td", { class: "n" }, text)));
  };
  function fill() {
    shownCalls = [];
    const walk = path => {
      for (const call of inOrder(path[path.length - 1])) {
        const next = [...path, call];
        shownCalls.push(next);
        if (open.has(next.map(keyOf).join("\n"))) walk(next);
      }
    };
    walk([tree.root]);
    body.replaceChildren(...shownCalls.slice(0, 500).map(rowOfCall));
    if (shownCalls.length > 500) body.append(el("tr", {}, el("td", { colspan: 5, class: "faint" }, `${count(shownCalls.length - 500)} more`)));
    note.textContent = state.moment.name;
  }
  const details = el("details", {}, el("summary", {}, "callers and callees"), el("div", { class: "wide" }, el("table", { role: "treegrid" }, el("thead", {}, el("tr", {},
    el("th", {}, "Call"), ...["Live", "Count", "Its peak", "Allocated"].map(text => el("th", { class: "n" }, text)))), body)));
  // Closed it costs nothing.
  let asked = false, isStale = true;
  const soon = anew => {
    isStale ||= anew;
    if (!details.open || asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      const isFirst = !tree;
      if (isStale) make(); else countLive();
      isStale = false;
      if (isFirst) toggle([tree.root], true);
      fill();
    });
  };
  details.addEventListener("toggle", () => soon(false));
  if (names.length > 1) node.bar.append(choice("memory of the call tree", names, names.indexOf(memory), at => { memory = names[at]; soon(true); }));
  node.bar.append(note);
  node.append(details);
  listen(state, what => { if (what === "sources") soon(true); else if (what === "moment" || what === "selected") soon(false); });
}
