"""How a word is drawn in a static figure: which of it, in which fonts, how wide."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache

from matplotlib import ft2font
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.textpath import text_to_path

FONT = 12  # points

# Matplotlib's own font, then common ones with Chinese, Japanese and Korean, if there.
FONTS = ["DejaVu Sans"] + [
    name
    for name in (
        "Noto Sans CJK SC,Noto Sans CJK JP,Droid Sans Fallback,WenQuanYi Micro Hei,"
        "PingFang SC,Hiragino Sans,Microsoft YaHei,Malgun Gothic,Arial Unicode MS"
    ).split(",")
    if name in {font.name for font in fontManager.ttflist if font.weight == 400}
]


def clean(word: str, longest: int = 14) -> str:
    """Write out control characters, drop invisible ones, and cut a long word."""
    shown = ""
    for char in word:
        kind = unicodedata.category(char)
        if kind in ("Cc", "Cs", "Zl", "Zp"):
            char = char.encode("unicode_escape").decode()  # \n, \x00
        elif kind == "Cf" and char not in "\u200c\u200d":
            char = ""  # it could turn the direction of all the text that follows
        shown += char
    if len(shown) <= longest:
        return shown
    cut = longest - 1
    # Not before a mark, which belongs to its letter, and not beside a joiner.
    while cut > 1 and (
        unicodedata.category(shown[cut])[0] == "M"
        or "\u200d" in shown[cut - 1 : cut + 1]
    ):
        cut -= 1
    return shown[:cut] + "\u2026"


@cache
def _glyphs() -> list[ft2font.FT2Font]:
    return [get_font(findfont(FontProperties(family=name))) for name in FONTS]


def drawable(text: str) -> bool:
    """Whether the fonts have all of a text, and Matplotlib can join and turn it."""
    shapes = hasattr(ft2font, "__libraqm_version__")  # from Matplotlib 3.11 on
    for char in text:
        if not any(font.get_char_index(ord(char)) for font in _glyphs()):
            return False
        leftward = unicodedata.bidirectional(char) in ("R", "AL")
        mark = unicodedata.category(char)[0] == "M" and char > "\u036f"
        if not shapes and (leftward or mark):
            return False
    return text != ""


def leftward(words: Sequence[str]) -> bool:
    """Whether the first letter, and so the sentence, is written from right to left.

    A token that a model puts in front, such as <s> or [CLS], is no word of it.
    """
    written = (word for word in words if not re.fullmatch(r"<.*>|\[.*\]", word))
    letter = next((char for word in written for char in word if char.isalpha()), " ")
    return unicodedata.bidirectional(letter) in ("R", "AL")


def plain(text: str, longest: int = 60) -> str:
    """Clean a text, and put a box for each character that no font here has."""
    text = clean(text, longest)
    return "".join(char if drawable(char) else "\u25a1" for char in text)


def widest(texts: Iterable[str], size: int = FONT) -> float:
    """Return the width of the widest text in inches, set in `size` points."""
    font = FontProperties(family=FONTS, size=size)
    measure = text_to_path.get_text_width_height_descent
    return max((measure(t, font, ismath=False)[0] for t in texts if t), default=0) / 72
