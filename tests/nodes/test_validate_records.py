"""ValidateRecords: good records and bad ones, and what it tells the check."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postwerk.engine import (
    PROBLEM_COLUMNS,
    Column,
    Columns,
    ColumnType,
    Node,
    PerItem,
    Record,
    Resources,
    Scalar,
    Source,
)
from postwerk.engine.check import check
from postwerk.engine.flow import Flow
from postwerk.nodes.records.filter import FilterRecords
from postwerk.nodes.records.rules import Kind
from postwerk.nodes.records.validate import ValidateRecords
from pydantic import ValidationError

from ..surroundings import Surroundings
from .checked import ENGLISH, GERMAN, good, node, problem


def flaws(ctx: Surroundings = GERMAN, **rule: Any) -> list[str]:
    return [flaw.message for flaw in node(a=rule).flaws(ctx)]


def test_a_record_in_order_goes_on_with_corrected_cells_its_key_and_its_place() -> None:
    source = Source(file="liste.xlsx", sheet="März", row=7)
    record = Record(key="4711", values={"amount": "1.234,56", "Ort": " Köln\xa0", "note": " x "}, source=source)

    checked = node(amount={"type": "number"}, Ort={}).run(record, GERMAN)

    assert checked.bad is None
    assert checked.good == Record(
        key="4711", values={"amount": Decimal("1234.56"), "Ort": "Köln", "note": " x "}, source=source
    )


def test_a_record_not_in_order_goes_on_as_it_came_with_every_reason() -> None:
    source = Source(file="liste.xlsx", sheet="März", row=7)
    values = {"amount": " zwölf ", "email": None, "Ort": " Köln ", "pw": "kurz"}
    rules: dict[str, dict[str, Any]] = {
        "amount": {"type": "number"},
        "email": {"required": True, "type": "email"},
        "Ort": {},
        "pw": {"min_length": 8, "pattern": "[a-z0-9]+[0-9]"},
    }

    checked = node(**rules).run(Record(key="4711", values=values, source=source), GERMAN)

    assert checked.good is None
    assert checked.bad is not None
    assert (checked.bad.key, checked.bad.source) == ("4711", source)
    assert {name: checked.bad.values[name] for name in values} == values
    assert checked.bad.values["problem"] == (
        "Column 'amount': 'zwölf' is no number; one such as 1.234,56 is expected. "
        "Column 'email' is empty, but needs a value. "
        "Column 'pw': 'k…' (4 characters) is too short; at least 8 characters are expected. "
        "Column 'pw': 'k…' (4 characters) does not match the pattern [a-z0-9]+[0-9]."
    )
    assert checked.bad.values[PROBLEM_COLUMNS] == "amount, email, pw"


def test_an_output_is_a_reject_so_that_a_bad_record_that_nobody_takes_is_a_failure() -> None:
    ports = ValidateRecords.ports.outputs

    assert (ports["good"].is_reject, ports["bad"].is_reject) == (False, True)


def test_a_column_that_a_record_lacks_is_named_with_the_nearest() -> None:
    checked = node(email={}).run(Record(key="1", values={"E-Mail": "x"}), GERMAN)

    assert checked.bad is not None
    assert checked.bad.complaint == "There is no column 'email'. Did you mean 'E-Mail'?"


def test_columns_may_have_any_name() -> None:
    names = ["self", "values", "key", "Straße & Nr.", "a b", "1", "columns", ""]

    checked = node(**{one: {"type": "number"} for one in names}).run(
        Record(key="1", values=dict.fromkeys(names, "1,5")), GERMAN
    )

    assert checked.good is not None
    assert set(checked.good.values.values()) == {Decimal("1.5")}


def test_the_node_may_travel_to_another_process_after_it_has_worked() -> None:
    worn = node(a={"pattern": "[0-9]+"}, b={"type": "date", "not_before": "-P1D"}, c={"one_of": ["x"], "type": "text"})
    record = Record(key="1", values={"a": "1", "b": "01.03.2026", "c": "x"})
    first = worn.run(record, GERMAN)

    again = pickle.loads(pickle.dumps(worn)).run(record, GERMAN)

    assert again == first


@pytest.mark.parametrize(
    "rule",
    [
        {}, {"type": "number"}, {"type": "email"}, {"type": "boolean"}, {"type": "date", "not_before": "today"},
        {"pattern": "x+"}, {"one_of": ["a"]}, {"min_length": 3},
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [None, "", "  ", "\u200b\xa0\ufeff"])
def test_an_empty_cell_is_only_checked_for_being_required(value: str | None, rule: dict[str, Any]) -> None:
    assert good(value, rule) in (None, "")
    assert problem(value, {**rule, "required": True}) == "Column 'a' is empty, but needs a value."


@pytest.mark.parametrize("kind", ["number", "whole_number", "date", "datetime", "boolean", "email", "iban", "phone"])
def test_an_empty_cell_of_a_type_holds_nothing(kind: str) -> None:
    assert good("  ", {"type": kind}) is None


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "number"}, {"type": "email"}, {"type": "iban"}, {"type": "phone"}, {"type": "date"},
        {"type": "boolean"}, {"min_length": 99}, {"max_length": 1}, {"pattern": "x"}, {"one_of": ["y"]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["geheim-4711@geheim@x", "Geheim <geheim@example.com>", "geheim@b.de,geheim@c.de"])
def test_a_secret_is_not_quoted_at_all(rule: dict[str, Any], value: str) -> None:
    found = problem(value, {**rule, "secret": True})

    assert found.startswith("Column 'a': its value ")
    assert "eheim" not in found
    assert "4711" not in found


def test_the_reason_of_a_library_does_not_quote_a_secret() -> None:
    assert problem("geheim@b§4.de", {"type": "email", "secret": True}) == "Column 'a': its value is no mail address."
    assert "§" in problem("geheim@b§4.de", {"type": "email"})


@given(st.text(min_size=4), st.sampled_from([{"min_length": 10**5}, {"pattern": "x{99}"}, {"type": "iban"}]))
def test_of_a_text_at_most_three_characters_are_quoted(text: str, rule: dict[str, Any]) -> None:
    value = "§" + text.strip() + "§§§§"

    found = problem(value, {**rule, "trim": False, "compose": False})

    assert value[:4] not in found
    assert f"({len(value)} characters)" in found


def test_line_breaks_of_a_cell_do_not_break_the_message() -> None:
    assert problem("a\r\nX-Log: b\u202e", {"type": "number"}).startswith(
        r"Column 'a': 'a\r\nX-Log: b\u202e' is no number"
    )


def test_of_a_long_value_the_beginning_is_quoted() -> None:
    assert "'" + "z" * 39 + "…' (500 characters) is no number" in problem("z" * 500, {"type": "number"})


def test_it_needs_the_columns_of_its_rules_and_builds_nothing_of_them() -> None:
    needs = list(node(email={}, amount={}).needs(GERMAN))

    assert [(one.column, one.facet) for one in needs] == [("email", "nothing"), ("amount", "nothing")]
    assert ValidateRecords.declares_needs


def test_it_tells_the_types_of_good_columns_and_adds_the_problem_to_bad_ones() -> None:
    incoming = {
        name: Column(name=name, type=ColumnType.TEXT, is_sensitive=name == "iban")
        for name in ("amount", "due", "paid", "iban", "zip", "note")
    }
    rules: dict[str, dict[str, Any]] = {
        "amount": {"type": "number"},
        "due": {"type": "datetime"},
        "paid": {"type": "boolean"},
        "iban": {"type": "iban"},
        "zip": {"pattern": "x"},
        "fremd": {"type": "number"},
    }

    columns = node(**rules).columns(GERMAN, incoming)

    assert {name: column.type for name, column in columns["good"].items()} == {
        "amount": ColumnType.NUMBER,
        "due": ColumnType.DATE,
        "paid": ColumnType.BOOLEAN,
        "iban": ColumnType.TEXT,
        "zip": ColumnType.TEXT,
        "note": ColumnType.TEXT,
    }
    assert columns["good"]["iban"].is_sensitive
    assert {name: columns["bad"][name] for name in incoming} == incoming
    assert set(columns["bad"]) - set(incoming) == {"problem", "problem_columns"}


def test_the_problem_is_sensitive_when_it_may_quote_what_is() -> None:
    incoming = {"pin": Column(name="pin", is_sensitive=True), "name": Column(name="name")}

    def is_sensitive(**rules: dict[str, Any]) -> bool:
        return node(**rules).columns(GERMAN, incoming)["bad"]["problem"].is_sensitive

    assert is_sensitive(pin={}, name={})
    assert not is_sensitive(name={})
    assert not is_sensitive(pin={"secret": True}, name={})


class Rows(Node):
    """Rows with a sensitive column."""

    title: ClassVar[str] = "Rows"

    def columns(self, resources: Resources, incoming: Columns) -> Mapping[str, Columns]:
        return {"records": {"name": Column(name="name"), "pin": Column(name="pin", is_sensitive=True)}}

    def run(self) -> Iterator[Record]:
        yield Record(key="1", values={"name": "Ann", "pin": "4711"})


class Post(Node):
    """Sends a text in clear."""

    title: ClassVar[str] = "Post"
    leaves: ClassVar[bool] = True
    declares_needs: ClassVar[bool] = True
    text: PerItem[str]

    def run(self, record: Record) -> None:
        pass


@pytest.mark.parametrize(
    ("taken", "text", "codes"),
    [
        ("good", "{{ name }}", []),
        ("good", "{{ pin }}", ["sensitive-in-clear"]),
        ("bad", "{{ name }}", []),
        ("bad", "{{ problem }}", ["sensitive-in-clear"]),
        ("bad", "{{ problem_columns }}", []),
    ],
)
def test_a_rule_for_a_sensitive_column_does_not_make_the_whole_record_sensitive(
    taken: str, text: str, codes: list[str]
) -> None:
    flow = Flow.model_validate(
        {
            "postwerk": 1,
            "id": "f",
            "name": "f",
            "steps": {
                "rows": {"node": "Rows"},
                "filter": {"node": "FilterRecords", "params": {"where": "{{ pin is not none }}"}},
                "validate": {"node": "ValidateRecords", "params": {"rules": {"pin": {"min_length": 4}}}},
                "post": {"node": "Post", "params": {"text": text}},
            },
            "wires": [
                {"from": "rows.records", "to": "filter.record"},
                {"from": "filter.kept", "to": "validate.record"},
                {"from": f"validate.{taken}", "to": "post.record"},
            ],
        }
    )
    classes = {one.__name__: one for one in (Rows, FilterRecords, ValidateRecords, Post)}

    assert [one.code for one in check(flow, classes, GERMAN) if one.severity == "error"] == codes


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"pattern": "(a"}, "The rule for column 'a': 'pattern': '(a' can't be read: missing ): (a."),
        ({"pattern": "(?=a)b"}, "invalid perl operator: (?=. Regular expressions are those of RE2."),
        ({"type": "number", "min": 2, "max": 1}, "'min' (2) is larger than 'max' (1)."),
        ({"min_length": 2, "max_length": 1}, "'min_length' (2) is larger than 'max_length' (1)."),
        ({"type": "date", "not_before": "today", "not_after": "-P1D"}, "(2026-03-02) is later than 'not_after'"),
        ({"type": "date", "not_before": "gestern"}, "'not_before': 'gestern' is no date. Write one such as 2026-01-31"),
        ({"type": "date", "not_after": "2026-02-30"}, "'not_after': '2026-02-30' is no date: day is out of range"),
        ({"type": "date", "not_after": "P"}, "'P' is no date"),
        ({"type": "phone", "region": "Deutschland"}, "there is no region 'Deutschland'; write two capital letters"),
        ({"type": "date", "formats": ["TT.MM.JJJJ"]}, "'TT.MM.JJJJ' can't be read: 'TT' is no part of a date."),
        ({"type": "date", "formats": ["dd.MM."]}, "'dd.MM.' names no day, month and year."),
        ({"type": "date", "formats": ["dd.MM.yyyy dd"]}, "can't be read: a part of it stands there twice."),
        ({"type": "email", "min": 3}, "'min' needs the type number or whole_number, and the type is email."),
        ({"not_before": "today"}, "'not_before' needs the type date or datetime, and the type is not set."),
        ({"type": "number", "pattern": "x"}, "'pattern' needs the type email or iban or phone or text, and"),
        ({"type": "number", "case": "upper"}, "'case' needs the type email or text, and the type is number."),
        ({"type": "date", "one_of": ["x"]}, "'one_of' needs the type"),
        ({"type": "text", "region": "DE"}, "'region' needs the type phone, and the type is text."),
        ({"type": "text", "ignore_case": True}, "'ignore_case' needs texts in 'one_of'."),
        ({"type": "number", "one_of": ["x"]}, "one of the listed values is no number"),
        ({"one_of": ["de"], "case": "upper"}, "refuses a value that it lists. Column 'a': 'DE' is not in the list."),
        ({"one_of": ["DEU"], "max_length": 2}, "refuses a value that it lists. Column 'a': 'DEU' is too long"),
        ({"type": "number", "one_of": [5], "max": 3}, "refuses a value that it lists. Column 'a': 5 is more than 3"),
    ],
)  # fmt: skip
def test_a_rule_that_can_not_be_meant_is_a_flaw(rule: dict[str, Any], message: str) -> None:
    found = flaws(**rule)

    assert len(found) == 1
    assert message in found[0]


def test_all_flaws_of_all_rules_are_told_at_once() -> None:
    wrong = node(a={"pattern": "(", "min": 1}, b={"type": "phone", "region": "XX"})

    assert len(list(wrong.flaws(GERMAN))) == 3
    assert {flaw.field for flaw in wrong.flaws(GERMAN)} == {"rules"}


def test_sound_rules_have_no_flaws() -> None:
    for example in ValidateRecords.examples:
        assert list(ValidateRecords.model_validate(example).flaws(GERMAN)) == []
        assert list(ValidateRecords.model_validate(example).flaws(ENGLISH)) == []


@pytest.mark.parametrize(
    "rules",
    [{}, {"a": {"typ": "email"}}, {"a": {"type": "e-mail"}}, {"a": {"min": "NaN"}}, {"a": {"case": "Title"}}],
)
def test_a_setting_that_does_not_exist_is_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ValidateRecords.model_validate({"rules": rules})


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(), st.datetimes(), st.times(), st.text(), st.from_regex(r"[0-9.,+\- @äA-Z/:]{0,40}", fullmatch=True),
)  # fmt: skip
RULES = st.sampled_from([
    *({"type": kind.value} for kind in Kind),
    {}, {"pattern": "x"}, {"case": "title"}, {"case": "upper"}, {"one_of": ["a", 1]}, {"one_of": [1, 2.5]},
    {"type": "date", "not_after": "P1D"}, {"type": "number", "unit": "€", "min": -5},
])  # fmt: skip


@given(CELLS, RULES)
def test_every_cell_is_good_or_bad_and_what_is_good_stays_good(value: Scalar, rule: dict[str, Any]) -> None:
    checking = node(a=rule)
    first = checking.run(Record(key="1", values={"a": value}), GERMAN)

    assert (first.good is None) is not (first.bad is None)
    if first.good is not None:
        again = checking.run(first.good, GERMAN)
        assert again.good == first.good
