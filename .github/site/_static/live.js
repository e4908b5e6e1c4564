// What the website's pages do without Python. `widgets.py` saved what stands in `live`.

const load = async (name) =>
  (await fetch(new URL(`live/${name}.json`, import.meta.url))).text();

function make(tag, attributes, ...children) {
  const node = Object.assign(document.createElement(tag), attributes);
  node.append(...children);
  return node;
}

// ---- explorers
let heads; // fetched once

// Lexicon and matrices of the hand-built heads.
export async function fetchHeads() {
  const data = JSON.parse(await load("heads"));
  data.lexicon = new Map(
    Object.entries(data.lexicon).flatMap(([features, words]) =>
      words.split(" ").map((word) => [word, features]),
    ),
  );
  return data;
}

// Draw the explorer that a node names, in it; return the model behind it.
export async function draw(node) {
  const { default: explorer } = await import("./explorer.js");
  const { readSaved, standIn } = await import("./alone.js");
  const saved = readSaved(await load(node.dataset.live));
  let model;
  if (saved.heads) {
    const { connect } = await import("./heads.js");
    model = connect(saved.state, await (heads ??= fetchHeads()));
  } else {
    model = standIn(saved);
  }
  node.replaceChildren(...(saved.film ? [makeFilm(saved.film, model)] : []));
  explorer.render({ model, el: node });
  return model;
}

// The film of a training: its slider and its button, and who does what in a picture.
function makeFilm(film, model) {
  const slider = make("input", { type: "range", max: film.length - 1, value: 0 });
  const button = make("button", { type: "button" }, "Play the film");
  const told = make("span", {});
  let playing;

  function show() {
    const { step, picture, jobs } = film[slider.value];
    slider.setAttribute("aria-valuetext", `after ${step} steps`);
    told.replaceChildren(make("b", {}, `After ${step} steps:`));
    for (const [job, share] of jobs)
      told.append(
        make("span", {}, job, make("span", { className: "share" },
          make("meter", { value: share, ariaLabel: job }), share.toFixed(2))),
      );
    const { number } = model.get("picture");
    model.set("picture", { ...first, ...picture, number: number + 1 });
  }
  function stop() {
    clearInterval(playing);
    playing = undefined;
    button.textContent = "Play the film";
  }
  function next() {
    slider.stepUp();
    show();
    if (slider.value === slider.max) stop();
  }
  button.addEventListener("click", () => {
    if (playing) return stop();
    if (slider.value === slider.max) slider.value = 0;
    playing = setInterval(next, 200);
    button.textContent = "Stop";
  });
  slider.addEventListener("input", () => {
    stop();
    show();
  });
  const first = model.get("picture");
  show();
  return make("div", { className: "film" },
    button, make("label", {}, "film ", slider), told);
}

// The theme gives code that scrolls a place among the tab stops when the page changes,
// but does not see that something unfolds.
addEventListener("toggle", () => dispatchEvent(new Event("resize")), { capture: true });

// ---- predictions: the rest of a section is folded until an answer is chosen
function fold(node) {
  const options = JSON.parse(node.dataset.options);
  const blocks = [...document.querySelectorAll("section > :not(section)")];
  const after = blocks.slice(blocks.indexOf(node.closest(".cell")) + 1);
  const end = after.findIndex((it) => it.matches("h2, :has([data-options])"));
  const rest = (end < 0 ? after : after.slice(0, end)).flatMap((it) =>
    it.matches(".cell") ? [...it.querySelectorAll(".cell_output")] : [it],
  );
  const result = rest.find((it) => it.matches(".cell_output")) ?? rest[0];
  const heading = make("p", { className: "came-out" });
  const reply = make("span", { role: "status" });
  result?.before(heading);

  function say(text, above) {
    reply.textContent = text;
    heading.textContent = above;
  }
  function unfold() {
    for (const it of rest) it.classList.remove("folded");
    show.remove();
  }
  const answers = options.map((option) => {
    const button = make("button", { type: "button", ariaPressed: "false" }, option);
    button.addEventListener("click", () => {
      unfold();
      for (const other of answers) other.ariaPressed = String(other === button);
      say(`You chose “${option}”. Compare it with what comes out below.`,
        `Your prediction: ${option}. What came out:`);
    });
    return button;
  });
  const show = make("button", { type: "button" }, "show what comes out");
  show.addEventListener("click", () => {
    unfold();
    say("It is shown below.", "What came out:");
  });
  for (const it of rest) it.classList.add("folded");
  say("", "Folded until you choose an answer above.");
  node.replaceChildren(...answers, show, reply);

  // A link into what is folded opens it.
  function follow() {
    const to = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (to && rest.some((it) => it.contains(to) || it === to.firstElementChild))
      show.click();
  }
  addEventListener("hashchange", follow);
  follow();
}

for (const node of document.querySelectorAll("[data-options]")) fold(node);

// An explorer is fetched before the reader comes to it. What is further down follows
// when the page is there: it is to be on paper, too, and printing does not wait.
const waiting = new Set(document.querySelectorAll("[data-live]"));
function fetchOne(node) {
  if (!waiting.delete(node)) return;
  draw(node).catch(() => {
    node.textContent = "The explorer could not be fetched. Load the page again.";
  });
}
const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries)
      if (isIntersecting) fetchOne(target);
  },
  { rootMargin: "600px" },
);
for (const node of waiting) seen.observe(node);
addEventListener("load", () => setTimeout(() => waiting.forEach(fetchOne), 2000));

// On paper an explorer is as it is on the screen, only smaller: it cannot be arranged
// anew in time.
const PAPER = 640; // of the 718 pixels that A4 has between its margins
addEventListener("beforeprint", () => {
  for (const { style, offsetWidth } of document.querySelectorAll(".live"))
    [style.width, style.zoom] = [`${offsetWidth}px`, Math.min(1, PAPER / offsetWidth)];
});
addEventListener("afterprint", () => {
  for (const { style } of document.querySelectorAll(".live"))
    style.width = style.zoom = "";
});
