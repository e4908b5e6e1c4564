// What the parts of the page are made of: colours, places and nodes.

import { between, column, range } from "./reading.js";

export const SVG = "http://www.w3.org/2000/svg";
export const FONT = 14; // px at 100 %, the smallest text drawn
export const FAMILY = 'system-ui, "Segoe UI", "Helvetica Neue", sans-serif';

// Black or white, whichever has the larger contrast: at least 4.5, as WCAG 2 counts.
function inkOn(color) {
  const [r, g, b] = color.map((byte) =>
    byte <= 10 ? byte / 3294 : ((byte / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

// ---- colours: 256 steps of three bytes for each kind of map, and one for each head
export function readColors({ weights, difference, heads }) {
  const steps = (bytes) =>
    range(256).map((i) => [0, 1, 2].map((k) => bytes.getUint8(3 * i + k)));
  const css = (colors) => colors.map((color) => `rgb(${color})`);
  const bytes = steps(weights), weightColors = css(bytes);
  const differenceColors = css(steps(difference));
  const step = (value) => between(0, Math.floor(value * 256), 255);
  return {
    pixels: bytes.map(([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r),
    step,
    inks: new Map(
      [...bytes, ...steps(difference)].map((color) => [`rgb(${color})`, inkOn(color)])),
    table: ({ compare }) => (compare < 0 ? weightColors : differenceColors),
    ofCell: (value, { compare }) =>
      compare < 0 ? weightColors[step(value)] : differenceColors[step((value + 1) / 2)],
    ofHead: ({ head }) => heads[head % heads.length],
    ofLine: (value, { head, compare }) =>
      compare < 0
        ? heads[head % heads.length]
        : differenceColors[value > 0 ? 230 : 25], // strong, but not black
  };
}

// ---- where things stand in the drawing
// From left to right: words, map, lines, words and numbers, with the scale of colours
// above these. Lines and what follows stand below the map, and the scale directly below
// it, where there is not even room for small cells and short lines. Lengths are in
// units of the drawing, except the page's `room` and height (`tall`), in pixels; one
// unit is `zoom` pixels. The widest name of a row is `wide`, that of a column `wideKey`. A
// cell's `side` is 17 to 28, and lines take 44 to 130 from left to right beside the
// map, 44 to 100 below it.
//
// All heads stand beside that, in the first of the `glances`, widths in pixels, with
// which all fits; or in the last, if what is left is enough for a map that scrolls. Else
// they stand above it: then `glance` is -1.
const REST = 222; // the height of what stands above and below the map, about
export function layout({ nq, nk, wide, wideKey, glances, room, tall, projector }) {
  const left = wide + 10, after = wideKey + 62; // a name, and a name and its number
  const small = 17, short = 44, caption = 190; // of the scale below
  const low = projector ? 1.2 : 1, high = projector ? 20 / 14 : 1; // zoom
  const least = left + nk * small + short + after;
  const top = 26 + Math.ceil(wideKey * 0.77) + 12; // title, labels that lean by 50°
  const fits = (width) => room - 16 - width >= least * low;
  let glance = glances.findIndex(fits);
  if (glance < 0 && room - glances.at(-1) >= 460 * low) glance = glances.length - 1;
  const space = Math.max(0, room - 16 - (glances[glance] ?? 0));
  const fit = space / least, beside = fit >= low; // the zoom at which all just fits
  const flat = glance < 0 ? Infinity : tall / (REST + top + nq * small + 10);
  const zoom = beside || glance >= 0 ? between(low, Math.min(fit, flat), high) : high;
  const lean = Math.ceil(wideKey * 0.65); // how far the last label reaches further
  const rest = space / zoom - left - (beside ? after : lean);
  const across = (rest - (beside ? 100 : 0)) / nk;
  const down = glance < 0 ? 28 : (tall / zoom - REST - top - 10) / nq;
  const side = between(small, Math.floor(Math.min(across, down)), 28);
  const fan = beside
    ? between(short, rest - nk * side, 130)
    : between(short, space / zoom - left - after, 100);
  const right = left + nk * side, bottom = top + nq * side;
  const rows = beside ? top : bottom + 48; // the top of the list, below the scale
  const start = beside ? right : left, end = start + fan; // of the lines
  const numbers = end + after - 4; // where they end
  const edge = beside ? Math.max(numbers, 350) : 0; // of a scale beside the title
  const first = between(20, space / zoom - 60 - caption, left); // of a scale below
  const scale = beside // [x, y and width], and what it shows stands left or right of it
    ? [edge - 72, 8, 60]
    : [first, bottom + 14,
       between(60, Math.min(nk * side, space / zoom - first - caption), 250)];
  return {
    left, top, side, right, bottom, scale, rows, start, end, zoom, beside, glance, numbers,
    title: beside ? edge - 190 : 400, // how wide it can be
    width: Math.max(
      right + Math.max(lean, 44), // the last label, and the word "key"
      end + after,
      beside ? edge + 4 : scale[0] + scale[2] + caption,
    ),
    height: beside
      ? top + Math.max(nq, nk) * side + 10
      : rows + Math.max(nq, nk) * side + 36,
  };
}

// What of the map is at a point, in the drawing's units: [row, column], or [row, null]
// for the name of a row.
export function under(x, y, { nq, nk, leftward }, { left, top, side, right }) {
  const i = Math.floor((y - top) / side);
  if (i < 0 || i >= nq || x >= right) return null;
  return [i, x < left ? null : column({ nk, leftward }, Math.floor((x - left) / side))];
}

// ---- nodes
export function make(tag, attributes = {}, ...children) {
  const node =
    tag in { svg: 0, g: 0, rect: 0, text: 0, path: 0, title: 0, circle: 0 }
      ? document.createElementNS(SVG, tag)
      : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== null && value !== false) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
export const labelled = (text, control, name = "") =>
  make("label", { class: name }, make("span", {}, text), control);
export const display = (node, wanted) => { node.style.display = wanted ? "" : "none"; };

export function update(node, attributes) { // what is as it was costs the browser nothing
  for (const [name, value] of Object.entries(attributes))
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}
export const differ = (before, scene, ...names) =>
  names.some((name) => before[name] !== scene[name]);

// Words cut between two characters as people see them, so that they fit.
const ruler = document.createElement("canvas").getContext("2d");
const cutCharacters = Intl.Segmenter // older browsers cut an emoji in two
  ? (text) => Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment)
  : Array.from;
export function measure(words, widest = 110) {
  ruler.font = `600 ${FONT}px ${FAMILY}`;
  const widthOf = (text) => ruler.measureText(text).width;
  const shorten = (word) => {
    if (widthOf(word) <= widest) return word;
    let short = "";
    for (const segment of cutCharacters(word)) {
      if (widthOf(short + segment + "…") > widest) break;
      short += segment;
    }
    return short + "…";
  };
  const labels = words.map(shorten);
  return { labels, wide: Math.ceil(Math.max(40, ...labels.map(widthOf))) };
}
