"""A figure that says in words what it shows, and the colours of the course."""

from io import BytesIO
from typing import Any

import numpy as np
from matplotlib import rc_context, rcParamsDefault
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image  # Matplotlib's own dependency, as it writes PNG with it

HEAD_COLORS = tuple(
    "#0072B2 #D55E00 #009E73 #CC79A7 #8A2200 #10108F #5E525C #000000".split()
)
"""Head i has colour number i modulo 8. The first four are Okabe and Ito's; their
orange, sky blue and yellow are too pale on white and give way to dark colours. Each has
a contrast of at least 3 with white, and colour-blind readers can tell them apart."""

WEIGHT_MAP = "magma_r"
DIFFERENCE_MAP = "PuOr"

# What the reader set for other plots, a dark style say, must not mix with our colours,
# neither when a figure is made nor when it is rendered.
_PREFIXES = (
    "agg. axes. figure. font. grid. hatch. image. legend. lines. markers. mathtext. "
    "patch. path. pcolor. pcolormesh. savefig. text. xaxis. xtick. yaxis. ytick."
).split()
STYLE = {
    name: value
    for name, value in rcParamsDefault.items()
    if name.startswith(tuple(_PREFIXES))
}


class Picture(Figure):
    """A Matplotlib figure that carries a description of itself in words.

    In a notebook it shows itself as one PNG image. The description goes with it as
    plain text, which tests compare and VS Code reads out, and as the image's ``alt``
    metadata. It belongs to no `pyplot` window: nothing has to be closed.

    Parameters
    ----------
    alt : str
        What the figure shows, for readers who do not see it.
    **options
        Of `matplotlib.figure.Figure`, such as ``figsize=(7, 4)``. If not given, the
        layout is constrained and the background white; the image has 144 pixels an
        inch and is shown in the space of 96.
    """

    def __init__(self, *, alt: str, **options: Any) -> None:
        defaults: dict[str, Any] = {
            "layout": "constrained",
            "facecolor": "white",
            "dpi": 144,
        }
        super().__init__(**defaults | options)
        _Canvas(self)  # registers itself with its figure
        self.alt = alt

    @rc_context(STYLE)
    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict, dict]:
        png = BytesIO()
        self.savefig(png, format="png", dpi="figure", facecolor="auto")
        # No height: it follows from the width, also where a narrow page shrinks it.
        shown = {"alt": self.alt, "width": round(96 * self.get_figwidth())}
        bundle = {"image/png": png.getvalue(), "text/plain": self.alt}
        return bundle, {"image/png": shown}


class _Canvas(FigureCanvasAgg):
    def print_png(self, filename_or_obj: Any, **ignored: object) -> None:
        """Write 256 colours, for a third of the bytes, and no version of Matplotlib.

        IPython also comes here, which shows figures itself once `pyplot` is imported.
        It keeps every figure that it has shown, so the pixels, 2 to 5 MB, do not stay
        with the figure: it is drawn on a canvas of its own, and its texts forget it.
        """
        canvas = FigureCanvasAgg(self.figure)
        try:
            canvas.draw()
        finally:
            self.figure.set_canvas(self)
            for text in self.figure.findobj(Text):
                text._renderer = None  # type: ignore[attr-defined]
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
        image = image.quantize(256, Image.Quantize.MAXCOVERAGE)
        image.save(filename_or_obj, "png")
