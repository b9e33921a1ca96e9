// Columns that fall on one pixel are drawn as one.
function drawLine(pen, process, cells, x, y, ink, right, filled) {
  const wide = process.column_ms;
  pen.strokeStyle = ink;
  pen.lineWidth = 1.25;
  pen.lineJoin = "bevel";
  pen.beginPath();
  let last = 0, started = false;
  for (let i = 0; i < cells.length;) {
    const left = x(cells[i] * wide);
    if (left > right + 4) break;
    const before = last;
    let least = cells[i + 1], most = cells[i + 2], end = i;
    last = cells[i + 3];
    for (end += 4; end < cells.length && x(cells[end] * wide) < left + 1; end += 4) {
      least = Math.min(least, cells[end + 1]);
      most = Math.max(most, cells[end + 2]);
      last = cells[end + 3];
    }
    i = end;
    // What is left of the picture is not drawn, but for the value that it begins with.
    if (i < cells.length && x(cells[i] * wide) < 0) continue;
    if (!started) { pen.moveTo(Math.min(left, x(0)), y(before)); started = true; }
    pen.lineTo(left, y(before));
    pen.lineTo(left, y(most));
    if (least !== most) pen.lineTo(left, y(least));
    if (last !== least) pen.lineTo(left, y(last));
  }
  if (!started) pen.moveTo(x(0), y(0));
  const end = x(process.span_ms);
  pen.lineTo(end, y(last));
  pen.stroke();
  if (!filled) return;
  pen.lineTo(end, y(0));
  pen.closePath();
  pen.globalAlpha = .13;
  pen.fillStyle = ink;
  pen.fill();
  pen.globalAlpha = 1;
}

/** The place of the last cell that begins before a time; below 0 where none does. */
function cellAt(process, cells, ms) {
  let low = 0, high = cells.length / 4;
  const column = process.column_ms ? ms / process.column_ms : 0;
  while (low < high) { const middle = (low + high) >> 1; if (cells[middle * 4] <= column) low = middle + 1; else high = middle; }
  return (low - 1) * 4;
}

function valueAt(process, cells, ms) {
  const at = cellAt(process, cells, ms), column = process.column_ms ? ms / process.column_ms : 0;
  if (at < 0) return bytes(0);
  const text = bytes(cells[at + 3]);
  return column - cells[at] < 1 && cells[at + 2] > cells[at + 1] ? `${text} (${bytes(cells[at + 1])} to ${bytes(cells[at + 2])})` : text;
}

// Marks that are nearer than so many pixels to the one before are seen when one looks closer.
const NEXT_MARK = 4;
function drawMarks(pen, process, view, x, top, bottom, named) {
  let free = -1, drawn = -NEXT_MARK;
  pen.textAlign = "left";
  pen.fillStyle = css("--faint");
  const dashes = new Path2D();
  for (const [name, ms] of process.marks) {
    if (ms < view.from || ms > view.to) continue;
    const at = Math.round(x(ms));
    if (at >= drawn + NEXT_MARK) {
      dashes.moveTo(at + .5, top);
      dashes.lineTo(at + .5, bottom);
      drawn = at;
    }
    if (named && at >= free) {
      const text = fit(pen, name, 150);
      if (at + pen.measureText(text).width + 4 > x(view.to)) continue;
      pen.fillText(text, at + 3, 8);
      free = at + pen.measureText(text).width + 14;
    }
  }
  pen.save();
  pen.setLineDash([3, 3]);
  [pen.strokeStyle, pen.lineWidth, pen.globalAlpha] = [css("--faint"), 1, .5];
  pen.stroke(dashes);
  pen.restore();
  pen.fillStyle = css("--bad");
  for (const [, ms] of process.refusals) pen.fillRect(Math.round(x(ms)), top, 2, bottom - top);
}

