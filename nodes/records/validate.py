"""ValidateRecords: rows that are in order, and rows that are not, with the reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import Field

from ...engine import (
    PROBLEM,
    PROBLEM_COLUMNS,
    Category,
    Column,
    Columns,
    ColumnType,
    ConfigError,
    Context,
    Flaw,
    Need,
    Node,
    Outputs,
    Record,
    Reject,
    Resources,
    Scalar,
    suggestion,
)
from .checks import ColumnCheck, column_check
from .rules import Kind, Rule, flaws_of
from .window import today

COLUMN_TYPES: Mapping[Kind, ColumnType] = {
    Kind.TEXT: ColumnType.TEXT,
    Kind.EMAIL: ColumnType.TEXT,
    Kind.IBAN: ColumnType.TEXT,
    Kind.PHONE: ColumnType.TEXT,
    Kind.NUMBER: ColumnType.NUMBER,
    Kind.WHOLE_NUMBER: ColumnType.NUMBER,
    Kind.DATE: ColumnType.DATE,
    Kind.DATETIME: ColumnType.DATE,
    Kind.BOOLEAN: ColumnType.BOOLEAN,
}


class Checked(Outputs):
    """A record is on one of the two."""

    good: Record | None = None
    bad: Annotated[Record | None, Reject] = None


class ValidateRecords(Node):
    """Check the columns of each record by rules, and put right what can be put right without doubt.

    A record that meets all rules goes on at `good`, with its cells corrected and as the types that the rules name:
    the text 1.234,56 becomes a number, 01.03.2026 a date, 0171 2345678 the phone number +491712345678, a number in a
    column of texts its digits. Key and place in the source stay.

    Any other record goes on at `bad` as it came, with two more columns: `problem` holds a sentence for each thing
    that is wrong, `problem_columns` the names of the columns. When nothing is wired to `bad`, such a record is a
    failure of the run and stops it before the first mail leaves, unless the flow skips bad rows.

    An IBAN and the text of a column are quoted in a problem with a third, at most three characters, and their
    length, since they may be account numbers and passwords. Other cells are quoted, unless the rule is `secret`.

    A mail address is checked by its form, not by asking a server. Nothing is compared between records.

    Raises:
        ConfigError: a rule holds a pattern, date or format that can't be read.

    Source: RFC 5321 and RFC 6531 (addresses), ISO 13616 (IBAN), ITU-T E.164 (phone numbers), Unicode TR 35 (formats).
    """

    title: ClassVar[str] = "Validate records"
    category: ClassVar[Category] = Category.TABLES
    declares_needs: ClassVar[bool] = True
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {
            "rules": {
                "email": {"required": True, "type": "email"},
                "amount": {"required": True, "type": "number", "min": 0, "unit": "€"},
                "due": {"type": "date", "formats": ["dd.MM.yyyy"], "not_before": "today"},
                "country": {"one_of": ["DE", "AT", "CH"], "ignore_case": True},
            }
        },
        {
            "rules": {
                "Nachname": {"required": True, "case": "title"},
                "Telefon": {"type": "phone", "region": "AT"},
                "IBAN": {"required": True, "type": "iban"},
                "Geburtsdatum": {"type": "date", "not_after": "-P18Y"},
                "Passwort": {"required": True, "min_length": 8, "trim": False, "secret": True},
                "PLZ": {"pattern": "[0-9]{5}"},
            }
        },
    )

    rules: dict[str, Rule] = Field(
        min_length=1, description="A rule for each column that is checked, by the column's name."
    )

    def needs(self, resources: Resources) -> Iterable[Need]:
        del resources
        return [Need(column=name, where="a rule", facet="nothing") for name in self.rules]

    def columns(self, resources: Resources, incoming: Columns) -> Mapping[str, Columns]:
        del resources
        good = {name: self._typed(column) for name, column in incoming.items()}
        quotes_sensitive = any(incoming[name].is_sensitive for name in self._quoted() if name in incoming)
        problems = (
            Column(name=PROBLEM, type=ColumnType.TEXT, is_sensitive=quotes_sensitive),
            Column(name=PROBLEM_COLUMNS, type=ColumnType.TEXT),
        )
        return {"good": good, "bad": {**incoming, **{one.name: one for one in problems}}}

    def _typed(self, column: Column) -> Column:
        rule = self.rules.get(column.name)
        return column.changed(type=COLUMN_TYPES[rule.kind]) if rule and rule.kind else column

    def _quoted(self) -> Iterator[str]:
        return (name for name, rule in self.rules.items() if not rule.secret)

    def flaws(self, resources: Resources) -> Iterable[Flaw]:
        for name, rule in self.rules.items():
            found = list(flaws_of(rule, resources))
            yield from (Flaw(message=f"The rule for column {name!r}: {one}.", field="rules") for one in found)
            if not found:
                yield from self._unusable(name, rule, resources)

    def _unusable(self, name: str, rule: Rule, resources: Resources) -> Iterator[Flaw]:
        try:
            check = column_check(name, rule, resources.locale, ZoneInfo(resources.timezone))
        except ConfigError as error:
            yield Flaw(message=f"The rule for column {name!r}: {error.message}", field="rules")
            return
        for value in rule.one_of:
            problems: list[str] = []
            check.check(value, partial(today, resources), problems)
            for problem in problems:
                yield Flaw(
                    message=f"The rule for column {name!r} refuses a value that it lists. {problem}", field="rules"
                )

    @cached_property
    def _checks(self) -> dict[tuple[str, str], tuple[ColumnCheck, ...]]:
        """The rules made ready, by locale and time zone."""
        return {}

    def _made_ready(self, locale: str, timezone: str) -> tuple[ColumnCheck, ...]:
        found = self._checks.get((locale, timezone))
        if found is None:
            zone = ZoneInfo(timezone)
            found = tuple(column_check(name, rule, locale, zone) for name, rule in self.rules.items())
            self._checks[locale, timezone] = found
        return found

    def run(self, record: Record, ctx: Context) -> Checked:
        values, day = record.values, partial(today, ctx)
        corrected: dict[str, Scalar] = {}
        problems: dict[str, list[str]] = {}
        for check in self._made_ready(ctx.locale, ctx.timezone):
            name = check.column
            found: list[str] = []
            if name in values:
                corrected[name] = check.check(values[name], day, found)
            else:
                found.append(f"There is no column {name!r}. {suggestion(name, values)}")
            if found:
                problems[name] = found
        if problems:
            return Checked(bad=record.changed(values={**values, **_said(problems)}))
        return Checked(good=record.changed(values={**values, **corrected}))


def _said(problems: Mapping[str, list[str]]) -> Mapping[str, str]:
    sentences = " ".join(one for found in problems.values() for one in found)
    return {PROBLEM: sentences, PROBLEM_COLUMNS: ", ".join(problems)}
