// All parts, of one process.
function show(process) {
  canvases = [];
  hideTip();
  main.replaceChildren();
  const state = stateOf(process);
  summary(process);
  growthCard(process);
  programRegions(process);
  momentBar(state);
  for (const part of [timeline, flame, memoryMap, chip, allocations]) part(state);
  difference(process);
  document.onkeydown = event => { if (event.key === "Escape" && state.selected !== null) select(state, state.selected); };
  themed = () => change(state, "theme");
}

document.title = page.processes.length ? page.processes[0].command + " – ttmem" : "ttmem";
if (page.processes.length) {
  show(page.processes.reduce((best, one) => Number(one.reported) > Number(best.reported) ? one : best));
} else {
  card("No process reported an event.", "summary");
}
main.append(el("p", { class: "faint" }, `${page.file} · ttmem ${page.ttmem}`));
document.documentElement.dataset.ready = "yes";
