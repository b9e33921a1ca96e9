// What tables share: how many rows are shown at first, and copies of them.

// More take longer to lay out than a finger takes to the next key.
const ROOM = 100;

function csvOf(columns, groups) {
  const cell = value => /[",\n]/.test(String(value)) ? `"${String(value).replace(/"/g, '""')}"` : String(value);
  const line = values => values.map(cell).join(",");
  return [line(columns.map(column => column.id)), ...groups.map(group => line(columns.map(column => column.csv(group))))].join("\n") + "\n";
}
async function copy(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch {
    // Older browsers, and pages that may not write there.
    const area = el("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

