// All heads beside the map.

import { between, column, fullName, headName, range, weightAt } from "./reading.js";
import { differ, display, FONT, make } from "./paper.js";

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
export function glanceWidths(maps, projector) { // with a gap beside it, as it is and turned
  const { numLayers, numHeads, inGroup } = maps, size = projector ? 20 : FONT;
  if (numLayers * numHeads < 2) return [0]; // none is drawn
  if (numLayers === 1) return [(inEms(maps) * size + 10) * namedAcross(maps) + 16];
  const gaps = inGroup > 1 ? numHeads / inGroup - 1 : 0;
  return [numHeads * (spotBeside(maps) + 10) + 8 * gaps, numLayers * (TURNED + 10)]
    .map((width) => Math.max(width + size + 26, AXES * size + 16));
}

export function makeGlance({ colors, now, pick }) {
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
