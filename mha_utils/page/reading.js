// What is shown, in numbers and words: functions without a page and without state.

export const SMALLEST = 0.005; // a smaller share has no line and is not told
export const FIRST_VIEW = { byKey: false, key: -1, all: false, hidden: [] };

// ---- numbers and words
export const between = (low, value, high) => Math.max(low, Math.min(high, value));
export const range = (n) => Array.from({ length: n }, (_, i) => i);
export const digits = (value, places = 3) =>
  value.toFixed(places).replace(/^-(0\.0+)$/, "$1");
// Without what a picture cannot hold, and what would turn around the text after it.
export const plain = (text) =>
  text.replace(/[\0-\x08\x0b-\x1f\x7f\ufffe\uffff\u202a-\u202e\u2066-\u2069]/g, "�");
const isolate = (word) => `“\u2068${word}\u2069”`; // a word keeps its own direction
// A token that a model puts in front, such as <s> or [CLS], is no word of the sentence,
// and neither is a comma.
const isWord = (token) => !/^(<.*>|\[.*\]|\p{P}+)$/u.test(token);
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
      ? plain(`${error.replace(/[^.!?]$/u, "$&.")} The last picture stays.`)
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

export const fromTo = (first, side, all) => `${first + 1}–${Math.min(first + side, all)}`;
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
  if (choice.compare === choice.head) choice.compare = -1; // nothing would be left
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

// Where the words of the chosen head hardly look at others: the first head of its layer
// in which they do, about as much as in any. Else -1.
const LEAST = 0.3; // of a word's attention, to others
function busier(maps, choice) {
  const most = (head) => Math.max(...givenAway(maps, { ...choice, head }));
  if (choice.compare >= 0 || most(choice.head) >= LEAST) return -1;
  const all = range(maps.numHeads).map(most), best = Math.max(...all);
  return best < LEAST ? -1 : all.findIndex((given) => given >= 0.95 * best);
}
export function sayResting({ maps, choice }) {
  const head = busier(maps, choice);
  return head < 0 ? "" : " Here the words of this head hardly look at others; " +
    `head ${headName(maps, head)} has more to see.`;
}

// What is shown of another sentence until the reader chooses a head: what is asked for,
// or a head with more to see, and there a word that looks at others.
export function lookFor(asked, maps) {
  const choice = choose(asked, maps), head = busier(maps, choice);
  if (head < 0) return asked;
  const given = givenAway(maps, { ...choice, head })[asked.word] ?? 0;
  return { ...asked, head, word: given < LEAST ? -1 : asked.word };
}

export const areSame = ({ words, keys, first: [row, key] }) =>
  row === key && words.join() === keys.join();

// Where a word is that was at a place of another sentence: -1 if it is not there.
export const placeOf = (word, place, { words }) =>
  words[place] === word ? place : words.indexOf(word);

export const weightAt = ({ numHeads, nq, nk, weights }, layer, head, i, j) =>
  weights[((layer * numHeads + head) * nq + i) * nk + j];
// The weight, or how much more it is than the other head's.
export const valueAt = (maps, { layer, head, compare }, i, j) =>
  weightAt(maps, layer, head, i, j) -
  (compare < 0 ? 0 : weightAt(maps, layer, compare, i, j));
// Columns of right-to-left sentences are mirrored. The mirror is its own inverse: it
// turns a word's place into its column, and a column into the word's place.
export const column = ({ leftward, nk }, j) => (leftward ? nk - 1 - j : j);

export const headName = ({ headNames }, head) =>
  headNames[head] ? `${head + 1} ${headNames[head]}` : `${head + 1}`;
export const fullName = (maps, layer, head) =>
  (maps.numLayers > 1 ? `Layer ${layer + 1}, head ` : "Head ") + headName(maps, head);

// The line of the map that is told: the row of a word that looks, or the column of a
// key, under the pointer or else chosen. Its values are shares of the `others`.
export function lineOf({ maps, choice, view: { byKey, key }, cell }) {
  const { words, keys } = maps;
  return byKey
    ? { byKey, at: cell?.[1] ?? key, own: keys, others: words }
    : { byKey, at: cell?.[0] ?? choice.word, own: words, others: keys };
}
export const valuesOf = ({ byKey, at, others }, maps, choice) =>
  others.map((_, k) => valueAt(maps, choice, ...(byKey ? [k, at] : [at, k])));
export const isCell = (cell) => cell !== null && !cell.includes(null);
export const mostly = (values) => { // places of the largest values, from the largest on
  const size = (k) => Math.abs(values[k]);
  return range(values.length).sort((a, b) => size(b) - size(a));
};

// Lines of all heads are drawn where there are some, but no more than one can tell
// apart, and no other head is subtracted.
export const hasManyHeads = ({ maps: { numHeads }, choice }) =>
  numHeads > 1 && numHeads <= 12 && choice.compare < 0;
export const headsDrawn = (scene) =>
  range(scene.maps.numHeads).filter((head) => !scene.view.hidden.includes(head));
export const drawsAll = (scene) => scene.view.all && hasManyHeads(scene);

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
  if (compare >= 0) {
    const differs = single || Math.abs(values[told[0]]) >= SMALLEST;
    return `${own}: head ${headName(maps, head)} minus head ` +
      `${headName(maps, compare)} is ` +
      `${differs ? say(byKey ? "from" : "to", "") : "0.00 everywhere"}.`;
  }
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
export const explained = (scene) => { // in the chosen row, if no cell was: its largest share
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
