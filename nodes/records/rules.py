"""Rule: what a column must hold, and how its cells are put right before they are checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

from phonenumbers import SUPPORTED_REGIONS
from pydantic import BaseModel, ConfigDict, Field

from ...engine import ConfigError, Resources
from .complaints import Quote
from .moments import moment_pattern
from .patterns import Pattern
from .window import Limit, today


class Kind(Enum):
    """What a column holds."""

    TEXT = "text"
    WHOLE_NUMBER = "whole_number"
    NUMBER = "number"
    DATE = "date"
    DATETIME = "datetime"
    BOOLEAN = "boolean"
    EMAIL = "email"
    IBAN = "iban"
    PHONE = "phone"


NUMBERS = frozenset({Kind.NUMBER, Kind.WHOLE_NUMBER})
MOMENTS = frozenset({Kind.DATE, Kind.DATETIME})
WRITTEN = frozenset({Kind.TEXT, Kind.EMAIL})
"""Kinds that stay the text that somebody wrote."""
MAX_LISTED = 10_000


class Rule(BaseModel):
    """What one column must hold. Corrections come first, in the order in which they stand here; then the checks.

    An empty cell is only checked for `required`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    required: bool = Field(
        False, description="A cell must not be empty. When trimmed, one that holds only spaces is empty."
    )
    type: Kind | None = Field(
        None,
        description="What the cells are: text, whole_number, number, date, datetime, boolean, email, iban or phone. "
        "A cell that is written otherwise, such as a number that stands as text, becomes this type if it can be read "
        "as such without doubt. Left empty, cells keep their types, unless a check below is one of texts.",
    )
    compose: bool = Field(True, description="Write letters with accents as one character (Unicode NFC).")
    trim: bool = Field(
        True, description="Take away spaces at both ends, also non-breaking and zero-width ones, and line breaks."
    )
    case: Literal["upper", "lower", "title"] | None = Field(
        None,
        description="Write all letters as capitals (ß becomes SS), as small letters, or as names: words that are all "
        "in capitals or all small begin with a capital, others such as McDonald stay, and so do von, der, de.",
    )
    decimal: Literal[",", "."] | None = Field(
        None,
        description="The decimal mark of numbers that stand as text: with a comma, 1.234,56 is read. Left empty, that "
        "of the flow's locale.",
    )
    unit: str = Field("", max_length=20, description="A unit that may stand beside a number, such as €.")
    formats: tuple[str, ...] = Field(
        (),
        description="How dates are written that stand as text: dd.MM.yyyy, d. MMMM yyyy, yyyy-MM-dd HH:mm (CLDR). "
        "Left empty, as in the flow's locale, with four digits of the year, and as in ISO 8601.",
    )
    region: str | None = Field(
        None,
        description="The country of phone numbers without one, such as DE. Left empty, that of the flow's locale.",
    )
    min_length: int | None = Field(None, ge=0, description="Characters that a text has at least.")
    max_length: int | None = Field(None, ge=0, description="Characters that a text has at most.")
    pattern: str | None = Field(
        None,
        max_length=1000,
        description=r"A regular expression (RE2) that the whole text matches, such as [A-Z]{2}\d{6}. Letters with "
        r"umlauts are \p{L}; look-around and back references do not exist.",
    )
    one_of: tuple[str | int | float, ...] = Field(
        (), max_length=MAX_LISTED, description="The values that may stand there."
    )
    ignore_case: bool = Field(
        False, description="Accept listed texts in capitals or small letters; the cell takes the listed spelling."
    )
    min: Decimal | None = Field(None, allow_inf_nan=False, description="The least number.")
    max: Decimal | None = Field(None, allow_inf_nan=False, description="The largest number.")
    not_before: date | str | None = Field(
        None,
        description="The earliest date: 2026-01-31, today, or so long before or after today: -P30D, P1M, -P18Y "
        "(ISO 8601).",
    )
    not_after: date | str | None = Field(None, description="The latest date, written like the earliest.")
    secret: bool = Field(False, description="Quote nothing of this column in messages, not even its beginning.")

    @property
    def kind(self) -> Kind | None:
        """The type, or that which a check of texts or a list of values asks for."""
        if self.type is not None:
            return self.type
        if any(one is not None for one in (self.min_length, self.max_length, self.pattern, self.case)):
            return Kind.TEXT
        if self.one_of:
            return Kind.TEXT if any(isinstance(one, str) for one in self.one_of) else Kind.NUMBER
        return None

    @property
    def quote(self) -> Quote:
        """How much of a cell a message about it may quote."""
        if self.secret:
            return Quote.NOTHING
        return Quote.START if self.kind in (None, Kind.TEXT, Kind.IBAN) and not self.one_of else Quote.WHOLE


def flaws_of(rule: Rule, resources: Resources) -> Iterator[str]:
    """What is wrong with a rule in itself."""
    yield from _misplaced(rule)
    yield from _reversed(rule, resources)
    if rule.region is not None and rule.region not in SUPPORTED_REGIONS:
        yield f"there is no region {rule.region!r}; write two capital letters such as DE"
    yield from _unreadable(rule, resources)


def _misplaced(rule: Rule) -> Iterator[str]:
    """Settings that say nothing for cells of this type."""
    kind = rule.kind
    for names, kinds in (
        (("case",), WRITTEN),
        (("min_length", "max_length", "pattern"), {Kind.TEXT, Kind.EMAIL, Kind.IBAN, Kind.PHONE}),
        (("decimal", "unit", "min", "max"), NUMBERS),
        (("formats", "not_before", "not_after"), MOMENTS),
        (("region",), {Kind.PHONE}),
        (("one_of",), WRITTEN | NUMBERS),
    ):
        for name in names:
            if getattr(rule, name) not in (None, "", ()) and kind not in kinds:
                wanted = " or ".join(sorted(one.value for one in kinds))
                yield f"{name!r} needs the type {wanted}, and the type is {kind.value if kind else 'not set'}"
    if rule.ignore_case and not any(isinstance(one, str) for one in rule.one_of):
        yield "'ignore_case' needs texts in 'one_of'"


def _reversed(rule: Rule, resources: Resources) -> Iterator[str]:
    """Bounds that nothing can meet."""
    if rule.min is not None and rule.max is not None and rule.min > rule.max:
        yield f"'min' ({rule.min}) is larger than 'max' ({rule.max})"
    if rule.min_length is not None and rule.max_length is not None and rule.min_length > rule.max_length:
        yield f"'min_length' ({rule.min_length}) is larger than 'max_length' ({rule.max_length})"
    if rule.not_before is None or rule.not_after is None:
        return
    try:
        first, last = (Limit(one).on(today(resources)) for one in (rule.not_before, rule.not_after))
    except ConfigError:
        return  # told as unreadable
    if first > last:
        yield f"'not_before' ({first}) is later than 'not_after' ({last})"


def _unreadable(rule: Rule, resources: Resources) -> Iterator[str]:
    readers: Mapping[str, Callable[[Any], object]] = {
        "pattern": Pattern,
        "not_before": Limit,
        "not_after": Limit,
    }
    for name, read in readers.items():
        if (value := getattr(rule, name)) is not None:
            yield from _failures(name, read, [value])
    yield from _failures("formats", lambda one: moment_pattern(one, resources.locale), rule.formats)


def _failures(name: str, read: Callable[[Any], object], values: Iterable[object]) -> Iterator[str]:
    for value in values:
        try:
            read(value)
        except ConfigError as error:
            yield f"{name!r}: {error.message}"
