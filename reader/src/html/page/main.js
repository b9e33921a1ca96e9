// All parts, of one process.

/** Which memories and devices there are. */
const placesOf = process => [process.memories, [...new Set(process.device_sets.flat())].sort()].join(";");
/** The parts in their order. One that follows what changes by itself is made anew by a live page only when it has another shape; the others always. */
const PARTS = [
  { make: processes, follows: false },
  { make: state => summary(state.process), follows: false },
  { make: state => growthCard(state.process), follows: false },
  { make: state => programRegions(state.process), follows: false },
  { make: momentBar, follows: false },
  { make: timeline, follows: false },
  { make: flame, follows: true },
  { make: memoryMap, follows: true, shape: placesOf },
  { make: chip, follows: true, shape: process => gridOf(process) + placesOf(process) },
  { make: callTree, follows: true, shape: placesOf },
  { make: allocations, follows: true },
  { make: difference, follows: false },
];

function show(process) {
  canvases = [];
  hideTip();
  const state = stateOf(process), slots = PARTS.map(() => el("div", { class: "slot" }));
  main.replaceChildren(...slots);
  PARTS.forEach((part, at) => { slot = slots[at]; part.make(state); });
  document.onkeydown = event => { if (event.key === "Escape" && state.selected !== null) select(state, state.selected); };
  themed = () => change(state, "theme");
  shown = { state, slots };
}
/** What is on the screen. */
let shown = null;

document.title = page.processes.length ? page.processes[0].command + " – ttmem" : "ttmem";
if (page.processes.length) {
  show(page.processes.reduce((best, one) => Number(one.reported) > Number(best.reported) ? one : best));
} else {
  card(page.live ? "No process reports events yet." : "No process reported an event.", "summary");
}
document.body.append(el("footer", { class: "faint" }, `${page.file} · ttmem ${page.ttmem}`));
document.documentElement.dataset.ready = "yes";
