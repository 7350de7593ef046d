"""How values are written: in the flow's locale and time zone."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time, get_datetime_format
from babel.numbers import format_currency, format_decimal, parse_pattern
from jinja2 import Undefined

from .budget import MAX_DIGITS
from .errors import ConfigError

PLAIN_NUMBER = parse_pattern("0.##########")
MAX_EXPONENT = 400
"""A float has at most 309 digits before the point."""
MAX_PATTERN = 100
NAMED_PATTERNS = ("short", "medium", "long", "full")


Day = TypeVar("Day", bound=date)


class Formats:
    """How values are written in a locale. What a method can't take is a TypeError that says so."""

    def __init__(self, locale: str = "de_DE", timezone: str = "Europe/Berlin") -> None:
        try:
            self.locale = Locale.parse(locale)
        except (UnknownLocaleError, ValueError, TypeError) as error:
            raise ConfigError(
                f"There is no locale {locale!r}. Write one such as 'de_DE' or 'en_US'.", field="locale"
            ) from error
        try:
            self.zone = ZoneInfo(timezone)
        except (LookupError, ValueError, OSError) as error:
            raise ConfigError(
                f"There is no time zone {timezone!r}. Write one such as 'Europe/Berlin'.", field="timezone"
            ) from error
        self.timezone = timezone
        self._date_and_time = str(get_datetime_format("medium", self.locale))

    def shown(self, value: object) -> object:
        """A value as running text shows it: an empty cell is nothing, a date is the locale's."""
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        if isinstance(value, int | Undefined):
            return value
        if isinstance(value, float | Decimal):
            return PLAIN_NUMBER.apply(_number(value, "A text"), self.locale)
        if isinstance(value, datetime):
            return self._date_and_time.format(self.time(value), self.date(value))
        if isinstance(value, date):
            return self.date(value)
        if isinstance(value, time):
            return self.time(value)
        hint = ". Write () after its name" if callable(value) else _HINTS.get(type(value).__name__, "")
        raise TypeError(f"{kind_of(value)} can't stand in a text{hint}")

    def money(self, value: float | Decimal, currency: str = "EUR") -> str:
        """1234.5 as `1.234,50 €`."""
        return format_currency(_number(value, "'money'"), currency, locale=self.locale)

    def number(self, value: float | Decimal, digits: int = 2) -> str:
        """1234.5 as `1.234,50`."""
        if not 0 <= digits <= MAX_DIGITS:
            raise ValueError(f"'number' writes 0 to {MAX_DIGITS} digits after the point, not {digits}")
        return format_decimal(_number(value, "'number'"), "#,##0." + "0" * digits, locale=self.locale)

    def date(self, value: date, pattern: str = "medium") -> str:
        """A date by `short`, `medium`, `long`, `full`, or a pattern such as `d. MMMM y` or `dd.MM.y HH:mm`."""
        if not isinstance(value, date):
            raise TypeError(f"'date' takes a date, and found {kind_of(value)}")
        if isinstance(value, datetime) and pattern not in NAMED_PATTERNS:
            return format_datetime(self._local(value), _bounded(pattern), locale=self.locale)
        return format_date(self._local(value), _bounded(pattern), locale=self.locale)

    def time(self, value: time | datetime, pattern: str = "short") -> str:
        """A time of day by `short`, `medium`, or a pattern such as `HH:mm`."""
        if not isinstance(value, time | datetime):
            raise TypeError(f"'time' takes a time of day, and found {kind_of(value)}")
        moment = self._local(value) if isinstance(value, datetime) else value
        return format_time(moment, _bounded(pattern), locale=self.locale)

    def _local(self, value: Day) -> Day:
        """An aware time as the clocks of the flow's time zone show it; a naive one is theirs already."""
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.astimezone(self.zone)
        return value


def _bounded(pattern: str) -> str:
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern is a text of at most {MAX_PATTERN} characters, such as 'd. MMMM y'")
    return pattern


def _number(value: object, who: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError(f"{who} takes a number, and found {kind_of(value)}")
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite() or number.adjusted() > MAX_EXPONENT:
        raise ValueError(f"{who} takes a number of ordinary size, and found {value:.3g}")
    return number


_KINDS = (
    (str, "text"), (bool, "true or false"), (int | float | Decimal, "a number"), (datetime, "a date with a time"),
    (date, "a date"), (time, "a time of day"), (timedelta, "a span of time"), (bytes, "bytes"),
    (list | tuple, "a list"), (dict, "a table"),
)  # fmt: skip
_HINTS = {
    "list": ". Join it: |join(', ')",
    "generator": ". Join it: |join(', ')",
    "timedelta": ". Write .days after it",
    "Record": ". Name one of its columns",
}


def kind_of(value: object) -> str:
    """What a value is, in the words of a message."""
    if value is None:
        return "an empty cell"
    if callable(value):
        return "a method"
    return next((words for kind, words in _KINDS if isinstance(value, kind)), f"a {type(value).__name__}")
