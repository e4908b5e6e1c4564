// The three hand-built heads in the page: what `mha_utils.sentences.attend` computes,
// without a kernel. The lexicon and the matrices come from the package, when the website
// is built; a test compares the maps of generated sentences with the package's.

// ---- words, as `mha_utils/text.py` cuts them
const WORD = /L[LMJ]*(?:AL[LMJ]*)*|FM*FM*|[^ MJ][MJ]*(?:(?<=J)[^ ][MJ]*)*/g;
const KINDS = [
  ["J", /^\u200d/],
  ["M", /^[\p{M}\p{Cf}\u{1f3fb}-\u{1f3ff}]/u],
  ["F", /^[\u{1f1e6}-\u{1f1ff}]/u],
  [" ", /^[\p{Z}\p{Cc}]/u],
  ["C", /^[\p{Unified_Ideograph}\u3041-\u3096\u309b-\u30ff\u31f0-\u31ff\u{1aff0}-\u{1b167}]/u],
  ["A", /^['\u2019-]/],
  ["L", /^[\p{L}\p{N}_]/u],
];
const kind = (char) => KINDS.find(([, is]) => is.test(char))?.[0] ?? "S";

export function words(sentence) {
  const text = sentence.replace(/\p{Surrogate}/gu, "\ufffd").normalize("NFC");
  const chars = [...text];
  return [...chars.map(kind).join("").matchAll(WORD)].map(({ 0: { length }, index }) =>
    chars.slice(index, index + length).join(""),
  );
}

// ---- features, as `mha_utils/sentences.py` looks them up
function lookUp(token, lexicon) {
  const plain = token.replaceAll("\u2019", "'");
  const known = lexicon.get(plain) ?? lexicon.get(plain.toLowerCase());
  if (known === undefined && plain.endsWith("'s"))
    return lookUp(plain.slice(0, -2), lexicon) === undefined ? undefined : "determiner";
  return known;
}

const has = (reading, name) => reading.split(" ").includes(name);

function readings(tokens, { lexicon, start, or, articles, beforeVerbs }) {
  let before = "", inPhrase = false;
  return tokens.map((token) => {
    const known = token === start ? "start" : lookUp(token, lexicon);
    const all = (known ?? "").split(or);
    const verbs = all.filter((reading) => has(reading, "verb"));
    const others = all.filter((reading) => !verbs.includes(reading));
    let reading = all[0];
    if (inPhrase && others.length) reading = others[0];
    else if (inPhrase && verbs[0].endsWith("singular plural")) reading = "adjective";
    else if (beforeVerbs.includes(before) && verbs.length) reading = verbs[0];
    before = token.toLowerCase();
    const owner = reading === "determiner" && /['\u2019]s$/.test(before);
    const describes = known !== undefined && ["adjective", ""].includes(reading);
    inPhrase = articles.includes(before) || owner || (inPhrase && describes);
    return reading;
  });
}

// A word's features, then its position: sines and cosines, each pair slower.
function embed(tokens, data) {
  const { columns, waves } = data;
  return readings(tokens, data).map((reading, place) => {
    const positions = Array.from({ length: waves }, (_, i) => {
      const angle = place / 10 ** Math.floor(i / 2);
      return i % 2 ? Math.cos(angle) : Math.sin(angle);
    });
    const features = columns
      .slice(0, columns.length - waves)
      .map((name) => (has(reading, name) ? 1 : 0));
    return [...features, ...positions];
  });
}

// ---- attention
const product = (x, w) => // (n, d) times (d, k) -> (n, k)
  x.map((row) => w[0].map((_, k) => row.reduce((sum, value, i) => sum + value * w[i][k], 0)));

function softmax(scores) {
  const peak = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - peak));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

// What each word asks for, and what it offers: one head's queries and keys.
function project(x, { w_q, b_q, w_k }, { temperature }) {
  const queries = product(x, w_q).map((query) =>
    query.map((value, k) => (value + b_q[k]) / temperature),
  );
  return { queries, keys: product(x, w_k) };
}

// One head's map: each word's query times the keys of the words that it may see.
function attention({ queries, keys }, { causal }) {
  return queries.map((query, i) => {
    const seen = causal ? i + 1 : keys.length;
    const scores = keys.slice(0, seen).map((key) => {
      const sum = key.reduce((sum, value, k) => sum + value * query[k], 0);
      return sum / Math.sqrt(key.length);
    });
    return [...softmax(scores), ...Array(keys.length - seen).fill(0)];
  });
}

// The words, the weights (h, n, n) one after the other, and what made them; or an error
// in words.
export function attend(inputs, data) {
  const { sentence } = inputs, { maxWords } = data;
  if (sentence.length > 30 * maxWords)
    return {
      error:
        `This sentence has ${sentence.length} letters and signs; the explorer reads ` +
        `at most ${30 * maxWords}.`,
    };
  const found = words(sentence);
  if (!found.length)
    return { error: "There is no word in this sentence. Type at least one." };
  const tokens = [data.start, ...found];
  if (tokens.length > maxWords)
    return {
      error:
        `This sentence has ${tokens.length} words; the explorer draws at most ` +
        `${maxWords}.`,
    };
  const x = embed(tokens, data);
  const projected = data.heads.map((head) => project(x, head, inputs));
  const weights = projected.map((head) => attention(head, inputs)).flat(2);
  const queries = projected.map((head) => head.queries).flat(2); // (h, n, d_k)
  const keys = projected.map((head) => head.keys).flat(2);
  return { error: "", tokens, weights, queries, keys, note: note(found, data.lexicon) };
}

function note(tokens, lexicon) {
  const unknown = [...new Set(tokens)].filter(
    (token) => lookUp(token, lexicon) === undefined && /\p{L}/u.test(token),
  );
  if (!unknown.length) return "";
  const some = unknown.slice(0, 6).map((word) => {
    const letters = [...word];
    return letters.length <= 20 ? word : letters.slice(0, 19).join("") + "\u2026";
  });
  const more = unknown.length > 6 ? ` and ${unknown.length - 6} more` : "";
  return (
    `Not in the lexicon: ${some.join(", ")}${more}. The heads see where such a word ` +
    "stands, but not what it is."
  );
}

// ---- the explorer with these heads behind it
const floats = (numbers) => new DataView(new Float32Array(numbers).buffer);

// It is asked as a kernel would be: inputs that are sent are answered by a new picture.
export function connect(state, data) {
  const values = new Map(Object.entries(state)), listeners = new Map();
  const send = (asked) => { // where a kernel would be asked
    const { number, inputs } = values.get("picture"), now = { ...inputs, ...asked };
    const { error, tokens, weights, queries, keys, note } = attend(now, data);
    const found = error
      ? {}
      : {
          tokens, keys: tokens, note,
          shape: [1, data.heads.length, tokens.length, tokens.length],
          weights: floats(weights),
          why: { queries: floats(queries), keys: floats(keys), names: data.questions },
        };
    model.set("picture", {
      ...values.get("picture"), inputs: now, error, ...found, number: number + 1,
    });
  };
  const model = {
    get: (name) => values.get(name),
    set(name, value) {
      values.set(name, value);
      for (const heard of listeners.get(`change:${name}`) ?? []) heard();
    },
    on(events, heard) {
      for (const event of events.split(" "))
        listeners.set(event, [...(listeners.get(event) ?? []), heard]);
    },
    off(events, heard) {
      for (const event of events.split(" "))
        listeners.set(event, (listeners.get(event) ?? []).filter((it) => it !== heard));
    },
    send,
    save_changes() {},
  };
  return model;
}
