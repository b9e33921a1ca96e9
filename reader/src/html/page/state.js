// What all parts of the page show: one stretch of time, one moment, one source. Who changes it calls `change`, and all that listen draw.

/** @param {object} process */
function stateOf(process) {
  const end = endOf(process);
  const alike = new Set(process.lines.map(line => line.devices.join())).size < 2;
  const state = {
    process, view: { from: 0, to: end, first: 0, last: end, drag: null, hover: null },
    /** @type {Moment} */ moment: null,
    by: "site", device: alike && process.lines.length ? process.lines[0].devices[0] : null, sources: null,
    /** The name of the selected source. */ selected: null,
    lines: false, whole: false,
    /** What is compared: "start", "end", or the number of a mark. */ compared: null,
    listeners: [],
  };
  state.sources = sourcesOf(process, state.by, state.device);
  state.moment = firstMoment(process);
  return state;
}
const endOf = process => Math.max(process.span_ms, process.column_ms, 1e-6);
/** What is live at the end; if nothing is, the first peak. */
const firstMoment = process => process.moments.find(one => one.rows.length) || process.moments[0];

/** @param {"view" | "moment" | "selected" | "sources" | "hover" | "theme"} what */
function change(state, what, values) {
  Object.assign(state, values);
  if (what === "sources") {
    state.sources = sourcesOf(state.process, state.by, state.device);
    if (!state.sources.names.includes(state.selected)) state.selected = null;
  }
  for (const { act } of state.listeners) act(what);
}
const listen = (state, act) => state.listeners.push({ act, slot });
const showAt = (state, ms) => change(state, "moment", { moment: momentAfter(state.process, stepsUntil(historyOf(state.process), ms)) });
const select = (state, name) => change(state, "selected", { selected: name === state.selected ? null : name });
/** Whether the row belongs to the selected source, or none is selected. */
const isSelected = (state, row) => state.selected === null || state.sources.names[state.sources.ofRow(row)] === state.selected;
/** When the moment was; the end if it has no time. */
const timeOf = state => state.moment.at ?? state.process.span_ms;
