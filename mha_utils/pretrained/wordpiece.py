"""A text cut into the pieces of a vocabulary, as BERT's own tokenizer cuts it.

WordPiece, in four steps: clean the text, take accents and capitals away, cut at spaces
and punctuation, and cover each word with the longest pieces that the vocabulary has
(Devlin et al. 2019; the steps are those of tokenization.py in google-research/bert).
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

LONGEST = 100  # letters; a longer word is unknown
# Of characters of Chinese writing each is a word.
CHINESE = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df"
    "\U0002a700-\U0002b81f\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f]"
)


class Piece(NamedTuple):
    """A piece of a text, or a special token that stands around it."""

    id: int
    """Its number in the vocabulary."""
    token: str
    span: tuple[int, int] | None
    """Where it begins and ends in the text; none if it was put in."""


@dataclass(frozen=True, eq=False)
class WordPiece:
    """Cuts texts.

    Parameters
    ----------
    vocabulary : dict
        The number of each piece. Those that go on in a word begin with ``##``.
    special : tuple of str
        Tokens that are taken as they are typed, wherever they stand.
    clean, chinese, accents, lowercase : bool
        Whether control characters go, Chinese is cut into characters, accents go, and
        capitals do.
    """

    vocabulary: dict[str, int]
    special: tuple[str, ...] = ()
    clean: bool = True
    chinese: bool = True
    accents: bool = True
    lowercase: bool = True

    def cut(self, text: str) -> list[Piece]:
        """Cut a text into pieces, and put [CLS] before and [SEP] behind them.

        Raises
        ------
        ValueError
            If a word has no pieces, and the vocabulary none for unknown words.
        """
        pieces = [self._piece("[CLS]", None)]
        start = 0
        typed = "|".join(map(re.escape, sorted(self.special, key=len, reverse=True)))
        for match in re.finditer(typed, text) if typed else ():
            pieces += self._cut_plain(text, start, match.start())
            pieces.append(self._piece(match[0], match.span()))
            start = match.end()
        pieces += self._cut_plain(text, start, len(text))
        return [*pieces, self._piece("[SEP]", None)]

    def _cut_plain(self, text: str, start: int, stop: int) -> Iterator[Piece]:
        letters = [
            (letter, place)
            for place in range(start, stop)
            for letter in self._normal(text[place])
        ]
        word: list[tuple[str, int]] = []
        for letter, place in [*letters, (" ", stop)]:
            alone = _is_punctuation(letter) or (
                self.chinese and CHINESE.match(letter) is not None
            )
            if word and (alone or letter.isspace()):
                yield from self._cover(word)
                word = []
            if alone:
                yield from self._cover([(letter, place)])
            elif not letter.isspace():
                word.append((letter, place))

    def _normal(self, char: str) -> str:
        """Return what is read of a character: nothing, itself, or others."""
        if self.clean and char not in "\t\n\r":
            if char == "\ufffd" or unicodedata.category(char) in ("Cc", "Cf", "Co"):
                return ""
        if self.accents:
            parts = unicodedata.normalize("NFD", char)
            char = "".join(c for c in parts if unicodedata.category(c) != "Mn")
        return char.lower() if self.lowercase else char

    def _cover(self, word: list[tuple[str, int]]) -> list[Piece]:
        """Cover a word with pieces, from its start on, each as long as there is one."""
        letters = "".join(letter for letter, _ in word)
        pieces: list[Piece] = []
        start = 0
        while start < len(word) <= LONGEST:
            before = "##" if start else ""
            for stop in range(len(word), start, -1):
                if before + letters[start:stop] in self.vocabulary:
                    break
            else:
                break
            span = word[start][1], word[stop - 1][1] + 1
            pieces.append(self._piece(before + letters[start:stop], span))
            start = stop
        if start == len(word):
            return pieces
        return [self._piece("[UNK]", (word[0][1], word[-1][1] + 1))]

    def _piece(self, token: str, span: tuple[int, int] | None) -> Piece:
        if token not in self.vocabulary:
            raise ValueError(
                f"tokenizer.json cannot cut this: its vocabulary has no {token}"
            )
        return Piece(self.vocabulary[token], token, span)


def _is_punctuation(char: str) -> bool:
    """Tell whether it is punctuation; in ASCII every sign counts, such as $ and ^."""
    if char.isascii():
        return char.isprintable() and not char.isalnum() and char != " "
    return unicodedata.category(char)[0] == "P"
