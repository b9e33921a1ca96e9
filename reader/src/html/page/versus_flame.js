// What changed, as a flame graph: as wide as what came and went together, red where B has more, blue where it has less.

/** The memory, then the call site from the outermost frame in, and the op. */
const versusPath = row => [row.memory, ...[...row.site].reverse(), row.op].filter(Boolean);

function versusTree(rows, amountOf) {
  const make = name => ({ name, more: 0, less: 0, children: new Map() }), root = make("all changes");
  for (const row of rows) {
    const amount = amountOf(row);
    let node = root;
    for (const name of [null, ...versusPath(row), `${bytes(row.size)} each`]) {
      if (name !== null) {
        if (!node.children.has(name)) node.children.set(name, make(name));
        node = node.children.get(name);
      }
      if (amount > 0) node.more += amount; else node.less -= amount;
    }
  }
  return root;
}
const versusWidth = node => node.more + node.less;
const versusNet = node => node.more - node.less;
/** From grey, where as much came as went, to red or blue, which everybody can tell from each other. */
function versusInk(node) {
  const net = versusNet(node), share = Math.round(Math.abs(net) / Math.max(1, versusWidth(node)) * 100);
  return share === 0 ? css("--line") : `color-mix(in srgb, ${css(net > 0 ? "--c4" : "--c0")} ${20 + share * .4}%, ${css("--card")})`;
}

/** @param {object} state `path`, the names from a memory down to what one looks at, and what follows it */
function versusFlame(state) {
  const node = card("Difference by call site", "flame"), ROW = 22, rows = state.rows.filter(row => !ofPrograms(row.memory));
  const counted = row => (row.regions_b - row.regions_a) * row.devices.length;
  const ways = [
    { name: "by bytes", amountOf: row => row.bytes_change, write: bytes },
    { name: "by number", amountOf: counted, write: value => `${value < 0 ? "-" : ""}${plural(Math.abs(value), "allocation", "allocations")}` },
  ];
  let way = ways[0], root = versusTree(rows, way.amountOf), boxes = [];
  const trailOf = () => {
    const trail = [root];
    for (const name of state.path) { const next = trail[trail.length - 1].children.get(name); if (!next) break; trail.push(next); }
    return trail;
  };
  const depth = one => { let most = 0; for (const child of one.children.values()) most = Math.max(most, depth(child)); return most + 1; };
  const picture = canvas(() => { const trail = trailOf(); return Math.min(700, (depth(trail[trail.length - 1]) + trail.length - 1) * ROW + 4); }, (pen, wide) => {
    boxes = [];
    if (!versusWidth(root)) { pen.fillStyle = css("--faint"); pen.fillText("nothing changed", 8, ROW / 2); return; }
    const draw = (one, path, left, width, row, behind) => {
      if (width < .6) return;
      boxes.push({ one, path, left, width, top: row * ROW });
      pen.globalAlpha = behind ? .55 : 1;
      pen.fillStyle = versusInk(one);
      pen.fillRect(left, row * ROW + 1, Math.max(.6, width - 1), ROW - 2);
      pen.globalAlpha = 1;
      if (width > 34) {
        pen.fillStyle = css("--ink");
        pen.textAlign = "left";
        pen.fillText(fit(pen, `${versusSigned(versusNet(one), way.write)}  ${shortName(one.name)}`, width - 10), left + 5, row * ROW + ROW / 2);
      }
      if (behind) return;
      let x = left;
      for (const child of [...one.children.values()].sort((a, b) => versusWidth(b) - versusWidth(a))) {
        const part = width * versusWidth(child) / versusWidth(one);
        draw(child, [...path, child.name], x, part, row + 1, false);
        x += part;
      }
    };
    const trail = trailOf();
    trail.forEach((one, row) => draw(one, state.path.slice(0, row), 0, wide, row, row + 1 < trail.length));
  });
  const at = event => {
    const box = picture.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    return boxes.find(one => y >= one.top && y < one.top + ROW && x >= one.left && x < one.left + one.width);
  };
  picture.addEventListener("pointermove", event => {
    const box = at(event);
    if (box) showTip(event, `${box.one.name}\nB has ${versusSigned(versusNet(box.one), way.write)}: ${way.write(box.one.more)} more here, ${way.write(box.one.less)} less there`); else hideTip();
  });
  picture.addEventListener("pointerleave", hideTip);
  picture.addEventListener("click", event => { const box = at(event); if (box) state.look(box.path); });
  state.followers.push(picture.redraw);
  node.bar.append(choice("width", ways.map(one => one.name), 0, to => { way = ways[to]; root = versusTree(rows, way.amountOf); picture.redraw(); }),
    button("all", () => state.look([])), el("span", { class: "faint" }, "red +: B has more; blue -: B has less; click for one of them, here and below"));
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", "differences by call site; the table below has the same as text");
  node.append(picture);
}
