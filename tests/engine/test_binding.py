"""Parameters become a node, and a node with expressions becomes the node of one item."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import pytest
from postwerk.engine import ConfigError, Facet, Node, PerItem, Record, Refused, Templates
from postwerk.engine.binding import BadParameters, Binder, expressions_of, facets_of, make_node
from postwerk.engine.flow import Step
from postwerk.engine.templates import Template
from pydantic import BaseModel, Field, SecretStr

NAMES = {"inputs": {"list": "Rechnungen.xlsx", "year": 2026}, "run": None}


class Rule(BaseModel):
    column: str
    value: PerItem[str] = ""
    shown: Annotated[PerItem[str], Facet.LABEL] = ""
    inner: list[Rule] = Field(default_factory=list)


class Letter(Node):
    """Has a field of each kind."""

    title: ClassVar[str] = "Letter"

    file: str = ""
    year: int = 0
    subject: Annotated[PerItem[str], Facet.LABEL] = ""
    amount: PerItem[Decimal] | None = None
    password: Annotated[PerItem[SecretStr] | None, Facet.KEY] = None
    fields: Mapping[str, PerItem[str]] = Field(default_factory=dict)
    copies: tuple[PerItem[str], ...] = ()
    names: tuple[Annotated[PerItem[str], Facet.LABEL], ...] = ()
    rules: tuple[Rule, ...] = ()
    rule: Rule | None = None
    body: Template | None = None
    plain: dict[str, list[str]] = Field(default_factory=dict)

    def run(self, record: Record) -> Record:
        return record


def made(**params: Any) -> Letter:
    node = make_node(Step(node="Letter", params=params), Letter, NAMES, Templates())
    assert isinstance(node, Letter)
    return node


def bound(node: Node, **columns: Any) -> Any:
    record = Record(key="1", values=columns)
    return Binder.of(node, Templates()).bind({**columns, "record": record, **NAMES})


def test_a_field_that_is_the_same_for_all_is_filled_in_before_the_node_is_made() -> None:
    node = made(file="{{ inputs.list }}", year="{{ inputs.year }}", plain={"a": ["{{ inputs.year + 1 }}", "b"]})

    assert (node.file, node.year, node.plain) == ("Rechnungen.xlsx", 2026, {"a": ["2027", "b"]})


def test_what_is_filled_in_later_stays_as_it_is_however_deep_it_lies() -> None:
    node = made(
        subject="{{ name }}", fields={"A": "{{ name }}"}, copies=["{{ name }}"], body="{{ name }}",
        rules=[{"column": "{{ inputs.list }}", "value": "{{ name }}", "inner": [{"column": "", "value": "{{ x }}"}]}],
        rule={"column": "{{ inputs.list }}", "value": "{{ name }}"},
    )  # fmt: skip

    assert node.body == "{{ name }}"
    assert node.rules[0].column == "Rechnungen.xlsx"
    assert node.rule is not None
    assert node.rule.column == "Rechnungen.xlsx"
    assert [(field, str(expression)) for field, expression in expressions_of(node)] == [
        ("subject", "{{ name }}"), ("fields", "{{ name }}"), ("copies", "{{ name }}"),
        ("rules", "{{ name }}"), ("rules", "{{ x }}"), ("rule", "{{ name }}"),
    ]  # fmt: skip


def test_every_item_gets_its_own_values_in_the_types_of_the_fields() -> None:
    node = made(
        subject="Rechnung {{ no }}", amount="{{ sum }}", password="{{ no }}", fields={"Name": "{{ name }}", "Ort": "X"},
        copies=["a", "{{ name }}"], rules=[{"column": "c", "value": "{{ name }}"}, {"column": "d"}],
    )  # fmt: skip

    first, second = (bound(node, no=no, name=name, sum=1.5) for no, name in (("0012", "Jörg"), ("0013", "Zoë")))

    assert (first.subject, second.subject) == ("Rechnung 0012", "Rechnung 0013")
    assert first.amount == Decimal("1.5")
    assert first.password.get_secret_value() == "0012"
    assert (first.fields, first.copies) == ({"Name": "Jörg", "Ort": "X"}, ("a", "Jörg"))
    assert [rule.value for rule in second.rules] == ["Zoë", ""]
    assert node.subject != first.subject


def test_a_node_without_expressions_is_the_same_for_every_item() -> None:
    node = made(file="a")

    assert bound(node, a=1) is node


def test_all_flaws_of_the_parameters_are_told_at_once() -> None:
    with pytest.raises(BadParameters) as caught:
        made(file="{{ inputs.lost }}", year="next", subject=5, filee="x", rules=[{"value": 3}])

    assert {flaw.field: flaw.message for flaw in caught.value.flaws} == {
        "file": "file: '{{ inputs.lost }}' fails: a table has no 'lost'. Did you mean 'list'?",
        "year": "year: Input should be a valid integer, unable to parse string as an integer.",
        "subject": "subject: Input should be a valid string.",
        "filee": "Letter has no parameter 'filee'. Did you mean 'file'?",
        "rules": "rules.0.value: Input should be a valid string.",
    }
    assert isinstance(caught.value, ConfigError)


@pytest.mark.parametrize("field", ["least", "most", "both"])
def test_a_value_of_an_item_must_keep_the_limits_of_its_field(field: str) -> None:
    class Limited(Node):
        title = "Limited"
        least: PerItem[Annotated[str, Field(min_length=3)]] = "abc"
        most: PerItem[Annotated[str, Field(max_length=1)]] | None = None
        both: PerItem[int] = Field(default=5, ge=3)

        def run(self, record: Record) -> Record:
            return record

    node = make_node(Step(node="Limited", params={field: "{{ x }}"}), Limited, NAMES, Templates())

    with pytest.raises(Refused, match=rf"^{field} \(column 'x'\): "):
        bound(node, x="12" if field != "both" else 2)
    assert str(getattr(bound(node, x={"least": "123", "most": "1", "both": 3}[field]), field)).startswith(("1", "3"))


def test_braces_in_the_data_are_text_and_no_expression() -> None:
    node = made(subject="{{ name }}", fields={"A": "{{ name }}"}, amount="{{ sum }}")

    result = bound(node, name="{{ 7 * 7 }}", sum="1")

    assert (result.subject, result.fields) == ("{{ 7 * 7 }}", {"A": "{{ 7 * 7 }}"})
    with pytest.raises(Refused):
        bound(node, name="x", sum="{{ 1 }}")


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(BadParameters, match=r"^The parameter 'rules\.0\.column' is missing\.$"):
        made(rules=[{}])


@pytest.mark.parametrize(
    ("params", "columns", "field", "column", "message"),
    [
        ({"subject": "{{ nmae }}"}, {"name": "x"}, "subject", "nmae", "there is no 'nmae' here. Did you mean 'name'?"),
        ({"amount": "{{ sum }}"}, {"sum": "viel"}, "amount", "sum", "amount (column 'sum'): "),
        ({"amount": "{{ sum }}"}, {"sum": None}, "amount", "sum", "amount (column 'sum'): "),
        ({"amount": "{{ a / b }}"}, {"a": 1, "b": 0}, "amount", None, "fails: division by zero"),
        ({"fields": {"A": "{{ a + 1 }}"}}, {"a": "x"}, "fields", "a", "fails: "),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_with_field_and_column(
    params: dict[str, Any], columns: dict[str, Any], field: str, column: str | None, message: str
) -> None:
    node = made(**params)

    with pytest.raises(Refused) as caught:
        bound(node, **columns)

    assert message in str(caught.value)
    assert (caught.value.field, caught.value.column) == (field, column)


def test_the_message_about_a_password_that_does_not_fit_holds_no_password() -> None:
    class Lock(Node):
        title = "Lock"
        password: PerItem[Annotated[SecretStr, Field(min_length=8)]]

        def run(self, record: Record) -> Record:
            return record

    node = make_node(Step(node="Lock", params={"password": "{{ p }}"}), Lock, NAMES, Templates())

    with pytest.raises(Refused, match=r"^password \(column 'p'\): ") as caught:
        bound(node, p="kurz!")

    assert "kurz!" not in str(caught.value)


def test_what_an_expression_builds_is_told_by_the_marker_nearest_to_it() -> None:
    node = made(
        subject="{{ a }}", password="{{ b }}", names=["{{ c }}"], copies=["{{ d }}"],
        rules=[{"column": "x", "value": "{{ e }}", "shown": "{{ f }}"}],
    )  # fmt: skip

    facets = {str(expression)[3]: facet for _, expression, facet in facets_of(node)}

    assert facets == {
        "a": Facet.LABEL, "b": Facet.KEY, "c": Facet.LABEL, "d": Facet.CONTENT, "e": Facet.CONTENT, "f": Facet.LABEL,
    }  # fmt: skip
