// Pictures: a canvas that draws itself anew, what one points at, and what one drags over.
// Asked for at every shape that is drawn, and slow to look up.
const inks = new Map();
function css(name) {
  let ink = inks.get(name);
  if (ink === undefined) inks.set(name, ink = getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return ink;
}
const colour = at => css("--c" + at % 8);
const tip = document.getElementById("tip");

function showTip(event, text) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8)) + "px";
  tip.style.top = (event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 12 : event.clientY + 18) + "px";
}
const hideTip = () => { tip.hidden = true; };

// A canvas that is drawn anew, once a frame at most, when its size, the colours or what it shows change.
let canvases = [], themes = 0, themed = () => {};
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
  node.paint = paint;
  node.redraw = () => { if (!asked) { asked = true; requestAnimationFrame(paint); } };
  new ResizeObserver(node.redraw).observe(node);
  canvases.push(node);
  return node;
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  inks.clear();
  themes++;
  themed();
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

// Where the part that is being made puts its card.
let slot = main;
function card(title, id, ...children) {
  const bar = el("div", { class: "bar" }, el("h2", {}, title));
  const node = el("section", { class: "card", id }, bar, ...children);
  node.bar = bar;
  slot.append(node);
  return node;
}

/**
 * Drag over a picture to look closer, double-click to see all. `changed` gets "view" when the stretch is another one, `tell` where the
 * pointer is, `click` where it clicked, and `ranged` is called once a stretch was chosen.
 * @param {(event: PointerEvent, at: number) => void} click
 */
function zoomable(node, view, left, right, changed, tell, click = () => {}, ranged = () => {}) {
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
    const to = at(event), smallest = (view.to - view.from) / 200, began = from;
    from = null; view.drag = null;
    if (began === null || event.type !== "pointerup") { changed(); return; }
    if (Math.abs(to - began) > smallest) {
      [view.from, view.to] = [Math.min(began, to), Math.max(began, to)];
      changed("view");
      ranged();
    } else { changed(); click(event, to); }
  };
  node.addEventListener("pointerup", end);
  node.addEventListener("pointercancel", end);
  node.addEventListener("pointerleave", () => { hideTip(); view.hover = null; changed(); });
  node.addEventListener("dblclick", () => { [view.from, view.to] = [view.first, view.last]; changed("view"); });
}
function drawDrag(pen, view, x, top, height) {
  if (!view.drag) return;
  pen.fillStyle = css("--accent") + "33";
  pen.fillRect(x(Math.min(...view.drag)), top, Math.abs(x(view.drag[1]) - x(view.drag[0])), height);
}

function fit(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let low = 0, high = text.length;
  while (low < high) { const middle = (low + high + 1) >> 1; if (pen.measureText(text.slice(0, middle) + "…").width <= room) low = middle; else high = middle - 1; }
  return low ? text.slice(0, low) + "…" : "";
}

