// What lived when: each birth and death of an allocation, in order; and what was live after any of them.

/**
 * @typedef {object} Row An allocation: numbers of its memory, address, size, bytes per bank, devices, owners, reports, when it was born,
 *   call site, tensor, flags, cores. The owners of a row that was made from steps are not known.
 * @typedef {object} Moment `name`, `at` (ms, or null for the end), `rows`, `more_rows`, `more_bytes`.
 */

const histories = new Map();
/** Decodes the steps of a process, once. */
function historyOf(process) {
  let known = histories.get(process);
  if (known) return known;
  const { steps, slice_ms, is_exact } = process.lives, count = steps.length / 2;
  const when = new Float64Array(count), life = new Int32Array(count), births = [];
  const { m, s, d, f } = process.places;
  const of = { when, life, slice_ms, is_exact, count,
    memories: Uint8Array.from(m), sizes: Float64Array.from(s), sites: Int32Array.from(f), devices: Int32Array.from(d) };
  let births_so_far = 0, now = 0;
  for (let at = 0; at < count; at++) if (steps[at * 2 + 1] >= 0) births_so_far++;
  of.place = new Int32Array(births_so_far);
  of.born = new Int32Array(births_so_far);
  of.died = new Int32Array(births_so_far).fill(0x7fffffff);
  births_so_far = 0;
  for (let at = 0; at < count; at++) {
    when[at] = now += steps[at * 2];
    const what = steps[at * 2 + 1];
    if (what >= 0) {
      of.place[births_so_far] = what;
      of.born[births_so_far] = at;
      life[at] = births_so_far++;
    } else {
      // Deaths are noted below zero.
      const gone = births_so_far + what;
      of.died[gone] = at;
      life[at] = ~gone;
    }
  }
  histories.set(process, of);
  return of;
}

/** How many steps came until this time. */
function stepsUntil(history, ms) {
  // A time that was written and read again may lie a hair before its step.
  const slice = history.slice_ms ? ms / history.slice_ms + (history.is_exact ? .5 : 1e-6) : Infinity;
  let low = 0, high = history.count;
  while (low < high) { const middle = (low + high) >> 1; if (history.when[middle] <= slice) low = middle + 1; else high = middle; }
  return low;
}
const timeOfStep = (history, step) => history.when[Math.max(0, step - 1)] * history.slice_ms;

/** A place as a row of a moment. @returns {Row} */
function rowOf(process, place, born) {
  const { m, a, s, b, d, f, y, n, c } = process.places;
  return { m: m[place], a: a[place], s: s[place], b: b[place] ?? undefined, d: d[place], t: born, f: f[place], y: y[place] ?? undefined, n: n[place], c: c[place],
    h: undefined, r: undefined };
}

/** What was live after so many steps. @returns {Moment} */
function momentAfter(process, step) {
  const history = historyOf(process), rows = [];
  for (let life = 0; life < history.place.length && history.born[life] < step; life++)
    if (history.died[life] >= step) rows.push(rowOf(process, history.place[life], history.when[history.born[life]] * history.slice_ms));
  const at = step ? timeOfStep(history, step) : 0;
  return { name: `At ${time(at)}`, at, step, rows, more_rows: 0, more_bytes: 0 };
}
