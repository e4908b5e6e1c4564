// The controls, and the questions to the kernel.

import { drawsAll, fromTo, hasManyHeads, headName, plain, range } from "./reading.js";
import { differ, display, labelled, make } from "./paper.js";

// ---- the controls above: what is asked of the kernel, and what is looked at
export function makeControls({ examples, ask, pick, pickLine }) {
  const sentence = make("input", {
    type: "text", dir: "auto", spellcheck: "false", autocomplete: "off",
    maxlength: 20000,
  });
  const others = make("select", {}, make("option", { value: "" }, "choose …"),
    ...examples.map((text) => make("option", { value: text, dir: "auto" }, plain(text))));
  const offered = labelled("Examples", others, "mha-examples");
  display(offered, examples.length);
  others.addEventListener("input", () => { if (others.value) say(others.value); });
  const titles = { layer: "Layer", head: "Head", compare: "minus head", word: "Word" };
  const selects = Object.entries(titles).map(([name, text]) => {
    const select = make("select");
    select.addEventListener("input", () => {
      const value = Number(select.value);
      if (name === "word") pickLine(value);
      else pick({ [name]: value });
    });
    return { name, select, label: labelled(text, select) };
  });
  const [layer, head, compare, word] = selects;
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
    ...pages.map(({ label }) => label), layer.label,
    make("span", { class: "mha-pair" }, head.label, compare.label), word.label,
    ...switches.map(({ label }) => label), temperature);

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
    if (differ(before, scene, "maps", "choice"))
      for (const option of compare.select.options)
        option.hidden = option.disabled = Number(option.value) === choice.head;
  }
  return { node, draw, showInputs, say, news };
}

// ---- how it is looked at: along a row or a column, with the chosen head or all
export function makeLook({ colors, now, see, turn }) {
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
export function makeQuestions({ now, news, send, say }) {
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
    if (changes.length) insist(changes, 1000);
  }

  // Ask until there is an answer: a question is lost with the line to the kernel. One
  // that is asked twice costs nothing, because nothing changes.
  function insist(changes, ms) {
    waiting = setTimeout(() => {
      message.textContent = "No answer yet. If there is no kernel here, or it was " +
        "restarted, run this cell again.";
      insist(changes, 2 * ms);
    }, ms);
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

// ---- the tools below: size, reset, and files
export function makeTools({ now, enlarge, reset, file }) {
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
