// The first card: the answer, and what every memory has.
// What is left of a memory, and of how much.
function left(row) {
  return row.free === null ? "–" : `${bytes(row.free)} of ${bytes(row.capacity)}`;
}

function summary(process) {
  const node = el("section", { class: "card", id: "summary" });
  if (page.processes.length > 1) {
    node.append(el("div", { class: "bar" }, choice("process",
      page.processes.map(processName), page.processes.indexOf(process),
      at => show(page.processes[at]))));
  }
  const lost = Number(process.lost) ? ", " + count(process.lost) + " lost" : "";
  node.append(el("h1", {}, process.command),
    el("div", { class: "faint" }, (process.rank === null ? "" : `rank ${process.rank} · `) + `pid ${process.pid} ${process.ended} · started ${process.started_at} · `
      + `${plural(process.reported, "event", "events")} in ${time(process.span_ms)}${lost}`),
    el("p", { class: "verdict " + process.verdict[0], id: "verdict" }, process.verdict[1]));
  if (process.findings.length) node.append(el("ul", {}, ...process.findings.map(text => el("li", {}, text))));
  if (process.refused) node.append(el("pre", { id: "refused" }, process.refused));
  slot.append(node);
  const head = ["Devices", "Memory", "Live", "Allocations", "Per bank", "Free", "Peak", "Allocated", "Freed", "At close"];
  const body = process.sums.map(row => {
    const numbers = [bytes(row.live), count(row.buffers), row.bank === null ? "–" : bytes(row.bank), left(row), bytes(row.peak),
      count(row.allocations), count(row.frees), count(row.at_close)];
    const exact = [row.live, null, row.bank, null, row.peak];
    return el("tr", {}, el("td", {}, row.devices), el("td", {}, row.memory), ...numbers.map((text, at) => {
      const cell = el("td", { class: "n" }, text);
      if (exact[at] !== null && exact[at] !== undefined) cell.title = count(exact[at]) + " B";
      if (at === 3 && row.block !== null) cell.title = `largest free block ${bytes(row.block)} per bank`;
      return cell;
    }));
  });
  slot.append(el("section", { class: "card wide", id: "sums" }, el("table", {},
    el("thead", {}, el("tr", {}, ...head.map((text, at) => el("th", at > 1 ? { class: "n" } : {}, text)))),
    el("tbody", {}, ...body))));
}
