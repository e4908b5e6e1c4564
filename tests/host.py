"""A bare page that shows explorers, with this process in the place of the kernel.

The page gives `render` what anywidget gives it, and no more; its messages are those of
Jupyter's widgets, which the explorers here send and take as they would in a kernel.
"""

from base64 import b64encode

from comm.base_comm import BaseComm

HTML = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Explorers</title>
<style>body { margin: 0; }</style><main></main><script>
const models = {}, views = [];

class Model {
    listeners = {}; news = {};
    constructor(id, message) {
        Object.assign(this, { id, state: {} });
        this.receive(message);
    }
    get(name) { return this.state[name]; }
    set(name, value) {
        if (this.state[name] === value) return;
        this.state[name] = this.news[name] = value;
        this.tell([name]);
    }
    on(events, listener) {
        for (const event of events.split(" "))
            (this.listeners[event] ??= new Set()).add(listener);
    }
    off(events, listener) {
        for (const event of events.split(" ")) this.listeners[event].delete(listener);
    }
    tell(names) {
        for (const name of names)
            for (const listen of [...this.listeners[`change:${name}`] ?? []]) listen();
    }
    save_changes() {
        const state = this.news;
        this.news = {};
        if (Object.keys(state).length)
            this.message({ method: "update", state, buffer_paths: [] });
    }
    send(content) { this.message({ method: "custom", content }); }
    async message(data) {
        for (const message of await toKernel(this.id, data)) receive(...message);
    }
    receive({ state, buffer_paths, buffers }) {
        buffer_paths.forEach((path, i) => {
            const bytes = Uint8Array.from(atob(buffers[i]), (c) => c.charCodeAt(0));
            const holder = path.slice(0, -1).reduce((inner, key) => inner[key], state);
            holder[path.at(-1)] = new DataView(bytes.buffer);
        });
        Object.assign(this.state, state); // all is there when the first change is told
        this.tell(Object.keys(state));
    }
}
const receive = (id, message) => models[id].receive(message);

async function show(id, message) {
    const model = (models[id] ??= new Model(id, message)), el = make("div");
    el.id = `view-${views.length}`;
    document.querySelector("main").append(el);
    if (!window.explorer) { // as anywidget loads a front end and its styles
        make("style", document.head).textContent = model.get("_css");
        const type = "text/javascript", blob = new Blob([model.get("_esm")], { type });
        window.explorer = await import(URL.createObjectURL(blob));
    }
    views.push({ el, free: await explorer.default.render({ model, el }) });
    return el.id;
}
function make(tag, parent) {
    const node = document.createElement(tag);
    parent?.append(node);
    return node;
}
async function close(...which) {
    for (const i of which) {
        await views[i]?.free();
        views[i]?.el.remove();
        views[i] = null;
    }
}
</script></html>"""


class Host:
    """A page of a Playwright context; its explorers are asked while it is waited for.

    Attributes
    ----------
    page
        Keeps the errors that its scripts report in the list ``page.errors``.
    answers : bool
        Whether what the page sends arrives.
    """

    def __init__(self, context) -> None:
        self.answers, self._explorers, self._views = True, {}, []
        self._replies = None  # a list while the page waits for them
        self.page = context.new_page()
        self.page.errors = []
        self.page.on("pageerror", lambda error: self.page.errors.append(str(error)))
        self.page.expose_function("toKernel", self._receive)
        self.page.set_content(HTML)

    def show(self, explorer):
        """Show a view of an explorer; return where it is on the page."""
        explorer.comm = _Comm(self, explorer.model_id)
        self._explorers[explorer.model_id] = explorer
        self._replies = messages = []
        explorer.send_state()
        self._replies = None
        view = self.page.evaluate("message => show(...message)", messages[0])
        self._views.append(self.page.locator(f"#{view} .mha-explorer"))
        return self._views[-1]

    def close(self, view) -> None:
        """Take away a view."""
        self.page.evaluate("view => close(view)", self._views.index(view))

    def clear(self) -> None:
        """Take away all views; from here on the kernel answers again."""
        self.answers = True
        self.page.evaluate("() => close(...views.keys())")

    def send(self, *message) -> None:
        """Give the page a message, with the answer to its own if it has just asked."""
        if self._replies is None:
            self.page.evaluate("message => receive(...message)", message)
        else:
            self._replies.append(message)

    def _receive(self, name: str, data: dict) -> list:
        if not self.answers:
            return []
        self._replies = replies = []
        message = {"content": {"data": data}, "buffers": []}
        self._explorers[name].comm.handle_msg(message)
        self._replies = None
        return replies


class _Comm(BaseComm):
    def __init__(self, host: Host, name: str) -> None:
        super().__init__(comm_id=name, primary=False)
        self._host = host

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        if msg_type == "comm_msg" and data["method"] == "update":  # no echo is needed
            encoded = [b64encode(buffer).decode() for buffer in buffers or ()]
            self._host.send(self.comm_id, data | {"buffers": encoded})
