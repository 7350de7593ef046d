"""Dates and times that stand as text, read by CLDR patterns such as `dd.MM.yyyy HH:mm`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache

from babel import Locale
from babel.dates import get_date_format, get_day_names, get_month_names

from ...engine import ConfigError

MAX_WRITTEN = 60
"""Characters of a date as text; the longest German one with weekday and month name has 34."""
PIVOT = 69
"""Two digits of a year from here on are of the twentieth century (POSIX.1-2024, strptime)."""
_TOKEN = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<field>(?P<letter>[A-Za-z])(?P=letter)*)|(?P<other>.)", re.DOTALL)
_SPACE = "[ \xa0\u202f]+"
_FIELDS: Mapping[str, str] = {
    "y": r"(?P<year>[0-9]{4})", "yyyy": r"(?P<year>[0-9]{4})", "yy": r"(?P<short_year>[0-9]{2})",
    "M": r"(?P<month>[0-9]{1,2})", "MM": r"(?P<month>[0-9]{2})",
    "d": r"(?P<day>[0-9]{1,2})", "dd": r"(?P<day>[0-9]{2})",
    "H": r"(?P<hour>[0-9]{1,2})", "HH": r"(?P<hour>[0-9]{2})",
    "h": r"(?P<half>[0-9]{1,2})", "hh": r"(?P<half>[0-9]{2})", "a": r"(?P<noon>[AaPp])\.?[Mm]\.?",
    "m": r"(?P<minute>[0-9]{1,2})", "mm": r"(?P<minute>[0-9]{2})",
    "s": r"(?P<second>[0-9]{1,2})", "ss": r"(?P<second>[0-9]{2})",
}  # fmt: skip
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)

Reader = Callable[[str], datetime | None]


class MomentPattern:
    """Reads text by one pattern."""

    def __init__(self, source: str, locale: str) -> None:
        self.source = source
        self._months = _months(locale)
        self._regex = _regex(source, self._months, _weekdays(locale))

    def __call__(self, text: str) -> datetime | None:
        """The date and time, or None when it is written otherwise or does not exist (30 February)."""
        found = self._regex.fullmatch(text)
        if not found:
            return None
        try:
            return self._moment({name: one for name, one in found.groupdict().items() if one is not None})
        except ValueError:
            return None

    def _moment(self, part: Mapping[str, str]) -> datetime:
        short = int(part.get("short_year", 0))
        year = int(part["year"]) if "year" in part else short + (1900 if short >= PIVOT else 2000)
        month = int(part["month"]) if "month" in part else self._months[part["month_name"].casefold()]
        minute, second = int(part.get("minute", 0)), int(part.get("second", 0))
        return datetime(year, month, int(part["day"]), _hour(part), minute, second)


def _hour(part: Mapping[str, str]) -> int:
    if "half" not in part:
        return int(part.get("hour", 0))
    half = int(part["half"])
    if not 1 <= half <= 12:
        raise ValueError
    return half % 12 + (12 if part.get("noon", "a") in "Pp" else 0)


@lru_cache(maxsize=256)
def moment_pattern(source: str, locale: str) -> MomentPattern:
    """A pattern of CLDR: letters are fields, what stands in quotes and everything else stands for itself.

    Raises:
        ConfigError: it holds a letter that is no field, a field twice, or no day, month and year.
    """
    return MomentPattern(source, locale)


@lru_cache(maxsize=256)
def moment_readers(formats: tuple[str, ...], locale: str) -> tuple[Reader, ...]:
    """Reads what is written in these formats; without any, in those of the locale and of ISO 8601."""
    if formats:
        return tuple(moment_pattern(one, locale) for one in formats)
    day = default_format(locale)
    written = tuple(
        moment_pattern(f"{day}{time}", locale) for time in ("", " H:mm", " H:mm:ss", "', 'H:mm", "', 'H:mm:ss")
    )
    return (*written, _iso)


def default_format(locale: str) -> str:
    """The locale's short date with four digits of the year, and with or without leading zeros: `d.M.yyyy`."""
    short = str(get_date_format("short", Locale.parse(locale)).pattern)
    return re.sub("d+", "d", re.sub("M+", "M", re.sub("y+", "yyyy", re.sub("[\u200e\u200f]", "", short))))


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if _ISO.fullmatch(text) else None
    except ValueError:
        return None


def _regex(source: str, months: Mapping[str, int], weekdays: tuple[str, ...]) -> re.Pattern[str]:
    try:
        regex = re.compile("".join(_pieces(source, months, weekdays)), re.IGNORECASE)
    except re.error as error:
        raise ConfigError(f"{source!r} can't be read: a part of it stands there twice.") from error
    names = regex.groupindex.keys()
    if "day" not in names or not names & {"month", "month_name"} or not names & {"year", "short_year"}:
        raise ConfigError(f"{source!r} names no day, month and year. Write one such as dd.MM.yyyy.")
    return regex


def _pieces(source: str, months: Mapping[str, int], weekdays: tuple[str, ...]) -> Iterator[str]:
    for token in _TOKEN.finditer(source):
        field = token["field"]
        if field in _FIELDS:
            yield _FIELDS[field]
        elif field in ("MMM", "MMMM", "LLL", "LLLL"):
            yield f"(?P<month_name>{_any_of(months)})"
        elif field and set(field) == {"E"}:
            yield f"(?:{_any_of(weekdays)})"
        elif field:
            raise ConfigError(
                f"{source!r} can't be read: {field!r} is no part of a date. There are: {', '.join(_FIELDS)}, "
                "MMM, MMMM, EEE, EEEE; put words between single quotes."
            )
        elif token["other"] in (" ", "\xa0", "\u202f"):
            yield _SPACE
        else:
            yield re.escape(token["other"] or (token["quoted"] or "'").replace("''", "'"))


def _any_of(names: Mapping[str, int] | tuple[str, ...]) -> str:
    return "|".join(re.escape(one) for one in sorted(names, key=len, reverse=True))


@lru_cache(maxsize=64)
def _months(locale: str) -> Mapping[str, int]:
    """Month names in every width, with and without the full stop of an abbreviation."""
    names: dict[str, int] = {}
    for width in ("wide", "abbreviated"):
        for context in ("format", "stand-alone"):
            for number, name in get_month_names(width, context, Locale.parse(locale)).items():
                names |= dict.fromkeys((name.casefold(), name.casefold().rstrip(".")), number)
    return names


@lru_cache(maxsize=64)
def _weekdays(locale: str) -> tuple[str, ...]:
    names: set[str] = set()
    for width in ("wide", "abbreviated", "short"):
        for name in get_day_names(width, "format", Locale.parse(locale)).values():
            names |= {name.casefold(), name.casefold().rstrip("."), f"{name.casefold().rstrip('.')}."}
    return tuple(sorted(names))
