"""What expressions give, what they say when they fail, and which names they use."""

from __future__ import annotations

import pickle
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postwerk.engine import (
    ConfigError,
    Document,
    Expression,
    Facet,
    PerItem,
    Record,
    Refused,
    RunInfo,
    Scalar,
    Source,
    Templates,
    Uses,
    is_expression,
    uses,
)
from pydantic import BaseModel, Field, SecretStr, ValidationError

TEMPLATES = Templates("de_DE", "Europe/Berlin")
RECORD = Record(
    key="4711",
    values={"first_name": "Änne", "Kunden-Nr": "K-1", "amount": 1234.5, "discount": None, "note": "12,50"},
    source=Source(file="liste.xlsx", sheet="März", row=3),
)
NAMES: dict[str, Any] = {
    **RECORD.values,
    "record": RECORD,
    "inputs": {"list": "liste.xlsx", "copy": "zwei"},
    "run": RunInfo(id="r1", flow="rechnung", started=datetime(2026, 3, 2, 9, 30, tzinfo=UTC)),
    "document": Document(name="Rechnung.pdf", content=b"%PDF"),
    "net": Decimal("10.10"),
    "due": date(2026, 3, 1),
    "at": datetime(2026, 3, 1, 14, 5),
    "count": 5,
    "lines": ["a", None, 1.5],
}


def evaluated(source: str, **more: object) -> object:
    return TEMPLATES.evaluate(source, {**NAMES, **more})


def rendered(source: str, **more: object) -> str:
    return TEMPLATES.render(source, {**NAMES, **more})


def complaint(source: str, **more: object) -> str:
    with pytest.raises(Refused) as caught:
        evaluated(source, **more)
    return caught.value.message


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ count }}", 5),
        ("{{ net }}", Decimal("10.10")),
        ("{{ due }}", date(2026, 3, 1)),
        ("{{ discount }}", None),
        ("{{ amount > 100 and first_name == 'Änne' }}", True),
        (" {{ count }}\n", 5),
        ("{{ '}}' }}", "}}"),
        ("{{ lines }}", ["a", None, 1.5]),
        ("{{ lines|map('string')|list }}", ["a", "", "1.5"]),
        ("{{ range(3)|map('string') }}", ["0", "1", "2"]),
    ],
)
def test_a_single_expression_keeps_its_type(source: str, value: object) -> None:
    found = evaluated(source)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("source", ["Nr. {{ count }}", "{{ count }}{{ count }}", "{{- count -}}", "{# x #}{{ count }}"])
def test_an_expression_with_something_beside_it_gives_text(source: str) -> None:
    assert isinstance(evaluated(source), str)


def test_a_column_may_have_the_name_that_the_machinery_uses_inside() -> None:
    assert evaluated("{{ result ~ '!' }}", result="gut") == "gut!"
    assert evaluated("{{ result }}", result="gut") == "gut"


def test_an_if_without_else_gives_nothing() -> None:
    assert evaluated("{{ 'x' if count > 9 }}") is None
    assert rendered("a{{ 'x' if count > 9 }}b") == "ab"


@given(st.text())
def test_any_text_comes_out_as_it_went_in(text: str) -> None:
    assert TEMPLATES.render("{{ a }}", {"a": text}) == text
    assert TEMPLATES.evaluate("{{ a }}", {"a": text}) == text
    assert TEMPLATES.render("<{{ a }}>{{ a }}", {"a": text}) == f"<{text}>{text}"


@given(st.text(alphabet=st.characters(blacklist_characters="{}#%\r\n")))
def test_text_without_braces_is_rendered_as_it_is(text: str) -> None:
    assert not is_expression(text)
    assert TEMPLATES.render(text, {}) == text


@given(st.text(), st.text())
def test_a_value_is_never_read_as_a_template(first: str, second: str) -> None:
    assert TEMPLATES.render("{{ a }}{{ b }}", {"a": "{{ b }}" + first, "b": second}) == "{{ b }}" + first + second


@given(st.text())
def test_html_holds_no_markup_of_a_value(text: str) -> None:
    found = TEMPLATES.render("<p>{{ a }}{{ a ~ a }}{{ [a]|join }}</p>", {"a": text}, html=True)

    assert not re.search("[<>\"']", found.removeprefix("<p>").removesuffix("</p>"))


@given(st.integers(), st.integers())
def test_arithmetic_of_whole_numbers_is_that_of_python(left: int, right: int) -> None:
    assert TEMPLATES.evaluate("{{ a + b }}", {"a": left, "b": right}) == left + right
    assert TEMPLATES.evaluate("{{ a - b }}", {"a": left, "b": right}) == left - right
    assert TEMPLATES.evaluate("{{ a * b }}", {"a": left, "b": right}) == left * right


def test_a_decimal_is_calculated_with_a_literal_exactly() -> None:
    assert evaluated("{{ net * 1.19 }}") == Decimal("12.0190")
    assert evaluated("{{ 0.1 + net }}") == Decimal("10.20")
    assert evaluated("{{ [net, 0.1, 1]|sum }}") == Decimal("11.20")


@pytest.mark.parametrize(
    ("source", "german", "english"),
    [
        ("{{ amount }}", "1234,5", "1234.5"),
        ("{{ net }}", "10,1", "10.1"),
        ("{{ count }}", "5", "5"),
        ("{{ due }}", "01.03.2026", "Mar 1, 2026"),
        ("{{ at }}", "01.03.2026, 14:05", "Mar 1, 2026, 2:05 PM"),
        ("{{ discount }}", "", ""),
        ("{{ amount|money }}", "1.234,50 €", "€1,234.50"),
        ("{{ amount|money('USD') }}", "1.234,50 $", "$1,234.50"),
        ("{{ 5|money('JPY') }}", "5 ¥", "¥5"),
        ("{{ amount|number }}", "1.234,50", "1,234.50"),
        ("{{ amount|number(0) }}", "1.234", "1,234"),
        ("{{ due|date('long') }}", "1. März 2026", "March 1, 2026"),
        ("{{ due|date('EEEE, d. MMMM y') }}", "Sonntag, 1. März 2026", "Sunday, 1. March 2026"),
        ("{{ at|date('dd.MM.y HH:mm') }}", "01.03.2026 14:05", "01.03.2026 14:05"),
        ("{{ at|time }}", "14:05", "2:05 PM"),
        ("{{ amount ~ ' kg, ' ~ discount ~ due }}", "1234,5 kg, 01.03.2026", "1234.5 kg, Mar 1, 2026"),
        ("{{ lines|join('; ') }}", "a; ; 1,5", "a; ; 1.5"),
        ("{{ discount|upper }}{{ discount|trim }}", "", ""),
    ],
)
def test_values_are_shown_as_the_locale_writes_them(source: str, german: str, english: str) -> None:
    for locale, expected in (("de_DE", german), ("en_US", english)):
        found = Templates(locale, "Europe/Berlin").render(f"{source}|", NAMES)

        assert found.replace("\xa0", " ").replace("\u202f", " ") == f"{expected}|"


def test_an_aware_time_is_shown_in_the_time_zone_of_the_flow() -> None:
    before_midnight = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
    source = "{{ t }} | {{ t|date }} | {{ t|time }} | {{ t|date('d.M. HH:mm') }}"

    berlin = Templates("de_DE", "Europe/Berlin").render(source, {"t": before_midnight})
    new_york = Templates("de_DE", "America/New_York").render(source, {"t": before_midnight})

    assert berlin == "01.07.2026, 01:30 | 01.07.2026 | 01:30 | 1.7. 01:30"
    assert new_york == "30.06.2026, 19:30 | 30.06.2026 | 19:30 | 30.6. 19:30"


def test_a_naive_time_is_shown_as_it_is() -> None:
    naive = datetime(2026, 6, 30, 23, 30)

    assert Templates("de_DE", "America/New_York").render("{{ t }}!", {"t": naive}) == "30.06.2026, 23:30!"
    assert Templates("de_DE", "America/New_York").render("{{ t }}!", {"t": time(7, 5)}) == "07:05!"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x {{ lines }}", "a list can't stand in a text. Join it: |join(', ')"),
        ("x {{ record }}", "a Record can't stand in a text. Name one of its columns"),
        ("x {{ document.content }}", "bytes can't stand in a text"),
        ("x {{ first_name.upper }}", "a method can't stand in a text. Write () after its name"),
        ("x {{ at - at }}", "a span of time can't stand in a text. Write .days after it"),
        ("{{ note|money }}", "'money' takes a number, and found text. Here 'note' is text."),
        ("{{ discount|money }}", "'money' takes a number, and found an empty cell. 'discount' is empty here."),
        ("{{ amount|number(99) }}", "'number' writes 0 to 20 digits after the point, not 99"),
        ("{{ count|date }}", "'date' takes a date, and found a number"),
        ("{{ due|time }}", "'time' takes a time of day, and found a date"),
        ("{{ due|date('y' * 5) }}", "'*' takes numbers"),
        ("{{ due|date(pattern) }}", "a pattern is a text of at most 100 characters"),
        ("{{ note|int }}", "'int' finds no number in text"),
        ("{{ discount|float }}", "'float' finds no number in an empty cell"),
    ],
)
def test_what_can_not_be_shown_or_formatted_is_refused(source: str, message: str) -> None:
    assert message in complaint(source, pattern="d" * 101)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("1E+999999")])
def test_a_number_without_a_size_is_not_shown(value: float | Decimal) -> None:
    assert "takes a number of ordinary size" in complaint("x {{ a }}", a=value)


def test_an_unknown_locale_or_time_zone_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^There is no locale 'xx_YY'\. Write one such as 'de_DE'"):
        Templates("xx_YY")
    with pytest.raises(ConfigError, match=r"^There is no time zone 'Mars/Base'\. Write one such as 'Europe/Berlin'\.$"):
        Templates("de_DE", "Mars/Base")


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(Refused) as caught:
        evaluated("{{ first_nam }}")

    assert caught.value.message == "'{{ first_nam }}': there is no 'first_nam' here. Did you mean 'first_name'?"
    assert caught.value.column == "first_nam"


@pytest.mark.parametrize(
    "source",
    ["{{ zz }}", "{{ zz.y }}", "{{ zz() }}", "{{ zz + 1 }}", "{{ 1 * zz }}", "{{ -zz }}", "{{ zz|upper }}",
     "{{ zz|abs }}", "{{ zz > 1 }}", "{{ zz in [1] }}", "{{ not zz }}", "{% for x in zz %}{% endfor %}",
     "{% if zz %}{% endif %}", "x {{ zz }}", "{{ zz ~ 'a' }}", "{{ [zz]|join }}"],
)  # fmt: skip
def test_an_unknown_name_is_told_whatever_is_done_with_it(source: str) -> None:
    assert "there is no 'zz' here" in complaint(source)


def test_a_default_stands_in_for_an_unknown_name() -> None:
    assert evaluated("{{ zz|default('keine') }}") == "keine"
    assert evaluated("{{ zz is defined }}") is False
    assert evaluated("{{ record['zz']|default('keine') }}") == "keine"


def test_an_unknown_part_of_a_value_is_refused_with_the_nearest() -> None:
    assert complaint("{{ document.nam }}").endswith("fails: a Document has no 'nam'. Did you mean 'name'?")
    assert complaint("{{ inputs.lisst }}").endswith("fails: a table has no 'lisst'. Did you mean 'list'?")
    assert complaint("{{ record['Kunden-N'] }}") == ("The record has no column 'Kunden-N'. Did you mean 'Kunden-Nr'?")
    assert "an empty cell has no 'year'. 'discount' is empty here." in complaint("{{ discount.year }}")


def test_an_empty_cell_in_a_comparison_is_named() -> None:
    with pytest.raises(Refused) as caught:
        evaluated("{{ discount > amount }}")

    assert caught.value.message == (
        "'{{ discount > amount }}' fails: '>' can't take an empty cell and a number. "
        "'discount' is empty here. Ask first: 'discount is not none and …'."
    )
    assert caught.value.column == "discount"


def test_an_empty_cell_that_is_reached_by_record_is_named() -> None:
    record = Record(key="1", values={"Rabatt in %": None})

    with pytest.raises(Refused, match="'Rabatt in %' is empty here") as caught:
        TEMPLATES.evaluate('{{ record["Rabatt in %"] + 1 }}', {"record": record})

    assert caught.value.column == "Rabatt in %"


def test_text_where_a_number_is_needed_is_named() -> None:
    assert complaint("{{ note > 100 }}") == (
        "'{{ note > 100 }}' fails: '>' can't take text and a number. Here 'note' is text."
    )
    assert complaint("{{ at > due }}").endswith("Here 'at' is a date with a time and 'due' is a date.")
    assert "'+' adds numbers; '~' joins texts. Here 'note' is text." in complaint("{{ 1 + note }}")
    assert "'*' takes numbers, and found text and a number. Here 'note' is text." in complaint("{{ note * 2 }}")


def test_a_division_by_zero_is_refused() -> None:
    assert "division by zero" in complaint("{{ count / 0 }}")


def test_a_value_is_not_quoted_in_an_error() -> None:
    secret = "geheim-4711"

    for source in ("{{ pw > 1 }}", "{{ pw + 1 }}", "{{ pw|money }}", "{{ pw.foo }}", "{{ pw() }}", "{{ pw|int }}"):
        assert secret not in complaint(source, pw=secret)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ (1 }}", "'{{ (1 }}', line 1: unexpected '}', expected ')'."),
        ("a\n{% if %}", "'a {% if %}', line 2: Expected an expression, got 'end of statement block'."),
        ("{{ a|mony }}", "'{{ a|mony }}', line 1: there is no filter 'mony'. Did you mean 'money'?"),
        ("{{ a is defind }}", "'{{ a is defind }}', line 1: there is no test 'defind'. Did you mean 'defined'?"),
        ("{% if a %}{{ a|mony }}{% endif %}", "there is no filter 'mony'"),
        ("{{ 1e999 }}", "a number is too large"),
        ("{{ " + "9" * 5000 + " }}", "can't be read: Exceeds the limit"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "it is nested too deeply"),
        ("{% for a in b %}" * 30 + "{% endfor %}" * 30, "it is nested too deeply"),
    ],
)
def test_what_is_no_template_is_an_error_of_its_author(source: str, message: str) -> None:
    for read in (evaluated, rendered, uses):
        if read is uses and "deeply" in message and "for" in source:
            continue  # parsed, but never compiled
        with pytest.raises(ConfigError, match=re.escape(message)):
            read(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", Uses()),
        ("{{ a }} {{ b|upper }}", Uses(names=frozenset({"a", "b"}))),
        ("{% for x in items if x > low %}{{ x }}{{ loop.index }}{% endfor %}", Uses(names=frozenset({"items", "low"}))),
        ("{% set x = a %}{{ x }}", Uses(names=frozenset({"a"}))),
        ("{% if a %}{% set x = 1 %}{% endif %}{{ x }}", Uses(names=frozenset({"a", "x"}))),
        ("{% macro m(p) %}{{ p }}{{ q }}{% endmacro %}{{ m(r) }}", Uses(names=frozenset({"q", "r"}))),
        ("{{ range(n) }}", Uses(names=frozenset({"n"}))),
        ('{{ record["Kunden-Nr"] }}{{ record["x"] }}', Uses(columns=frozenset({"Kunden-Nr", "x"}))),
        ("{{ record.first_name }}", Uses(columns=frozenset({"first_name"}))),
        ("{{ record.key }}{{ record.source.row }}", Uses()),
        ("{{ record.values }}", Uses(is_open=True)),
        ("{{ record[a] }}", Uses(names=frozenset({"a"}), is_open=True)),
        ("{% for c in record %}{% endfor %}", Uses(is_open=True)),
        ("{{ record.a }}{{ record|length }}", Uses(columns=frozenset({"a"}), is_open=True)),
    ],
)
def test_the_names_that_an_expression_uses_are_told(source: str, expected: Uses) -> None:
    assert uses(source) == expected


def test_inputs_that_are_used_are_told_by_name() -> None:
    found = uses('{{ inputs.list }}{{ inputs["sheet"] }}{{ run.id }}')

    assert found.names == {"inputs", "run"}
    assert found.inputs == {"list", "sheet"}


def test_uses_are_added_up() -> None:
    both = uses("{{ a }}") | uses("{{ record['b'] }}{{ record }}")

    assert both == Uses(names=frozenset({"a"}), columns=frozenset({"b"}), is_open=True)


def test_a_name_that_is_used_is_one_that_is_asked_for() -> None:
    for source in ("{{ a ~ b }}", "{{ a if b else c }}", "{% set a = b %}{{ a }}", "{{ [a, b]|map('upper')|join(c) }}"):
        names = dict.fromkeys(uses(source).names, "x")

        assert TEMPLATES.render(source, names)


class Reminder(BaseModel):
    to: Annotated[PerItem[str], Facet.ADDRESS]
    days: PerItem[int] = 3
    fields: dict[str, PerItem[str]] = {}
    copies: list[PerItem[str]] = []
    password: PerItem[SecretStr] = SecretStr("")
    share: PerItem[Annotated[Decimal, Field(gt=0)]] = Decimal(1)
    code: PerItem[Annotated[str, Field(max_length=3)]] = ""
    maybe: PerItem[str] | None = None


def test_a_field_takes_an_expression_or_a_value() -> None:
    reminder = Reminder.model_validate(
        {
            "to": "{{ email }}",
            "days": "{{ wait }}",
            "fields": {"Name": "{{ name }}", "Ort": "Köln"},
            "copies": ["a@example.com", "{{ boss }}"],
            "maybe": "{% if a %}x{% endif %}",
        }
    )

    assert str(reminder.to) == "{{ email }}"
    assert dict(reminder) == {
        "to": Expression("{{ email }}", str),
        "days": Expression("{{ wait }}", int),
        "fields": {"Name": Expression("{{ name }}", str), "Ort": "Köln"},
        "copies": ["a@example.com", Expression("{{ boss }}", str)],
        "password": SecretStr(""),
        "share": Decimal(1),
        "code": "",
        "maybe": Expression("{% if a %}x{% endif %}", str),
    }


def test_a_plain_value_of_a_field_is_checked_at_once() -> None:
    assert Reminder.model_validate({"to": "a@example.com", "days": "7"}).days == 7
    with pytest.raises(ValidationError, match="days"):
        Reminder.model_validate({"to": "a@example.com", "days": "bald"})
    with pytest.raises(ValidationError, match="greater than 0"):
        Reminder.model_validate({"to": "a@example.com", "share": "-1"})


def test_the_value_of_an_expression_becomes_the_type_of_its_field() -> None:
    reminder = Reminder.model_validate({"to": "x", "days": "{{ a }}", "password": "{{ p }}"})
    days, password = reminder.__dict__["days"], reminder.__dict__["password"]

    assert days.accept(7.0) == 7
    assert password.accept("geheim").get_secret_value() == "geheim"
    with pytest.raises(ValidationError):
        days.accept("bald")


def test_a_constraint_of_a_field_holds_for_the_value_of_an_expression() -> None:
    reminder = Reminder.model_validate({"to": "x", "share": "{{ s }}", "code": "{{ c }}"})
    restored = pickle.loads(pickle.dumps(reminder))

    for share, code in ((one.__dict__["share"], one.__dict__["code"]) for one in (reminder, restored)):
        assert (share.accept(2), code.accept("abc")) == (Decimal(2), "abc")
        with pytest.raises(ValidationError, match="greater than 0"):
            share.accept(Decimal(-1))
        with pytest.raises(ValidationError, match="at most 3 characters"):
            code.accept("abcd")


def test_a_field_is_written_as_it_was_read() -> None:
    params = {"to": "{{ email }}", "days": 5, "fields": {"Name": "{{ name }}"}, "copies": ["{{ boss }}"]}

    dumped = Reminder.model_validate(params).model_dump(mode="json", exclude_unset=True)

    assert dumped == params


def test_a_secret_is_not_written_in_clear() -> None:
    dumped = Reminder.model_validate({"to": "x", "password": "geheim"}).model_dump_json()

    assert "geheim" not in dumped


def test_the_schema_of_a_field_says_that_it_may_differ_from_item_to_item() -> None:
    properties = Reminder.model_json_schema()["properties"]

    assert properties["to"]["per_item"] is True
    assert properties["days"] == {"default": 3, "per_item": True, "title": "Days", "type": "integer"}
    assert properties["fields"]["additionalProperties"] == {"per_item": True, "type": "string"}


@pytest.mark.parametrize("value", ["a", 1, 1.5, Decimal(1), date(2026, 1, 1), None, True, timedelta(1)])
def test_a_template_takes_every_kind_of_cell(value: Scalar | timedelta) -> None:
    assert evaluated("{{ a }}", a=value) is value
