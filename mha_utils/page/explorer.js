// The explorer's front end. It draws `picture`, which the kernel sends anew when an
// input changes (the sentence, a switch, the temperature), and lets the reader choose
// in the page. What a reader typed reaches the page as text nodes and attributes only,
// never as markup.
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
// What is asked for, the inputs that differ, is sent as a message of its own.
//
// Pure functions are in `reading.js`, what is drawn with in `paper.js`, the parts of
// the page in `controls.js`, `glance.js` and `map.js`. `render` wires them here;
// anywidget calls it for each view. A part is made from callbacks and gives back its
// `node` and `draw(scene, before)`, and `free()` if it holds something large. The scene
// is all that is shown, one value, which only `render` replaces; `now()` is the one
// that was drawn last:
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

import {
  areSame, choose, FIRST_VIEW, lineOf, lookFor, mostly, placeOf, readPicture, sayLine,
  sayResting, sayWhy, valuesOf,
} from "./reading.js";
import { differ, display, FONT, layout, make, measure, readColors } from "./paper.js";
import { makeControls, makeLook, makeQuestions, makeTools } from "./controls.js";
import { glanceWidths, makeGlance } from "./glance.js";
import { makeMap, makeRow, makeText } from "./map.js";

// ---- where things stand in a page of this width
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
  const examples = model.get("examples"), initial = model.get("initial");
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
  let hasChosen = false; // a head, which then stays
  const within = (word, { first }) => (word < 0 ? -1 : word - first[0]); // a window
  function chosen() {
    const { maps } = scene;
    if (!maps?.nq) return;
    const asked = choices.read();
    hasChosen ||= differ(scene.choice, asked, "layer", "head");
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
    hasChosen ||= Object.keys(changes).length > 0;
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
    const maps = readPicture(picture), before = choices.read();
    let asked = { ...before, word: within(before.word, maps) };
    wanted ??= maps.words[asked.word];
    if (wanted !== undefined) asked.word = placeOf(wanted, asked.word, maps);
    if (!hasChosen && scene.maps && scene.maps.words.join() !== maps.words.join())
      asked = lookFor({ ...asked, layer: initial.layer, head: initial.head }, maps);
    if (!edited) controls.showInputs(maps.inputs);
    const choice = choose(asked, maps), view = { ...scene.view, key: keyIn(maps, choice) };
    show({ maps, choice, view, cell: null, place: arranged(maps) });
    root.dataset.number = maps.number;
    const { layer, head } = asked, word = asked.word < 0 ? -1 : asked.word + maps.first[0];
    if (!differ(before, { layer, head, word }, "layer", "head", "word")) return;
    const wishes = [wanted, hasChosen]; // the reader's, who has not chosen this
    choices.pick({ layer, head, word });
    [wanted, hasChosen] = wishes;
  }
  function resize() {
    if (scene.maps?.nq) show({ place: arranged(scene.maps) });
  }
  function enlarge(isWanted) {
    projector = isWanted;
    root.classList.toggle("mha-projector", projector);
    resize();
  }
  // Not by `save_changes`, which waits for an answer to the last one for ever, even if
  // that was lost with the line to the kernel.
  // The choice goes first: its echo is back before the picture, which may change it.
  function send(changes) {
    try {
      model.save_changes();
      model.send(Object.fromEntries(changes));
    } catch { /* There is no kernel any more, as the reader will be told. */ }
  }
  function reset() {
    const { layer, head, word, compare, ...inputs } = initial;
    controls.showInputs(inputs);
    change(FIRST_VIEW);
    choices.pick({ layer, head, word, compare });
    if (news().length) wanted = undefined; // the word has its place in what is asked for
    hasChosen = false;
    questions.ask();
  }

  // JupyterLab would take letters and arrows for commands of its own, but in a text.
  root.addEventListener("focusin", ({ target }) => {
    if (!target.matches(":read-write")) target.dataset.lmSuppressShortcuts = "true";
  });
  const received = () => {
    // When a lost line is back, JupyterLab may bring an old picture after a new one.
    if (model.get("picture").number > (scene.maps?.number ?? 0))
      questions.answered(receive);
  };
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
