"""Sentences in every language and of every character, for the tests of word pieces."""

import datetime
import random
import sys

from babel import Locale, UnknownLocaleError, localedata
from babel.dates import format_datetime


def dates():
    """Yield a sentence in each language that Babel knows, in its own script."""
    when = datetime.datetime(2017, 6, 12, 17, 57)
    for name in localedata.locale_identifiers():
        try:
            language = Locale.parse(name)
            said = format_datetime(when, "full", locale=language)
        except (UnknownLocaleError, AttributeError, KeyError):
            continue
        yield f"{language.display_name}: {said} (10€, 20°C)"


def generated(n):
    """Yield sentences of characters drawn evenly, and of such that stick together."""
    rng = random.Random(0)
    sticky = "aZ9 .!'’-_[]#€°≤é中の한سक्ة👍🏽🇫🇷\u0301\u200d\u200b\ufeff\t\x00\ud800"
    for i in range(n):
        if i % 2:
            yield "".join(rng.choices(sticky, k=rng.randrange(1, 20)))
        else:
            points = (rng.randrange(sys.maxunicode + 1) for _ in range(8))
            yield "a " + " ".join(map(chr, points))
