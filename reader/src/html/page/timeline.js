// Live bytes over time: a picture for each memory, stacked by source, or a line for devices that are alike. It has the time axis of the
// page: a click chooses the moment, a drag the stretch of time.

function timeline(state) {
  const { process, view } = state;
  const memories = [...new Set(process.lines.map(line => line.memory))];
  if (!memories.length) return;
  const node = card("Live bytes over time", "timeline");
  node.bar.append(...timelineChoices(state), el("span", { class: "faint" }, "click for a moment, drag to look closer, double-click for all"));
  if (process.marks_left_out) node.bar.append(el("span", { class: "faint" }, count(process.marks_left_out) + " later marks are not drawn"));
  const bands = bandRows(process);
  memories.forEach((memory, index) => {
    const panel = panelOf(state, memory, index === 0 ? bands : [], index === 0, index === memories.length - 1);
    node.append(el("div", { class: "panel" }, panel.legend, panel.picture));
  });
  node.append(sourceLegend(state));
}

/** What it is stacked by, and of which devices. */
function timelineChoices(state) {
  const { process } = state;
  const names = new Map();
  for (const line of process.lines) if (!names.has(line.name)) names.set(line.name, line.devices[0]);
  const ways = Object.entries(BY).filter(([by]) => by !== "region" || process.bands.length).filter(([by]) => by !== "tensor" || process.tensors.length);
  const by = choice("stacked by", [...ways.map(([, name]) => "by " + name), "a line for each device"], state.lines ? ways.length : ways.findIndex(([by]) => by === state.by),
    at => change(state, "sources", at < ways.length ? { by: ways[at][0], lines: false } : { lines: true }));
  by.id = "by";
  const places = [["all devices, added up", null], ...names];
  const whose = choice("devices", places.map(([name]) => name), Math.max(0, places.findIndex(([, device]) => device === state.device)),
    at => change(state, "sources", { device: places[at][1] }));
  const whole = el("input", { type: "checkbox", id: "whole", onchange: () => change(state, "sources", { whole: whole.checked }) });
  whole.checked = state.whole;
  const choices = [by, ...places.length > 2 ? [whose] : []];
  if (process.banks.length) choices.push(el("label", {}, whole, " up to capacity"));
  return choices;
}

/** What a memory has, of one device or of all. */
function capacityOf(process, memory, device) {
  const banks = process.banks.filter(bank => bank.memory === memory && (device === null || bank.devices.includes(device)));
  return banks.reduce((sum, bank) => sum + Number(bank.bytes) * bank.banks * (device === null ? bank.devices.length : 1), 0);
}

function panelOf(state, memory, bands, isFirst, isLast) {
  const { process, view } = state;
  const lines = process.lines.filter(line => line.memory === memory).map((line, at) => {
    const cells = Float64Array.from(line.cells, Number);
    let top = 0;
    for (let i = 2; i < cells.length; i += 4) top = Math.max(top, cells[i]);
    return { name: line.name, devices: line.devices, cells, top, colour: at, shown: true };
  });
  // What program memory takes of a core is no sum of its buffers.
  const number = process.memories.indexOf(memory), isStack = () => !state.lines && number >= 0 && !ofPrograms(memory);
  const own = () => isStack() || state.device === null ? lines : lines.filter(line => line.devices.includes(state.device));
  const top = () => {
    const most = isStack() ? state.sources.full[number] : own().reduce((most, line) => Math.max(most, line.top), 1);
    return Math.max(1, state.whole ? capacityOf(process, memory, isStack() ? state.device : 0) : 0, most);
  };
  const legend = el("div", { class: "legend" });
  const fillLegend = () => {
    const capacity = capacityOf(process, memory, isStack() ? state.device : lines[0].devices[0]), most = state.sources.full[number];
    legend.replaceChildren(el("strong", {}, memory));
    if (isStack()) {
      const names = lines.find(line => line.devices.includes(state.device));
      legend.append(`${names ? names.name : "all devices"}`, el("span", { class: "faint plain" },
        `peak ${bytes(most)}` + (capacity ? `, ${(most / capacity * 100).toFixed(1)} % of ${bytes(capacity)}` : "")));
    } else for (const line of own()) {
      const entry = el("span", { class: "swatch" }, line.name, el("span", { class: "faint" }, " peak " + bytes(line.top)));
      entry.style.setProperty("--swatch", `var(--c${line.colour % 8})`);
      if (lines.length > 1) {
        entry.style.cursor = "pointer";
        entry.addEventListener("click", () => { line.shown = !line.shown; entry.style.opacity = line.shown ? 1 : .4; picture.redraw(); });
      }
      legend.append(entry);
    }
  };
  const labels = (isFirst && process.marks.length ? 18 : 4) + bands.length * STRIP;
  const kept = document.createElement("canvas");
  let keptAs = "", stack = null, stackAs = "", changes = 0;
  const stackFor = wide => {
    const columns = Math.max(1, Math.round(wide - LEFT - RIGHT)), as = [view.from, view.to, columns, changes].join();
    if (as !== stackAs) { stackAs = as; stack = stackOf(process, state.sources, number, view.from, view.to, columns); }
    return stack;
  };
  const scales = (wide, tall) => {
    const bottom = tall - (isLast ? 22 : 4), height = bottom - labels, most = top() * 1.04;
    return { bottom, height, most, x: ms => LEFT + (ms - view.from) / (view.to - view.from) * (wide - LEFT - RIGHT), y: value => bottom - value / most * height };
  };
  // What is the same for as long as the pointer only hovers.
  const still = (pen, wide, tall, { x, y, bottom }) => {
    const scale = devicePixelRatio || 1;
    const as = [view.from, view.to, wide, tall, scale, themes, changes, state.selected, ...lines.map(line => line.shown)].join("\n");
    if (as !== keptAs) {
      keptAs = as;
      [kept.width, kept.height] = [Math.max(1, Math.round(wide * scale)), Math.max(1, Math.round(tall * scale))];
      const own_pen = kept.getContext("2d");
      own_pen.setTransform(scale, 0, 0, scale, 0, 0);
      own_pen.font = pen.font;
      own_pen.textBaseline = pen.textBaseline;
      if (isStack()) {
        drawStack(own_pen, stackFor(wide), y, rank => state.selected === null || state.sources.rank[state.sources.names.indexOf(state.selected)] === rank);
        const line = state.device === null ? null : lines.find(line => line.devices.includes(state.device));
        if (line) drawLine(own_pen, process, line.cells, x, y, css("--outline"), wide - RIGHT, false);
      } else for (const line of own()) if (line.shown) drawLine(own_pen, process, line.cells, x, y, colour(line.colour), wide - RIGHT, lines.length === 1);
      drawBands(own_pen, process, bands, x, isFirst && process.marks.length ? 18 : 4);
      drawMarks(own_pen, process, view, x, labels, bottom, isFirst);
    }
    pen.drawImage(kept, 0, 0, kept.width / scale, kept.height / scale);
  };
  const picture = canvas(150 + labels + (isLast ? 20 : 0), (pen, wide, tall) => {
    const all = scales(wide, tall), { x, y, bottom, height, most } = all;
    drawBytes(pen, most, y, wide, bottom);
    if (isLast) drawTimes(pen, view, x, wide, tall);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, 0, wide - LEFT - RIGHT, bottom + 1);
    pen.clip();
    still(pen, wide, tall, all);
    const capacity = capacityOf(process, memory, isStack() ? state.device : 0);
    if (capacity && capacity <= most) {
      pen.fillStyle = css("--bad");
      pen.fillRect(LEFT, Math.round(y(capacity)), wide, 1.5);
      pen.textAlign = "right";
      pen.fillText("capacity " + bytes(capacity), wide - RIGHT - 4, y(capacity) + 9);
    }
    if (view.hover !== null) { pen.fillStyle = css("--faint"); pen.fillRect(x(view.hover), labels, 1, height); }
    pen.fillStyle = css("--accent");
    pen.fillRect(Math.min(x(timeOf(state)), wide - RIGHT - 2) - .5, labels, 2, height);
    drawDrag(pen, view, x, labels, height);
    pen.restore();
  });
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", `live bytes of ${memory} over time`);
  /** The source under the pointer, and what it has there. */
  const under = event => {
    const box = picture.getBoundingClientRect(), { most, bottom, height } = scales(box.width, box.height);
    const { heights, columns, best } = stackFor(box.width);
    const column = Math.min(columns - 1, Math.max(0, Math.floor(event.clientX - box.left - LEFT)));
    let value = (bottom - (event.clientY - box.top)) / height * most, total = 0, hit = -1;
    for (let rank = 0; rank <= SOURCES; rank++) {
      const own = heights[column * (SOURCES + 1) + rank];
      if (hit < 0 && value >= 0 && own > 0 && value < own) hit = rank;
      value -= own;
      total += own;
    }
    return { rank: hit, own: hit < 0 ? 0 : heights[column * (SOURCES + 1) + hit], total, step: best[column] };
  };
  const rankName = rank => rank >= SOURCES ? "all others" : state.sources.names[state.sources.order[rank]];
  zoomable(picture, view, LEFT, RIGHT, what => change(state, what || "hover"), (event, ms) => {
    view.hover = ms;
    const told = [time(ms)];
    if (isStack()) {
      const { rank, own, total } = under(event);
      if (rank >= 0) told.push(`${shortName(rankName(rank))}: ${bytes(own)} of ${bytes(total)}`); else told.push(`${bytes(total)} live`);
    }
    const shown = isStack() ? [] : own().filter(line => line.shown);
    for (const line of shown.slice(0, 10)) told.push(line.name + ": " + valueAt(process, line.cells, ms));
    if (shown.length > 10) told.push((shown.length - 10) + " more lines");
    const reach = (view.to - view.from) / Math.max(1, picture.clientWidth - LEFT - RIGHT) * 4;
    const inside = process.bands.filter(band => band.from <= ms && (band.to === null || ms <= band.to));
    for (const band of inside.slice(0, 4)) told.push(`region ${process.regions[band.name].name}: ${time(band.from)} to ${band.to === null ? "now" : time(band.to)}`);
    for (const [name, at] of process.marks.filter(([, at]) => Math.abs(at - ms) < reach).slice(0, 5)) told.push("mark: " + name + " at " + time(at));
    for (const [text, at] of process.refusals.filter(([, at]) => Math.abs(at - ms) < reach).slice(0, 3)) told.push(text + " at " + time(at));
    showTip(event, told.join("\n"));
    change(state, "hover");
  }, (event, ms) => {
    if (!isStack()) { showAt(state, ms); return; }
    const { rank, step } = under(event);
    change(state, "moment", { moment: momentAfter(process, step) });
    if (rank >= 0 && rank < SOURCES) select(state, rankName(rank)); else if (state.selected !== null) select(state, state.selected);
  }, () => {
    // The stretch was chosen: show when it held most.
    if (number < 0 || ofPrograms(memory)) return;
    const { heights, best, columns } = stackFor(picture.clientWidth);
    let most = -1, step = best[0];
    for (let column = 0; column < columns; column++) {
      let total = 0;
      for (let rank = 0; rank <= SOURCES; rank++) total += heights[column * (SOURCES + 1) + rank];
      if (total > most) { most = total; step = best[column]; }
    }
    change(state, "moment", { moment: momentAfter(process, step) });
  });
  listen(state, what => {
    if (what === "sources") { changes++; fillLegend(); }
    picture.redraw();
  });
  fillLegend();
  return { legend, picture };
}

/** The sources that have a colour: a click selects one everywhere. */
function sourceLegend(state) {
  const node = el("div", { class: "legend", id: "sources" });
  const fill = () => {
    const { sources } = state;
    node.replaceChildren(...(state.lines ? [] : sources.order.slice(0, SOURCES)).map((source, rank) => {
      const entry = el("button", { type: "button", class: "swatch", "aria-pressed": String(sources.names[source] === state.selected), title: sources.names[source],
        onclick: () => select(state, sources.names[source]) }, shortName(sources.names[source]));
      entry.style.setProperty("--swatch", sourceColour(rank));
      return entry;
    }));
    if (!state.lines && sources.order.length > SOURCES) node.append(el("span", { class: "faint" }, `${count(sources.order.length - SOURCES)} others in grey`));
  };
  listen(state, what => { if (what === "sources" || what === "selected" || what === "theme") fill(); });
  fill();
  return node;
}
