// In a page that `Explorer.save_html` wrote there is no Python. This stands in for the
// model that anywidget gives to the explorer's `render`, and answers from what was
// saved:
//   state    the traits that explorer.js reads, but the picture
//   pictures one for each sentence, the first one first; where there are no maps, just
//            inputs and error
// It is kept as a text in JSON, with bytes in base64.
export function readSaved(text) {
  return JSON.parse(text, (name, value) =>
    value?.base64 === undefined ? value : decode(value.base64));
}

function decode(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new DataView(bytes.buffer);
}

export function standIn({ state, pictures }) {
  const events = new EventTarget();
  state.picture = { ...pictures[0], number: 1 };

  const get = (name) => state[name];
  function set(name, value) {
    if (state[name] === value) return;
    state[name] = value;
    events.dispatchEvent(new Event(`change:${name}`));
  }
  function on(names, listener) {
    for (const name of names.split(" ")) events.addEventListener(name, listener);
  }
  function send({ sentence }) { // where a kernel would be asked
    const { picture } = state, number = picture.number + 1;
    const known = pictures.find(({ inputs }) => inputs.sentence === sentence);
    const error = "Without Python this page has its examples only: choose one of them.";
    const answer = known ?? { inputs: { sentence }, error };
    set("picture", { ...picture, ...answer, number });
  }
  return { get, set, on, send, save_changes() {} };
}
