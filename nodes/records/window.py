"""Limits of dates: fixed ones, and those that move with today."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ...engine import ConfigError, Resources

_DURATION = re.compile(
    r"(?P<sign>[+-]?)P(?=.)(?:(?P<years>\d{1,3})Y)?(?:(?P<months>\d{1,3})M)?"
    r"(?:(?P<weeks>\d{1,3})W)?(?:(?P<days>\d{1,5})D)?",
    re.ASCII,
)
"""At most about 1,400 years, so that no limit of our days lies outside of the calendar."""


def today(resources: Resources) -> date:
    """The date in the flow's time zone."""
    return resources.now.astimezone(_zone(resources.timezone)).date()


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


class Limit:
    """A date: fixed, `today`, or so long before or after today (ISO 8601 duration, with a sign).

    Raises:
        ConfigError: it is none of these.
    """

    __slots__ = ("_fixed", "_moves", "source")

    def __init__(self, source: date | str) -> None:
        self.source = source
        self._fixed = source if isinstance(source, date) else _day(source)
        self._moves = None if self._fixed else _moves(str(source))

    def __reduce__(self) -> tuple[type[Limit], tuple[date | str]]:
        return Limit, (self.source,)

    def on(self, day: date) -> date:
        """The limit when today is this day."""
        return self._fixed or _moved(day, *(self._moves or (0, 0)))

    def words(self, day: date) -> str:
        limit = self.on(day).isoformat()
        return limit if self._fixed else f"{limit} ({self.source})"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else None
    except ValueError as error:
        raise ConfigError(f"{text!r} is no date: {error}.") from error


@lru_cache(maxsize=1024)
def _moves(text: str) -> tuple[int, int]:
    """Months and days from today."""
    if text == "today":
        return 0, 0
    found = _DURATION.fullmatch(text)
    if not found:
        raise ConfigError(
            f"{text[:40]!r} is no date. Write one such as 2026-01-31, today, or a time from today such as -P30D or P1M."
        )
    sign = -1 if found["sign"] == "-" else 1
    years, months, weeks, days = (int(found[one] or 0) for one in ("years", "months", "weeks", "days"))
    return sign * (12 * years + months), sign * (7 * weeks + days)


@lru_cache(maxsize=1024)
def _moved(day: date, months: int, days: int) -> date:
    """The day so many months and days away; where a month is too short, its last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1])) + timedelta(days=days)
