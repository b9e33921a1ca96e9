// What is drawn into the timeline: stacks, the axes of bytes and times, regions.

// Pixels beside the axis of bytes, at the other side, and of a row of regions.
const LEFT = 76, RIGHT = 12, STRIP = 15;

/** Each rank on those before it, as steps. */
function drawStack(pen, { heights, columns }, y, isShown) {
  const below = new Float64Array(columns), each = SOURCES + 1;
  for (let rank = 0; rank < each; rank++) {
    let some = false;
    pen.beginPath();
    pen.moveTo(LEFT, y(below[0]));
    for (let column = 0; column < columns; column++) {
      const top = y(below[column] + heights[column * each + rank]);
      some ||= heights[column * each + rank] > 0;
      pen.lineTo(LEFT + column, top);
      pen.lineTo(LEFT + column + 1, top);
    }
    if (!some) continue;
    for (let column = columns - 1; column >= 0; column--) {
      pen.lineTo(LEFT + column + 1, y(below[column]));
      pen.lineTo(LEFT + column, y(below[column]));
      below[column] += heights[column * each + rank];
    }
    pen.closePath();
    pen.fillStyle = sourceColour(rank);
    pen.globalAlpha = isShown(rank) ? .85 : .12;
    pen.fill();
  }
  pen.globalAlpha = 1;
}

/** The axis of bytes, with a line across at each step of it. */
function drawBytes(pen, most, y, wide, bottom) {
  pen.textAlign = "right";
  const step = niceSteps(most / 1.04, true);
  for (let value = 0; value <= most; value += step) {
    pen.fillStyle = css("--line");
    pen.fillRect(LEFT, Math.round(y(value)), wide - LEFT - RIGHT, 1);
    pen.fillStyle = css("--faint");
    pen.fillText(bytes(value), LEFT - 8, Math.min(Math.max(y(value), 7), bottom));
  }
}

function drawTimes(pen, view, x, wide, tall) {
  pen.textAlign = "center";
  pen.fillStyle = css("--faint");
  const step = niceSteps(view.to - view.from, false);
  for (let ms = Math.ceil(view.from / step) * step; ms <= view.to; ms += step)
    if (x(ms) > LEFT + 24 && x(ms) < wide - 30) pen.fillText(time(ms), x(ms), tall - 9);
  pen.fillText("0", x(0) >= LEFT ? x(0) : -99, tall - 9);
}

/** Regions of the program by how deep they lie in others; three rows at most. */
function bandRows(process) {
  const rows = [];
  for (const band of process.bands) if (band.depth < 3) (rows[band.depth] ||= []).push(band);
  return Array.from(rows, row => row || []);
}
function drawBands(pen, process, rows, x, top) {
  rows.forEach((row, depth) => {
    let free = -1;
    for (const band of row) {
      const left = x(band.from), right = x(band.to === null ? process.span_ms : band.to);
      // Those that share a pixel are one.
      if (right < Math.max(free, LEFT) || left > pen.canvas.width) continue;
      const from = Math.max(left, free), width = Math.max(2, right - from - .5);
      pen.fillStyle = colour(3 + band.name);
      pen.globalAlpha = .28;
      pen.fillRect(from, top + depth * STRIP, width, STRIP - 2);
      pen.globalAlpha = 1;
      free = from + width;
      const start = Math.max(from, LEFT);
      if (right - start > 24) {
        pen.fillStyle = css("--ink");
        pen.textAlign = "left";
        pen.fillText(fit(pen, process.regions[band.name].name, right - start - 6), start + 3, top + depth * STRIP + STRIP / 2 - 1);
      }
    }
  });
}
