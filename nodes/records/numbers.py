"""Numbers that stand as text, as people write them: `1.234,56`, `-12,50 €`, `12,50-`."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

MAX_WRITTEN = 60
"""Characters of a number as text."""
_GROUPS = {",": "[.'’ \xa0\u2009\u202f]", ".": "[,'’ \xa0\u2009\u202f]"}
"""What may stand between thousands, by the decimal mark."""
SAMPLES = {",": "1.234,56", ".": "1,234.56"}


def decimal_of(text: str, mark: str, unit: str = "") -> Decimal | None:
    """The number, or None when the text is none without doubt: thousands must be grouped in threes."""
    if len(text) > MAX_WRITTEN:
        return None
    found = _written(mark, unit).fullmatch(text)
    if not found or (found["before"] and found["after"]):
        return None
    whole = re.sub("[^0-9]", "", found["whole"])
    fraction = found["fraction"] or "0"
    number = Decimal(f"{whole}.{fraction if fraction.isdigit() else 0}") if found["fraction"] else Decimal(whole)
    return number.copy_negate() if found["before"] in ("-", "−", "–") or found["after"] else number


@lru_cache(maxsize=128)
def _written(mark: str, unit: str) -> re.Pattern[str]:
    beside = rf"(?:{re.escape(unit)})?" if unit else ""
    space = "[ \xa0\u2009\u202f]*"
    return re.compile(
        rf"{beside}{space}(?P<before>[-+−–])?{space}{beside}{space}"
        rf"(?P<whole>[0-9]{{1,40}}|[0-9]{{1,3}}(?:(?P<group>{_GROUPS[mark]})[0-9]{{3}})(?:(?P=group)[0-9]{{3}})*)"
        rf"(?:{re.escape(mark)}(?P<fraction>[0-9]{{1,30}}|[-–—]{{1,2}}))?"
        rf"(?P<after>[-−–])?{space}{beside}"
    )
