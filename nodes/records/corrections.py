"""Corrections of texts: what is put right before a cell is checked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Literal

Correction = Callable[[str], str]

_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\xad"
"""Zero-width characters and marks of direction that come along from web pages, and that `str.strip` leaves."""
_MARGIN = _INVISIBLE + "".join(chr(one) for one in range(0x3001) if chr(one).isspace())
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_CAPITAL = re.compile(r"^\w|(?<=['’])\w(?=\w)")
"""The first letter, and that after an apostrophe: `O'Neill`, but `Müller's`."""
PARTICLES = frozenset({
    "af", "al", "am", "an", "auf", "da", "dal", "de", "degli", "dei", "del", "della", "den", "der", "des", "di", "dos",
    "du", "el", "im", "in", "la", "las", "le", "los", "of", "op", "ten", "ter", "und", "van", "vom", "von", "zu", "zum",
    "zur",
})  # fmt: skip
"""Words within names that are written small."""
LEADING = frozenset({"de", "van", "vom", "von", "zu"})
"""Those that are written small where a family name begins with them: `von der Heide`, but `Den Haag`, `Am Wald`."""
FORMS = {one.lower(): one for one in ("AG", "GbR", "GmbH", "KG", "KGaA", "mbH", "OHG", "SE", "UG", "II", "III", "IV")}
"""What stands behind names and has a spelling of its own."""

Case = Literal["upper", "lower", "title"]


def corrections(*, compose: bool, trim: bool, case: Case | None) -> tuple[Correction, ...]:
    """The corrections that are asked for, in their order."""
    chosen: list[Correction] = []
    if compose:
        chosen.append(partial(unicodedata.normalize, "NFC"))
    if trim:
        chosen.append(trimmed)
    if case:
        chosen.append({"upper": str.upper, "lower": str.lower, "title": titled}[case])
    return tuple(chosen)


def trimmed(text: str) -> str:
    """Without spaces and what can't be seen at both ends."""
    return text.strip(_MARGIN)


def titled(text: str) -> str:
    """Names as they are written: `MÜLLER-LÜDENSCHEIDT` as `Müller-Lüdenscheidt`; `von der Heide`, `McDonald` stay."""
    return _WORD.sub(lambda found: _name(found[0], is_first=not text[: found.start()].strip()), text)


def _name(word: str, *, is_first: bool) -> str:
    if not (word.islower() or word.isupper()):
        return word
    small = word.lower()
    if small in (LEADING if is_first else PARTICLES):
        return small
    if small in FORMS and not is_first:
        return FORMS[small]
    return _CAPITAL.sub(lambda found: found[0].title(), small)
