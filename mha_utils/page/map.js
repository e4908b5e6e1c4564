// What tells the chosen line: the sentence as text, the map, and the lines behind it.

import {
  areSame, between, column, digits, drawsAll, explained, fullName, headName,
  headsDrawn, isCell, lineOf, range, SMALLEST, valueAt, valuesOf,
} from "./reading.js";
import { differ, FAMILY, FONT, make, measure, under, update } from "./paper.js";

const INK = "#1a1a1a", ACCENT = "#0b5cad";
const AHEAD = 46; // px at 100 %, of numbers that stand where the lines begin

// ---- the sentence as text to read: the words that are told, shaded by their shares
// Where the keys are other words they stand below, and what is shaded is the others.
export function makeText({ colors, now, point, pickLine }) {
  const OTHER = { tabindex: "-1", "aria-selected": "false" };
  const node = make("div", { class: "mha-text" });
  let told = [], shaded = [], shades = []; // words of which lines are told
  let chosen, shown; // of these, the chosen one, and that of the line that is shown

  function build({ maps, view: { byKey } }) {
    const { words, keys, leftward } = maps, dir = leftward ? "rtl" : "ltr";
    const spans = (texts, role) =>
      texts.map((text) => make("span", role ? { role, ...OTHER } : {}, text));
    const tell = (texts) => make("p", {
      dir, role: "listbox", "aria-label": "Words", "aria-orientation": "horizontal",
    }, ...told = spans(texts, "option"));
    const lines = [tell(byKey ? keys : words)];
    if (areSame(maps)) shaded = told;
    else {
      shaded = spans(byKey ? words : keys);
      lines.push(make("p", { dir }, ...shaded));
      if (byKey) lines.reverse(); // keys stay below
    }
    shades = [];
    chosen = shown = null;
    node.replaceChildren(...lines);
  }

  function shade({ maps, choice }, line) {
    valuesOf(line, maps, choice).forEach((value, k) => {
      const color = colors.ofCell(value, choice);
      if (shades[k] === color) return;
      shades[k] = color;
      shaded[k].setAttribute("style", `background:${color};color:${colors.inks.get(color)}`);
    });
  }

  const wordAt = ({ target }) => told.indexOf(target.closest("[role=option]"));
  const cellOf = (at) => (now().view.byKey ? [null, at] : [at, null]);
  const preview = (event) => {
    const at = wordAt(event);
    if (at >= 0) point(cellOf(at));
  };
  const leave = () => { if (now().cell) point(null); };
  function take(event) {
    const at = wordAt(event);
    if (at < 0) return;
    pickLine(at);
    leave();
  }
  node.addEventListener("pointerover", preview);
  node.addEventListener("focusin", preview);
  node.addEventListener("pointerleave", leave);
  node.addEventListener("focusout", leave);
  node.addEventListener("click", take);
  node.addEventListener("keydown", (event) => {
    const at = wordAt(event), on = now().maps.leftward ? -1 : 1, last = told.length - 1;
    const to = {
      ArrowRight: at + on, ArrowDown: at + 1, ArrowLeft: at - on, ArrowUp: at - 1,
      Home: 0, End: last,
    }[event.key];
    if (to !== undefined) told[between(0, to, last)].focus();
    else if (event.key === "Enter" || event.key === " ") take(event);
    else return;
    event.preventDefault();
  });

  function draw(scene, before) {
    const isNew = differ(before, scene, "maps") || before.view.byKey !== scene.view.byKey;
    const focused = isNew && node.contains(document.activeElement);
    if (isNew) build(scene);
    const line = lineOf(scene), { at } = lineOf({ ...scene, cell: null });
    shade(scene, line);
    if (chosen !== told[at]) {
      if (chosen) update(chosen, OTHER);
      chosen = told[at];
      update(chosen, { tabindex: "0", "aria-selected": "true" });
    }
    shown?.classList.remove("mha-told");
    shown = told[line.at];
    shown.classList.add("mha-told");
    if (focused) chosen.focus({ preventScroll: true });
  }
  return { node, draw };
}

// ---- the map of the chosen head, with room in the same drawing for its row
export function makeMap({ colors, row, now, pick, see, point }) {
  const node = make("div", {
    class: "mha-stage", tabindex: 0, role: "group", "aria-label": "Attention map",
    "aria-description": "Arrows go from cell to cell, Enter chooses one.",
  });
  let drawing; // the nodes that change

  function build({ maps, place }) {
    const { nq, nk, words, keys } = maps;
    const { left, top, side, right, width, height, zoom, labels, keyLabels } = place;
    const cells = make("g", { class: "mha-cells", "shape-rendering": "crispEdges" });
    for (let i = 0; i < nq; i++)
      for (let j = 0; j < nk; j++)
        cells.append(
          make("rect", {
            x: left + column(maps, j) * side, y: top + i * side,
            width: side, height: side,
          }),
        );
    const full = (word) => make("title", {}, word);
    const rowNames = labels.map((label, i) => make("text", {
      x: left - 6, y: top + (i + 0.5) * side, dy: "0.35em", "text-anchor": "end",
    }, label, full(words[i])));
    const angle = (-50 * Math.PI) / 180, cos = Math.cos(angle), sin = Math.sin(angle);
    const lean = make("g", { transform: "rotate(-50)" });
    const keyNames = keyLabels.map((label, j) => {
      const x = left + (column(maps, j) + 0.55) * side, y = top - 8;
      const at = { x: x * cos + y * sin, y: y * cos - x * sin };
      return make("text", at, label, full(keys[j]));
    });
    lean.append(...keyNames);
    const dot = make("circle", { cx: 9, cy: 13, r: 7 });
    const style = { "font-weight": 700, class: "mha-title" };
    const title = make("text", { x: 22, y: 18, ...style });
    const scale = make("g"), frames = make("g");
    const svg = make(
      "svg",
      {
        width: width * zoom, height: height * zoom, viewBox: `0 0 ${width} ${height}`,
        role: "img", fill: INK, "font-size": FONT, "font-family": FAMILY,
      },
      make("rect", { width, height, fill: "#fff" }),
      dot, title,
      make("text", { x: left - 6, y: top - 8, "text-anchor": "end" }, "query"),
      make("text", { x: right + 14, y: top - 8 }, "key"),
      cells, make("g", { class: "mha-labels" }, lean, ...rowNames), scale, frames, row,
    );
    node.replaceChildren(svg);
    drawing = { svg, cells, rowNames, keyNames, dot, title, scale, frames };
  }

  function paint({ maps, choice, place }) {
    const { nq, nk } = maps;
    for (let i = 0, at = 0; i < nq; i++)
      for (let j = 0; j < nk; j++, at++) {
        const fill = colors.ofCell(valueAt(maps, choice, i, j), choice);
        update(drawing.cells.children[at], { fill });
      }
    drawing.dot.setAttribute("fill", colors.ofHead(choice));
    const { layer, head, compare } = choice, title = fullName(maps, layer, head) +
      (compare < 0 ? "" : ` minus head ${headName(maps, compare)}`);
    [drawing.title.textContent] = measure([title], place.title).labels;
    paintScale(choice, place);
  }

  function paintScale(choice, { beside, scale: [x, y, width] }) {
    const [low, what] = choice.compare < 0
      ? ["0", "attention weight"]
      : ["−1", "difference of weights"];
    const before = beside ? `${what.split(" ")[0]}   ${low}` : low;
    const after = beside ? "1" : `1   ${what}`;
    if (drawing.scale.textContent === before + after) return;
    const table = colors.table(choice);
    drawing.scale.replaceChildren(
      make("text", { x: x - 6, y: y + 11, "text-anchor": "end" }, before),
      make("text", { x: x + width + 6, y: y + 11 }, after),
      ...range(64).map((k) =>
        make("rect", {
          x: x + (k * width) / 64, y, width: width / 64 + 0.5, height: 12,
          fill: table[4 * k + 2],
        })),
    );
  }

  function frame(scene) {
    const { maps, cell, place: { left, top, side }, said } = scene, { nq, nk } = maps;
    const { byKey, at } = lineOf(scene);
    const box = (i, j, rows, columns, stroke) => make("rect", {
      x: left + j * side, y: top + i * side, width: columns * side, height: rows * side,
      fill: "none", stroke, "stroke-width": 2.5,
    });
    if (drawing.strong) update(drawing.strong, { "font-weight": "400", fill: INK });
    drawing.strong = drawing[byKey ? "keyNames" : "rowNames"][at];
    update(drawing.strong, { "font-weight": "700", fill: ACCENT });
    drawing.svg.setAttribute("aria-label", said);
    drawing.frames.replaceChildren(byKey
      ? box(0, column(maps, at), nq, 1, ACCENT)
      : box(at, 0, 1, nk, ACCENT));
    const told = isCell(cell) ? cell : maps.why && explained(scene);
    if (told) drawing.frames.append(box(told[0], column(maps, told[1]), 1, 1, INK));
  }

  function find(event) { // what of the map is under the pointer
    const { maps, place } = now(), box = drawing.svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / place.zoom;
    const y = (event.clientY - box.top) / place.zoom;
    return under(x, y, maps, place);
  }
  const cellAt = (event) => {
    const found = find(event);
    return found && found[1] !== null ? found : null;
  };
  const isTouch = ({ pointerType }) => pointerType === "touch";
  node.addEventListener("pointermove", (event) => {
    const cell = cellAt(event);
    if (!isTouch(event) && String(cell) !== String(now().cell)) point(cell);
  });
  node.addEventListener("pointerleave", (event) => {
    if (!isTouch(event) && now().cell) point(null);
  });
  node.addEventListener("click", (event) => {
    const found = find(event), before = String(now().cell);
    const key = drawing.keyNames.indexOf(event.target);
    if (key >= 0) see({ byKey: true, key });
    else if (found?.[1] === null) pick({ word: found[0] }, { byKey: false, key: -1 });
    else if (found) take(found);
    if (!isTouch(event)) return;
    const cell = cellAt(event); // a finger cannot hover: it taps, and taps again
    point(String(cell) === before ? null : cell);
  });

  const take = ([word, key]) => pick({ word }, { key });
  const leave = () => { if (now().cell) point(null); };
  node.addEventListener("focusout", leave);
  node.addEventListener("keydown", (event) => {
    const { maps, cell } = now(), on = maps.leftward ? -1 : 1;
    const [i, j] = isCell(cell) ? cell : explained(now());
    const to = {
      ArrowUp: [i - 1, j], ArrowDown: [i + 1, j],
      ArrowLeft: [i, j - on], ArrowRight: [i, j + on],
    }[event.key];
    if (to) {
      const next = [between(0, to[0], maps.nq - 1), between(0, to[1], maps.nk - 1)];
      point(next);
      reveal({ ...now(), choice: { word: next[0] }, view: { byKey: true, key: next[1] } });
    } else if (event.key === "Enter" || event.key === " ") take([i, j]);
    else if (event.key === "Escape") leave();
    else return;
    event.preventDefault();
  });

  // A map that is scrolled keeps the row or column that was chosen in view.
  function reveal({ maps, choice, view, place: { left, top, side, zoom } }) {
    const within = (scrolled, at, room) =>
      between((at + side) * zoom - room, scrolled, at * zoom);
    const [y, x] = [top + choice.word * side, left + column(maps, view.key) * side];
    if (view.byKey) node.scrollLeft = within(node.scrollLeft, x, node.clientWidth);
    node.scrollTop = within(node.scrollTop, y, node.clientHeight);
  }

  function draw(scene, before) {
    const isNew = differ(before, scene, "maps", "place");
    if (isNew) build(scene);
    if (isNew || differ(before.choice, scene.choice, "layer", "head", "compare"))
      paint(scene);
    if (isNew || before.choice.word !== scene.choice.word ||
        differ(before.view, scene.view, "byKey", "key"))
      reveal(scene);
    frame(scene);
  }
  function file() {
    const markup = new XMLSerializer().serializeToString(drawing.svg);
    return new Blob([markup], { type: "image/svg+xml" });
  }
  return { node, draw, file, free: () => { drawing = null; } };
}

// ---- the line that is told: a curve for each share, from the word that looks to what
// it looks at, and the shares as numbers. Those of a row stand behind the names of the
// keys; those of a column behind the map, where the rows end.
export function makeRow({ colors }) {
  const list = make("g", { class: "mha-list" });
  const lines = make("g", { class: "mha-row" });
  const node = make("g", {}, list, lines);
  let names, shares; // of the keys; of the line

  function build({ maps, place, view: { byKey } }) {
    const { left, right, rows, side, start, end, numbers, keyLabels, labels } = place;
    const text = (x, k, content, attributes = {}) => make("text", {
      x, y: rows + (k + 0.5) * side, dy: "0.35em", ...attributes,
    }, content);
    const style = { "text-anchor": "end", "font-variant-numeric": "tabular-nums" };
    const number = (_, k) => text(byKey ? start + AHEAD : numbers, k, "",
      { ...style, class: "mha-number" });
    names = keyLabels.map((label, j) => text(end + 6 + (byKey ? AHEAD : 0), j, label));
    shares = (byKey ? maps.words : names).map(number);
    list.replaceChildren(...byKey
      ? [...names, ...shares]
      : names.flatMap((name, j) => [name, shares[j]]));
    if (byKey && start < right) // the rows do not end here: their names stand once more
      list.append(...labels.map((label, i) =>
        text(left - 6, i, label, { "text-anchor": "end" })));
  }

  // Of all heads the lines are thinner, and a little apart.
  function curves(scene, line, values) {
    if (!drawsAll(scene)) return [{ values, thick: 8, apart: 0, choice: scene.choice }];
    const { maps, choice, place: { side } } = scene, heads = headsDrawn(scene);
    return heads.map((head, k) => {
      const own = { ...choice, head };
      const apart = ((k + 0.5) / heads.length - 0.5) * 0.6 * side;
      return { values: valuesOf(line, maps, own), thick: 4, apart, choice: own };
    });
  }

  function draw(scene, before) {
    const { maps, choice, view, place } = scene;
    if (differ(before, scene, "maps", "place") || before.view.byKey !== view.byKey)
      build(scene);
    const { left, right, side, rows, start, end, labels } = place;
    const line = lineOf(scene), { byKey, at } = line, below = start < right;
    const values = valuesOf(line, maps, choice);
    const most = Math.max(...values.map(Math.abs));
    const best = values.findIndex((value) => Math.abs(value) === most);
    const y = (k) => rows + (k + 0.5) * side, middle = (start + end) / 2;
    const from = y(below ? Math.min(at, maps.nk - 1) : at), ahead = byKey ? AHEAD : 0;
    const [x0, x1, x2] = [start + 4, middle, end].map((x) => x + ahead);
    const marks = [];
    if (below && !byKey) // its name stands once more, where lines begin
      marks.push(make("text", {
        x: left - 6, y: from, dy: "0.35em", "text-anchor": "end",
        "font-weight": "700", fill: ACCENT,
      }, labels[at]));
    for (const { values: shown, thick, apart, choice: of } of curves(scene, line, values))
      shown.forEach((value, k) => {
        const size = Math.min(1, Math.abs(value));
        if (size < SMALLEST) return;
        const [y0, y2] = (byKey ? [y(k), y(at)] : [from, y(k)]).map((y) => y + apart);
        marks.push(make("path", {
          d: `M${x0} ${y0}C${x1} ${y0} ${x1} ${y2} ${x2} ${y2}`,
          fill: "none", "stroke-width": 0.75 + thick * size,
          "stroke-opacity": 0.25 + 0.75 * size, stroke: colors.ofLine(value, of),
        }));
      });
    values.forEach((value, k) => {
      const text = digits(value);
      if (shares[k].textContent !== text) shares[k].textContent = text;
      update(shares[k], { "font-weight": k === best ? "700" : "400" });
    });
    const strong = byKey ? at : best;
    names.forEach((name, j) => update(name, { "font-weight": j === strong ? "700" : "400" }));
    lines.replaceChildren(...marks);
  }
  return { node, draw };
}
