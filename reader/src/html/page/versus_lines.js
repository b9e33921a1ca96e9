// Live bytes over time of two runs, one over the other: by time, or so that marks of one name meet.

/** Moments that both runs have, as times of A and of B, rising in both: the start, and the nth mark of each name. */
function versusAnchors(a, b) {
  const numbered = marks => {
    const times = new Map();
    return marks.map(([name, ms]) => { times.set(name, (times.get(name) || 0) + 1); return [name + "\n" + times.get(name), ms]; });
  };
  const inB = new Map(numbered(b.marks)), anchors = [[0, 0]];
  for (const [key, ms] of numbered(a.marks)) {
    const other = inB.get(key), [lastA, lastB] = anchors[anchors.length - 1];
    if (other > lastB && ms > lastA) anchors.push([ms, other]);
  }
  return anchors;
}
/** A time of one run as one of the other. @param {0 | 1} from which of an anchor's times is given */
function versusTime(anchors, ms, from) {
  let at = 0;
  while (at + 1 < anchors.length && anchors[at + 1][from] <= ms) at++;
  const here = anchors[at], next = anchors[at + 1], to = 1 - from;
  return here[to] + (ms - here[from]) * (next ? (next[to] - here[to]) / (next[from] - here[from]) : 1);
}

const versusTop = line => { let top = 0; for (let at = 2; at < line.cells.length; at += 4) top = Math.max(top, line.cells[at]); return top; };

/** @param {{processes: object[]}[]} runs A and B, or the one that both are moments of */
function versusLines(runs) {
  const node = card("Live bytes over time", "timeline");
  const drawn = runs.filter(run => run.processes.length);
  if (drawn.length < runs.length || !drawn.length) {
    node.append(el("p", { class: "faint" }, "A report in JSON has no events: name recordings, and their live bytes are drawn here."));
    if (!drawn.length) return;
  }
  for (const run of drawn) for (const process of run.processes) for (const line of process.lines) line.cells = Float64Array.from(line.cells, Number);
  const shown = drawn.map(run => run.processes.reduce((best, one) => one.lines.length > best.lines.length ? one : best));
  let byMark = false;
  const body = el("div", {});
  const fill = () => {
    const [a, b] = shown, anchors = b && byMark ? versusAnchors(a, b) : [[0, 0]];
    body.replaceChildren(...versusPanels(runs, shown, anchors));
  };
  drawn.forEach((run, at) => {
    if (run.processes.length > 1) node.bar.append(versusName(runs, at), choice("process of " + versusName(runs, at), run.processes.map(one => `${one.command}  pid ${one.pid}`), run.processes.indexOf(shown[at]), to => { shown[at] = run.processes[to]; fill(); }));
  });
  if (shown.length === 2) {
    const common = versusAnchors(shown[0], shown[1]).length - 1;
    const way = choice("times", ["by time", `by mark: ${count(common)} in both`], 0, to => { byMark = to === 1; fill(); });
    way.id = "way";
    way.disabled = common === 0;
    node.bar.append(way);
  }
  node.bar.append(el("span", { class: "faint" }, "drag to look closer, double-click for all"));
  node.append(body);
  fill();
}
const versusName = (runs, at) => runs.length > 1 ? "AB"[at] : "A, B";

/** A picture for each memory: the device that had most of it. */
function versusPanels(runs, shown, anchors) {
  const end = Math.max(...shown.map((process, at) => at ? versusTime(anchors, process.span_ms, 1) : process.span_ms), 1e-6);
  const view = { from: 0, to: end, first: 0, last: end, drag: null, hover: null }, pictures = [];
  const memories = [...new Set(shown.flatMap(process => process.lines.map(line => line.memory)))];
  return memories.map((memory, index) => {
    const fullest = process => process.lines.filter(line => line.memory === memory).reduce((best, line) => !best || versusTop(line) > versusTop(best) ? line : best, null);
    const lines = shown.map(fullest), tops = lines.map(line => line ? versusTop(line) : 0), most = Math.max(...tops, 1) * 1.04;
    const isFirst = index === 0, isLast = index === memories.length - 1, labels = isFirst ? 18 : 4;
    const legend = el("div", { class: "legend" }, el("strong", {}, memory));
    lines.forEach((line, at) => {
      const entry = el("span", { class: "swatch" }, `${versusName(runs, at)}${at ? " (dashed)" : ""}: ${line ? line.name : "none"}`, el("span", { class: "faint" }, " peak " + bytes(tops[at])));
      entry.style.setProperty("--swatch", `var(--c${at})`);
      legend.append(entry);
    });
    if (lines.length > 1) legend.append(el("span", { "data-peak": memory }, "peak of B " + versusSigned(tops[1] - tops[0])));
    const tall = 150 + labels + (isLast ? 20 : 0), bottom = tall - (isLast ? 22 : 4);
    const y = value => bottom - value / most * (bottom - labels);
    const picture = canvas(tall, (pen, wide) => {
      const x = ms => LEFT + (ms - view.from) / (view.to - view.from) * (wide - LEFT - RIGHT);
      const places = [x, ms => x(versusTime(anchors, ms, 1))];
      drawBytes(pen, most, y, wide, bottom);
      if (isLast) drawTimes(pen, view, x, wide, tall);
      pen.save();
      pen.beginPath();
      pen.rect(LEFT, 0, wide - LEFT - RIGHT, bottom + 1);
      pen.clip();
      drawMarks(pen, shown[0], view, x, labels, bottom, isFirst);
      lines.forEach((line, at) => {
        pen.setLineDash(at ? [7, 4] : []);
        if (line) drawLine(pen, shown[at], line.cells, places[at], y, colour(at), wide - RIGHT, false);
      });
      pen.setLineDash([]);
      if (view.hover !== null) { pen.fillStyle = css("--faint"); pen.fillRect(x(view.hover), labels, 1, bottom - labels); }
      drawDrag(pen, view, x, labels, bottom - labels);
      pen.restore();
    });
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `live bytes of ${memory} over time: ${legend.textContent}`);
    pictures.push(picture);
    zoomable(picture, view, LEFT, RIGHT, () => pictures.forEach(one => one.redraw()), (event, ms) => {
      view.hover = ms;
      const times = shown.map((_, at) => at ? versusTime(anchors, ms, 0) : ms);
      const told = lines.map((line, at) => `${versusName(runs, at)} at ${time(times[at])}: ${line ? valueAt(shown[at], line.cells, times[at]) : bytes(0)}`);
      const held = lines.map((line, at) => { const cell = line ? cellAt(shown[at], line.cells, times[at]) : -1; return cell < 0 ? 0 : line.cells[cell + 3]; });
      if (lines.length > 1) told.push(`B has ${versusSigned(held[1] - held[0])}`);
      for (const [name, at] of shown[0].marks.filter(([, at]) => Math.abs(at - ms) < (view.to - view.from) / 200).slice(0, 3)) told.push(`mark of A: ${name} at ${time(at)}`);
      showTip(event, told.join("\n"));
      pictures.forEach(one => one.redraw());
    });
    return el("div", { class: "panel" }, legend, picture);
  });
}

/** `+1.0 MiB`, `-1.0 MiB`, `±0`: the sign says what the colour says. */
const versusSigned = (value, text = bytes) => value === 0 ? "±0" : (value > 0 ? "+" : "") + text(value);
