"use strict";
// What programs wrote (commands, marks, call sites) is put in as text, never as HTML.
const page = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("main");
const tip = document.getElementById("tip");

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}

function bytes(value) {
  let number = Math.abs(Number(value)), unit = 0;
  const sign = Number(value) < 0 ? "-" : "";
  if (number < 1024) return sign + Math.round(number) + " B";
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  number /= 1024;
  while (number >= 1023.95 && unit + 1 < units.length) { number /= 1024; unit++; }
  return sign + number.toFixed(1) + " " + units[unit];
}
const count = value => BigInt(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
const hex = value => "0x" + BigInt(value).toString(16);
const ofPrograms = memory => memory === "CB" || memory === "DFB" || memory === "SCRATCHPAD";
const plural = (number, one, many) => count(number) + " " + (Number(number) === 1 ? one : many);
function time(ms) {
  if (ms < 1) return (ms * 1000).toFixed(0) + " µs";
  if (ms < 1000) return ms.toFixed(ms < 10 ? 2 : 1) + " ms";
  if (ms < 120000) return (ms / 1000).toFixed(ms < 10000 ? 3 : 1) + " s";
  const minutes = Math.floor(ms / 60000);
  return minutes + " min " + ((ms - minutes * 60000) / 1000).toFixed(0) + " s";
}
function devices(ids) {
  const parts = [];
  for (const id of ids) {
    const last = parts[parts.length - 1];
    if (last && last[1] + 1 === id) last[1] = id; else parts.push([id, id]);
  }
  return parts.map(([first, last]) => first === last ? "" + first : first + "-" + last).join(", ");
}
// Its op and its innermost frame.
const callSite = (process, at) => [process.ops[at], process.sites[at][0]].filter(Boolean).join(": ");
// Asked for at every shape that is drawn, and slow to look up.
const inks = new Map();
function css(name) {
  let ink = inks.get(name);
  if (ink === undefined) inks.set(name, ink = getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return ink;
}
const colour = at => css("--c" + at % 8);

function showTip(event, text) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8)) + "px";
  tip.style.top = (event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 12 : event.clientY + 18) + "px";
}
const hideTip = () => { tip.hidden = true; };

// A canvas that is drawn anew, once a frame at most, when its size, the colours or what it shows change.
let canvases = [], themes = 0;
function canvas(height, draw) {
  const node = el("canvas");
  let asked = false;
  const paint = () => {
    asked = false;
    const tall = typeof height === "function" ? height() : height;
    const scale = devicePixelRatio || 1, wide = node.clientWidth;
    node.style.height = tall + "px";
    if (wide === 0) return;
    if (node.width !== Math.round(wide * scale) || node.height !== Math.round(tall * scale)) {
      node.width = Math.round(wide * scale);
      node.height = Math.round(tall * scale);
    }
    const pen = node.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, wide, tall);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    draw(pen, wide, tall);
  };
  node.redraw = () => { if (!asked) { asked = true; requestAnimationFrame(paint); } };
  new ResizeObserver(node.redraw).observe(node);
  canvases.push(node);
  return node;
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  inks.clear();
  themes++;
  canvases.forEach(one => one.redraw());
});

function niceSteps(top, binary) {
  let step = binary ? 1 : Math.pow(10, Math.floor(Math.log10(top / 4 || 1)));
  if (binary) { while (step * 4 < top) step *= 2; }
  else for (const factor of [1, 2, 5, 10]) if (step * factor * 5 >= top) { step *= factor; break; }
  return step;
}

function button(text, act) { return el("button", { onclick: act, type: "button" }, text); }
function choice(label, options, chosen, act) {
  const node = el("select", { "aria-label": label, onchange: () => act(Number(node.value)) });
  options.forEach((text, at) => node.append(el("option", { value: at }, text)));
  node.value = chosen;
  return node;
}
function card(title, id, ...children) {
  const bar = el("div", { class: "bar" }, el("h2", {}, title));
  const node = el("section", { class: "card", id }, bar, ...children);
  node.bar = bar;
  main.append(node);
  return node;
}

// Drag over a picture to look closer, double-click to see all.
function zoomable(node, view, left, right, changed, tell) {
  let from = null;
  const at = event => {
    const box = node.getBoundingClientRect();
    const part = (event.clientX - box.left - left) / Math.max(1, box.width - left - right);
    return view.from + Math.min(1, Math.max(0, part)) * (view.to - view.from);
  };
  node.addEventListener("pointerdown", event => { from = at(event); node.setPointerCapture(event.pointerId); });
  node.addEventListener("pointermove", event => {
    if (from !== null) { view.drag = [from, at(event)]; changed(); }
    tell(event, at(event));
  });
  const end = event => {
    const to = at(event), smallest = (view.to - view.from) / 200;
    if (from !== null && event.type === "pointerup" && Math.abs(to - from) > smallest)
      [view.from, view.to] = [Math.min(from, to), Math.max(from, to)];
    from = null; view.drag = null; changed();
  };
  node.addEventListener("pointerup", end);
  node.addEventListener("pointercancel", end);
  node.addEventListener("pointerleave", () => { hideTip(); view.hover = null; changed(); });
  node.addEventListener("dblclick", () => { [view.from, view.to] = [view.first, view.last]; changed(); });
}
function drawDrag(pen, view, x, top, height) {
  if (!view.drag) return;
  pen.fillStyle = css("--accent") + "33";
  pen.fillRect(x(Math.min(...view.drag)), top, Math.abs(x(view.drag[1]) - x(view.drag[0])), height);
}

// What is left of a memory, and of how much.
function left(row) {
  return row.free === null ? "–" : `${bytes(row.free)} of ${bytes(row.capacity)}`;
}

function summary(process) {
  const node = el("section", { class: "card", id: "summary" });
  if (page.processes.length > 1) {
    node.append(el("div", { class: "bar" }, choice("process",
      page.processes.map(one => one.command + "  pid " + one.pid), page.processes.indexOf(process),
      at => show(page.processes[at]))));
  }
  const lost = Number(process.lost) ? ", " + count(process.lost) + " lost" : "";
  node.append(el("h1", {}, process.command),
    el("div", { class: "faint" }, `pid ${process.pid} ${process.ended} · started ${process.started_at} · `
      + `${plural(process.reported, "event", "events")} in ${time(process.span_ms)}${lost}`),
    el("p", { class: "verdict " + process.verdict[0], id: "verdict" }, process.verdict[1]));
  const told = [...process.findings, ...process.growth];
  if (told.length) node.append(el("ul", {}, ...told.map(text => el("li", {}, text))));
  if (process.refused) node.append(el("pre", { id: "refused" }, process.refused));
  main.append(node);
  const head = ["Devices", "Memory", "Live", "Allocations", "Per bank", "Free", "Peak", "Allocated", "Freed", "At close"];
  const body = process.sums.map(row => {
    const numbers = [bytes(row.live), count(row.buffers), row.bank === null ? "–" : bytes(row.bank), left(row), bytes(row.peak),
      count(row.allocations), count(row.frees), count(row.at_close)];
    const exact = [row.live, null, row.bank, null, row.peak];
    return el("tr", {}, el("td", {}, row.devices), el("td", {}, row.memory), ...numbers.map((text, at) => {
      const cell = el("td", { class: "n" }, text);
      if (exact[at] !== null && exact[at] !== undefined) cell.title = count(exact[at]) + " B";
      if (at === 3 && row.block !== null) cell.title = `largest free block ${bytes(row.block)} per bank`;
      return cell;
    }));
  });
  main.append(el("section", { class: "card wide", id: "sums" }, el("table", {},
    el("thead", {}, el("tr", {}, ...head.map((text, at) => el("th", at > 1 ? { class: "n" } : {}, text)))),
    el("tbody", {}, ...body))));
}

// Stretches of the program that the user named, by name.
function programRegions(process) {
  if (!process.regions.length) return;
  const node = card("Regions of the program", "program-regions"), body = el("tbody");
  const fill = room => {
    body.replaceChildren(...process.regions.slice(0, room).map(row => el("tr", {}, el("td", {}, row.name),
      ...[count(row.times), `${bytes(row.peak)} ${row.memory}`.trim(), bytes(row.left), count(row.left_buffers)].map(text => el("td", { class: "n" }, text)))));
    if (process.regions.length > room) body.append(el("tr", {}, el("td", { colspan: 5 }, button("show more", () => fill(room + 1000)))));
  };
  fill(100);
  node.append(el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", {}, "Name"),
    ...["Times", "Peak of a device", "Left", "Allocations left"].map(text => el("th", { class: "n" }, text)))), body)));
}

const LEFT = 76, RIGHT = 12;

function timeline(process) {
  const memories = [...new Set(process.lines.map(line => line.memory))];
  if (!memories.length) return;
  const end = Math.max(process.span_ms, process.column_ms, 1e-6);
  const view = { from: 0, to: end, first: 0, last: end, drag: null, hover: null };
  const node = card("Live bytes over time", "timeline");
  node.bar.append(el("span", { class: "faint" }, "drag to look closer, double-click for all"));
  if (process.marks_left_out) node.bar.append(el("span", { class: "faint" }, count(process.marks_left_out) + " later marks are not drawn"));
  const panels = [];
  const redraw = () => panels.forEach(one => one.redraw());
  memories.forEach((memory, index) => {
    const lines = process.lines.filter(line => line.memory === memory).map((line, at) => {
      const cells = Float64Array.from(line.cells, Number);
      let top = 0;
      for (let i = 2; i < cells.length; i += 4) top = Math.max(top, cells[i]);
      return { name: line.name, cells, top, colour: at, shown: true };
    });
    const top = lines.reduce((most, line) => Math.max(most, line.top), 1);
    const legend = el("div", { class: "legend" }, el("strong", {}, memory));
    for (const line of lines) {
      const entry = el("span", {}, line.name, el("span", { class: "faint" }, " peak " + bytes(line.top)));
      entry.style.setProperty("--swatch", `var(--c${line.colour % 8})`);
      if (lines.length > 1) {
        entry.style.cursor = "pointer";
        entry.addEventListener("click", () => { line.shown = !line.shown; entry.style.opacity = line.shown ? 1 : .4; redraw(); });
      }
      legend.append(entry);
    }
    const labels = index === 0 && process.marks.length ? 18 : 4;
    // Lines and marks are the same for as long as the pointer only hovers.
    const kept = document.createElement("canvas");
    let keptAs = "";
    const linesOf = (pen, wide, tall, x, y, bottom) => {
      const scale = devicePixelRatio || 1;
      const as = [view.from, view.to, wide, tall, scale, themes, ...lines.map(line => line.shown)].join();
      if (as !== keptAs) {
        keptAs = as;
        [kept.width, kept.height] = [Math.max(1, Math.round(wide * scale)), Math.max(1, Math.round(tall * scale))];
        const own = kept.getContext("2d");
        own.setTransform(scale, 0, 0, scale, 0, 0);
        for (const line of lines) if (line.shown) drawLine(own, process, line.cells, x, y, colour(line.colour), wide - RIGHT, lines.length === 1);
        own.font = pen.font;
        own.textBaseline = pen.textBaseline;
        drawMarks(own, process, view, x, labels, bottom, index === 0);
      }
      pen.drawImage(kept, 0, 0, kept.width / scale, kept.height / scale);
    };
    const picture = canvas(150 + labels + (index === memories.length - 1 ? 20 : 0), (pen, wide, tall) => {
      const bottom = tall - (index === memories.length - 1 ? 22 : 4), height = bottom - labels;
      const x = ms => LEFT + (ms - view.from) / (view.to - view.from) * (wide - LEFT - RIGHT);
      const y = value => bottom - value / (top * 1.04) * height;
      const step = niceSteps(top, true);
      for (let value = 0; value <= top * 1.04; value += step) {
        pen.fillStyle = css("--line");
        pen.fillRect(LEFT, Math.round(y(value)), wide - LEFT - RIGHT, 1);
        pen.fillStyle = css("--faint");
        pen.textAlign = "right";
        pen.fillText(bytes(value), LEFT - 8, Math.min(Math.max(y(value), 7), bottom));
      }
      if (index === memories.length - 1) {
        pen.textAlign = "center";
        const step = niceSteps(view.to - view.from, false);
        for (let ms = Math.ceil(view.from / step) * step; ms <= view.to; ms += step)
          if (x(ms) > LEFT + 24 && x(ms) < wide - 30) pen.fillText(time(ms), x(ms), tall - 9);
        pen.fillText("0", x(0) >= LEFT ? x(0) : -99, tall - 9);
      }
      pen.save();
      pen.beginPath();
      pen.rect(LEFT, 0, wide - LEFT - RIGHT, bottom + 1);
      pen.clip();
      linesOf(pen, wide, tall, x, y, bottom);
      if (view.hover !== null) { pen.fillStyle = css("--faint"); pen.fillRect(x(view.hover), labels, 1, height); }
      drawDrag(pen, view, x, labels, height);
      pen.restore();
    });
    zoomable(picture, view, LEFT, RIGHT, redraw, (event, ms) => {
      view.hover = ms;
      const told = [time(ms)];
      const shown = lines.filter(line => line.shown);
      for (const line of shown.slice(0, 10)) told.push(line.name + ": " + valueAt(process, line.cells, ms));
      if (shown.length > 10) told.push((shown.length - 10) + " more lines");
      const reach = (view.to - view.from) / Math.max(1, picture.clientWidth - LEFT - RIGHT) * 4;
      for (const [name, at] of process.marks.filter(([, at]) => Math.abs(at - ms) < reach).slice(0, 5)) told.push("mark: " + name + " at " + time(at));
      for (const [text, at] of process.refusals.filter(([, at]) => Math.abs(at - ms) < reach).slice(0, 3)) told.push(text + " at " + time(at));
      showTip(event, told.join("\n"));
      redraw();
    });
    panels.push(picture);
    node.append(el("div", { class: "panel" }, legend, picture));
  });
}

// Columns that fall on one pixel are drawn as one.
function drawLine(pen, process, cells, x, y, ink, right, filled) {
  const wide = process.column_ms;
  pen.strokeStyle = ink;
  pen.lineWidth = 1.25;
  pen.lineJoin = "bevel";
  pen.beginPath();
  let last = 0, started = false;
  for (let i = 0; i < cells.length;) {
    const left = x(cells[i] * wide);
    if (left > right + 4) break;
    const before = last;
    let least = cells[i + 1], most = cells[i + 2], end = i;
    last = cells[i + 3];
    for (end += 4; end < cells.length && x(cells[end] * wide) < left + 1; end += 4) {
      least = Math.min(least, cells[end + 1]);
      most = Math.max(most, cells[end + 2]);
      last = cells[end + 3];
    }
    i = end;
    // What is left of the picture is not drawn, but for the value that it begins with.
    if (i < cells.length && x(cells[i] * wide) < 0) continue;
    if (!started) { pen.moveTo(Math.min(left, x(0)), y(before)); started = true; }
    pen.lineTo(left, y(before));
    pen.lineTo(left, y(most));
    if (least !== most) pen.lineTo(left, y(least));
    if (last !== least) pen.lineTo(left, y(last));
  }
  if (!started) pen.moveTo(x(0), y(0));
  const end = x(process.span_ms);
  pen.lineTo(end, y(last));
  pen.stroke();
  if (!filled) return;
  pen.lineTo(end, y(0));
  pen.closePath();
  pen.globalAlpha = .13;
  pen.fillStyle = ink;
  pen.fill();
  pen.globalAlpha = 1;
}

function valueAt(process, cells, ms) {
  let low = 0, high = cells.length / 4;
  const column = process.column_ms ? ms / process.column_ms : 0;
  while (low < high) { const middle = (low + high) >> 1; if (cells[middle * 4] <= column) low = middle + 1; else high = middle; }
  if (!low) return bytes(0);
  const at = (low - 1) * 4;
  const text = bytes(cells[at + 3]);
  return column - cells[at] < 1 && cells[at + 2] > cells[at + 1] ? `${text} (${bytes(cells[at + 1])} to ${bytes(cells[at + 2])})` : text;
}

// Marks that are nearer than so many pixels to the one before are seen when one looks closer.
const NEXT_MARK = 4;
function drawMarks(pen, process, view, x, top, bottom, named) {
  let free = -1, drawn = -NEXT_MARK;
  pen.textAlign = "left";
  pen.fillStyle = css("--faint");
  const dashes = new Path2D();
  for (const [name, ms] of process.marks) {
    if (ms < view.from || ms > view.to) continue;
    const at = Math.round(x(ms));
    if (at >= drawn + NEXT_MARK) {
      dashes.moveTo(at + .5, top);
      dashes.lineTo(at + .5, bottom);
      drawn = at;
    }
    if (named && at >= free) {
      const text = fit(pen, name, 150);
      if (at + pen.measureText(text).width + 4 > x(view.to)) continue;
      pen.fillText(text, at + 3, 8);
      free = at + pen.measureText(text).width + 14;
    }
  }
  pen.save();
  pen.setLineDash([3, 3]);
  [pen.strokeStyle, pen.lineWidth, pen.globalAlpha] = [css("--faint"), 1, .5];
  pen.stroke(dashes);
  pen.restore();
  pen.fillStyle = css("--bad");
  for (const [, ms] of process.refusals) pen.fillRect(Math.round(x(ms)), top, 2, bottom - top);
}

function fit(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let low = 0, high = text.length;
  while (low < high) { const middle = (low + high + 1) >> 1; if (pen.measureText(text.slice(0, middle) + "…").width <= room) low = middle; else high = middle - 1; }
  return low ? text.slice(0, low) + "…" : "";
}

// The flame graph: memory, then call site from the outermost frame in, then size (and address where no site is known).
function branch(name) { return { name, value: 0, regions: 0, children: new Map() }; }
function grow(root, path, value, regions) {
  let node = root;
  for (let at = -1; at < path.length; at++) {
    if (at >= 0) {
      let next = node.children.get(path[at]);
      if (!next) node.children.set(path[at], next = branch(path[at]));
      node = next;
    }
    node.value += value;
    node.regions += regions;
  }
}
function flameOf(process, at) {
  const root = branch("all");
  const outermostFirst = process.sites.map((site, at) => [...[...site].reverse(), process.ops[at]].filter(Boolean)), each = new Map();
  const ofSize = size => {
    let text = each.get(size);
    if (text === undefined) each.set(size, text = bytes(size) + " each");
    return text;
  };
  if (at < process.moments.length) {
    for (const row of process.moments[at].rows) {
      const number = process.device_sets[row.d].length, site = process.sites[row.f || 0];
      const path = [process.memories[row.m], ...outermostFirst[row.f || 0], ofSize(row.s)];
      if (!site.length) path.push(hex(row.a));
      grow(root, path, Number(row.s) * number, number);
    }
    const rest = process.moments[at];
    if (rest.more_rows) grow(root, ["smaller ones"], Number(rest.more_bytes), rest.more_rows);
    return root;
  }
  const byBytes = at === process.moments.length;
  process.allocations.forEach((number, kind) => {
    if (!Number(number)) return;
    const [memory, site, size] = process.kinds[kind];
    const path = [process.memories[memory], ...outermostFirst[site], ofSize(size)];
    grow(root, path, byBytes ? Number(size) * Number(number) : Number(number), Number(number));
  });
  return root;
}
function flame(process) {
  const node = card("Flame graph", "flame");
  const modes = [...process.moments.map(moment => moment.name), "Allocated in total, by bytes", "Allocated in total, by number"];
  let mode = Math.max(0, process.moments.findIndex(moment => moment.rows.length));
  if (!process.moments[mode].rows.length) mode = process.moments.length;
  let root, zoom, trail, boxes = [], wanted = "";
  const ROW = 22;
  const depth = branch => { let most = 0; for (const child of branch.children.values()) most = Math.max(most, depth(child)); return most + 1; };
  const told = (one, whole) => {
    const amount = mode === process.moments.length + 1 ? plural(one.value, "allocation", "allocations") : bytes(one.value);
    return `${one.name}\n${amount}, ${(one.value / Math.max(1, whole) * 100).toFixed(1)} %, ${plural(one.regions, "allocation", "allocations")}`;
  };
  const roots = new Map();
  const choose = at => { mode = at; if (!roots.has(at)) roots.set(at, flameOf(process, at)); root = roots.get(at); zoom = root; trail = [root]; picture.redraw(); };
  const picture = canvas(() => Math.min(700, Math.max(2, depth(zoom) + trail.length - 1) * ROW + 4), (pen, wide) => {
    boxes = [];
    if (!root.value) { pen.fillStyle = css("--faint"); pen.fillText("nothing is live here", 8, ROW / 2); return; }
    const draw = (one, left, width, row, behind) => {
      if (width < .6) return;
      boxes.push({ one, left, width, row, behind });
      let hue = 0;
      for (const letter of one.name) hue = (hue * 31 + letter.codePointAt(0)) % 360;
      const hit = wanted && one.name.toLowerCase().includes(wanted);
      pen.fillStyle = hit ? css("--accent") : one === root ? css("--line") : `hsl(${20 + hue % 200} ${css("--flame-sat")} ${css("--flame-light")})`;
      pen.globalAlpha = behind ? .55 : 1;
      pen.fillRect(left, row * ROW + 1, Math.max(.6, width - 1), ROW - 2);
      pen.globalAlpha = 1;
      if (width > 34) {
        pen.fillStyle = hit ? css("--card") : css("--flame-ink");
        pen.textAlign = "left";
        const amount = mode === process.moments.length + 1 ? count(one.value) : bytes(one.value);
        pen.fillText(fit(pen, one.name + "  " + amount, width - 10), left + 5, row * ROW + ROW / 2);
      }
      if (behind) return;
      let x = left;
      for (const child of [...one.children.values()].sort((a, b) => b.value - a.value)) {
        const part = width * child.value / one.value;
        draw(child, x, part, row + 1);
        x += part;
      }
    };
    trail.slice(0, -1).forEach((one, row) => draw(one, 0, wide, row, true));
    draw(zoom, 0, wide, trail.length - 1);
  });
  const at = event => {
    const box = picture.getBoundingClientRect(), x = event.clientX - box.left, row = Math.floor((event.clientY - box.top) / ROW);
    return boxes.find(one => one.row === row && x >= one.left && x < one.left + one.width);
  };
  const path = (from, to) => {
    if (from === to) return [from];
    for (const child of from.children.values()) { const rest = path(child, to); if (rest) return [from, ...rest]; }
    return null;
  };
  picture.addEventListener("pointermove", event => { const box = at(event); box ? showTip(event, told(box.one, root.value)) : hideTip(); });
  picture.addEventListener("pointerleave", hideTip);
  picture.addEventListener("click", event => { const box = at(event); if (box) { trail = path(root, box.one); zoom = box.one; picture.redraw(); } });
  const search = el("input", { type: "search", placeholder: "search", "aria-label": "search the flame graph", oninput: () => { wanted = search.value.toLowerCase(); picture.redraw(); } });
  node.bar.append(choice("what", modes, mode, choose), search, button("all", () => choose(mode)), el("span", { class: "faint" }, "click to look closer"));
  node.append(picture);
  choose(mode);
}

// The memory map: what each bank has at each address. An allocation reserves its bytes a bank in all banks (pale) and fills as
// many banks as its size needs (full).
function memoryMap(process) {
  if (!process.moments.some(moment => moment.rows.length)) return;
  const node = card("Memory map", "map");
  let moment = Math.max(0, process.moments.findIndex(one => one.rows.length));
  let device = 0, memory = "";
  const view = { from: 0, to: 1, first: 0, last: 1, drag: null };
  let shapes = [], clashes = [], banks = 1;
  const note = el("span", { class: "faint", id: "map-note" });
  const isL1 = name => name === "L1" || ofPrograms(name);
  const area = name => isL1(name) ? "L1 and program memory" : name;
  const controls = el("span", { class: "bar" });
  controls.style.margin = 0;
  const known = () => {
    const rows = process.moments[moment].rows;
    const ids = [...new Set(rows.flatMap(row => process.device_sets[row.d]))].sort((a, b) => a - b);
    if (!ids.includes(device)) device = ids[0];
    const names = [...new Set(rows.filter(row => process.device_sets[row.d].includes(device)).map(row => area(process.memories[row.m])))];
    if (!names.includes(memory)) memory = names[0];
    return [ids, names];
  };
  function change() {
    const [ids, names] = known();
    controls.replaceChildren(
      choice("moment", process.moments.map(one => one.name), moment, at => { moment = at; change(); }));
    if (ids.length) controls.append(
      choice("device", ids.map(id => "device " + id), ids.indexOf(device), at => { device = ids[at]; change(); }),
      choice("memory", names, names.indexOf(memory), at => { memory = names[at]; change(); }));
    const rows = process.moments[moment].rows.filter(row => area(process.memories[row.m]) === memory && process.device_sets[row.d].includes(device));
    shapes = rows.map(row => {
      const address = Number(row.a), a_bank = row.b === undefined ? Number(row.s) : Number(row.b);
      return { row, address, end: address + a_bank, low: ofPrograms(process.memories[row.m]),
        fills: Math.max(1, Math.ceil(Number(row.s) / Math.max(1, a_bank))), inside: ((row.n || 0) & 2) !== 0 };
    }).sort((a, b) => a.address - b.address);
    banks = shapes.reduce((most, one) => one.low ? most : Math.max(most, one.fills), 1);
    clashes = clashesOf(shapes);
    view.first = shapes.length ? shapes[0].address : 0;
    view.last = Math.max(view.first + 1, shapes.reduce((most, one) => Math.max(most, one.end), 0));
    const margin = (view.last - view.first) * .02;
    view.first = Math.max(0, view.first - margin); view.last += margin;
    [view.from, view.to] = [view.first, view.last];
    const clash = clashes.reduce((sum, [from, to]) => sum + to - from, 0);
    note.className = clash ? "bad" : "faint";
    note.textContent = clash ? `clash: ${bytes(clash)} from ${hex(Math.floor(clashes[0][0]))} are in a buffer and in program memory`
      : plural(shapes.length, "allocation", "allocations") + (banks > 1 ? `, ${banks} banks used` : "");
    picture.redraw();
  }
  const lanes = () => shapes.some(one => one.low) || (memory && memory !== area("DRAM") && memory.startsWith("L1 "));
  const picture = canvas(() => lanes() ? 250 : 190, (pen, wide, tall) => {
    const bottom = tall - 24, split = lanes();
    const upper = split ? [16, (bottom - 16) / 2 + 12] : [4, bottom];
    const lower = [upper[1] + 18, bottom];
    const x = address => LEFT + (address - view.from) / (view.to - view.from) * (wide - LEFT - RIGHT);
    pen.strokeStyle = css("--line");
    pen.strokeRect(LEFT - .5, upper[0] - .5, wide - LEFT - RIGHT + 1, upper[1] - upper[0] + 1);
    if (split) pen.strokeRect(LEFT - .5, lower[0] - .5, wide - LEFT - RIGHT + 1, lower[1] - lower[0] + 1);
    pen.fillStyle = css("--faint");
    pen.textAlign = "right";
    if (split) { pen.fillText("buffers", LEFT - 8, (upper[0] + upper[1]) / 2); pen.fillText("CBs", LEFT - 8, (lower[0] + lower[1]) / 2); }
    else if (banks > 1) { pen.fillText("bank 0", LEFT - 8, upper[0] + 8); pen.fillText("bank " + (banks - 1), LEFT - 8, upper[1] - 8); }
    else pen.fillText("banks", LEFT - 8, (upper[0] + upper[1]) / 2);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, 0, wide - LEFT - RIGHT, bottom + 1);
    pen.clip();
    shapes.forEach((one, at) => {
      if (one.end < view.from || one.address > view.to) return;
      const left = x(one.address), width = Math.max(1, x(one.end) - left);
      const [top, end] = one.low ? lower : upper;
      pen.fillStyle = colour(one.low ? 1 : [0, 2, 5, 3][at % 4]);
      if (one.low) { pen.globalAlpha = one.inside ? .25 : .6; pen.fillRect(left, top, Math.max(1, width - .5), end - top); }
      else {
        pen.globalAlpha = .28;
        pen.fillRect(left, top, Math.max(1, width - .5), end - top);
        pen.globalAlpha = .95;
        pen.fillRect(left, top, Math.max(1, width - .5), (end - top) * Math.min(1, one.fills / banks));
      }
      pen.globalAlpha = 1;
    });
    pen.fillStyle = css("--bad");
    for (const [from, to] of clashes) {
      pen.globalAlpha = .5;
      pen.fillRect(x(from), upper[0], Math.max(2, x(to) - x(from)), lower[1] - upper[0]);
      pen.globalAlpha = 1;
    }
    drawDrag(pen, view, x, upper[0], bottom - upper[0]);
    pen.restore();
    pen.fillStyle = css("--faint");
    const pieces = wide > 700 ? 6 : 3;
    for (let at = 0; at <= pieces; at++) {
      pen.textAlign = at === 0 ? "left" : at === pieces ? "right" : "center";
      const address = view.from + (view.to - view.from) * at / pieces;
      pen.fillText(hex(Math.floor(address)), x(address), tall - 10);
    }
  });
  zoomable(picture, view, LEFT, RIGHT, picture.redraw, (event, address) => {
    const box = picture.getBoundingClientRect(), isLow = lanes() && event.clientY - box.top > 150 * .88;
    const reach = (view.to - view.from) / Math.max(1, box.width) * 2;
    const hits = shapes.filter(one => one.address - reach <= address && address < one.end + reach && (!lanes() || one.low === isLow));
    if (!hits.length) { showTip(event, hex(Math.floor(address)) + "\nfree, as far as is known"); return; }
    showTip(event, hits.slice(0, 6).map(({ row }) => `${bytes(row.s)} of ${process.memories[row.m]} at ${hex(row.a)}`
      + (row.b === undefined ? "" : `, ${bytes(row.b)} per bank`) + ((row.n || 0) & 1 ? ", program cache" : "")
      + (row.f ? "\n  " + callSite(process, row.f) : "")).join("\n") + (hits.length > 6 ? `\n${hits.length - 6} more` : ""));
  });
  node.bar.append(controls);
  node.append(el("div", { class: "bar" }, note), picture);
  change();
}
function clashesOf(shapes) {
  const union = list => {
    const out = [];
    for (const one of list) {
      const last = out[out.length - 1];
      if (last && one.address <= last[1]) last[1] = Math.max(last[1], one.end); else out.push([one.address, one.end]);
    }
    return out;
  };
  const low = union(shapes.filter(one => one.low && !one.inside)), high = union(shapes.filter(one => !one.low));
  const found = [];
  for (let i = 0, j = 0; i < low.length && j < high.length;) {
    const from = Math.max(low[i][0], high[j][0]), to = Math.min(low[i][1], high[j][1]);
    if (from < to) found.push([from, to]);
    if (low[i][1] < high[j][1]) i++; else j++;
  }
  return found;
}

// Rows of a table that are shown at first: more take longer to lay out than a finger takes to the next key.
const ROOM = 100;

function allocations(process) {
  const node = card("Allocations", "allocations");
  let moment = Math.max(0, process.moments.findIndex(one => one.rows.length)), room = ROOM, sort = "total", down = true, wanted = "";
  const columns = [
    ["total", "Total", row => Number(row.s) * process.device_sets[row.d].length], ["size", "Size", row => Number(row.s)],
    ["bank", "Per bank", row => Number(row.b || 0)], ["memory", "Memory", row => process.memories[row.m]],
    ["address", "Address", row => Number(row.a)], ["devices", "Devices", row => process.device_sets[row.d][0]],
    ["owners", "Owners", row => row.h || 1], ["time", "Since", row => row.t],
    ["site", "Call site", row => ofSite[row.f || 0]],
  ];
  const notes = row => [row.y === undefined ? "" : process.tensors[row.y], (row.n || 0) & 1 ? "program cache" : "", (row.n || 0) & 2 ? "inside a buffer" : "", (row.n || 0) & 4 ? "pre-allocated" : ""].filter(Boolean).join(", ");
  const ofDevices = process.device_sets.map(ids => "device " + devices(ids)), ofSite = process.sites.map((site, at) => [callSite(process, at), ...site.slice(1)].join("\n"));
  const orders = new Map(), texts = new Map();
  const text = row => {
    let known = texts.get(row);
    if (known === undefined) texts.set(row, known = [bytes(row.s), process.memories[row.m], hex(row.a), ofDevices[row.d], notes(row), ofSite[row.f || 0]].join("\n").toLowerCase());
    return known;
  };
  // So that the first letter of a search is as fast as the second.
  const later = window.requestIdleCallback || (act => setTimeout(act, 50));
  function prepare(rows, from) {
    const until = Math.min(rows.length, from + 1000);
    for (let at = from; at < until; at++) text(rows[at]);
    if (until < rows.length && rows === process.moments[moment].rows) later(() => prepare(rows, until));
  }
  const head = el("tr"), body = el("tbody"), foot = el("div", { class: "bar" });
  function fill() {
    const all = process.moments[moment];
    const key = columns.find(one => one[0] === sort)[2];
    const order = [moment, sort, down].join(), way = down ? -1 : 1;
    if (!orders.has(order)) {
      if (orders.size > 8) orders.clear();
      const keyed = all.rows.map(row => ({ key: key(row), row })).sort((a, b) => a.key < b.key ? -way : a.key > b.key ? way : 0);
      orders.set(order, keyed.map(one => one.row));
    }
    const sorted = orders.get(order);
    const rows = wanted ? sorted.filter(row => text(row).includes(wanted)) : sorted;
    head.replaceChildren(...columns.map(([id, name]) => el("th", { class: ["total", "size", "bank"].includes(id) ? "n sort" : "sort", tabindex: 0,
      "aria-sort": id === sort ? (down ? "descending" : "ascending") : "none",
      onclick: () => { down = id === sort ? !down : ["total", "size", "bank", "owners"].includes(id); sort = id; fill(); },
      onkeydown: event => { if (event.key === "Enter") event.target.click(); } },
      name + (id === sort ? (down ? " ▾" : " ▴") : ""))));
    body.replaceChildren(...rows.slice(0, room).map(row => {
      const ids = process.device_sets[row.d], site = process.sites[row.f || 0];
      const place = el("td", { class: "site" }, callSite(process, row.f || 0), notes(row) ? el("span", { class: "faint" }, (site.length ? " · " : "") + notes(row)) : null);
      if (site.length > 1) place.title = site.join("\n");
      return el("tr", {}, el("td", { class: "n" }, bytes(Number(row.s) * ids.length)), el("td", { class: "n", title: count(row.s) + " B" }, bytes(row.s)),
        el("td", { class: "n" }, row.b === undefined ? "–" : bytes(row.b)), el("td", {}, process.memories[row.m]), el("td", { class: "mono" }, hex(row.a)),
        el("td", {}, devices(ids)), el("td", {}, (row.r || 1) > 1 ? `${row.h === undefined ? 1 : row.h} of ${row.r}` : "1"), el("td", { class: "nw" }, time(row.t)), place);
    }));
    foot.replaceChildren(el("span", { class: "faint", id: "shown" }, `${count(Math.min(room, rows.length))} of ${plural(rows.length, "row", "rows")}`
      + (all.more_rows ? `; ${count(all.more_rows)} smaller ones (${bytes(all.more_bytes)}) are not in this page` : "")));
    if (rows.length > room) foot.append(button("show more", () => { room += 1000; fill(); }));
  }
  // However fast somebody writes, the table is made once a frame.
  let asked = false;
  const fillSoon = () => {
    if (!asked) requestAnimationFrame(() => { asked = false; fill(); });
    asked = true;
  };
  const search = el("input", { type: "search", placeholder: "search", "aria-label": "search the allocations", oninput: () => { wanted = search.value.toLowerCase(); room = ROOM; fillSoon(); } });
  node.bar.append(choice("moment", process.moments.map(one => one.name), moment, at => { moment = at; room = ROOM; fill(); later(() => prepare(process.moments[moment].rows, 0)); }), search);
  node.append(el("div", { class: "wide" }, el("table", {}, el("thead", {}, head), body)), foot);
  fill();
  later(() => prepare(process.moments[moment].rows, 0));
}

// What changed between two marks, or from the start, or to the end: by memory, site and size.
function difference(process) {
  const node = card("What changed", "diff");
  const points = [["start", null], ...process.at_marks.map(([mark], at) => [`${mark + 1}. ${process.marks[mark] ? process.marks[mark][0] : "mark"}`, at]), ["end", -1]];
  let from = points.length > 3 ? 1 : 0, to = points.length > 3 ? points.length - 2 : points.length - 1;
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
  node.bar.append("from", choice("from", points.map(one => one[0]), from, value => { from = value; fill(); }),
    "to", choice("to", points.map(one => one[0]), to, value => { to = value; fill(); }));
  if (process.marks.length > process.at_marks.length) node.bar.append(el("span", { class: "faint" }, `${process.at_marks.length} of ${plural(process.marks.length + process.marks_left_out, "mark", "marks")}`));
  node.append(told, el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { class: "n" }, "Bytes"), el("th", { class: "n" }, "Allocations"),
    el("th", {}, ""), el("th", { class: "n" }, "Size"), el("th", {}, "Memory"), el("th", {}, "Call site"))), body)));
  fill();
}

function show(process) {
  canvases = [];
  main.replaceChildren();
  summary(process);
  for (const part of [programRegions, timeline, flame, memoryMap, allocations, difference]) part(process);
}

document.title = page.processes.length ? page.processes[0].command + " – ttmem" : "ttmem";
if (page.processes.length) {
  show(page.processes.reduce((best, one) => Number(one.reported) > Number(best.reported) ? one : best));
} else {
  card("No process reported an event.", "summary");
}
main.append(el("p", { class: "faint" }, `${page.file} · ttmem ${page.ttmem}`));
document.documentElement.dataset.ready = "yes";
