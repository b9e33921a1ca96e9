// The L1 of one core as a column: programs from below, buffers from above, what is free between them.
const KINDS = { CB: "circular buffer", DFB: "dataflow buffer", SCRATCHPAD: "scratchpad", L1: "buffer", L1_SMALL: "buffer of L1_SMALL" };
const PIECES = 60;

/** @param {() => Core} core @param {() => [number, number]} range of addresses */
function coreColumn(state, core, range) {
  const place = tall => {
    const [from, to] = range();
    return address => tall - 8 - (address - from) / Math.max(1, to - from) * (tall - 16);
  };
  const picture = canvas(360, (pen, wide, tall) => {
    const one = core(), y = place(tall), left = 74, [from, to] = range();
    pen.strokeStyle = css("--line");
    pen.strokeRect(left - .5, y(to) - .5, wide - left, y(from) - y(to) + 1);
    if (one.free) {
      pen.fillStyle = css("--good");
      pen.globalAlpha = .12;
      pen.fillRect(left, y(one.bottom), wide - left - 1, y(one.top) - y(one.bottom));
      pen.globalAlpha = 1;
      pen.textAlign = "center";
      if (y(one.top) - y(one.bottom) > 16) pen.fillText(fit(pen, "free " + bytes(one.free), wide - left - 8), (left + wide) / 2, (y(one.top) + y(one.bottom)) / 2);
    }
    for (const piece of one.pieces) {
      pen.fillStyle = sourceColour(state.sources.rankOfRow(piece.row));
      pen.globalAlpha = (piece.inside ? .25 : piece.low ? .7 : .9) * (isSelected(state, piece.row) ? 1 : .2);
      // Those inside a buffer that is shown already are narrow.
      pen.fillRect(piece.inside ? (left + wide) / 2 : left, y(piece.end), piece.inside ? (wide - left) / 2 - 1 : wide - left - 1, Math.max(1, y(piece.address) - y(piece.end) - .5));
    }
    pen.globalAlpha = 1;
    pen.fillStyle = css("--bad");
    if (one.clash) pen.fillRect(left, y(one.top), wide - left - 1, Math.max(2, y(one.bottom) - y(one.top)));
    pen.fillStyle = css("--faint");
    pen.textAlign = "right";
    let step = 1;
    while ((to - from) / step > 6) step *= 2;
    for (let address = Math.ceil(from / step) * step; address <= to; address += step) {
      pen.fillRect(left - 5, y(address), 5, 1);
      pen.fillText(hex(address), left - 8, Math.min(tall - 8, Math.max(8, y(address))));
    }
  });
  picture.className = "column";
  picture.setAttribute("role", "img");
  picture.addEventListener("pointermove", event => {
    const box = picture.getBoundingClientRect(), y = place(box.height), at = event.clientY - box.top;
    const hits = core().pieces.filter(piece => y(piece.end) - 1 <= at && at <= y(piece.address) + 1);
    showTip(event, hits.length ? hits.slice(0, 4).map(({ row }) => describe(state, row)).join("\n") + (hits.length > 4 ? `\n${hits.length - 4} more` : "") : coreText(core()));
  });
  picture.addEventListener("pointerleave", hideTip);
  return picture;
}

/** The same in words, from the highest address down; like pieces at one address are one line. */
function coreList(process, core) {
  const gap = core.free === null || !core.free ? [] : [[core.bottom, el("tr", { class: "good" }, el("td", { class: "n" }, bytes(core.free)), el("td", {}, "free"), el("td", { class: "mono" }, hex(core.top)), el("td"))]];
  const seen = new Map();
  for (const piece of core.pieces) {
    const as = [piece.address, piece.end, piece.row.m, piece.row.f].join();
    const same = seen.get(as);
    if (same) same.number++; else seen.set(as, { ...piece, number: 1 });
  }
  const lines = [...seen.values()].map(piece => [piece.end, el("tr", {},
    el("td", { class: "n" }, bytes(piece.end - piece.address)),
    el("td", {}, (KINDS[process.memories[piece.row.m]] || process.memories[piece.row.m]) + (piece.inside ? ", inside a buffer" : "") + (piece.number > 1 ? ` of ${piece.number} programs` : "")),
    el("td", { class: "mono" }, hex(piece.address)),
    el("td", { class: "site" }, [piece.row.y === undefined ? "" : process.tensors[piece.row.y], shortName(callSite(process, piece.row.f || 0))].filter(Boolean).join(" · ")))]);
  const all = [...lines, ...gap].sort((a, b) => b[0] - a[0]).map(line => line[1]);
  const more = all.length > PIECES ? [el("tr", {}, el("td", { colspan: 4, class: "faint" }, `${count(all.length - PIECES)} more`))] : [];
  return [...all.slice(0, PIECES), ...more];
}
