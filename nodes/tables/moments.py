"""Numbers that Excel shows as dates, times or durations, and other numbers, as their types."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from math import isfinite

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel

EXACT = 10**15
"""Excel keeps 15 digits: what is longer is no longer a whole number that can be trusted."""

_EAST_ASIAN_DATES = (*range(27, 37), *range(50, 59))
"""Built-in formats that openpyxl does not list (ECMA-376, part 1, 18.8.30)."""


class Kind(Enum):
    """What a number format makes of a number."""

    MOMENT = "moment"
    """A date, a time of day, or both."""
    DURATION = "duration"


@lru_cache(maxsize=1024)
def kind_of(code: str) -> Kind | None:
    """What a format code such as `dd.mm.yyyy` or `[h]:mm` shows; None for plain numbers."""
    if is_timedelta_format(code):
        return Kind.DURATION
    return Kind.MOMENT if is_date_format(code) else None


def built_in_kind(number: int) -> Kind | None:
    """What a built-in format shows, by its number."""
    if number in _EAST_ASIAN_DATES:
        return Kind.MOMENT
    return kind_of(BUILTIN_FORMATS.get(number, "General"))


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
    try:
        value: datetime | time = from_excel(days, MAC_EPOCH if is_1904 else WINDOWS_EPOCH)
    except OverflowError as error:
        raise ValueError(f"{days:g} is no date") from error
    if days < 1:
        return value if isinstance(value, time) else time()  # a breath before midnight, rounded up
    return day_or_time(value)


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
