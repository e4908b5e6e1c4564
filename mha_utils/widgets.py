"""What the controls of ipywidgets lack in JupyterLab: a name, and their own keys."""

import anywidget
import traitlets


class Slider(anywidget.AnyWidget):
    """A slider with a name, which those of ipywidgets cannot have.

    Attributes
    ----------
    description : str
        The name.
    min, max, step, value : float
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
      name.textContent = model.get("description");
      name.style.width = model.get("label_width");
      for (const key of ["min", "max", "step"]) range[key] = model.get(key);
      range.addEventListener("input", () => {
        model.set("value", Number(range.value));
        model.save_changes();
      });
      const draw = () => {
        range.value = model.get("value");
        number.textContent = model.get("value").toFixed(2);
      };
      model.on("change:value", draw);
      draw();
      label.append(name, range);
      el.append(label, number);
      return () => model.off("change:value", draw);
    }
    export default { render };
    """
    _css = """
    .mha-slider { display: flex; align-items: center; margin: 2px; }
    .mha-slider label { flex: 1; min-width: 0; align-items: center; }
    .mha-slider input { flex: 1; min-width: 4em; }
    .mha-slider output { flex: none; min-width: 4em; margin-left: 6px; }
    """
    description = traitlets.Unicode().tag(sync=True)
    min = traitlets.Float().tag(sync=True)
    max = traitlets.Float().tag(sync=True)
    step = traitlets.Float().tag(sync=True)
    value = traitlets.Float().tag(sync=True)
    label_width = traitlets.Unicode().tag(sync=True)


class Keys(anywidget.AnyWidget):
    """Unseen beside controls: keeps their arrows and letters, and shows their focus.

    JupyterLab would take an arrow or a letter for a command of its own, and go to
    another cell. The controls stand in a box of the class ``mha-keys``.
    """

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
    .mha-keys :is(select, [type=range]):focus-visible {
      outline: 2px solid #0b57a4 !important; outline-offset: 1px;
    }
    """

    def __init__(self) -> None:
        super().__init__(layout={"display": "none"})
