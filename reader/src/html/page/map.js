// The memory map: what each bank has at each address, up to its capacity. An allocation reserves its bytes a bank in all banks (pale) and
// fills as many banks as its size needs (full).

const isL1 = name => name === "L1" || ofPrograms(name);
const area = name => isL1(name) ? "L1 and program memory" : name;

/** What these shapes leave of a bank, in ascending order. */
function freeBlocks(shapes, base, end) {
  const blocks = [];
  let at = base;
  for (const one of shapes) {
    if (one.address > at && at < end) blocks.push([at, Math.min(one.address, end)]);
    at = Math.max(at, one.end);
  }
  if (at < end) blocks.push([at, end]);
  return blocks;
}

function memoryMap(state) {
  const { process } = state;
  if (!process.moments.some(moment => moment.rows.length)) return;
  const node = card("Memory map", "map");
  let device = state.device ?? 0, memory = "", isFitted = true, shapes = [], clashes = [], blocks = [], largest = null, banks = 1, bank = null;
  const view = { from: 0, to: 1, first: 0, last: 1, drag: null };
  const note = el("span", { class: "faint", id: "map-note" }), controls = el("span", { class: "bar plain" });
  const known = () => {
    const { rows } = state.moment;
    const ids = [...new Set(process.lines.flatMap(line => line.devices))].sort((a, b) => a - b);
    if (!ids.includes(device)) device = ids[0] ?? 0;
    const names = [...new Set([...process.banks.map(one => area(one.memory)), ...rows.map(row => area(process.memories[row.m])), ...process.lines.map(line => area(line.memory))])];
    if (!names.includes(memory)) memory = names.find(name => rows.some(row => area(process.memories[row.m]) === name)) || names[0];
    return [ids, names];
  };
  const used = () => {
    if (!shapes.length) return [view.first, view.last];
    const last = shapes.reduce((most, one) => Math.max(most, one.end), 0), margin = Math.max(1, last - shapes[0].address) * .02;
    return [Math.max(0, shapes[0].address - margin), last + margin];
  };
  /** @param {boolean} anew whether it is another memory: else one goes on looking at the same addresses */
  function update(anew) {
    const [ids, names] = known();
    if (anew || !controls.childElementCount) controls.replaceChildren(
      choice("device", ids.map(id => "device " + id), ids.indexOf(device), at => { device = ids[at]; update(true); }),
      choice("memory", names, names.indexOf(memory), at => { memory = names[at]; update(true); }),
      button("what is used", () => { [view.from, view.to] = used(); isFitted = true; picture.redraw(); }),
      button("up to capacity", () => { [view.from, view.to] = [view.first, view.last]; isFitted = false; picture.redraw(); }));
    const rows = state.moment.rows.filter(row => area(process.memories[row.m]) === memory && process.device_sets[row.d].includes(device));
    shapes = rows.map(row => {
      const address = Number(row.a), a_bank = row.b === undefined ? Number(row.s) : Number(row.b);
      return { row, address, end: address + a_bank, low: ofPrograms(process.memories[row.m]), rank: state.sources.rankOfRow(row),
        isShown: isSelected(state, row), fills: Math.max(1, Math.ceil(Number(row.s) / Math.max(1, a_bank))), inside: ((row.n || 0) & 2) !== 0 };
    }).sort((a, b) => a.address - b.address);
    bank = process.banks.find(one => area(one.memory) === memory && one.devices.includes(device)) || null;
    banks = shapes.reduce((most, one) => one.low ? most : Math.max(most, one.fills), bank ? bank.banks : 1);
    clashes = clashesOf(shapes);
    const base = bank ? Number(bank.base) : 0, end = bank ? base + Number(bank.bytes) : 0;
    blocks = bank ? freeBlocks(shapes, Math.min(base, shapes.length ? shapes[0].address : base), end) : [];
    largest = blocks.reduce((most, one) => !most || one[1] - one[0] > most[1] - most[0] ? one : most, null);
    const [first, last] = shapes.length ? [shapes[0].address, shapes.reduce((most, one) => Math.max(most, one.end), 0)] : [base, Math.max(end, 1)];
    [view.first, view.last] = bank ? [Math.min(base, first), Math.max(end, last)] : [Math.max(0, first - (last - first) * .02), last + Math.max(1, last - first) * .02];
    // Where little is used, all of it would be a line.
    if (anew) isFitted = true;
    if (anew || page.live && isFitted) [view.from, view.to] = bank && (last - first) * 8 > end - base ? [view.first, view.last] : used();
    const clash = clashes.reduce((sum, [from, to]) => sum + to - from, 0), free = blocks.reduce((sum, [from, to]) => sum + to - from, 0);
    note.className = clash ? "bad" : "faint";
    note.textContent = (clash ? `clash: ${bytes(clash)} from ${hex(Math.floor(clashes[0][0]))} are in a buffer and in program memory`
      : `${state.moment.name}: ${plural(shapes.length, "allocation", "allocations")}`)
      + (bank ? `; ${bytes(free)} of ${bytes(bank.bytes)} free per bank${bank.banks > 1 ? ` of ${bank.banks}` : ""}, in ${plural(blocks.length, "block", "blocks")}`
        + (largest ? `, the largest ${bytes(largest[1] - largest[0])} at ${hex(largest[0])}` : "") : "");
    picture.redraw();
  }
  const lanes = () => shapes.some(one => one.low) || memory === area("L1");
  const areas = tall => {
    const bottom = tall - 24, upper = lanes() ? [16, (bottom - 16) / 2 + 12] : [4, bottom];
    return { bottom, upper, lower: lanes() ? [upper[1] + 18, bottom] : upper };
  };
  const picture = canvas(() => lanes() ? 250 : 190, (pen, wide, tall) => {
    const { bottom, upper, lower } = areas(tall), split = lanes();
    const x = address => LEFT + (address - view.from) / (view.to - view.from) * (wide - LEFT - RIGHT);
    pen.strokeStyle = css("--line");
    pen.strokeRect(LEFT - .5, upper[0] - .5, wide - LEFT - RIGHT + 1, upper[1] - upper[0] + 1);
    if (split) pen.strokeRect(LEFT - .5, lower[0] - .5, wide - LEFT - RIGHT + 1, lower[1] - lower[0] + 1);
    pen.fillStyle = css("--faint");
    pen.textAlign = "right";
    if (split) { pen.fillText("buffers", LEFT - 8, (upper[0] + upper[1]) / 2); pen.fillText("programs", LEFT - 8, (lower[0] + lower[1]) / 2); }
    else if (banks > 1) { pen.fillText("bank 0", LEFT - 8, upper[0] + 8); pen.fillText("bank " + (banks - 1), LEFT - 8, upper[1] - 8); }
    else pen.fillText("banks", LEFT - 8, (upper[0] + upper[1]) / 2);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, 0, wide - LEFT - RIGHT, bottom + 1);
    pen.clip();
    drawFree(pen, blocks, largest, x, upper[0], bottom, wide);
    for (const one of shapes) {
      if (one.end < view.from || one.address > view.to) continue;
      const left = x(one.address), width = Math.max(1, x(one.end) - left), [top, end] = one.low ? lower : upper;
      pen.fillStyle = sourceColour(one.rank);
      const dim = one.isShown ? 1 : .15;
      if (one.low) { pen.globalAlpha = (one.inside ? .25 : .6) * dim; pen.fillRect(left, top, Math.max(1, width - .5), end - top); }
      else {
        pen.globalAlpha = .28 * dim;
        pen.fillRect(left, top, Math.max(1, width - .5), end - top);
        pen.globalAlpha = .95 * dim;
        pen.fillRect(left, top, Math.max(1, width - .5), (end - top) * Math.min(1, one.fills / banks));
      }
      pen.globalAlpha = 1;
    }
    pen.fillStyle = css("--bad");
    for (const [from, to] of clashes) {
      pen.globalAlpha = .5;
      pen.fillRect(x(from), upper[0], Math.max(2, x(to) - x(from)), lower[1] - upper[0]);
      pen.globalAlpha = 1;
    }
    drawDrag(pen, view, x, upper[0], bottom - upper[0]);
    pen.restore();
    drawAddresses(pen, view, x, wide, tall);
  });
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", "what lies at which address");
  const under = (event, address) => {
    const box = picture.getBoundingClientRect(), { lower } = areas(box.height), isLow = lanes() && event.clientY - box.top > lower[0] - 9;
    const reach = (view.to - view.from) / Math.max(1, box.width) * 2;
    return shapes.filter(one => one.address - reach <= address && address < one.end + reach && (!lanes() || one.low === isLow));
  };
  zoomable(picture, view, LEFT, RIGHT, what => { if (what) isFitted = false; picture.redraw(); }, (event, address) => {
    const hits = under(event, address);
    if (!hits.length) {
      const block = blocks.find(([from, to]) => from <= address && address < to);
      showTip(event, hex(Math.floor(address)) + (block ? `\nfree: ${bytes(block[1] - block[0])} per bank from ${hex(block[0])}${block === largest ? ", the largest block" : ""}` : "\nfree, as far as is known"));
      return;
    }
    showTip(event, hits.slice(0, 4).map(({ row }) => describe(state, row)).join("\n") + (hits.length > 4 ? `\n${hits.length - 4} more` : ""));
  }, (event, address) => {
    const [hit] = under(event, address);
    if (hit) select(state, state.sources.names[state.sources.ofRow(hit.row)] ?? null);
  });
  node.bar.append(controls);
  node.append(el("div", { class: "bar" }, note), picture);
  listen(state, what => { if (what === "moment" || what === "selected" || what === "sources") update(false); });
  update(true);
}

/** An allocation in some lines: what it is, of whom, since when. */
function describe(state, row) {
  const { process } = state, site = row.f || 0;
  const lines = [`${bytes(row.s)} of ${process.memories[row.m]} at ${hex(row.a)}` + (row.b === undefined ? "" : `, ${bytes(row.b)} per bank`) + ((row.n || 0) & 1 ? ", program cache" : "")];
  if (row.y !== undefined) lines.push(process.tensors[row.y]);
  if (process.ops[site]) lines.push(process.ops[site]);
  lines.push(...process.sites[site].slice(0, 3).map(frame => withSource(process, frame)));
  lines.push(`since ${time(row.t)}, ${time(Math.max(0, timeOf(state) - row.t))} old` + (row.r > 1 ? `, ${row.h ?? 1} of ${row.r} owners` : ""));
  return lines.join("\n  ");
}

function drawFree(pen, blocks, largest, x, top, bottom, wide) {
  for (const block of blocks) {
    const left = Math.max(LEFT, x(block[0])), right = Math.min(wide - RIGHT, x(block[1]));
    if (right <= left) continue;
    pen.fillStyle = css("--good");
    pen.globalAlpha = block === largest ? .16 : .07;
    pen.fillRect(left, top, right - left, bottom - top);
    pen.globalAlpha = 1;
    const text = (block === largest ? "largest free block " : "free ") + bytes(block[1] - block[0]);
    pen.textAlign = "center";
    if (pen.measureText(text).width + 8 < right - left) pen.fillText(text, (left + right) / 2, (top + bottom) / 2);
  }
}

/** Addresses that are round in hex. */
function drawAddresses(pen, view, x, wide, tall) {
  pen.fillStyle = css("--faint");
  pen.textAlign = "center";
  let step = 1;
  while ((view.to - view.from) / step > wide / 130) step *= 2;
  for (let address = Math.ceil(view.from / step) * step; address <= view.to; address += step) {
    const at = x(address), half = pen.measureText(hex(address)).width / 2;
    pen.fillRect(at, tall - 24, 1, 4);
    if (at - half > LEFT - 20 && at + half < wide) pen.fillText(hex(address), at, tall - 10);
  }
}
