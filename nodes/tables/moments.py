"""Numbers that Excel shows as dates, times or durations, and other numbers, as their types."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from math import isfinite

EXACT = 10**15
"""Excel keeps 15 digits: what is longer is no longer a whole number that can be trusted."""

_MOMENTS = frozenset((*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)))
_DURATION = 46
"""Numbers of built-in formats (ECMA-376, part 1, 18.8.30), those of East Asia among them."""
_PIECE = re.compile(r'"[^"]*"|[\\_*].|\[(?P<duration>h+|m+|s+)\]|\[[^\]]*\]|(?P<moment>[dmyhs])', re.IGNORECASE)
"""What a format code is made of (18.8.31): texts, literal letters, durations, colours and such, parts of dates."""
_FIRST_DAY, _FIRST_DAY_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)
_LEAP_DAY = 60
"""Excel counts 29 February 1900, which never was: days before it are one further from the first."""


class Kind(Enum):
    """What a number format makes of a number."""

    MOMENT = "moment"
    """A date, a time of day, or both."""
    DURATION = "duration"


@lru_cache(maxsize=1024)
def kind_of(code: str) -> Kind | None:
    """What a format code such as `dd.mm.yyyy` or `[h]:mm` shows; None for plain numbers."""
    pieces = [piece.lastgroup for piece in _PIECE.finditer(code.partition(";")[0])]
    if "duration" in pieces:
        return Kind.DURATION
    return Kind.MOMENT if "moment" in pieces else None


def built_in_kind(number: int) -> Kind | None:
    """What a built-in format shows, by its number."""
    if number == _DURATION:
        return Kind.DURATION
    return Kind.MOMENT if number in _MOMENTS else None


def number(text: str) -> int | float:
    """Whole numbers as int.

    Raises:
        ValueError: it is no finite number.
    """
    if "_" in text:
        raise ValueError(f"{text[:40]!r} is no number")
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text[:40]!r} is no finite number")
    return settled(value)


def settled(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < EXACT else value


@lru_cache(maxsize=8192)
def moment(days: float, is_1904: bool) -> date | datetime | time:
    """Excel's count of days as a date; a datetime only when it has a time, a time only when it has no date.

    Raises:
        ValueError: it is before the first or after the last day that Excel knows.
    """
    if days < 0:
        raise ValueError(f"{days:g} is no date")
    whole, fraction = divmod(days, 1)
    if not is_1904 and whole < _LEAP_DAY:
        whole += 1
    try:
        part = timedelta(milliseconds=round(fraction * 86_400_000))
        value = (_FIRST_DAY_1904 if is_1904 else _FIRST_DAY) + timedelta(days=whole) + part
    except OverflowError as error:
        raise ValueError(f"{days:g} is no date") from error
    return value.time() if days < 1 else day_or_time(value)


def day_or_time(value: datetime | time) -> date | datetime | time:
    """A date, when the time is midnight."""
    return value.date() if isinstance(value, datetime) and value.time() == time() else value


def duration(days: float) -> str:
    """A duration as Excel shows it: `30:05`, or `30:05:12` when there are seconds.

    Raises:
        ValueError: it is longer than a timedelta holds.
    """
    try:
        seconds = round(timedelta(days=days).total_seconds())
    except OverflowError as error:
        raise ValueError(f"{days:g} is no duration") from error
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    minutes, rest = divmod(seconds, 60)
    shown = f"{sign}{minutes // 60}:{minutes % 60:02}"
    return f"{shown}:{rest:02}" if rest else shown
