// The explorer's front end: one module, no build step. It draws `picture`, which the
// kernel sends anew when an input changes (the sentence, a switch, the temperature),
// and lets the reader choose in the page. What a reader typed reaches the page as text
// nodes and attributes only, never as markup.
//
// What Python shares, as traits of `explorer.py`:
//   picture  number, inputs, error, suggestion (a sentence to offer instead), note,
//            shape, tokens (rows), keys (columns), head_names, groups (heads that share
//            keys are one), weights, and why: the queries, keys and names of their
//            columns, or null. Of large maps it is a window: where it begins, its
//            side, and the words in all; else null. With an error the words and
//            weights are those of the last good picture. When no page shows them they
//            are let go: then there are no words (nq is 0)
//   initial  inputs and choice at the beginning, for Reset
//   examples sentences to choose from
//   colors   of the maps and the heads
//   shown    whether a page shows the explorer
//   and the inputs and the choice, each by its name
//
// Pure functions come first, then the parts of the page, then `render`, which wires
// them; anywidget calls it for each view. A part is made from callbacks and gives back
// its `node` and `draw(scene, before)`, and `free()` if it holds something large. The
// scene is all that is shown, one value, which only `render` replaces; `now()` is the
// one that was drawn last:
//   maps    the words and weights of a sentence, as `readPicture` returns them
//   choice  which layer, head and word is looked at, and the head to compare with
//   view    what Python does not share: whether the line of the map that is told is a
//           column (`byKey`) and of which `key`, whether lines of `all` heads are
//           drawn, and which heads are `hidden` then
//   cell    [row, column] under the pointer, or null; of a word of the text one is null
//   place   where things stand in the drawing, as `layout` returns it, and the labels
//   said    the chosen line, or that cell, in words
// A part draws again what depends on a value that has been replaced since the scene
// before. A choice repaints the map; only the frame and the lines are built again. Rows
// are the nq words that look (queries), columns the nk words that are looked at (keys);
// most often they are the same words.

const SVG = "http://www.w3.org/2000/svg";
const FONT = 14; // px at 100 %, the smallest text drawn
const FAMILY = 'system-ui, "Segoe UI", "Helvetica Neue", sans-serif';
const INK = "#1a1a1a", ACCENT = "#0b5cad";
const AHEAD = 46; // px at 100 %, of numbers that stand where the lines begin
const SMALLEST = 0.005; // a smaller share has no line and is not told
const FIRST_VIEW = { byKey: false, key: -1, all: false, hidden: [] };

// ---- numbers and words
const between = (low, value, high) => Math.max(low, Math.min(high, value));
const range = (n) => Array.from({ length: n }, (_, i) => i);
export const digits = (value, places = 3) =>
  value.toFixed(places).replace(/^-(0\.0+)$/, "$1");
// Without what a picture cannot hold, and what would turn around the text after it.
const plain = (text) =>
  text.replace(/[\0-\x08\x0b-\x1f\x7f\ufffe\uffff\u202a-\u202e\u2066-\u2069]/g, "�");
const isolate = (word) => `“\u2068${word}\u2069”`; // a word keeps its own direction
// A token that a model puts in front, such as <s> or [CLS], is no word of the sentence.
const isWord = (token) => !/^(<.*>|\[.*\])$/.test(token);
const readsLeftward = (words) =>
  /^\P{L}*[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}]/u.test(
    words.filter(isWord).join(" "),
  );

// ---- what the kernel sent, and what of it is looked at
export function readPicture(picture) {
  const { number, inputs, error, suggestion, note, shape, weights, why } = picture;
  const { window } = picture, [numLayers, numHeads, nq, nk] = shape;
  const words = picture.tokens.map(plain), keys = picture.keys.map(plain);
  // A copy: in the message they come with, they may not begin at a multiple of 4 bytes.
  const floats = ({ buffer, byteOffset, byteLength }) =>
    new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
  return {
    number, inputs, numLayers, numHeads, nq, nk, words, keys,
    inGroup: numHeads / picture.groups, // heads that share keys and values
    window, first: window ? [window.rows, window.columns] : [0, 0],
    message: error
      ? plain(`${error} The last picture stays.`)
      : [plain(note), window && sayWindow(picture)].filter(Boolean).join(" "),
    isError: Boolean(error), suggestion: error ? suggestion : "",
    headNames: picture.head_names.map(plain),
    weights: floats(weights),
    why: why && {
      queries: floats(why.queries), keys: floats(why.keys),
      names: why.names.map((own) => own.map(plain)),
    },
    leftward: readsLeftward(keys),
  };
}

const fromTo = (first, side, all) => `${first + 1}–${Math.min(first + side, all)}`;
function sayWindow({ inputs, shape: [layers, heads], window }) {
  const { rows, columns, side, total: [nq, nk] } = window, maps = layers * heads;
  const size = (4 * maps * nq * nk) / 1e6, places = size < 10 ? 1 : 0;
  return `${maps === 1 ? "This map" : `These ${maps} maps`} of ${nq} × ${nk} words ` +
    `${maps === 1 ? "is" : "are"} ${digits(size, places)} MB. Shown are rows ` +
    `${fromTo(rows, side, nq)} and columns ${fromTo(columns, side, nk)}` +
    (inputs.rows === undefined ? "." : "; choose others beside the sentence.");
}

// What is asked for, as far as there is such a layer, head or word.
export function choose({ layer, head, compare, word }, maps) {
  const { numLayers, numHeads, nq } = maps;
  const choice = {
    layer: between(0, layer, numLayers - 1),
    head: between(0, head, numHeads - 1),
    compare: between(-1, compare, numHeads - 1), // -1: with none
  };
  return { ...choice, word: word < 0 || word >= nq ? worthSeeing(maps, choice) : word };
}

// What each word of a head gives to other words of the sentence.
function givenAway(maps, { layer, head }) {
  const { nq, nk, words, keys } = maps, same = areSame(maps);
  const others = range(nk).filter((j) => isWord(keys[j]));
  return range(nq).map((i) => !isWord(words[i]) ? -1 : others.reduce(
    (sum, j) => sum + (same && i === j ? 0 : weightAt(maps, layer, head, i, j)), 0));
}
function worthSeeing(maps, choice) { // the word that gives most
  const given = givenAway(maps, choice);
  return given.indexOf(Math.max(...given));
}

// Where no word of the chosen head looks at another: a head of its layer with most.
export function sayResting({ maps, choice }) {
  const most = (head) => Math.max(...givenAway(maps, { ...choice, head })), least = 0.05;
  if (choice.compare >= 0 || most(choice.head) >= least) return "";
  const all = range(maps.numHeads).map(most), best = Math.max(...all);
  return best < least ? "" : " Here no word of this head looks at another; " +
    `head ${headName(maps, all.indexOf(best))} has more to see.`;
}

const areSame = ({ words, keys, first: [row, key] }) =>
  row === key && words.join() === keys.join();

// Where a word is that was at a place of another sentence: -1 if it is not there.
export const placeOf = (word, place, { words }) =>
  words[place] === word ? place : words.indexOf(word);

const weightAt = ({ numHeads, nq, nk, weights }, layer, head, i, j) =>
  weights[((layer * numHeads + head) * nq + i) * nk + j];
// The weight, or how much more it is than the other head's.
const valueAt = (maps, { layer, head, compare }, i, j) =>
  weightAt(maps, layer, head, i, j) -
  (compare < 0 ? 0 : weightAt(maps, layer, compare, i, j));
// Columns of right-to-left sentences are mirrored. The mirror is its own inverse: it
// turns a word's place into its column, and a column into the word's place.
const column = ({ leftward, nk }, j) => (leftward ? nk - 1 - j : j);

const headName = ({ headNames }, head) =>
  headNames[head] ? `${head + 1} ${headNames[head]}` : `${head + 1}`;
const fullName = (maps, layer, head) =>
  (maps.numLayers > 1 ? `Layer ${layer + 1}, head ` : "Head ") + headName(maps, head);

// The line of the map that is told: the row of a word that looks, or the column of a
// key, under the pointer or else chosen. Its values are shares of the `others`.
function lineOf({ maps, choice, view: { byKey, key }, cell }) {
  const { words, keys } = maps;
  return byKey
    ? { byKey, at: cell?.[1] ?? key, own: keys, others: words }
    : { byKey, at: cell?.[0] ?? choice.word, own: words, others: keys };
}
const valuesOf = ({ byKey, at, others }, maps, choice) =>
  others.map((_, k) => valueAt(maps, choice, ...(byKey ? [k, at] : [at, k])));
const isCell = (cell) => cell !== null && !cell.includes(null);
const mostly = (values) => { // places of the largest values, from the largest on
  const size = (k) => Math.abs(values[k]);
  return range(values.length).sort((a, b) => size(b) - size(a));
};

// Lines of all heads are drawn where there are some, but no more than one can tell
// apart, and no other head is subtracted.
const hasManyHeads = ({ maps: { numHeads }, choice }) =>
  numHeads > 1 && numHeads <= 12 && choice.compare < 0;
const headsDrawn = (scene) =>
  range(scene.maps.numHeads).filter((head) => !scene.view.hidden.includes(head));
const drawsAll = (scene) => scene.view.all && hasManyHeads(scene);

// The line that is told, or the cell under the pointer, as a sentence.
export function sayLine(scene) {
  const { maps, choice, view, cell } = scene, { layer, head, compare } = choice;
  const single = isCell(cell);
  if (drawsAll(scene) && !single) return sayAll(scene);
  const line = lineOf(single ? { ...scene, view: FIRST_VIEW } : scene);
  const byKey = view.byKey && !single, own = isolate(line.own[line.at]);
  const values = valuesOf(line, maps, choice);
  const told = single
    ? [cell[1]]
    : mostly(values)
        .slice(0, 3)
        .filter((k, place) => place === 0 || Math.abs(values[k]) >= SMALLEST);
  const say = (to, first) => told.map((k, place) =>
    `${digits(values[k], single ? 3 : 2)}${place ? "" : first} ${to} ` +
    isolate(line.others[k])).join(", ");
  if (compare >= 0)
    return `${own}: head ${headName(maps, head)} minus head ` +
      `${headName(maps, compare)} is ${say(byKey ? "from" : "to", "")}.`;
  if (byKey && told.every((k) => values[k] < SMALLEST))
    return `${fullName(maps, layer, head)}: no word looks at ${own}.`;
  const rest = 1 - sum(values), hides = maps.window && rest >= SMALLEST && !single;
  return `${fullName(maps, layer, head)}: ${own} ` + (byKey
    ? `gets ${say("of", " of the attention")}.`
    : `gives ${say("to", " of its attention")}` +
      (hides ? `, ${digits(rest, 2)} to words that are not shown.` : "."));
}

function sayAll(scene) {
  const { maps, choice } = scene, line = lineOf(scene), { byKey, others } = line;
  const told = headsDrawn(scene).map((head) => {
    const values = valuesOf(line, maps, { ...choice, head }), [most] = mostly(values);
    return `${headName(maps, head)} ${byKey ? "gets" : "gives"} ` +
      `${digits(values[most], 2)} ${byKey ? "from" : "to"} ${isolate(others[most])}`;
  });
  const layer = maps.numLayers > 1 ? `Layer ${choice.layer + 1}, all` : "All";
  const heads = told.join(", ") || "none is drawn";
  return `${layer} heads, ${isolate(line.own[line.at])}: ${heads}.`;
}

// ---- why: the score of the cell that was chosen, as the sum of its parts
const explained = (scene) => { // in the chosen row, if no cell was: its largest share
  const { maps, choice, view } = scene, row = { ...scene, view: FIRST_VIEW, cell: null };
  const most = () => mostly(valuesOf(lineOf(row), maps, choice))[0];
  return [choice.word, view.key < 0 ? most() : view.key];
};

// The score's parts by the names of their columns, each already divided by √d_k.
export function partsOf({ numHeads, nq, nk, why }, { layer, head }, i, j) {
  const names = why.names[head], dk = names.length, parts = {};
  const first = layer * numHeads + head;
  const q = (first * nq + i) * dk, k = (first * nk + j) * dk;
  names.forEach((name, c) => {
    const part = (why.queries[q + c] * why.keys[k + c]) / Math.sqrt(dk);
    parts[name] = (parts[name] ?? 0) + part;
  });
  return parts;
}
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const amount = (value) => { // with three digits, as far as that makes sense
  const size = Math.abs(value);
  return digits(value, size >= 100 ? 0 : size >= 10 ? 1 : 2).replace("-", "−");
};

export function sayWhy(scene) {
  const { maps, choice } = scene, { layer, head } = choice, [i, j] = explained(scene);
  const score = (k) => sum(Object.values(partsOf(maps, choice, i, k)));
  const total = score(j), weight = (k) => weightAt(maps, layer, head, i, k);
  const seen = range(maps.nk).filter((k) => weight(k) > 0);
  const share = 1 / sum(seen.map((k) => Math.exp(score(k) - total)));
  const words = `${isolate(maps.words[i])} → ${isolate(maps.keys[j])}`;
  if (weight(j) === 0 && share > 1e-7) // a weight too small for float16 is no mask's
    return `Why ${words} is 0: the mask hides this word. Its score does not count.`;
  const parts = Object.entries(partsOf(maps, choice, i, j))
    .filter(([, part]) => Math.abs(part) >= SMALLEST)
    .sort(([, a], [, b]) => Math.abs(b) - Math.abs(a));
  const told = parts.slice(0, 4).map(([name, part]) => `${amount(part)} ${name}`);
  const rest = parts.slice(4);
  if (rest.length)
    told.push(`${amount(sum(rest.map(([, part]) => part)))} of ${rest.length} more`);
  const terms = told.join(" + ").replaceAll("+ −", "− ") || "no part";
  return `Why ${words}: q·k/√${maps.why.names[head].length} = ${terms} = ` +
    `${amount(total)}; e^${amount(total)} / row's sum = ${digits(share)}`;
}

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
// map, 100 below it.
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
  const space = Math.max(300, room - 16 - (glances[glance] ?? 0));
  const fit = space / least, beside = fit >= low; // the zoom at which all just fits
  const flat = glance < 0 ? Infinity : tall / (REST + top + nq * small + 10);
  const zoom = beside || glance >= 0 ? between(low, Math.min(fit, flat), high) : high;
  const lean = Math.ceil(wideKey * 0.65); // how far the last label reaches further
  const rest = space / zoom - left - (beside ? after : lean);
  const across = (rest - (beside ? 100 : 0)) / nk;
  const down = glance < 0 ? 28 : (tall / zoom - REST - top - 10) / nq;
  const side = between(small, Math.floor(Math.min(across, down)), 28);
  const fan = beside ? between(short, rest - nk * side, 130) : 100;
  const right = left + nk * side, bottom = top + nq * side;
  const rows = beside ? top : bottom + 48; // the top of the list, below the scale
  const start = beside ? right : left, end = start + fan; // of the lines
  const numbers = end + after - 4; // where they end
  const edge = beside ? Math.max(numbers, 350) : 0; // of a scale beside the title
  const scale = beside // [x, y and width], and what it shows stands left or right of it
    ? [edge - 72, 8, 60]
    : [left, bottom + 14,
       between(60, Math.min(nk * side, space / zoom - left - caption), 250)];
  return {
    left, top, side, right, bottom, scale, rows, start, end, zoom, beside, glance, numbers,
    title: beside ? edge - 190 : 400, // how wide it can be
    width: Math.max(
      right + Math.max(lean, 44), // the last label, and the word "key"
      end + after,
      beside ? edge + 4 : left + scale[2] + caption,
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
function make(tag, attributes = {}, ...children) {
  const node =
    tag in { svg: 0, g: 0, rect: 0, text: 0, path: 0, title: 0, circle: 0 }
      ? document.createElementNS(SVG, tag)
      : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== null && value !== false) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
const labelled = (text, control, name = "") =>
  make("label", { class: name }, make("span", {}, text), control);
const display = (node, wanted) => { node.style.display = wanted ? "" : "none"; };

function update(node, attributes) { // what is as it was costs the browser nothing
  for (const [name, value] of Object.entries(attributes))
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}
const differ = (before, scene, ...names) =>
  names.some((name) => before[name] !== scene[name]);

// Words cut between two characters as people see them, so that they fit.
const ruler = document.createElement("canvas").getContext("2d");
const cutCharacters = Intl.Segmenter // older browsers cut an emoji in two
  ? (text) => Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment)
  : Array.from;
function measure(words, widest = 110) {
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
function arrange(maps, room, projector) {
  const { nq, nk, words, keys } = maps;
  const { labels, wide } = measure(words), of = measure(keys);
  const place = layout({
    nq, nk, wide, wideKey: of.wide, room, projector,
    glances: glanceWidths(maps, projector),
    tall: Math.max(innerHeight - 121, 360), // JupyterLab takes so much for itself
  });
  return { labels, keyLabels: of.labels, ...place };
}

// ---- the controls above: what is asked of the kernel, and what is looked at
function makeControls({ examples, ask, pick, pickLine }) {
  const sentence = make("input", {
    type: "text", dir: "auto", spellcheck: "false", autocomplete: "off",
    maxlength: 20000,
  });
  const others = make("select", {}, make("option", { value: "" }, "choose …"),
    ...examples.map((text) => make("option", { value: text, dir: "auto" }, plain(text))));
  const offered = labelled("Examples", others, "mha-examples");
  display(offered, examples.length);
  others.addEventListener("input", () => { if (others.value) say(others.value); });
  const titles = { layer: "Layer", head: "Head", compare: "Minus", word: "Word" };
  const selects = Object.entries(titles).map(([name, text]) => {
    const select = make("select");
    select.addEventListener("input", () => {
      const value = Number(select.value);
      if (name === "word") pickLine(value);
      else pick({ [name]: value });
    });
    return { name, select, label: labelled(text, select) };
  });
  const switches = ["causal", "special"].map((name) => {
    const box = make("input", { type: "checkbox" });
    box.addEventListener("input", ask);
    const text = name === "causal" ? "Causal mask" : "[CLS] and [SEP]";
    return { name, box, label: labelled(text, box) };
  });
  const begin = {}; // of the window
  const pages = ["rows", "columns"].map((name) => {
    const select = make("select");
    select.addEventListener("input", () => {
      begin[name] = Number(select.value);
      ask();
    });
    const text = name === "rows" ? "Rows" : "Columns";
    return { name, select, label: labelled(text, select, "mha-page") };
  });
  const slider = make("input", { type: "range", min: 0.1, max: 4, step: 0.1 });
  const degree = make("output");
  const temperature = make("span", {}, labelled("Temperature", slider), degree);
  const node = make("div", { class: "mha-bar" },
    labelled("Sentence", sentence, "mha-sentence"), offered,
    ...[...pages, ...selects, ...switches].map(({ label }) => label), temperature);

  const showDegree = () => { degree.textContent = Number(slider.value).toFixed(1); };
  sentence.addEventListener("input", (event) => { if (!event.isComposing) ask(); });
  sentence.addEventListener("compositionend", ask);
  slider.addEventListener("input", () => {
    showDegree();
    ask();
  });

  function showInputs(inputs) {
    if (sentence.value !== inputs.sentence) sentence.value = inputs.sentence;
    others.value = examples.includes(inputs.sentence) ? inputs.sentence : "";
    for (const { name, box, label } of switches) {
      display(label, inputs[name] !== undefined);
      box.checked = inputs[name];
    }
    for (const { name } of pages) begin[name] = inputs[name] ?? 0;
    display(temperature, inputs.temperature !== undefined);
    slider.value = inputs.temperature ?? 1;
    showDegree();
  }

  function say(text) {
    sentence.value = text;
    ask();
  }

  // Of the inputs that the kernel knows, those that say something else by now.
  function news(known) {
    const inputs = { ...begin, sentence: sentence.value.toWellFormed?.() ?? sentence.value };
    for (const { name, box } of switches) inputs[name] = box.checked;
    inputs.temperature = Number(slider.value);
    return Object.entries(inputs).filter(
      ([name, value]) => known[name] !== undefined && known[name] !== value,
    );
  }

  const fill = (select, options) => select.replaceChildren(
    ...options.map(([value, text]) => make("option", { value }, text)));
  function draw(scene, before) {
    const { maps, choice, view } = scene, { numLayers, numHeads, window, inputs } = maps;
    if (differ(before, scene, "maps") || before.view.byKey !== view.byKey) {
      const told = view.byKey ? maps.keys : maps.words, first = maps.first[+view.byKey];
      sentence.setAttribute("aria-invalid", maps.isError);
      const heads = range(numHeads).map((head) => [head, headName(maps, head)]);
      const options = {
        layer: range(numLayers).map((layer) => [layer, layer + 1]),
        head: heads,
        compare: [[-1, "none"], ...heads],
        word: told.map((word, i) => [i, `${first + i + 1} ${word}`]),
      };
      const counts = { layer: numLayers, head: numHeads, compare: numHeads, word: 2 };
      for (const { name, select, label } of selects) {
        display(label, counts[name] > 1); // nothing to choose from: no control
        fill(select, options[name]);
      }
      pages.forEach(({ name, select, label }, axis) => {
        const { side, total } = window ?? { side: 1, total: [0, 0] }, all = total[axis];
        display(label, inputs[name] !== undefined && all > side);
        fill(select, range(Math.ceil(all / side)).map((page) =>
          [page * side, fromTo(page * side, side, all)]));
        select.value = begin[name];
      });
    }
    if (differ(before, scene, "maps", "choice", "view"))
      for (const { name, select } of selects)
        select.value = name === "word" && view.byKey ? view.key : choice[name];
  }
  return { node, draw, showInputs, say, news };
}

// ---- how it is looked at: along a row or a column, with the chosen head or all
function makeLook({ colors, now, see, turn }) {
  const direction = make("select", {},
    make("option", { value: "row" }, "what the word looks at"),
    make("option", { value: "column" }, "who looks at the word"));
  const all = make("input", { type: "checkbox" });
  const offered = labelled("Lines of all heads", all);
  const heads = make("span", {
    class: "mha-drawn", role: "group", "aria-label": "Heads drawn",
  });
  const look = labelled("Look", direction, "mha-look");
  const node = make("span", { class: "mha-view" }, look, offered, heads);
  direction.addEventListener("input", () => turn(direction.value === "column"));
  all.addEventListener("input", () => see({ all: all.checked }));

  function build({ maps }) {
    heads.replaceChildren(...range(maps.numHeads).map((head) => {
      const box = make("input", { type: "checkbox", "aria-label": headName(maps, head) });
      const label = make("label", { title: headName(maps, head) }, box, `${head + 1}`);
      box.style.accentColor = label.style.borderColor = colors.ofHead({ head });
      box.addEventListener("input", () => {
        const others = now().view.hidden.filter((other) => other !== head);
        see({ hidden: box.checked ? others : [...others, head] });
      });
      return label;
    }));
  }

  function draw(scene, before) {
    const { maps, view } = scene;
    if (differ(before, scene, "maps")) {
      const focused = [...heads.children].findIndex((label) =>
        label.contains(document.activeElement));
      build(scene);
      heads.children[focused]?.firstChild.focus({ preventScroll: true });
    }
    if (!differ(before, scene, "maps", "choice", "view")) return;
    display(look, maps.nq);
    display(offered, hasManyHeads(scene));
    display(heads, drawsAll(scene));
    direction.value = view.byKey ? "column" : "row";
    all.checked = view.all;
    [...heads.children].forEach(({ firstChild: box }, head) => {
      box.checked = !view.hidden.includes(head);
    });
  }
  return { node, draw };
}

// ---- asking the kernel: one question at a time, and then the latest one
function makeQuestions({ now, news, send, say }) {
  const message = make("p", { role: "status" });
  const instead = make("button", { type: "button" }, "Use these words");
  const node = make("div", { class: "mha-message" }, message, instead);
  instead.addEventListener("click", () => say(now().maps.suggestion));
  let waiting = null, edited = false;

  function ask() {
    edited = true;
    if (waiting) return;
    edited = false;
    const changes = news();
    if (!changes.length) return;
    waiting = setTimeout(() => {
      message.textContent = "No answer yet. If there is no kernel here, or it was " +
        "restarted, run this cell again.";
    }, 1000);
    send(changes);
  }

  // Take an answer in; what was typed meanwhile stays, and is asked next.
  function answered(take) {
    clearTimeout(waiting);
    waiting = null;
    take(edited);
    if (edited) ask();
  }

  function draw(scene, before) {
    if (!differ(before, scene, "maps")) return;
    const { isError, suggestion } = scene.maps;
    message.textContent = scene.maps.message;
    node.classList.toggle("mha-error", isError);
    display(instead, suggestion);
    instead.title = suggestion && plain(suggestion);
  }
  return { node, ask, answered, draw, free: () => clearTimeout(waiting) };
}

// ---- all heads at a glance: on one canvas, for one in each button would be slow
// Of several layers each is a row of small maps, or a column where that is turned; the
// heads of one layer have room for their names, and stand below each other, or those
// that share keys in one row.
const SPOT = 20, TURNED = 16, NAMED = 48; // of a small map, in px at 100 %
const namedAcross = ({ numHeads, inGroup }) =>
  inGroup > 1 ? inGroup : numHeads > 4 ? 2 : 1;
const inEms = ({ headNames }) => (headNames.length ? 6.5 : 4); // the least width
const AXES = 8; // the least width, in em, of what says how several layers stand
const spotBeside = ({ numLayers, numHeads }) => // the fewer, the larger
  between(SPOT, Math.floor(240 / Math.max(numLayers, numHeads)) - 10, NAMED);
function glanceWidths(maps, projector) { // with a gap beside it, as it is and turned
  const { numLayers, numHeads, inGroup } = maps, size = projector ? 20 : FONT;
  if (numLayers * numHeads < 2) return [0]; // none is drawn
  if (numLayers === 1) return [(inEms(maps) * size + 10) * namedAcross(maps) + 16];
  const gaps = inGroup > 1 ? numHeads / inGroup - 1 : 0;
  return [numHeads * (spotBeside(maps) + 10) + 8 * gaps, numLayers * (TURNED + 10)]
    .map((width) => Math.max(width + size + 26, AXES * size + 16));
}

function makeGlance({ colors, now, pick }) {
  const axes = make("p", { class: "mha-axes" });
  const buttons = make("div", {
    class: "mha-heads", role: "radiogroup", "aria-label": "All heads",
  });
  const canvas = make("canvas", { "aria-hidden": "true" });
  const grid = make("div", { class: "mha-glance" }, buttons, canvas);
  const node = make("div", { class: "mha-all" }, axes, grid);
  const sheet = make("canvas"); // all maps, a pixel for each weight
  let heads = []; // their buttons

  function paintSheet(maps) {
    const { numLayers, numHeads, nq, nk } = maps;
    [sheet.width, sheet.height] = [numHeads * nk || 1, numLayers * nq || 1];
    const context = sheet.getContext("2d");
    const image = context.createImageData(sheet.width, sheet.height);
    const dots = new Int32Array(image.data.buffer), { pixels, step } = colors;
    for (let y = 0, at = 0; y < numLayers * nq; y++)
      for (let head = 0; head < numHeads; head++)
        for (let j = 0; j < nk; j++, at++) {
          const layer = Math.floor(y / nq);
          dots[at] = pixels[step(weightAt(maps, layer, head, y % nq, column(maps, j)))];
        }
    context.putImageData(image, 0, 0);
  }

  function makeButtons(maps) {
    const { numLayers, numHeads, inGroup } = maps, layered = numLayers > 1;
    heads = [];
    const number = (text) => make("span", { class: "mha-place", "aria-hidden": true }, text);
    buttons.replaceChildren();
    if (layered)
      buttons.append(number(""), ...range(numHeads).map((head) => number(head + 1)));
    for (let layer = 0; layer < numLayers; layer++) {
      if (layered) buttons.append(number(layer + 1));
      for (let head = 0; head < numHeads; head++) {
        const name = fullName(maps, layer, head);
        const python = layered ? `layer ${layer}, head ${head}` : `head ${head}`;
        const button = make(
          "button",
          {
            class: "mha-head", type: "button", role: "radio", tabindex: -1,
            "aria-label": name, title: `${name} (in Python: ${python})`,
            "aria-checked": "false",
          },
          make("span"), // where its part of the sheet will be
        );
        if (!layered) button.append(headName(maps, head));
        else if (head && head % inGroup === 0 && inGroup > 1)
          button.classList.add("mha-apart");
        button.addEventListener("click", () => pick({ layer, head }));
        heads.push(button);
        buttons.append(button);
      }
    }
  }

  // Beside the map small, above it as large as they can be.
  function size(maps, { glance }) {
    const { numLayers, numHeads, inGroup } = maps, layered = numLayers > 1;
    const beside = glance >= 0, turned = glance === 1, style = buttons.style;
    const large = between(SPOT, Math.floor(400 / numHeads), 40);
    const spot = !layered ? NAMED : turned ? TURNED : beside ? spotBeside(maps) : large;
    const scaled = layered && beside ? `${spot}px` : `calc(${spot / FONT} * var(--size))`;
    style.setProperty("--spot", scaled);
    node.classList.toggle("mha-turned", turned);
    style.gridTemplateRows = turned ? `repeat(${numHeads + 1}, auto)` : "";
    style.gridTemplateColumns =
      turned ? ""
      : layered ? `auto repeat(${numHeads}, auto)`
      : beside || inGroup > 1
      ? `repeat(${namedAcross(maps)}, minmax(${inEms(maps)}em, auto))`
      : "repeat(auto-fill, minmax(7em, auto))"; // one layer goes on below
    style.width = layered || beside ? "max-content" : "";
    node.style.minWidth = layered ? `${AXES}em` : "";
    axes.textContent = [
      !layered ? ""
      : turned ? "All heads: a column for each layer, a row for each head."
      : "All heads: a row for each layer, a column for each head.",
      inGroup === 1 ? "" : layered
        ? "Those without a gap between them share keys."
        : "Those in one row share keys.",
    ].join(" ").trim();
  }

  function copySheet({ numHeads, nq, nk }) {
    const { offsetWidth, offsetHeight } = buttons, dots = devicePixelRatio;
    [canvas.width, canvas.height] = [offsetWidth * dots, offsetHeight * dots];
    canvas.style.width = `${offsetWidth}px`;
    canvas.style.height = `${offsetHeight}px`;
    const context = canvas.getContext("2d");
    context.scale(dots, dots);
    context.imageSmoothingEnabled = false;
    heads.forEach(({ firstChild: spot }, i) => {
      const from = [(i % numHeads) * nk, Math.floor(i / numHeads) * nq, nk, nq];
      const { offsetLeft, offsetTop, offsetWidth: side } = spot;
      context.drawImage(sheet, ...from, offsetLeft, offsetTop, side, side);
    });
  }

  function mark(chosen) {
    const set = (button, is) => {
      button?.setAttribute("aria-checked", is);
      button?.setAttribute("tabindex", is ? 0 : -1);
    };
    set(buttons.querySelector("[aria-checked=true]"), false);
    set(chosen, true);
  }

  buttons.addEventListener("keydown", (event) => {
    const { maps: { numLayers, numHeads }, place } = now(), turned = place.glance === 1;
    const across = turned || numLayers === 1 ? 1 : numHeads, along = turned ? numHeads : 1;
    const move = {
      ArrowLeft: -along, ArrowRight: along, ArrowUp: -across, ArrowDown: across,
    }[event.key];
    if (!move) return;
    event.preventDefault();
    const to = heads.indexOf(document.activeElement) + move;
    if (to < 0 || to >= heads.length) return;
    pick({ layer: Math.floor(to / numHeads), head: to % numHeads });
    heads[to].focus();
  });

  function draw(scene, before) {
    const { maps, choice } = scene, { numLayers, numHeads } = maps;
    const isNew = differ(before, scene, "maps");
    const focused = isNew && buttons.contains(document.activeElement);
    if (isNew) {
      display(node, numLayers * numHeads > 1);
      paintSheet(maps);
      makeButtons(maps);
    }
    if (differ(before, scene, "maps", "place")) {
      if (scene.place) size(maps, scene.place);
      copySheet(maps);
    }
    const chosen = heads[choice.layer * numHeads + choice.head];
    if (differ(before, scene, "maps", "choice")) mark(chosen);
    if (focused) chosen?.focus({ preventScroll: true });
  }
  return { node, draw, free: () => { canvas.width = sheet.width = 0; } };
}

// ---- the sentence as text to read: the words that are told, shaded by their shares
// Where the keys are other words they stand below, and what is shaded is the others.
function makeText({ colors, now, point, pickLine }) {
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
function makeMap({ colors, row, now, pick, see, point }) {
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
function makeRow({ colors }) {
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

// ---- the tools below: size, reset, and files
function makeTools({ now, enlarge, reset, file }) {
  const projector = make("input", { type: "checkbox" });
  const [again, png, svg] = ["Reset", "Save PNG", "Save SVG"].map((text) =>
    make("button", { type: "button" }, text));
  const node = make("div", { class: "mha-bar" },
    labelled("Projector size", projector), again, png, svg);

  function save(blob, ending) {
    const { head } = now().choice;
    const link = make("a", { download: `attention-head-${head + 1}.${ending}` });
    link.href = URL.createObjectURL(blob);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  projector.addEventListener("input", () => enlarge(projector.checked));
  again.addEventListener("click", reset);
  svg.addEventListener("click", () => save(file(), "svg"));
  png.addEventListener("click", async () => {
    const image = new Image();
    image.src = URL.createObjectURL(file());
    await image.decode();
    const canvas = make("canvas", { width: 2 * image.width, height: 2 * image.height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    URL.revokeObjectURL(image.src);
    canvas.toBlob((blob) => save(blob, "png"));
  });
  return node;
}

// ---- the choice, which Python shares: no round trip to the kernel
function shareChoice({ model, chosen }) {
  const names = ["layer", "head", "compare", "word"];
  const events = names.map((name) => `change:${name}`).join(" ");
  let setting = false;
  const heard = () => { if (!setting) chosen(); };
  model.on(events, heard);

  const read = () => Object.fromEntries(names.map((name) => [name, model.get(name)]));
  function pick(changes) {
    setting = true;
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    setting = false;
    chosen(); // each `set` fires an event: draw once, after the last
    // Saved after a frame, so that the choice is on the screen first.
    requestAnimationFrame(() => setTimeout(() => model.save_changes()));
  }
  return { read, pick, free: () => model.off(events, heard) };
}

// ---- all of it
function render({ model, el }) {
  let scene = { view: FIRST_VIEW }, drawn = scene, projector = false, widthBefore = 0;
  const now = () => scene;
  const colors = readColors(model.get("colors"));
  const choices = shareChoice({ model, chosen });
  const point = (cell) => show({ cell });
  const news = () => controls.news(scene.maps.inputs);
  const examples = model.get("examples");
  const controls = makeControls({
    examples, ask: () => questions.ask(), pick, pickLine,
  });
  const questions = makeQuestions({ now, news, send, say: controls.say });
  const glance = makeGlance({ colors, now, pick });
  const look = makeLook({ colors, now, see, turn });
  const text = makeText({ colors, now, point, pickLine });
  const row = makeRow({ colors });
  const map = makeMap({ colors, row: row.node, now, pick, see, point });
  const inWords = make("p", { class: "mha-words", "aria-live": "polite" });
  const why = make("p", { class: "mha-why", "aria-live": "polite" });
  const tools = makeTools({ now, enlarge, reset, file: map.file });
  const always = [controls, look, questions, glance];
  const withWords = [map, row, text]; // the map first: it asks where it is scrolled
  controls.node.append(look.node, questions.node);
  const both = make("div", { class: "mha-both" }, glance.node, map.node);
  const below = make("div", { class: "mha-below" }, inWords, tools, why);
  const root = make("div", { class: "mha-explorer" },
    controls.node, text.node, both, below);

  function show(changes) {
    const before = drawn;
    scene = drawn = { ...scene, ...changes };
    const { maps } = scene, hasWords = maps.nq > 0; // else let go, as the message says
    if (hasWords) scene.said = sayLine(scene) + (scene.cell ? "" : sayResting(scene));
    for (const part of always) part.draw(scene, before);
    for (const node of [map.node, text.node]) display(node, hasWords);
    display(why, maps.why);
    if (!hasWords) return;
    if (maps.why && differ(before, scene, "maps", "choice", "view"))
      why.textContent = sayWhy(scene);
    inWords.textContent = scene.said;
    for (const part of withWords) part.draw(scene, before);
  }
  let wanted; // the word that was asked for, to find it again in another sentence
  const within = (word, { first }) => (word < 0 ? -1 : word - first[0]); // a window
  function chosen() {
    const { maps } = scene;
    if (!maps?.nq) return;
    const asked = choices.read();
    asked.word = within(asked.word, maps);
    wanted = maps.words[asked.word];
    show({ choice: choose(asked, maps) });
  }
  function change(view) { // what is under the pointer may be gone then
    const cell = view.byKey === undefined ? scene.cell : null;
    scene = { ...scene, cell, view: { ...scene.view, ...view } };
  }
  function pick({ word, ...changes }, view) { // two changes, drawn once
    if (view) change(view);
    if (word !== undefined) changes.word = word + scene.maps.first[0];
    choices.pick(changes);
  }
  function see(view) {
    change(view);
    chosen();
  }
  function pickLine(at) {
    if (scene.view.byKey) see({ key: at });
    else pick({ word: at }, { key: -1 });
  }
  function turn(byKey) { // to the column of the word that is looked at, or back
    const { maps, choice, view } = scene;
    const [most] = mostly(valuesOf(lineOf(scene), maps, choice));
    if (byKey) see({ byKey, key: areSame(maps) ? choice.word : most });
    else pick(...(areSame(maps)
      ? [{ word: view.key }, { byKey, key: -1 }]
      : [{ word: choice.word }, { byKey }]));
  }
  function arranged(maps) {
    const place = arrange(maps, both.offsetWidth, projector);
    root.classList.toggle("mha-beside", place.glance >= 0);
    root.style.setProperty("--size", `${FONT * place.zoom}px`);
    return place;
  }
  function keyIn(maps, choice) { // of a view by keys: the same word, or a likely one
    const { view, maps: before } = scene;
    if (!view.byKey || !maps.nq) return -1;
    const place = placeOf(before.keys[view.key], view.key, { words: maps.keys });
    const row = { maps, choice, view: FIRST_VIEW, cell: null };
    return place >= 0 ? place : mostly(valuesOf(lineOf(row), maps, choice))[0];
  }
  function receive(edited) { // a picture; what was edited since it was asked for stays
    const picture = model.get("picture");
    display(root, scene.maps || picture.inputs);
    if (!picture.inputs) { // freed: another view of it was closed
      model.set("shown", true);
      return model.save_changes();
    }
    const maps = readPicture(picture), asked = choices.read(), { word } = asked;
    asked.word = within(word, maps);
    wanted ??= maps.words[asked.word];
    if (wanted !== undefined) asked.word = placeOf(wanted, asked.word, maps);
    if (!edited) controls.showInputs(maps.inputs);
    const choice = choose(asked, maps), view = { ...scene.view, key: keyIn(maps, choice) };
    show({ maps, choice, view, cell: null, place: arranged(maps) });
    root.dataset.number = maps.number;
    if (asked.word >= 0 && asked.word !== within(word, maps)) pick({ word: asked.word });
  }
  function resize() {
    if (scene.maps?.nq) show({ place: arranged(scene.maps) });
  }
  function enlarge(isWanted) {
    projector = isWanted;
    root.classList.toggle("mha-projector", projector);
    resize();
  }
  function send(changes) {
    for (const [name, value] of changes) model.set(name, value);
    model.save_changes();
  }
  function reset() {
    const { layer, head, word, compare, ...inputs } = model.get("initial");
    controls.showInputs(inputs);
    change(FIRST_VIEW);
    choices.pick({ layer, head, word, compare });
    questions.ask();
  }

  // JupyterLab would take letters and arrows for commands of its own, but in a text.
  root.addEventListener("focusin", ({ target }) => {
    if (!target.matches(":read-write")) target.dataset.lmSuppressShortcuts = "true";
  });
  const received = () => questions.answered(receive);
  model.on("change:picture", received);
  const resized = new ResizeObserver(() => {
    if (both.offsetWidth !== widthBefore) resize();
    widthBefore = both.offsetWidth;
  });
  el.append(root);
  receive(false);
  resized.observe(both);
  return () => {
    // JupyterLab keeps our parent while the model lives, and the targets of some keys
    // for ever, with what their listeners know: what is large goes by itself.
    for (const node of [root, ...root.querySelectorAll("*")]) node.remove();
    for (const part of [questions, glance, map, choices]) part.free();
    scene = drawn = { view: FIRST_VIEW };
    resized.disconnect();
    model.off("change:picture", received);
    model.set("shown", false); // another view, if there is one, will object
    model.save_changes();
  };
}

export default { render };
