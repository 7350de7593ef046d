"""The types of the columns of a text file, settled over all of its rows before the first is handed on.

A column is a column of numbers or of dates when every one of its values is one, in one way of writing; otherwise it
is text, as it stands. What could lose something is never made a number: leading zeros, a plus sign, `1E5`, more than
15 digits. Where it can't be told whether `1.234` is a thousand or a fraction, it stays text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import Enum
from functools import lru_cache
from typing import Literal

from ...engine import ColumnType, Scalar
from .moments import day_or_time, number

DecimalSign = Literal[",", "."]

MAX_DIGITS = 15
"""A float keeps 15 digits; a longer number, such as an IBAN's, is a name made of digits."""
_COMMA = re.compile(r"-?(?:0|[1-9]\d*|[1-9]\d{0,2}(?:\.\d{3})+)(?:,\d+)?", re.ASCII)
_POINT = re.compile(r"-?(?:0|[1-9]\d*|[1-9]\d{0,2}(?:,\d{3})+)(?:\.\d+)?", re.ASCII)
_MONTH = re.compile(r"(?:[1-9]|1[0-2])\.(?:19|20)\d\d", re.ASCII)
"""`10.2024` is October, wherever it stands with its like."""
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?", re.ASCII)
_GERMAN = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})(?:,? (\d\d?):(\d\d)(?::(\d\d))?)?", re.ASCII)


class Writing(Enum):
    """How all values of a column are written."""

    TEXT = ColumnType.TEXT
    DATE = ColumnType.DATE
    WHOLE = "whole"
    COMMA = "comma"
    """`1.234,50`"""
    POINT = "point"
    """`1,234.50`"""

    @property
    def column_type(self) -> ColumnType:
        return self.value if isinstance(self.value, ColumnType) else ColumnType.NUMBER

    def convert(self, text: str) -> Scalar:
        """The value. Raises ValueError when it is written otherwise."""
        return _CONVERTERS[self](text)


@dataclass(slots=True)
class Evidence:
    """What the values of one column, up to now, can be."""

    can_be_comma: bool = True
    can_be_point: bool = True
    can_be_date: bool = True
    can_be_month: bool = True
    is_plain: bool = True
    """Whole numbers without any sign but the minus."""
    is_empty: bool = True

    @property
    def is_open(self) -> bool:
        """Whether more values can change the verdict."""
        return self.can_be_comma or self.can_be_point or self.can_be_date

    def see(self, text: str) -> None:
        self.is_empty = False
        if self.can_be_comma or self.can_be_point:
            self._see_number(text)
        self.can_be_date = self.can_be_date and _is_date(text)

    def _see_number(self, text: str) -> None:
        is_short = sum(map(str.isdigit, text)) <= MAX_DIGITS
        self.can_be_comma = self.can_be_comma and is_short and _COMMA.fullmatch(text) is not None
        self.can_be_point = self.can_be_point and is_short and _POINT.fullmatch(text) is not None
        self.can_be_month = self.can_be_month and _MONTH.fullmatch(text) is not None
        self.is_plain = self.is_plain and "," not in text and "." not in text

    @property
    def sign(self) -> DecimalSign | None:
        """The decimal sign that this column is certain of."""
        if self.is_empty or self.can_be_month or self.can_be_comma == self.can_be_point:
            return None
        return "," if self.can_be_comma else "."

    def writing(self, sign: DecimalSign | None, *, is_sure: bool) -> Writing:
        """The verdict, when this is the file's decimal sign; a sign that is not sure decides no `1.234`."""
        if self.is_empty or not self.is_open or (self.can_be_month and not self.is_plain):
            return Writing.TEXT
        if self.can_be_date:
            return Writing.DATE
        if self.is_plain:
            return Writing.WHOLE
        if self.can_be_comma and self.can_be_point and not is_sure:
            return Writing.TEXT
        if sign == ",":
            return Writing.COMMA if self.can_be_comma else Writing.TEXT
        return Writing.POINT if sign == "." and self.can_be_point else Writing.TEXT


@dataclass(slots=True)
class Settling:
    """Sees every row once; `text` columns are left alone."""

    names: tuple[str, ...]
    text: frozenset[str] = frozenset()
    evidence: dict[str, Evidence] = field(default_factory=dict)
    _open: list[tuple[int, Evidence]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.evidence = {name: Evidence() for name in self.names if name not in self.text}
        self._open = [(place, self.evidence[name]) for place, name in enumerate(self.names) if name not in self.text]

    def see(self, fields: list[str]) -> None:
        """The fields of a row, in the order of the names."""
        closed = False
        for place, evidence in self._open:
            if text := fields[place].strip():
                evidence.see(text)
                closed = closed or not evidence.is_open
        if closed:
            self._open = [(place, evidence) for place, evidence in self._open if evidence.is_open]

    def writings(self, sign: DecimalSign | None, delimiter: str) -> Mapping[str, Writing]:
        """How each column is written. When no decimal sign is set, the columns that are certain decide."""
        chosen = sign or self._sign()
        is_sure = chosen == sign or chosen == "," or delimiter == ","
        found = {name: one.writing(chosen, is_sure=is_sure) for name, one in self.evidence.items()}
        return {name: found.get(name, Writing.TEXT) for name in self.names}

    def _sign(self) -> DecimalSign | None:
        """The comma, if a column needs it: codes have points in any country, but amounts no commas by chance."""
        signs = {one.sign for one in self.evidence.values()}
        return "," if "," in signs else "." if "." in signs else None


def _is_date(text: str) -> bool:
    try:
        _date(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=8192)
def _date(text: str) -> date | datetime | time:
    if match := _ISO.fullmatch(text):
        year, month, day, *clock = match.groups()
    elif match := _GERMAN.fullmatch(text):
        day, month, year, *clock = match.groups()
    else:
        raise ValueError(f"{text!r} is no date")
    hour, minute, second = (int(part or 0) for part in clock)
    return day_or_time(datetime(int(year), int(month), int(day), hour, minute, second))


def _whole(text: str) -> Scalar:
    if not _POINT.fullmatch(text):
        raise ValueError(f"{text!r} is no number")
    return int(text)


def _comma(text: str) -> Scalar:
    if not _COMMA.fullmatch(text):
        raise ValueError(f"{text!r} is no number with a decimal comma")
    return number(text.replace(".", "").replace(",", "."))


def _point(text: str) -> Scalar:
    if not _POINT.fullmatch(text):
        raise ValueError(f"{text!r} is no number with a decimal point")
    return number(text.replace(",", ""))


_CONVERTERS: Mapping[Writing, Callable[[str], Scalar]] = {
    Writing.TEXT: str,
    Writing.DATE: _date,
    Writing.WHOLE: _whole,
    Writing.COMMA: _comma,
    Writing.POINT: _point,
}
