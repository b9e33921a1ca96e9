// The flame graph: memory, then call site from the outermost frame in, op, then size (and address where no site is known).
function branch(name) { return { name, value: 0, regions: 0, children: new Map(), selected: false }; }
function grow(root, path, value, regions, selected) {
  let node = root;
  for (let at = -1; at < path.length; at++) {
    if (at >= 0) {
      let next = node.children.get(path[at]);
      if (!next) node.children.set(path[at], next = branch(path[at]));
      node = next;
    }
    node.value += value;
    node.regions += regions;
    if (selected) node.selected = true;
  }
}

const FLAMES = ["live at the moment", "leaked: live at the end, or released by a close", "allocated", "temporary: freed by its owner"];

/** The tree of a mode. @param {number} mode of FLAMES */
function flameOf(state, mode, byBytes) {
  const { process, view } = state, root = branch("all"), sizes = new Map();
  const outermostFirst = process.sites.map((site, at) => [...[...site].reverse(), process.ops[at]].filter(Boolean));
  const ofSize = size => {
    if (!sizes.has(size)) sizes.set(size, bytes(size) + " each");
    return sizes.get(size);
  };
  const add = (row, times) => {
    const number = process.device_sets[row.d].length * times, site = row.f || 0;
    const path = [process.memories[row.m], ...outermostFirst[site], ofSize(row.s)];
    if (!process.sites[site].length && times === 1) path.push(hex(row.a));
    grow(root, path, byBytes ? Number(row.s) * number : number, number, state.selected !== null && isSelected(state, row));
  };
  const rest = moment => { if (moment.more_rows) grow(root, ["smaller ones"], byBytes ? Number(moment.more_bytes) : moment.more_rows, moment.more_rows, false); };
  if (mode === 0) {
    state.moment.rows.forEach(row => add(row, 1));
    rest(state.moment);
    return root;
  }
  if (mode === 1) {
    for (const moment of process.moments.filter(one => one.at === null)) { moment.rows.forEach(row => add(row, 1)); rest(moment); }
    return root;
  }
  const history = historyOf(process), isAll = view.from <= view.first && view.to >= view.last;
  if (!history.is_exact && mode === 2) {
    // Those that no checkpoint saw are in these sums alone.
    process.allocations.forEach((number, kind) => {
      const [memory, site, size] = process.kinds[kind], times = Number(number);
      if (times) grow(root, [process.memories[memory], ...outermostFirst[site], ofSize(size)], byBytes ? Number(size) * times : times, times, false);
    });
    return root;
  }
  const times = new Uint32Array(process.places.m.length), from = isAll ? -1 : view.from / (history.slice_ms || 1), to = isAll ? Infinity : view.to / (history.slice_ms || 1);
  for (let life = 0; life < history.place.length; life++) {
    const born = history.when[history.born[life]], place = history.place[life];
    if (born < from || born > to) continue;
    if (mode === 3 && (history.died[life] === 0x7fffffff || process.places.n[place] & 8)) continue;
    times[place]++;
  }
  times.forEach((number, place) => { if (number) add(rowOf(process, place, 0), number); });
  return root;
}

function flame(state) {
  const { process } = state, node = card("Flame graph", "flame"), ROW = 22;
  let mode = 0, byBytes = true, upward = false, root, zoom, trail, boxes = [], wanted = "", stale = true;
  const depth = branch => { let most = 0; for (const child of branch.children.values()) most = Math.max(most, depth(child)); return most + 1; };
  const amountOf = value => byBytes ? bytes(value) : count(value);
  const told = (one, whole) => `${withSource(process, one.name)}\n${byBytes ? bytes(one.value) : plural(one.value, "allocation", "allocations")}, `
    + `${(one.value / Math.max(1, whole) * 100).toFixed(1)} %, ${plural(one.regions, "allocation", "allocations")}`;
  const matched = el("span", { class: "faint", id: "flame-note" });
  const follow = names => {
    const found = [root];
    for (const name of names) { const next = found[found.length - 1].children.get(name); if (!next) break; found.push(next); }
    return found;
  };
  const make = () => {
    const names = trail ? trail.slice(1).map(one => one.name) : [];
    root = flameOf(state, mode, byBytes);
    // One stays where one is looking, as far as it is still there.
    trail = follow(names);
    zoom = trail[trail.length - 1];
    stale = false;
    note();
  };
  const remake = () => { stale = true; picture.redraw(); };
  const hit = one => wanted !== "" && one.name.toLowerCase().includes(wanted);
  const sumOf = one => hit(one) ? one.value : [...one.children.values()].reduce((sum, child) => sum + sumOf(child), 0);
  const note = () => {
    const isAll = state.view.from <= state.view.first && state.view.to >= state.view.last;
    const where = mode === 0 ? state.moment.name : mode === 1 || isAll || !historyOf(process).is_exact ? "the whole run" : `born from ${time(state.view.from)} to ${time(state.view.to)}`;
    matched.textContent = where + (wanted ? `; ${(sumOf(root) / Math.max(1, root.value) * 100).toFixed(1)} % match` : "");
  };
  const picture = canvas(() => { if (stale) make(); return Math.min(700, Math.max(2, depth(zoom) + trail.length - 1) * ROW + 4); }, (pen, wide, tall) => {
    boxes = [];
    if (!root.value) { pen.fillStyle = css("--faint"); pen.fillText("nothing is live here", 8, ROW / 2); return; }
    const draw = (one, left, width, row, behind) => {
      if (width < .6) return;
      const top = upward ? tall - (row + 1) * ROW : row * ROW;
      boxes.push({ one, left, width, top });
      let hue = 0;
      for (const letter of one.name) hue = (hue * 31 + letter.codePointAt(0)) % 360;
      const is_hit = hit(one);
      pen.fillStyle = is_hit ? css("--accent") : one === root ? css("--line") : `hsl(${20 + hue % 200} ${css("--flame-sat")} ${css("--flame-light")})`;
      pen.globalAlpha = behind ? .55 : state.selected !== null && !one.selected && mode < 2 ? .25 : 1;
      pen.fillRect(left, top + 1, Math.max(.6, width - 1), ROW - 2);
      pen.globalAlpha = 1;
      if (width > 34) {
        pen.fillStyle = is_hit ? css("--card") : css("--flame-ink");
        pen.textAlign = "left";
        pen.fillText(fit(pen, one.name + "  " + amountOf(one.value), width - 10), left + 5, top + ROW / 2);
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
    const box = picture.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    return boxes.find(one => y >= one.top && y < one.top + ROW && x >= one.left && x < one.left + one.width);
  };
  const path = (from, to) => {
    if (from === to) return [from];
    for (const child of from.children.values()) { const rest = path(child, to); if (rest) return [from, ...rest]; }
    return null;
  };
  const lookAt = one => { trail = path(root, one) || [root]; zoom = one; picture.redraw(); };
  picture.addEventListener("pointermove", event => { const box = at(event); box ? showTip(event, told(box.one, root.value)) : hideTip(); });
  picture.addEventListener("pointerleave", hideTip);
  picture.addEventListener("click", event => { const box = at(event); if (box) lookAt(box.one); });
  const search = el("input", { type: "search", placeholder: "search", "aria-label": "search the flame graph", oninput: () => { wanted = search.value.toLowerCase(); note(); picture.redraw(); } });
  const turn = button("flame", () => { upward = !upward; turn.textContent = upward ? "icicle" : "flame"; picture.redraw(); });
  turn.title = "which way it grows";
  node.bar.append(choice("what", FLAMES, mode, to => { mode = to; remake(); }), choice("width", ["by bytes", "by number"], 0, to => { byBytes = to === 0; remake(); }),
    turn, search, button("all", () => lookAt(root)), matched);
  node.append(picture);
  listen(state, what => {
    if (what === "selected" || what === "sources" || (what === "moment" && mode === 0) || (what === "view" && mode > 1)) remake();
  });
  picture.redraw();
}
