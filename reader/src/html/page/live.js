// The live page: gets newer numbers twice a second, and shows them where one is looking.
const PACE = 500, AT_EASE = 5000;
let touched = -Infinity;

/** The same moment in newer numbers: a named one by its name, any other by its time. */
function momentAgain(process, moment) {
  if (moment.step !== undefined) return momentAfter(process, stepsUntil(historyOf(process), moment.at));
  const kind = one => one.name.replace(/, at .*/, "");
  return process.moments.find(one => kind(one) === kind(moment)) || firstMoment(process);
}

/** Newer numbers of the process on the screen. */
function renew({ state, slots }, numbers) {
  const { process, view } = state, shapes = PARTS.map(part => part.shape?.(process));
  Object.assign(process, numbers);
  histories.delete(process);
  namesOfSites.delete(process);
  const isAll = view.from <= view.first && view.to >= view.last;
  view.last = endOf(process);
  if (isAll) view.to = view.last;
  const moment = momentAgain(process, state.moment);
  state.moment = moment;
  PARTS.forEach((part, at) => { if (!part.follows || !slots[at].firstChild || part.shape?.(process) !== shapes[at]) makeAnew(state, slots[at], part); });
  change(state, "sources", { moment });
}

/** Makes a part anew; what had the focus has it again. */
function makeAnew(state, where, part) {
  const focused = where.contains(document.activeElement) ? document.activeElement : null;
  // A list that somebody has open stays open.
  if (focused && focused.tagName === "SELECT" && performance.now() - touched < AT_EASE) return;
  const nameOf = node => node.tagName + (node.id || node.getAttribute("aria-label") || node.textContent);
  state.listeners = state.listeners.filter(one => one.slot !== where);
  where.replaceChildren();
  slot = where;
  part.make(state);
  canvases = canvases.filter(one => one.isConnected);
  // At once: the page must not jump.
  canvases.filter(one => where.contains(one)).forEach(one => one.paint());
  if (focused) [...where.querySelectorAll("button, select, input")].find(one => nameOf(one) === nameOf(focused))?.focus({ preventScroll: true });
}

function follow() {
  const token = new URLSearchParams(location.search).get("token");
  const note = el("span", { id: "live-note", role: "status" }), stop = button("pause", () => { isPaused = !isPaused; tell(""); });
  let seen = page.live, isPaused = false, isPressed = false;
  const tell = trouble => {
    stop.textContent = isPaused ? "go on" : "pause";
    const text = trouble || (isPaused ? "paused" : "live");
    if (note.textContent !== text) note.textContent = text;
    note.className = trouble ? "bad" : isPaused ? "unsure" : "good";
  };
  const take = newer => {
    seen = newer.live;
    let same = null;
    for (const numbers of newer.processes) {
      const at = page.processes.findIndex(one => one.ring_id === numbers.ring_id);
      if (at < 0) page.processes.push(numbers);
      else if (shown && page.processes[at] === shown.state.process) same = numbers;
      else { histories.delete(page.processes[at]); page.processes[at] = numbers; }
    }
    // The last: it names the others.
    if (same) renew(shown, same);
    if (!shown && page.processes.length) show(page.processes[0]);
  };
  const ask = async () => {
    // A page that nobody sees asks nothing, and what somebody presses stays.
    if (!isPaused && !document.hidden && !isPressed) {
      try {
        const answer = await fetch(`page.json?token=${token}&seen=${seen}`, { cache: "no-store" });
        if (answer.status === 200) take(await answer.json());
        tell(answer.ok ? "" : `ttmem serve answered ${answer.status}: open the address that it prints now`);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        tell("ttmem serve does not answer");
      }
    }
    setTimeout(ask, PACE);
  };
  for (const [kind, is] of /** @type {[string, boolean][]} */ ([["pointerdown", true], ["pointerup", false], ["pointercancel", false]])) document.addEventListener(kind, () => { isPressed = is; }, true);
  for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, () => { touched = performance.now(); }, true);
  document.body.prepend(el("div", { class: "live" }, note, stop));
  tell("");
  setTimeout(ask, PACE);
}
if (page.live) follow();
