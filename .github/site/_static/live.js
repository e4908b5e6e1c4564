// The explorer on the first page, with the hand-built heads in the page itself.
import explorer from "./explorer.js";
import { connect } from "./heads.js";

const bytes = (_, value) =>
  value?.base64 === undefined
    ? value
    : new DataView(Uint8Array.from(atob(value.base64), (c) => c.charCodeAt(0)).buffer);

const answer = await fetch(new URL("live.json", import.meta.url));
const { state, data } = JSON.parse(await answer.text(), bytes);
data.lexicon = new Map(
  Object.entries(data.lexicon).flatMap(([features, words]) =>
    words.split(" ").map((word) => [word, features]),
  ),
);
export { data };
export const model = connect(state, data);
const el = document.getElementById("live");
el.replaceChildren();
explorer.render({ model, el });
