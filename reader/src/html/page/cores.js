// What each core of a device has in its L1: program memory by its cores, and the buffers, which take the same of each.

/** What lives in L1 at the moment, with its cores, which only steps have. */
function rowsOnCores(state) {
  const { moment, process } = state, history = historyOf(process);
  let rows = moment.rows;
  if (moment.name === "Released at close") {
    rows = [];
    for (let life = 0; life < history.place.length; life++)
      if (process.places.n[history.place[life]] & 8) rows.push(rowOf(process, history.place[life], history.when[history.born[life]] * history.slice_ms));
  } else if (moment.step === undefined) {
    rows = momentAfter(process, moment.at === null ? history.count : stepsUntil(history, moment.at)).rows;
  }
  return rows.filter(row => isL1(process.memories[row.m]) || process.memories[row.m] === "L1_SMALL");
}

/** Columns and rows of cores that programs ever named. Those far out stand for all. */
function gridOf(process) {
  const corners = process.core_sets.flat().filter(([, , x, y]) => x < 64 && y < 64);
  return [2, 3].map(at => corners.reduce((most, corner) => Math.max(most, corner[at] + 1), 0));
}

/** Whether a set of cores has this one; a set that names none has all. */
const hasCore = (set, x, y) => !set.length || set.some(([left, top, right, bottom]) => right >= 64 || bottom >= 64 || left <= x && x <= right && top <= y && y <= bottom);

/**
 * @typedef {object} Core `x`, `y`, its `pieces` from the lowest address on; bytes of `programs`, of `buffers`, of `clash`, what is `free`
 *   between them (null where a bank is not known), and the `share` of a bank that is taken.
 */

/** The cores of a device, row by row. @returns {Core[]} */
function coresOf(process, rows, device, [columns, lines]) {
  const bank = process.banks.find(one => one.memory === "L1" && one.devices.includes(device)) || null;
  const sets = process.device_sets.map(ids => ids.includes(device));
  const pieces = rows.filter(row => sets[row.d]).map(row => {
    const memory = process.memories[row.m], address = Number(row.a);
    return { row, address, end: address + Number(row.b ?? row.s), low: ofPrograms(memory), inside: ((row.n || 0) & 2) !== 0, small: memory === "L1_SMALL" };
  }).sort((a, b) => a.address - b.address);
  const bySet = new Map();
  for (const piece of pieces) {
    if (!bySet.has(piece.row.c)) bySet.set(piece.row.c, []);
    bySet.get(piece.row.c).push(piece);
  }
  // Cores that lie in the same sets are alike.
  const known = new Map(), all = [];
  for (let y = 0; y < lines; y++) for (let x = 0; x < columns; x++) {
    const inside = [...bySet.keys()].filter(set => hasCore(process.core_sets[set], x, y)), as = inside.join();
    if (!known.has(as)) known.set(as, usesOf(inside.flatMap(set => bySet.get(set)).sort((a, b) => a.address - b.address), bank));
    all.push({ x, y, ...known.get(as) });
  }
  return all;
}

function usesOf(pieces, bank) {
  const ranges = list => unionOf(list.map(one => [one.address, one.end]));
  const low = ranges(pieces.filter(one => one.low && !one.inside)), high = ranges(pieces.filter(one => !one.low && !one.small));
  const programs = lengthOf(low), buffers = lengthOf(high), clash = lengthOf(commonOf(low, high));
  const top = low.length ? low[low.length - 1][1] : bank ? Number(bank.base) : 0;
  const bottom = high.length ? high[0][0] : bank ? Number(bank.base) + Number(bank.bytes) : 0;
  const free = bank || (low.length && high.length) ? Math.max(0, bottom - top) : null;
  return { pieces, programs, buffers, clash, free, top, bottom, share: bank ? (programs + buffers - clash) / Number(bank.bytes) : null };
}

/** A core in words. */
const coreName = one => `core ${one.x}-${one.y}`;
const coreText = one => `${coreName(one)}: ${one.share === null ? "" : `${(one.share * 100).toFixed(0)} % taken; `}programs ${bytes(one.programs)}, buffers ${bytes(one.buffers)}`
  + (one.free === null ? "" : `, ${bytes(one.free)} between them`) + (one.clash ? `, clash of ${bytes(one.clash)}` : "");
