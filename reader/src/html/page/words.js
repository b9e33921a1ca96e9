"use strict";
// What the page writes with: elements, numbers, names.
// What programs wrote (commands, marks, call sites) is put in as text, never as HTML.
const page = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("main");

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}

function bytes(value) {
  let number = Math.abs(Number(value)), unit = 0;
  const sign = Number(value) < 0 ? "-" : "";
  if (number < 1024) return sign + Math.round(number) + " B";
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  number /= 1024;
  while (number >= 1023.95 && unit + 1 < units.length) { number /= 1024; unit++; }
  return sign + number.toFixed(1) + " " + units[unit];
}
const count = value => BigInt(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
const hex = value => "0x" + BigInt(value).toString(16);
const ofPrograms = memory => memory === "CB" || memory === "DFB" || memory === "SCRATCHPAD";
const plural = (number, one, many) => count(number) + " " + (Number(number) === 1 ? one : many);
function time(ms) {
  if (ms < 1) return (ms * 1000).toFixed(0) + " µs";
  if (ms < 1000) return ms.toFixed(ms < 10 ? 2 : 1) + " ms";
  if (ms < 120000) return (ms / 1000).toFixed(ms < 10000 ? 3 : 1) + " s";
  const minutes = Math.floor(ms / 60000);
  return minutes + " min " + ((ms - minutes * 60000) / 1000).toFixed(0) + " s";
}
function devices(ids) {
  const parts = [];
  for (const id of ids) {
    const last = parts[parts.length - 1];
    if (last && last[1] + 1 === id) last[1] = id; else parts.push([id, id]);
  }
  return parts.map(([first, last]) => first === last ? "" + first : first + "-" + last).join(", ");
}
/** Its rank, what it runs, its pid. */
const processName = process => (process.rank === null ? "" : `rank ${process.rank} · `) + `${process.command}  pid ${process.pid}`;
/** The source line of a frame, where it is known. */
function sourceOf(process, frame) {
  const place = frame.slice(frame.lastIndexOf(" (") + 2, -1).replace(/^[^,]*\+0x[0-9a-f]+, /, "");
  return Object.hasOwn(process.lines_of_source, place) ? process.lines_of_source[place] : undefined;
}
/** A frame, and its source line below it. */
const withSource = (process, frame) => [frame, ...[sourceOf(process, frame)].filter(Boolean).map(text => "    " + text)].join("\n");
// Its op and its innermost frame.
const callSite = (process, at) => [process.ops[at], process.sites[at][0]].filter(Boolean).join(": ");
/** The name without the folders of its files. */
const shortName = name => name.replace(/\((?:[^()]*\/)?([^()/]+)\)/g, "$1");
