// The explorer's front end: one module, no build step. It draws `picture`, which the
// kernel sends once for each sentence, and lets the reader choose in the page. What a
// reader typed reaches the page as text nodes and attributes only, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const FONT = 14; // px at 100 %, the smallest text drawn
const FAMILY = 'system-ui, "Segoe UI", "Helvetica Neue", sans-serif';
const LABEL_FONT = `600 ${FONT}px ${FAMILY}`;

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

// The colours of a map, 256 steps of three bytes, as numbers or as CSS.
const readColors = (bytes) =>
  Array.from({ length: 256 }, (_, i) => [0, 1, 2].map((k) => bytes.getUint8(3 * i + k)));
const css = (colors) => colors.map((color) => `rgb(${color})`);

// Cut a long word between two characters as people see them, so that it fits.
const ruler = document.createElement("canvas").getContext("2d");
const segmenter = new Intl.Segmenter();
function shorten(word, width) {
  ruler.font = LABEL_FONT;
  if (ruler.measureText(word).width <= width) return word;
  let short = "";
  for (const { segment } of segmenter.segment(word)) {
    if (ruler.measureText(short + segment + "…").width > width) break;
    short += segment;
  }
  return short + "…";
}

const number = (value, digits = 3) => value.toFixed(digits).replace(/^-(0\.0+)$/, "$1");
const between = (low, value, high) => Math.max(low, Math.min(high, value));
// Without what a picture cannot hold, and what would turn around the text after it.
const plain = (text) =>
  text.replace(/[\0-\x08\x0b-\x1f\x7f\ufffe\uffff\u202a-\u202e\u2066-\u2069]/g, "�");
const isolate = (word) => `“\u2068${word}\u2069”`; // a word keeps its own direction
const readsLeftward = (text) =>
  /^\P{L}*[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}]/u.test(
    text,
  );

function render({ model, el }) {
  const colors = model.get("colors");
  const weightColors = css(readColors(colors.weights));
  const differenceColors = css(readColors(colors.difference));
  const headColor = (head) => colors.heads[head % colors.heads.length];

  // ---- controls
  const labelled = (text, control, name = "") =>
    make("label", { class: name }, make("span", {}, text), control);
  const show = (node, wanted) => { node.style.display = wanted ? "" : "none"; };
  const sentence = make("input", {
    type: "text", dir: "auto", spellcheck: "false", autocomplete: "off", maxlength: 20000,
  });
  const layer = make("select"), head = make("select");
  const compare = make("select"), word = make("select");
  const switches = ["causal", "special"].map((name) => {
    const box = make("input", { type: "checkbox" });
    const text = name === "causal" ? "Causal mask" : "[CLS] and [SEP]";
    return { name, box, label: labelled(text, box) };
  });
  const temperature = make("input", { type: "range", min: 0.1, max: 4, step: 0.1 });
  const degree = make("output");
  const projector = make("input", { type: "checkbox" });
  const reset = make("button", { type: "button" }, "Reset");
  const savePng = make("button", { type: "button" }, "Save PNG");
  const saveSvg = make("button", { type: "button" }, "Save SVG");
  const layerLabel = labelled("Layer", layer), headLabel = labelled("Head", head);
  const compareLabel = labelled("Minus", compare);
  const temperatureLabel = make("span", {}, labelled("Temperature", temperature), degree);
  const message = make("p", { class: "mha-message", role: "status" });
  const heads = make("div", {
    class: "mha-heads", role: "radiogroup", "aria-label": "All heads",
  });
  const glance = make("canvas", { "aria-hidden": "true" });
  const axes = make("p", { class: "mha-axes" },
    "All heads: a row for each layer, a column for each head.");
  const allHeads = make("div", { class: "mha-glance" }, heads, glance);
  const stage = make("div", {
    class: "mha-stage", tabindex: 0, role: "group", "aria-label": "Attention map",
  });
  const inWords = make("p", { class: "mha-words", "aria-live": "polite" });
  const root = make(
    "div",
    { class: "mha-explorer" },
    make("div", { class: "mha-bar" },
      labelled("Sentence", sentence, "mha-sentence"),
      layerLabel, headLabel, compareLabel, labelled("Word", word),
      ...switches.map(({ label }) => label), temperatureLabel),
    message, axes, allHeads, stage, inWords,
    make("div", { class: "mha-bar" },
      labelled("Projector size", projector), reset, savePng, saveSvg),
  );

  // JupyterLab would take letters and arrow keys for commands of its own, but in a text.
  root.addEventListener("focusin", ({ target }) => {
    if (!target.matches(":read-write")) target.dataset.lmSuppressShortcuts = "true";
  });

  // ---- what is shown
  let picture, words, weights, layers, count, n, leftward; // set by `receive`
  let l, h, minus, chosenWord; // the layer, head and so on, set by `look`
  let hovered = null; // [row, column] under the pointer

  function look() {
    const [layer, head, compare, word] = ["layer", "head", "compare", "word"].map(
      (name) => model.get(name),
    );
    l = between(0, layer, layers - 1);
    h = between(0, head, count - 1);
    minus = between(-1, compare, count - 1);
    chosenWord = word < 0 || word >= n ? n - 1 : word;
  }

  const weight = (l, h, i, j) => weights[((l * count + h) * n + i) * n + j];
  const shown = (i, j) => weight(l, h, i, j) - (minus < 0 ? 0 : weight(l, minus, i, j));
  const step = (value) => between(0, Math.floor(value * 256), 255);
  const color = (value) =>
    minus < 0 ? weightColors[step(value)] : differenceColors[step((value + 1) / 2)];
  const column = (j) => (leftward ? n - 1 - j : j); // right-to-left text runs leftward
  const headName = (h) => {
    const name = picture.head_names[h];
    return name ? `${h + 1} ${plain(name)}` : `${h + 1}`;
  };
  const fullName = (h, layer = l) =>
    (layers > 1 ? `Layer ${layer + 1}, head ` : "Head ") + headName(h);

  function fill(select, options, chosen) {
    select.replaceChildren(
      ...options.map(([value, text]) => make("option", { value }, text)),
    );
    select.value = chosen;
  }

  function showInputs(inputs) {
    if (sentence.value !== inputs.sentence) sentence.value = inputs.sentence;
    for (const { name, box, label } of switches) {
      show(label, inputs[name] !== undefined);
      box.checked = inputs[name];
    }
    show(temperatureLabel, inputs.temperature !== undefined);
    temperature.value = inputs.temperature ?? 1;
    showDegree();
  }
  const showDegree = () => {
    degree.textContent = Number(temperature.value).toFixed(1);
  };

  function receive() {
    show(root, picture || model.get("picture").inputs);
    if (!model.get("picture").inputs) { // freed: another view of it was closed
      model.set("shown", true);
      return model.save_changes();
    }
    picture = model.get("picture");
    const { error, note } = picture;
    message.textContent = plain(error ? `${error} The last picture stays.` : note);
    message.classList.toggle("mha-error", Boolean(error));
    sentence.setAttribute("aria-invalid", Boolean(error));
    [layers, count, n] = picture.shape;
    words = picture.tokens.map(plain);
    const view = picture.weights;
    weights = new Float32Array(
      view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength),
    );
    leftward = readsLeftward(words.join(" "));
    hovered = null;
    look();
    if (!edited) showInputs(picture.inputs);
    show(layerLabel, layers > 1); // nothing to choose from: no control
    show(headLabel, count > 1);
    show(compareLabel, count > 1);
    show(allHeads, layers * count > 1);
    show(axes, layers > 1); // one layer's heads have their names below them
    fill(layer, Array.from({ length: layers }, (_, i) => [i, i + 1]), l);
    const all = Array.from({ length: count }, (_, i) => [i, headName(i)]);
    fill(head, all, h);
    fill(compare, [[-1, "none"], ...all], minus);
    fill(word, words.map((t, i) => [i, `${i + 1} ${t}`]), chosenWord);
    drawHeads();
    layMap();
    root.dataset.number = picture.number;
  }

  // ---- all heads at a glance: on one canvas, for one in each button would be slow
  const sheet = document.createElement("canvas"); // a pixel for each weight
  function drawHeads() {
    [sheet.width, sheet.height] = [count * n || 1, layers * n || 1];
    const context = sheet.getContext("2d");
    const pixels = context.createImageData(sheet.width, sheet.height);
    const table = readColors(colors.weights);
    for (let row = 0, at = 0; row < layers * n; row++)
      for (let h = 0; h < count; h++)
        for (let j = 0; j < n; j++, at += 4) {
          const value = weight(Math.floor(row / n), h, row % n, column(j));
          pixels.data.set(table[step(value)], at);
          pixels.data[at + 3] = 255;
        }
    context.putImageData(pixels, 0, 0);
    const side = layers > 1 ? between(20, Math.floor(400 / count), 40) : 48;
    heads.style.gridTemplateColumns =
      layers > 1 ? `repeat(${count}, auto)` : "repeat(auto-fill, minmax(7em, auto))";
    heads.style.width = layers > 1 ? "max-content" : ""; // one layer goes on below
    const focused = heads.contains(document.activeElement);
    heads.replaceChildren();
    for (let l = 0; l < layers; l++)
      for (let h = 0; h < count; h++) {
        const map = make("span"); // where its part of the sheet will be
        map.style.width = map.style.height = `calc(${side} / ${FONT} * var(--size))`;
        const button = make(
          "button",
          {
            class: "mha-head", type: "button", role: "radio", tabindex: -1,
            "aria-label": fullName(h, l), title: fullName(h, l), "aria-checked": "false",
          },
          map,
        );
        if (layers === 1) button.append(headName(h));
        button.addEventListener("click", () => choose({ layer: l, head: h }));
        heads.append(button);
      }
    placeHeads();
    markHead();
    if (focused) heads.children[l * count + h]?.focus({ preventScroll: true });
  }

  function placeHeads() {
    const { offsetWidth, offsetHeight } = heads, dots = devicePixelRatio;
    [glance.width, glance.height] = [offsetWidth * dots, offsetHeight * dots];
    [glance.style.width, glance.style.height] = [`${offsetWidth}px`, `${offsetHeight}px`];
    const context = glance.getContext("2d");
    context.scale(dots, dots);
    context.imageSmoothingEnabled = false;
    [...heads.children].forEach(({ firstChild: map }, i) => {
      const from = [(i % count) * n, Math.floor(i / count) * n, n, n];
      const { offsetLeft, offsetTop, offsetWidth } = map;
      context.drawImage(sheet, ...from, offsetLeft, offsetTop, offsetWidth, offsetWidth);
    });
  }

  function markHead() {
    const mark = (button, chosen) => {
      button?.setAttribute("aria-checked", chosen);
      button?.setAttribute("tabindex", chosen ? 0 : -1);
    };
    mark(heads.querySelector("[aria-checked=true]"), false);
    mark(heads.children[l * count + h], true);
  }

  heads.addEventListener("keydown", (event) => {
    const across = layers > 1 ? count : 1; // up and down change the layer
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
    if (!(event.key in move)) return;
    event.preventDefault();
    const to = [...heads.children].indexOf(document.activeElement) + move[event.key];
    if (to < 0 || to >= heads.children.length) return;
    choose({ layer: Math.floor(to / count), head: to % count });
    heads.children[to].focus();
  });

  // ---- the chosen head: `layMap` when words or sizes change, `paint` when a choice does
  let svg, cells, title, dot, bar, rowNames, rowLayer, list; // drawn
  let place; // where things stand

  function layMap() {
    show(stage, n);
    if (!n) return; // what was freed cannot be computed again, as the message says
    ruler.font = LABEL_FONT;
    const labels = words.map((word) => shorten(word, 110));
    const wide = Math.ceil(Math.max(40, ...labels.map((t) => ruler.measureText(t).width)));
    // From left to right: words, map, lines, words and numbers. Lines and what follows
    // stand below the map where there is not even room for small cells and short lines.
    const left = wide + 10, after = wide + 62, small = 19, short = 44;
    const free = Math.max(300, stage.offsetWidth - 16), large = 20 / 14;
    const fit = free / (left + n * small + short + after); // at which zoom all just fits
    const zoom = !projector.checked ? 1 : fit < 1.2 ? large : Math.min(fit, large);
    const beside = zoom <= fit, room = free / zoom - left - (beside ? after : 0);
    const side = between(small, Math.floor((room - (beside ? 100 : 0)) / n), 28);
    const fan = beside ? between(short, room - n * side, 130) : 100;
    const top = 26 + Math.ceil(wide * 0.77) + 12; // labels lean by 50 degrees
    const right = left + n * side, bottom = top + n * side;
    const rows = beside ? top : bottom + 48, start = beside ? right : left;
    const end = start + fan;
    place = { left, top, side, right, bottom, rows, start, end, labels, zoom };
    const width = Math.max(right, end + after, left + 330);
    const height = (beside ? bottom : rows + n * side) + 36;

    cells = make("g", { class: "mha-cells", "shape-rendering": "crispEdges" });
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        cells.append(
          make("rect", {
            x: left + column(j) * side, y: top + i * side, width: side, height: side,
          }),
        );
    const lean = make("g", { transform: "rotate(-50)" });
    const full = (i) => make("title", {}, words[i]);
    rowNames = labels.map((label, i) => make("text", {
      x: left - 6, y: top + (i + 0.5) * side, dy: "0.35em", "text-anchor": "end",
    }, label, full(i)));
    const text = make("g", { class: "mha-labels" }, lean, ...rowNames);
    list = make("g", { class: "mha-list" });
    const angle = (-50 * Math.PI) / 180, cos = Math.cos(angle), sin = Math.sin(angle);
    labels.forEach((label, i) => {
      const x = left + (column(i) + 0.55) * side, up = top - 8;
      const y = { y: rows + (i + 0.5) * side, dy: "0.35em" };
      const number = { "text-anchor": "end", "font-variant-numeric": "tabular-nums" };
      lean.append(
        make("text", { x: x * cos + up * sin, y: up * cos - x * sin }, label, full(i)),
      );
      list.append(
        make("text", { x: end + 6, ...y }, label),
        make("text", { x: end + after - 4, ...y, ...number, class: "mha-number" }),
      );
    });
    dot = make("circle", { cx: 9, cy: 13, r: 7 });
    title = make("text", { x: 22, y: 18, "font-weight": 700, class: "mha-title" });
    bar = make("g");
    rowLayer = make("g", { class: "mha-row" });
    svg = make(
      "svg",
      {
        width: width * zoom, height: height * zoom, viewBox: `0 0 ${width} ${height}`,
        role: "img", fill: "#1a1a1a", "font-size": FONT, "font-family": FAMILY,
      },
      make("rect", { width, height, fill: "#fff" }),
      dot, title,
      make("text", { x: left - 6, y: top - 8, "text-anchor": "end" }, "query"),
      make("text", { x: right + 14, y: top - 8 }, "key"),
      cells, text, bar, list, rowLayer,
    );
    stage.replaceChildren(svg);
    paint();
  }

  function paint() {
    for (let i = 0, at = 0; i < n; i++)
      for (let j = 0; j < n; j++, at++) update(cells.children[at], "fill", color(shown(i, j)));
    dot.setAttribute("fill", headColor(h));
    title.textContent =
      fullName(h) + (minus < 0 ? "" : ` minus head ${headName(minus)}`);
    paintBar();
    drawRow();
    root.dataset.head = h;
  }

  function update(node, name, value) { // what is as it was costs the browser nothing
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }

  function paintBar() {
    const [low, what, table] = minus < 0
      ? ["0", "1   attention weight", weightColors]
      : ["−1", "1   difference of weights", differenceColors];
    if (bar.textContent === low + what) return;
    const x = place.left, y = place.bottom + 14;
    const width = between(120, n * place.side, 250);
    bar.replaceChildren(
      make("text", { x: x - 6, y: y + 11, "text-anchor": "end" }, low),
      make("text", { x: x + width + 6, y: y + 11 }, what),
      ...Array.from({ length: 64 }, (_, k) =>
        make("rect", {
          x: x + (k * width) / 64, y, width: width / 64 + 0.5, height: 12,
          fill: table[4 * k + 2],
        })),
    );
  }

  function drawRow() {
    const { left, top, side, right, rows, start, end, labels } = place;
    const i = hovered ? hovered[0] : chosenWord;
    const y = (k) => rows + (k + 0.5) * side;
    const middle = (start + end) / 2;
    const strong = { "font-weight": "700", fill: "#0b5cad" };
    const usual = { "font-weight": "400", fill: "#1a1a1a" };
    rowNames.forEach((node, k) => {
      for (const [name, value] of Object.entries(k === i ? strong : usual))
        update(node, name, value);
    });
    const parts = [
      make("rect", {
        x: left, y: top + i * side, width: n * side, height: side,
        fill: "none", stroke: "#0b5cad", "stroke-width": 2.5,
      }),
    ];
    if (start < right) // below the map its name stands once more, where lines begin
      parts.push(make("text", {
        x: left - 6, y: y(i), dy: "0.35em", "text-anchor": "end", ...strong,
      }, labels[i]));
    if (hovered)
      parts.push(make("rect", {
        x: left + column(hovered[1]) * side, y: top + i * side, width: side, height: side,
        fill: "none", stroke: "#1a1a1a", "stroke-width": 2.5,
      }));
    let best = 0;
    for (let j = 0; j < n; j++) {
      const value = shown(i, j), size = Math.min(1, Math.abs(value));
      if (size > Math.abs(shown(i, best))) best = j;
      if (size >= 0.005)
        parts.push(make("path", {
          d: `M${start + 4} ${y(i)}C${middle} ${y(i)} ${middle} ${y(j)} ${end} ${y(j)}`,
          fill: "none", "stroke-width": 0.75 + 8 * size, "stroke-opacity": 0.25 + 0.75 * size,
          stroke: minus < 0
            ? headColor(h)
            : differenceColors[value > 0 ? 230 : 25],
        }));
    }
    for (let j = 0; j < n; j++) {
      const [name, share] = [list.children[2 * j], list.children[2 * j + 1]];
      const text = number(shown(i, j)), bold = j === best ? "700" : "400";
      if (share.textContent !== text) share.textContent = text;
      for (const node of [name, share]) update(node, "font-weight", bold);
    }
    rowLayer.replaceChildren(...parts);
    inWords.textContent = sayRow(i);
    svg.setAttribute("aria-label", inWords.textContent);
    root.dataset.word = i;
  }

  function sayRow(i) {
    const word = (j) => isolate(words[j]);
    const share = (j, digits) => `${number(shown(i, j), digits)} to ${word(j)}`;
    const order = hovered ? [hovered[1]] : Array.from({ length: n }, (_, j) => j)
      .sort((a, b) => Math.abs(shown(i, b)) - Math.abs(shown(i, a)))
      .slice(0, 3)
      .filter((j, k) => k === 0 || Math.abs(shown(i, j)) >= 0.005);
    const list = order.map((j) => share(j, hovered ? 3 : 2)).join(", ");
    return minus < 0
      ? `${fullName(h)}: ${word(i)} gives ${list.replace(" to ", " of its attention to ")}.`
      : `${word(i)}: head ${headName(h)} minus head ${headName(minus)} is ${list}.`;
  }

  // ---- choosing: no round trip to the kernel
  let choosing = false;
  function choose(changes) {
    choosing = true;
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    choosing = false;
    chosen();
    // Python is told when this is on the screen; nobody waits for it.
    requestAnimationFrame(() => setTimeout(() => model.save_changes()));
  }
  function chosen() {
    if (choosing || !n) return; // once, when all is set
    look();
    [layer.value, head.value, compare.value, word.value] = [l, h, minus, chosenWord];
    markHead();
    paint();
  }
  for (const [name, select] of Object.entries({ layer, head, compare, word }))
    select.addEventListener("input", () => choose({ [name]: Number(select.value) }));
  projector.addEventListener("input", () => {
    root.classList.toggle("mha-projector", projector.checked);
    requestAnimationFrame(resize); // in a frame, so that a new width is noticed after it
  });
  function under(event) {
    const box = svg.getBoundingClientRect(), { left, top, side, right, zoom } = place;
    const x = (event.clientX - box.left) / zoom, y = (event.clientY - box.top) / zoom;
    const i = Math.floor((y - top) / side);
    if (i < 0 || i >= n) return null;
    if (x < left) return [i, null];
    return x < right ? [i, column(Math.floor((x - left) / side))] : null;
  }
  stage.addEventListener("pointermove", (event) => {
    const at = under(event), cell = at && at[1] !== null ? at : null;
    if (String(cell) === String(hovered)) return;
    hovered = cell;
    drawRow();
  });
  stage.addEventListener("pointerleave", () => {
    if (hovered) { hovered = null; drawRow(); }
  });
  stage.addEventListener("click", (event) => {
    const at = under(event);
    if (at) choose({ word: at[0] });
  });

  function resize() {
    if (!n) return;
    placeHeads();
    layMap();
  }

  // ---- asking the kernel: one question at a time, and then the latest one
  let waiting = null, edited = false;
  function ask() {
    edited = true;
    if (waiting) return;
    edited = false;
    const inputs = { sentence: sentence.value.toWellFormed?.() ?? sentence.value };
    for (const { name, box } of switches)
      if (picture.inputs[name] !== undefined) inputs[name] = box.checked;
    if (picture.inputs.temperature !== undefined)
      inputs.temperature = Number(temperature.value);
    const news = Object.entries(inputs).filter(([k, v]) => v !== picture.inputs[k]);
    if (!news.length) return;
    waiting = setTimeout(() => {
      message.textContent =
        "The kernel does not answer. If it was restarted, run this cell again.";
    }, 1000);
    for (const [name, value] of news) model.set(name, value);
    model.save_changes();
  }
  function answered() {
    clearTimeout(waiting);
    waiting = null;
    receive();
    if (edited) ask();
  }
  sentence.addEventListener("input", (event) => { if (!event.isComposing) ask(); });
  sentence.addEventListener("compositionend", ask);
  for (const { box } of switches) box.addEventListener("input", ask);
  temperature.addEventListener("input", () => {
    showDegree();
    ask();
  });
  reset.addEventListener("click", () => {
    const { layer, head, word, compare, ...inputs } = model.get("initial");
    showInputs(inputs);
    choose({ layer, head, word, compare });
    ask();
  });

  // ---- saving
  function save(blob, ending) {
    const link = make("a", { download: `attention-head-${h + 1}.${ending}` });
    link.href = URL.createObjectURL(blob);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  const drawing = () =>
    new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" });
  saveSvg.addEventListener("click", () => save(drawing(), "svg"));
  savePng.addEventListener("click", async () => {
    const image = new Image();
    image.src = URL.createObjectURL(drawing());
    await image.decode();
    const canvas = make("canvas", { width: 2 * image.width, height: 2 * image.height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    URL.revokeObjectURL(image.src);
    canvas.toBlob((blob) => save(blob, "png"));
  });

  // ---- life
  const selection = "change:layer change:head change:compare change:word";
  model.on("change:picture", answered);
  model.on(selection, chosen);
  let drawnWidth = 0;
  const resized = new ResizeObserver(() => {
    if (stage.offsetWidth !== drawnWidth) resize();
    drawnWidth = stage.offsetWidth;
  });
  el.append(root);
  receive();
  resized.observe(stage);
  return () => {
    // JupyterLab keeps our parent while the model lives, and the targets of some keys
    // for ever, with what their listeners know: what is large goes by itself.
    root.remove();
    stage.replaceChildren();
    glance.width = sheet.width = 0;
    weights = svg = cells = title = dot = bar = rowNames = rowLayer = list = null;
    resized.disconnect();
    clearTimeout(waiting);
    model.off("change:picture", answered);
    model.off(selection, chosen);
    model.set("shown", false); // another view, if there is one, will object
    model.save_changes();
  };
}

export default { render };
