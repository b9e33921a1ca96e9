// Bytes that a buffer and program memory both have.
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

