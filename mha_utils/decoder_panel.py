"""A decoder's heads on a text, and beside them what it writes next."""

import html
from itertools import product

from ipywidgets import HTML, Checkbox, Dropdown, HBox, VBox

from mha_utils.controls import FITS, SAYS, WRAPPED
from mha_utils.decoder import Decoder
from mha_utils.explorer import Explorer
from mha_utils.maps import AttentionMaps
from mha_utils.widgets import keep_keys


class DecoderPanel(VBox):
    """Explore a text and its likeliest next words, with heads switched on and off.

    Parameters
    ----------
    model : Decoder
    text : str
        The text to begin with.

    Attributes
    ----------
    explorer : Explorer
        The maps of the heads that are on; opens on the last layer, in the row of the
        word that gives most of its attention to others.
    """

    def __init__(self, model: Decoder, text: str) -> None:
        self._model = model
        self._next_words = HTML()
        self._on = {
            (layer, head): Checkbox(
                True,
                description=f"layer {layer + 1}, head {head + 1}",
                indent=False,
                layout={"width": "auto", "margin": "0 24px 0 0"},
            )
            for layer, head in product(range(model.num_layers), range(model.num_heads))
        }
        self._ablation = Dropdown(
            options=[("zero", "zero"), ("its mean", "mean")],
            description="a head switched off brings",
            style={"description_width": "initial"},
            layout=FITS,
        )
        self.explorer = Explorer(self._attend, text, layer=model.num_layers - 1)
        for control in (*self._on.values(), self._ablation):
            control.observe(lambda _: self.explorer.refresh(), "value")
        asks = [*self._on.values(), self._ablation]
        switches = keep_keys(HBox(asks, layout=WRAPPED))
        super().__init__([switches, self._next_words, self.explorer])

    def __repr__(self) -> str:
        return "A decoder and its next words; it needs a running kernel"

    def _attend(self, text: str) -> AttentionMaps:
        """Compute the maps, and say beside them which words come next."""
        off = [head for head, box in self._on.items() if not box.value]
        ablation = self._ablation.value
        self._say("")  # if the text is refused, the explorer says why
        told = self._model.next_words(text, off=off, ablation=ablation)
        self._say("Next: " + ", ".join(f"{word} {share:.2f}" for word, share in told))
        return self._model.attend(text, off=off, ablation=ablation)

    def _say(self, text: str) -> None:
        self._next_words.value = SAYS.format(role="status", text=html.escape(text))
