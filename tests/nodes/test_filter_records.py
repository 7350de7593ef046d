"""FilterRecords: which records are kept, and what a condition must be."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from postwerk.engine import Facet, Record, Refused, Scalar, Templates
from postwerk.engine.binding import BadParameters, Binder, expressions_of, facet_of, make_node
from postwerk.engine.flow import Step
from postwerk.nodes.records.filter import FilterRecords
from pydantic import ValidationError

TEMPLATES = Templates("de_DE", "Europe/Berlin")


def condition(where: Any) -> Binder:
    step = Step(node="FilterRecords", params={"where": where})
    return Binder.of(make_node(step, FilterRecords, {"inputs": {}}, TEMPLATES), TEMPLATES)


def is_kept(where: Any, **values: Scalar) -> bool:
    """Whether the record goes on at `kept`; it goes on at one of the two, as it came."""
    record = Record(key="4711", values=values)
    bound = condition(where).bind({**values, "record": record, "inputs": {}})
    assert isinstance(bound, FilterRecords)
    sorted_ = bound.run(record)
    assert [sorted_.kept, sorted_.rest].count(None) == 1
    assert (sorted_.kept or sorted_.rest) is record
    return sorted_.kept is not None


def refusal(where: str, **values: Scalar) -> Refused:
    with pytest.raises(Refused) as caught:
        is_kept(where, **values)
    return caught.value


@pytest.mark.parametrize(
    ("where", "values", "expected"),
    [
        ('{{ amount > 100 and country == "DE" }}', {"amount": 120.5, "country": "DE"}, True),
        ('{{ amount > 100 and country == "DE" }}', {"amount": 120.5, "country": "AT"}, False),
        ("{{ amount > 100 }}", {"amount": Decimal("100.00")}, False),
        ('{{ record["Kunden-Nr"] in ["K1", "K2"] }}', {"Kunden-Nr": "K2"}, True),
        ("{{ not paid }}", {"paid": False}, True),
        ("{{ paid }}", {"paid": True}, True),
        ("{{ note is none }}", {"note": None}, True),
        ("{{ amount is not none and amount > 1 }}", {"amount": None}, False),
        ('{{ name.startswith("Mü") }}', {"name": "Müller"}, True),
        ("{{ due.year == 2026 and due.month <= 3 }}", {"due": date(2026, 3, 1)}, True),
        (" {{ amount > 1 }}\n", {"amount": 2}, True),
        (True, {}, True),
        (False, {}, False),
    ],
)
def test_a_record_is_kept_when_the_condition_is_true(where: Any, values: dict[str, Any], expected: bool) -> None:
    assert is_kept(where, **values) is expected


@pytest.mark.parametrize(
    ("where", "values"),
    [
        ("{{ flag }}", {"flag": "true"}),
        ("{{ flag }}", {"flag": "ja"}),
        ("{{ flag }}", {"flag": ""}),
        ("{{ amount > 1 }} ?", {"amount": 2}),
        ("{% if amount > 1 %}true{% endif %}", {"amount": 2}),
    ],
)
def test_text_is_no_answer(where: str, values: dict[str, Any]) -> None:
    assert refusal(where, **values).message == (
        f"where (column {next(iter(values))!r}): A condition is true or false, and this is text. "
        "Put all of it between {{ and }}, and compare what is text, as in {{ paid == 'yes' }}."
    )


@pytest.mark.parametrize("value", [0, 1, 1.0, Decimal(1), date(2026, 1, 1)])
def test_a_number_or_a_date_is_no_answer(value: Scalar) -> None:
    error = refusal("{{ flag }}", flag=value)

    assert error.message == (
        "where (column 'flag'): A condition is true or false, and this gives another value. "
        "Compare it, as in {{ open > 0 }}."
    )
    assert (error.field, error.column) == ("where", "flag")


def test_an_empty_cell_is_no_answer() -> None:
    error = refusal("{{ flag }}", flag=None)

    assert "A condition is true or false, and this gives an empty cell. Ask {{ … is not none }}, say." in error.message
    assert error.column == "flag"


def test_an_empty_cell_in_a_comparison_is_refused_with_its_column() -> None:
    error = refusal("{{ amount > 100 and country == 'DE' }}", amount=None, country="DE")

    assert error.message == (
        "'{{ amount > 100 and country == 'DE' }}' fails: '>' can't take an empty cell and a number. "
        "'amount' is empty here. Ask first: 'amount is not none and …'."
    )
    assert (error.field, error.column) == ("where", "amount")


def test_text_compared_with_a_number_is_refused_with_its_column() -> None:
    error = refusal("{{ amount > 100 }}", amount="120,50")

    assert "'>' can't take text and a number. Here 'amount' is text." in error.message
    assert error.column == "amount"


def test_an_unknown_column_is_refused_with_the_nearest() -> None:
    assert "there is no 'amonut' here. Did you mean 'amount'?" in refusal("{{ amonut > 1 }}", amount=1).message


def test_a_condition_without_braces_is_an_error_of_the_flow() -> None:
    with pytest.raises(BadParameters, match=r"where: A condition is true or false, and this is text\. Put all of it"):
        condition("amount > 100")
    with pytest.raises(ValidationError, match="this gives another value"):
        FilterRecords.model_validate({"where": 1})


def test_a_condition_only_looks_at_its_columns() -> None:
    node = FilterRecords.model_validate({"where": "{{ amount > 1 }}"})

    assert [(field, str(one)) for field, one in expressions_of(node)] == [("where", "{{ amount > 1 }}")]
    assert facet_of(FilterRecords, "where") is Facet.NOTHING
    assert FilterRecords.declares_needs
    assert not node.uses_any_column()


def test_the_examples_can_be_used() -> None:
    for example in FilterRecords.examples:
        assert FilterRecords.model_validate(example)
