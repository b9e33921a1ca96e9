// The bar that stays in sight.

/** The bar that stays in sight: which moment, how to another, and what is selected. */
function momentBar(state) {
  const { process } = state, history = historyOf(process);
  const name = el("strong", { id: "moment", "aria-live": "polite" }), sums = el("span", { class: "faint" }), chip = el("button", { type: "button", id: "selected", title: "show all again" });
  chip.addEventListener("click", () => select(state, state.selected));
  const step = way => {
    const now = state.moment.step ?? stepsUntil(history, timeOf(state));
    change(state, "moment", { moment: momentAfter(process, Math.min(history.count, Math.max(0, now + way))) });
  };
  const bar = el("nav", { class: "card moments", "aria-label": "moment" }, name, sums);
  for (const moment of process.moments) {
    const short = moment.name.replace(/, at .*/, "").replace(/^Live at exit$/, "Exit");
    bar.append(button(short, () => change(state, "moment", { moment })));
  }
  process.refusals.slice(-3).forEach(([text, ms], at) => bar.append(el("button", { type: "button", class: "bad", title: text,
    onclick: () => showAt(state, ms) }, process.refusals.length > 1 ? `Refusal ${process.refusals.length - Math.min(3, process.refusals.length) + at + 1}` : "Refusal")));
  if (process.marks.length) {
    const marks = choice("mark", ["mark …", ...process.marks.slice(0, 2000).map(([mark, ms]) => `${mark} (${time(ms)})`)], 0,
      at => { if (at) showAt(state, process.marks[at - 1][1]); marks.value = 0; });
    bar.append(marks);
  }
  const back = button("◀", () => step(-1)), on = button("▶", () => step(1));
  back.setAttribute("aria-label", "one event back");
  on.setAttribute("aria-label", "one event on");
  bar.append(back, on, chip);
  const show = () => {
    const sum = new Map(), ids = row => process.device_sets[row.d];
    for (const row of state.moment.rows) if (!ofPrograms(process.memories[row.m]))
      sum.set(row.m, (sum.get(row.m) || 0) + Number(row.s) * (state.device === null ? ids(row).length : Number(ids(row).includes(state.device))));
    const near = state.moment.step !== undefined && !history.is_exact ? " (nearest checkpoint)" : "";
    name.textContent = state.moment.name + near;
    sums.textContent = [...sum].map(([memory, size]) => `${process.memories[memory]} ${bytes(size)}`).join(", ") || "nothing is live";
    chip.hidden = state.selected === null;
    chip.textContent = `only ${shortName(state.selected || "")} ✕`;
  };
  listen(state, what => { if (what !== "view" && what !== "hover") show(); });
  show();
  slot.append(bar);
}
