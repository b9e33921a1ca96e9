// Addresses: ranges as one, and the bytes that a buffer and program memory both have.

/** Ranges as few as there can be, in ascending order. @param {number[][]} ranges by where they begin */
function unionOf(ranges) {
  const out = [];
  for (const [from, to] of ranges) {
    const last = out[out.length - 1];
    if (last && from <= last[1]) last[1] = Math.max(last[1], to); else out.push([from, to]);
  }
  return out;
}
const lengthOf = ranges => ranges.reduce((sum, [from, to]) => sum + to - from, 0);

/** What both of two unions have. */
function commonOf(low, high) {
  const found = [];
  for (let i = 0, j = 0; i < low.length && j < high.length;) {
    const from = Math.max(low[i][0], high[j][0]), to = Math.min(low[i][1], high[j][1]);
    if (from < to) found.push([from, to]);
    if (low[i][1] < high[j][1]) i++; else j++;
  }
  return found;
}
function clashesOf(shapes) {
  const ranges = list => unionOf(list.map(one => [one.address, one.end]));
  return commonOf(ranges(shapes.filter(one => one.low && !one.inside)), ranges(shapes.filter(one => !one.low)));
}

