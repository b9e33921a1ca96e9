// L1 by core: the chip, and the column of the core that one chose.
function chip(state) {
  const { process } = state, [columns, lines] = gridOf(process);
  if (!columns) return;
  const node = card("L1 by core", "cores");
  const ids = [...new Set(process.device_sets.flat())].sort((a, b) => a - b);
  let device = ids.includes(state.device) ? state.device : ids[0], at = 0, isChosen = false, cores = [];
  const range = () => {
    const banks = process.banks.filter(one => (one.memory === "L1" || one.memory === "L1_SMALL") && one.devices.includes(device));
    const from = Math.min(...banks.map(one => Number(one.base)), ...cores.flatMap(one => one.pieces.slice(0, 1).map(piece => piece.address)));
    const to = Math.max(...banks.map(one => Number(one.base) + Number(one.bytes)), ...cores.map(one => one.pieces.reduce((most, piece) => Math.max(most, piece.end), 0)));
    return /** @type {[number, number]} */ ([Number.isFinite(from) ? from : 0, Math.max(1, to)]);
  };
  let shownRange = /** @type {[number, number]} */ ([0, 1]);
  const picture = coreColumn(state, () => cores[at], () => shownRange), list = el("tbody"), name = el("strong", { id: "core", "aria-live": "polite" });
  const note = el("span", { class: "faint", id: "cores-note" });
  const choose = to => { at = to; isChosen = true; show(); };
  const grid = coreGrid(columns, choose);
  const show = () => {
    grid.show(cores, at);
    name.textContent = coreText(cores[at]);
    picture.setAttribute("aria-label", coreText(cores[at]));
    list.replaceChildren(...coreList(process, cores[at]));
    picture.redraw();
  };
  const fullest = () => cores.reduce((best, one, number) => one.programs + one.buffers > cores[best].programs + cores[best].buffers ? number : best, 0);
  const update = () => {
    cores = coresOf(process, rowsOnCores(state), device, [columns, lines]);
    shownRange = range();
    if (!isChosen) at = fullest();
    const clashes = cores.filter(one => one.clash).length;
    note.className = clashes ? "bad" : "faint";
    note.textContent = `${state.moment.name}: ` + (clashes ? `${plural(clashes, "core has", "cores have")} a clash` : cores.some(one => one.pieces.length) ? `fullest is ${coreName(cores[fullest()])}` : "nothing is live in L1");
    show();
  };
  // However fast one goes through time, it is made once a frame.
  let asked = false;
  const soon = () => {
    if (!asked) requestAnimationFrame(() => { asked = false; update(); });
    asked = true;
  };
  if (ids.length > 1) node.bar.append(choice("device", ids.map(id => "device " + id), ids.indexOf(device), to => { device = ids[to]; update(); }));
  const peak = process.moments.find(one => /^Peak of .*\b(CB|DFB|SCRATCHPAD)\b/.test(one.name)) || process.moments.find(one => /^Peak of .*\bL1\b/.test(one.name));
  if (peak) node.bar.append(button("when programs took most", () => change(state, "moment", { moment: peak })));
  node.bar.append(button("fullest core", () => { isChosen = false; update(); }), note);
  node.append(el("div", { class: "chip" }, el("div", { class: "wide" }, grid.node, el("p", { class: "faint" }, "each core with the share of its L1 that is taken, in %")),
    el("div", {}, name, el("div", { class: "core" }, picture, el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { class: "n" }, "Bytes"), el("th", {}, "What"), el("th", {}, "Address"), el("th", {}, "Call site"))), list))))));
  listen(state, what => { if (what === "moment" || what === "sources") soon(); else if (what === "selected") picture.redraw(); });
  update();
}
