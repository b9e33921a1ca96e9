// The chip as a picture: a button for each core, coloured by how much of its L1 is taken. Arrows go from core to core.

/** @param {(at: number) => void} act gets the number of the core that was chosen */
function coreGrid(columns, act) {
  const node = el("div", { class: "cores", role: "grid", "aria-label": "cores by how much of their L1 is taken" });
  node.style.setProperty("--columns", columns);
  let cells = [], chosen = 0;
  const moves = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -columns, ArrowDown: () => columns, Home: at => -(at % columns), End: at => columns - 1 - at % columns };
  node.addEventListener("keydown", event => {
    const way = moves[event.key];
    if (!way) return;
    event.preventDefault();
    const at = chosen + way(chosen);
    // None beyond the end of a row.
    if (at < 0 || at >= cells.length || event.key === "ArrowLeft" && chosen % columns === 0 || event.key === "ArrowRight" && at % columns === 0) return;
    act(at);
    cells[at].focus();
  });
  const make = number => {
    cells = Array.from({ length: number }, (_, at) => el("button", { type: "button", role: "gridcell", onclick: () => act(at) }));
    node.replaceChildren(...Array.from({ length: Math.ceil(number / columns) }, (_, row) => el("div", { role: "row" }, ...cells.slice(row * columns, (row + 1) * columns))));
  };
  /** @param {Core[]} cores */
  const show = (cores, now) => {
    if (cells.length !== cores.length) make(cores.length);
    chosen = now;
    const most = cores.reduce((most, one) => Math.max(most, one.programs + one.buffers), 1);
    cores.forEach((one, at) => {
      const cell = cells[at], share = one.share ?? (one.programs + one.buffers) / most;
      cell.style.setProperty("--share", (Math.min(1, share) * 100).toFixed(1) + "%");
      cell.className = one.clash ? "clash" : "";
      cell.textContent = one.share === null ? "" : String(Math.round(one.share * 100));
      cell.title = coreText(one);
      cell.setAttribute("aria-label", coreText(one));
      cell.setAttribute("aria-selected", String(at === now));
      cell.tabIndex = at === now ? 0 : -1;
    });
  };
  return { node, show };
}
