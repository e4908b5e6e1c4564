"""What the controls of ipywidgets lack in JupyterLab: a name, and their own keys."""

from functools import cache

import anywidget
import traitlets
from ipywidgets import Box


class Slider(anywidget.AnyWidget):
    """A slider with a name, which those of ipywidgets cannot have.

    Attributes
    ----------
    description : str
        The name.
    min, max, step, value : float
    says : list of str
        What is read out at 0, 1, 2, ...; if empty, the number is shown and read out.
    disabled : bool
    label_width : str
        In CSS, as that of the labels of ipywidgets.
    """

    _esm = """
    function render({ model, el }) {
      const make = (tag, attributes) =>
        Object.assign(document.createElement(tag), attributes);
      const name = make("span", { className: "widget-label" });
      const range = make("input", { type: "range" });
      const number = make("output", { className: "widget-readout" });
      const label = make("label", { className: "widget-inline-hbox" });
      range.addEventListener("input", () => {
        model.set("value", Number(range.value));
        model.save_changes();
      });
      const draw = () => {
        const value = model.get("value"), said = model.get("says")[value];
        name.textContent = model.get("description");
        name.style.width = model.get("label_width");
        for (const key of ["min", "max", "step", "value", "disabled"])
          range[key] = model.get(key);
        number.textContent = value.toFixed(2);
        number.hidden = said !== undefined;
        range.setAttribute("aria-valuetext", said ?? number.textContent);
      };
      model.on("change", draw);
      draw();
      el.classList.add("mha-slider");
      label.append(name, range);
      el.append(label, number);
      return () => model.off("change", draw);
    }
    export default { render };
    """
    _css = """
    .mha-slider { display: flex; align-items: center; margin: 2px; }
    .mha-slider label { flex: 1; min-width: 0; align-items: center; }
    .mha-slider input { flex: 1; min-width: 4em; }
    .mha-slider output:not([hidden]) {
      flex: none; min-width: 4em; margin-left: 6px;
    }
    """
    description = traitlets.Unicode().tag(sync=True)
    min = traitlets.Float().tag(sync=True)
    max = traitlets.Float().tag(sync=True)
    step = traitlets.Float().tag(sync=True)
    value = traitlets.Float().tag(sync=True)
    says = traitlets.List(traitlets.Unicode()).tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)
    label_width = traitlets.Unicode("initial").tag(sync=True)


class _Keys(anywidget.AnyWidget):
    """Unseen beside controls: keeps their keys, shows their focus, sets their size."""

    _esm = """
    function render() {
      const keep = ({ target }) => {
        if (target.closest(".mha-keys") && !target.matches(":read-write"))
          target.dataset.lmSuppressShortcuts = "true";
      };
      document.addEventListener("focusin", keep);
      return () => document.removeEventListener("focusin", keep);
    }
    export default { render };
    """
    _css = """
    .mha-keys { --jp-widgets-font-size: 16px; }
    .mha-keys button { white-space: normal; }
    .mha-keys :is(select, button, input):focus-visible {
      outline: 2px solid #1976d2 !important; outline-offset: 1px;
    }
    .mha-keys .progress { forced-color-adjust: none; }
    """

    def __init__(self) -> None:
        super().__init__(layout={"display": "none"})


@cache
def _keys() -> _Keys:
    """Return the only one: a page may show it many times, and loads it once."""
    return _Keys()


def keep_keys(box: Box) -> Box:
    """Let the controls in a box have their arrows and letters, and return the box.

    JupyterLab would take a key for a command of its own: go to another cell, or insert
    one.
    """
    box.children = (*box.children, _keys())
    return box.add_class("mha-keys")
