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
FIRST_YEAR = 1900
"""Excel knows no day before 1 January 1900."""
_ODD = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_x")
"""What needs a second look; most text has none of it."""
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Not allowed in XML 1.0 (2.2, Char)."""
_ESCAPE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
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
        return local if local.year >= FIRST_YEAR else local.isoformat(" ")
    if isinstance(value, date):
        return value if value.year >= FIRST_YEAR else value.isoformat()
    if isinstance(value, time):
        return value.replace(tzinfo=None)
    return cell_text(str(value))


def _number(value: int | float | Decimal) -> Scalar:
    return value if isfinite(value) and -EXACT < value < EXACT else str(value)


def cell_text(text: str) -> str:
    """Text without what XML forbids, its own escapes escaped, and no longer than a cell takes."""
    if _ODD.search(text):
        text = _ILLEGAL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
        text = _ESCAPE.sub("_x005F_", text)
    return text if len(text) * 2 <= MAX_TEXT else _cut(text)


def _cut(text: str) -> str:
    units = text.encode("utf-16-le")
    if len(units) // 2 <= MAX_TEXT:
        return text
    return units[: 2 * (MAX_TEXT - 1)].decode("utf-16-le", "ignore") + "…"


def looks_like_formula(text: str) -> bool:
    """Whether a program could compute it when somebody edits the cell, or exports the table."""
    return _FORMULA.match(text) is not None
