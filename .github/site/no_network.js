// What JupyterLite's service worker answers where a page cannot be fetched: else the
// browser says something about a broken site.
const NO_NETWORK = `<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>No network</title>
<body style="font: 18px sans-serif; margin: 2em">
<h1>There is no network</h1>
<p>So this lesson could not be fetched. What you have written is still kept here.</p>
<p><a href="">Try again</a></p>`;

addEventListener("fetch", (event) => {
  if (event.request.mode !== "navigate") return;
  event.stopImmediatePropagation(); // one answer is enough
  const headers = { "Content-Type": "text/html" };
  const instead = () => new Response(NO_NETWORK, { status: 503, headers });
  event.respondWith(fetch(event.request).catch(instead));
});
