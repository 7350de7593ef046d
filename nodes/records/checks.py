"""A rule made ready for one locale and time zone: what happens to each cell of its column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale

from ...engine import ConfigError, Scalar, suggestion
from .complaints import Complaint, Quote
from .corrections import Correction, corrections
from .patterns import Pattern
from .readers import (
    DateReader,
    NumberReader,
    PhoneReader,
    Read,
    TextReader,
    WholeNumberReader,
    decimal_mark,
    moment_reader,
    read_boolean,
    read_email,
    read_iban,
)
from .rules import Kind, Rule
from .window import Limit

MAX_CELL = 100_000
"""Characters of a cell; Excel holds 32,767."""

MAX_SUGGESTED = 200
"""Listed values among which the nearest is looked for; it takes 10 microseconds for each."""

Today = Callable[[], date]
Test = Callable[[Any, Today], str | None]
"""Says what is wrong with a value of the rule's type, or nothing."""


@dataclass(frozen=True, slots=True)
class ColumnCheck:
    """What happens to the cells of one column."""

    column: str
    required: bool
    keeps_empty_text: bool
    quote: Quote
    corrections: tuple[Correction, ...]
    read: Read | None
    tests: tuple[Test, ...]

    def check(self, value: Scalar, today: Today, problems: list[str]) -> Scalar:
        """The cell, corrected and as its type. What is wrong with it is added to the problems."""
        cell = value
        try:
            if isinstance(cell, str):
                cell = self._corrected(cell)
            if cell is None or cell == "":
                return self._empty(cell)
            if self.read:
                cell = self.read(cell)
        except Complaint as complaint:
            problems.append(complaint.about(self.column, cell, self.quote))
            return value
        for test in self.tests:
            if fault := test(cell, today):
                problems.append(Complaint(fault).about(self.column, cell, self.quote))
        return cell

    def _corrected(self, text: str) -> str:
        if len(text) > MAX_CELL:
            raise Complaint(f"has {len(text):,} characters; at most {MAX_CELL:,} are read", quotes=False)
        for correct in self.corrections:
            text = correct(text)
        return text

    def _empty(self, cell: Scalar) -> Scalar:
        if self.required:
            raise Complaint("is empty, but needs a value", quotes=False)
        return cell if self.keeps_empty_text else None


def column_check(column: str, rule: Rule, locale: str, zone: ZoneInfo) -> ColumnCheck:
    """Raises ConfigError when the rule holds something that can't be read."""
    return ColumnCheck(
        column=column,
        required=rule.required,
        keeps_empty_text=rule.kind in (None, Kind.TEXT),
        quote=rule.quote,
        corrections=corrections(compose=rule.compose, trim=rule.trim, case=rule.case),
        read=_reader(rule, locale, zone),
        tests=tuple(_tests(rule)),
    )


def _reader(rule: Rule, locale: str, zone: ZoneInfo) -> Read | None:
    read = _kind_reader(rule, locale, zone)
    return _listed(rule, read) if rule.one_of and read else read


def _kind_reader(rule: Rule, locale: str, zone: ZoneInfo) -> Read | None:
    mark = rule.decimal or decimal_mark(locale)
    number = NumberReader(mark, rule.unit)
    match rule.kind:
        case None:
            return None
        case Kind.TEXT:
            return TextReader(mark)
        case Kind.NUMBER:
            return number
        case Kind.WHOLE_NUMBER:
            return WholeNumberReader(number)
        case Kind.BOOLEAN:
            return read_boolean
        case Kind.EMAIL:
            return read_email
        case Kind.IBAN:
            return read_iban
        case Kind.PHONE:
            return PhoneReader(rule.region or Locale.parse(locale).territory)
        case Kind.DATETIME:
            return moment_reader(rule.formats, locale, zone)
        case Kind.DATE:
            return DateReader(moment_reader(rule.formats, locale, zone))


def _listed(rule: Rule, read: Read) -> ListedReader:
    try:
        values = [read(one) for one in rule.one_of]
    except Complaint as error:
        raise ConfigError(f"one of the listed values {error.words}", field="columns") from error
    known = {_folded(one, rule.ignore_case): one for one in values}
    names = tuple(str(one) for one in values) if len(values) <= MAX_SUGGESTED and not rule.secret else ()
    return ListedReader(read, known, rule.ignore_case, names)


@dataclass(frozen=True, slots=True)
class ListedReader:
    """One of the listed values, in the listed spelling."""

    read: Read
    known: Mapping[Scalar, Scalar]
    ignore_case: bool
    names: tuple[str, ...]
    """For the message; none when there are too many."""

    def __call__(self, value: Scalar) -> Scalar:
        found = self.read(value)
        key = _folded(found, self.ignore_case)
        if key in self.known:
            return self.known[key]
        hint = f". {suggestion(str(found), self.names)}" if self.names else f" of {len(self.known)} values"
        raise Complaint(f"is not in the list{hint}")


def _folded(value: Scalar, ignore_case: bool) -> Scalar:
    return value.casefold() if ignore_case and isinstance(value, str) else value


def _tests(rule: Rule) -> list[Test]:
    tests: list[Test] = []
    if rule.min_length is not None:
        tests.append(partial(_too_short, rule.min_length))
    if rule.max_length is not None:
        tests.append(partial(_too_long, rule.max_length))
    if rule.pattern is not None:
        tests.append(partial(_mismatch, Pattern(rule.pattern)))
    if rule.min is not None:
        tests.append(partial(_too_small, rule.min))
    if rule.max is not None:
        tests.append(partial(_too_large, rule.max))
    if rule.not_before is not None:
        tests.append(partial(_too_early, Limit(rule.not_before)))
    if rule.not_after is not None:
        tests.append(partial(_too_late, Limit(rule.not_after)))
    return tests


def _too_short(least: int, value: str, _: Today) -> str | None:
    return f"is too short; at least {least} characters are expected" if len(value) < least else None


def _too_long(most: int, value: str, _: Today) -> str | None:
    return f"is too long; at most {most} characters are expected" if len(value) > most else None


def _mismatch(pattern: Pattern, value: str, _: Today) -> str | None:
    return None if pattern.matches(value) else f"does not match the pattern {pattern.source}"


def _too_small(least: Decimal, value: Decimal, _: Today) -> str | None:
    return f"is less than {least}, the least allowed" if value < least else None


def _too_large(most: Decimal, value: Decimal, _: Today) -> str | None:
    return f"is more than {most}, the most allowed" if value > most else None


def _too_early(limit: Limit, value: date, today: Today) -> str | None:
    if _day(value) >= limit.on(day := today()):
        return None
    return f"is before {limit.words(day)}, the earliest allowed"


def _too_late(limit: Limit, value: date, today: Today) -> str | None:
    if _day(value) <= limit.on(day := today()):
        return None
    return f"is after {limit.words(day)}, the latest allowed"


def _day(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value
