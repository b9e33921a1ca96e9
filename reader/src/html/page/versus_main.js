// The page of `ttmem diff --html`.
const versusState = {
  rows: page.difference.changes,
  /** What one looks at: the names from a memory down. @type {string[]} */ path: [],
  /** @type {(() => void)[]} */ followers: [],
  look(path) { versusState.path = path; versusState.followers.forEach(follow => follow()); },
};

function versusSummary({ a, b, text, bytes_change: change, unchanged_regions: same, unchanged_bytes: alike }) {
  const side = (name, one) => el("li", {}, el("strong", {}, name), ` ${one.label}: ${plural(one.regions, "allocation", "allocations")}, ${bytes(one.bytes)}`,
    one.cached_regions ? `, of them ${bytes(one.cached_bytes)} in the program cache` : "", one.inconclusive ? `; ${one.inconclusive}` : "");
  main.append(el("section", { class: "card", id: "summary" }, el("h1", {}, "What B has other than A"),
    el("ul", {}, side("A", a), side("B", b)), el("p", { class: "verdict", id: "verdict" }, text),
    el("p", { class: "faint" }, `Alike in both: ${plural(same, "allocation", "allocations")}, ${bytes(alike)}.`)));
  document.title = `${versusSigned(change)} – ttmem diff`;
}

versusSummary(page.difference);
versusLines(page.runs);
versusFlame(versusState);
versusTable(versusState);
document.onkeydown = event => { if (event.key === "Escape") versusState.look([]); };
main.append(el("p", { class: "faint" }, `ttmem ${page.ttmem}`));
document.documentElement.dataset.ready = "yes";
