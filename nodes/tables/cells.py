"""Values as a cell of a workbook can hold them: text stays text, and nothing is computed that came from outside."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from zoneinfo import ZoneInfo

from ...engine import Scalar
from .moments import EXACT

MAX_TEXT = 32_767
"""Characters of a cell, counted in UTF-16 (Excel's specifications and limits)."""
FIRST_DAY = date(1900, 3, 1)
"""Programs count the days before differently: for Excel, 1900 had a 29 February. It has none before that year."""
_ODD = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_x|^<r>")
"""What needs a second look; most text has none of it."""
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Not allowed in XML 1.0 (2.2, Char)."""
_SHARED = re.compile("(?<=_x[0-9A-Fa-f]{4})_(?=x[0-9A-Fa-f]{4}_)")
"""Between two of Excel's escapes. XlsxWriter writes `_x0041_` so that it stays, but of `_x0041_x0042_` only half."""
_FORMULA = re.compile(r"[=+\-@\t]")


def cell_value(value: object, zone: ZoneInfo) -> Scalar:
    """The value that a cell can hold without loss: what is no number or date of Excel's becomes text."""
    if isinstance(value, str):
        return cell_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, datetime):
        local = value.astimezone(zone).replace(tzinfo=None) if value.tzinfo else value
        return local if local.date() >= FIRST_DAY else local.isoformat(" ")
    if isinstance(value, date):
        return value if value >= FIRST_DAY else value.isoformat()
    if isinstance(value, time):
        return value.replace(tzinfo=None)
    return cell_text(str(value))


def _number(value: int | float | Decimal) -> Scalar:
    is_finite = isinstance(value, int) or isfinite(value)
    return value if is_finite and -EXACT < value < EXACT else str(value)


def cell_text(text: str) -> str:
    """Text without what XML forbids or XlsxWriter would not write as it is, and no longer than a cell takes."""
    if _ODD.search(text):
        text = _ILLEGAL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
        text = _SHARED.sub("\ufffd", text)
        text = _no_markup(text)
    return text if len(text) * 2 <= MAX_TEXT else _cut(text)


def _no_markup(text: str) -> str:
    """XlsxWriter takes a text from `<r>` to `</r>` for XML of its own, and lets it into the sheet as it stands."""
    return f"{text} " if text.startswith("<r>") and text.endswith("</r>") else text


def _cut(text: str) -> str:
    return text if shortened(text, MAX_TEXT) == text else shortened(text, MAX_TEXT - 1) + "…"


def shortened(text: str, units: int) -> str:
    """The beginning of a text, no longer than so many characters of Excel's, which counts in UTF-16."""
    return text.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "ignore")


def looks_like_formula(text: str) -> bool:
    """Whether a program could compute it when somebody edits the cell, or exports the table."""
    return _FORMULA.match(text) is not None
