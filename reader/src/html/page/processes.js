// Several processes, or the ranks of a job: all together, and a small picture of each, over the same time and to the same scale.
let memoryOfAll = "";
const COLOURED = 20, SMALL = 56;

/** From when to when there is something, in milliseconds since 1970. */
function spanOfAll() {
  const from = Math.min(...page.processes.map(one => one.start_ms));
  return [from, Math.max(from + 1e-6, ...page.processes.map(one => one.start_ms + one.span_ms))];
}

/** What a process had of a memory at most in each column of pixels, over its devices. */
function columnsOfProcess(process, memory, from, to, columns) {
  const most = new Float64Array(columns), wide = (to - from) / columns;
  const last = process.ended === "is running" ? Infinity : process.span_ms;
  for (const line of process.lines.filter(line => line.memory === memory)) {
    let at = 0, now = 0;
    for (let column = 0; column < columns; column++) {
      const start = from + column * wide - process.start_ms, end = start + wide;
      let here = start <= last ? now : 0;
      for (; at < line.cells.length && Number(line.cells[at]) * process.column_ms < end; at += 4) {
        here = Math.max(here, Number(line.cells[at + 2]));
        now = Number(line.cells[at + 3]);
      }
      most[column] += here * line.devices.length;
    }
  }
  return most;
}

/** What a process has, or had when it ended. */
const lastOfProcess = (process, memory) => process.lines.filter(line => line.memory === memory)
  .reduce((sum, line) => sum + Number(line.cells[line.cells.length - 1] ?? 0) * line.devices.length, 0);

function processes(state) {
  if (page.processes.length < 2) return;
  const all = [...page.processes].sort((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || a.start_ms - b.start_ms);
  const memories = [...new Set(all.flatMap(one => one.lines.map(line => line.memory)))].filter(memory => !ofPrograms(memory));
  if (!memories.length) return;
  if (!memories.includes(memoryOfAll)) memoryOfAll = memories.includes("DRAM") ? "DRAM" : memories[0];
  const node = card(`${plural(all.length, "process", "processes")}`, "processes"), [from, to] = spanOfAll();
  const inkOf = at => sourceColour(at < COLOURED ? at : SOURCES);
  const known = new Map();
  const columnsOf = (process, wide) => {
    const as = [process.ring_id, memoryOfAll, wide].join();
    if (!known.has(as)) known.set(as, columnsOfProcess(process, memoryOfAll, from, to, wide));
    return known.get(as);
  };
  const draw = (pen, below, heights, y, left) => {
    pen.beginPath();
    heights.forEach((height, at) => { pen.lineTo(left + at, y(below[at] + height)); pen.lineTo(left + at + 1, y(below[at] + height)); });
    for (let at = heights.length - 1; at >= 0; at--) { pen.lineTo(left + at + 1, y(below[at])); pen.lineTo(left + at, y(below[at])); }
    pen.fill();
  };
  const sums = wide => all.reduce((sum, one) => { columnsOf(one, wide).forEach((value, at) => { sum[at] += value; }); return sum; }, new Float64Array(wide));
  const whole = canvas(130, (pen, wide, tall) => {
    const room = Math.max(1, Math.round(wide - LEFT - RIGHT)), most = Math.max(1, ...sums(room)) * 1.04, bottom = tall - 22, y = value => bottom - value / most * (bottom - 6);
    drawBytes(pen, most, y, wide, bottom);
    const below = new Float64Array(room);
    all.forEach((one, at) => {
      const heights = columnsOf(one, room);
      pen.fillStyle = inkOf(at);
      pen.globalAlpha = one === state.process ? 1 : .6;
      draw(pen, below, heights, y, LEFT);
      heights.forEach((height, column) => { below[column] += height; });
    });
    pen.globalAlpha = 1;
    drawTimes(pen, { from: 0, to: to - from }, ms => LEFT + ms / (to - from) * room, wide, tall);
  });
  whole.setAttribute("role", "img");
  whole.addEventListener("pointermove", event => {
    const box = whole.getBoundingClientRect(), room = Math.max(1, Math.round(box.width - LEFT - RIGHT)), column = Math.floor(event.clientX - box.left - LEFT);
    if (column < 0 || column >= room) { hideTip(); return; }
    const own = all.map(one => [columnsOf(one, room)[column], processName(one)]).filter(one => one[0] > 0).sort((a, b) => b[0] - a[0]);
    showTip(event, [`${time(column / room * (to - from))}: ${bytes(own.reduce((sum, one) => sum + one[0], 0))} of ${memoryOfAll}`, ...own.slice(0, 10).map(([value, name]) => `${name}: ${bytes(value)}`)].join("\n")
      + (own.length > 10 ? `\n${own.length - 10} more` : ""));
  });
  whole.addEventListener("pointerleave", hideTip);
  const mostOf = one => columnsOf(one, 400).reduce((most, value) => Math.max(most, value), 0);
  const small = (one, at, most) => {
    const picture = canvas(SMALL, (pen, wide, tall) => {
      pen.fillStyle = css("--line");
      pen.fillRect(0, tall - 1, wide, 1);
      pen.fillStyle = inkOf(at);
      draw(pen, new Float64Array(Math.max(1, Math.round(wide))), columnsOf(one, Math.max(1, Math.round(wide))), value => tall - 1 - Math.min(1, value / most) * (tall - 3), 0);
    });
    const figures = `peak ${bytes(mostOf(one))}, ${one.ended === "is running" ? "now" : "at the end"} ${bytes(lastOfProcess(one, memoryOfAll))}`;
    const name = el("div", { class: "swatch" }, processName(one));
    name.style.setProperty("--swatch", inkOf(at));
    return el("button", { type: "button", "aria-pressed": String(one === state.process), title: processName(one), "aria-label": `${processName(one)}: ${memoryOfAll} ${figures}; ${one.verdict[1]}`,
      onclick: () => { if (one !== state.process) { show(one); /** @type {HTMLElement} */ (main.querySelector(".processes [aria-pressed=true]"))?.focus({ preventScroll: true }); } } }, name, picture, el("div", { class: "faint" }, figures), el("div", { class: one.verdict[0] }, one.verdict[1] || one.ended));
  };
  if (memories.length > 1) node.bar.append(choice("memory of all processes", memories, memories.indexOf(memoryOfAll), at => { memoryOfAll = memories[at]; fill(); }));
  node.bar.append(el("span", { class: "faint" }, "all together, and each by itself to the same scale; click for one"));
  const grid = el("div", { class: "processes" });
  const fill = () => {
    const most = Math.max(1, ...all.map(mostOf));
    whole.setAttribute("aria-label", `${memoryOfAll} of all processes over time, stacked`);
    whole.redraw();
    grid.replaceChildren(...all.map((one, at) => small(one, at, most)));
  };
  node.append(whole, grid);
  fill();
}
