"""FilterRecords: the rows that meet a condition, and the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from ...engine import Category, Facet, Node, Outputs, PerItem, Record


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise PydanticCustomError("no_truth", "{words}", {"words": _words(value)})


def _words(value: object) -> str:
    if value is None:
        return "A condition is true or false, and this gives an empty cell. Ask {{ … is not none }}, say"
    if isinstance(value, str):
        return (
            "A condition is true or false, and this is text. Put all of it between {{ and }}, "
            "and compare what is text, as in {{ paid == 'yes' }}"
        )
    return "A condition is true or false, and this gives another value. Compare it, as in {{ open > 0 }}"


class Sorted(Outputs):
    """A record is on one of the two."""

    kept: Record | None = None
    rest: Record | None = None


class FilterRecords(Node):
    """Keep the records that meet a condition; the others go on at `rest`, and end there when nothing is wired to it.

    The condition is one expression in braces that is true or false, such as `{{ amount > 100 and country == "DE" }}`.
    Text such as "true" or "ja" and the numbers 0 and 1 are no answer: compare them.

    An empty cell can't be compared with a number or a date: ask `{{ amount is not none and amount > 100 }}`.

    Raises:
        Refused: the condition is neither true nor false for this record, or compares what can't be compared.
    """

    title: ClassVar[str] = "Filter records"
    category: ClassVar[Category] = Category.TABLES
    declares_needs: ClassVar[bool] = True
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"where": '{{ amount > 100 and country == "DE" }}'},
        {"where": '{{ record["Kunden-Nr"] is not none and run.started.month == 12 }}'},
    )

    where: Annotated[PerItem[Annotated[bool, BeforeValidator(_truth)]], Facet.NOTHING] = Field(
        description="The condition, in braces: {{ amount > 100 }}."
    )

    def run(self, record: Record) -> Sorted:
        return Sorted(kept=record) if self.where else Sorted(rest=record)
