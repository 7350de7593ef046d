"""ValidateRecords: what it corrects, what it refuses and how it says so, and what it tells the check."""

from __future__ import annotations

import pickle
import time as clock
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postwerk.engine import Column, Columns, ColumnType, Node, PerItem, Record, Resources, Scalar, Source
from postwerk.engine.check import check
from postwerk.engine.flow import Flow
from postwerk.nodes.records import PROBLEM_COLUMNS, FilterRecords, Kind, ValidateRecords
from postwerk.nodes.records.complaints import Complaint
from postwerk.nodes.records.corrections import titled
from postwerk.nodes.records.moments import default_format
from postwerk.nodes.records.numbers import decimal_of
from postwerk.nodes.records.readers import read_iban
from pydantic import ValidationError
from stdnum import iban

from ..surroundings import Surroundings

GERMAN = Surroundings(Path())
ENGLISH = Surroundings(Path(), locale="en_US", timezone="America/New_York")


def node(**rules: dict[str, Any]) -> ValidateRecords:
    return ValidateRecords.model_validate({"rules": rules})


def good(value: Scalar, rule: dict[str, Any], ctx: Surroundings = GERMAN) -> Scalar:
    """The cell of a record that is in order."""
    checked = node(a=rule).run(Record(key="1", values={"a": value}), ctx)
    assert checked.bad is None, checked.bad.values
    assert checked.good is not None
    return checked.good.values["a"]


def problem(value: Scalar, rule: dict[str, Any], ctx: Surroundings = GERMAN) -> str:
    """What is said of a record that is not."""
    checked = node(a=rule).run(Record(key="1", values={"a": value}), ctx)
    assert checked.good is None, checked.good.values
    assert checked.bad is not None
    return checked.bad.complaint


def flaws(ctx: Surroundings = GERMAN, **rule: Any) -> list[str]:
    return [flaw.message for flaw in node(a=rule).flaws(ctx)]


# Records


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


# Corrections


@pytest.mark.parametrize(
    ("value", "rule", "expected"),
    [
        (" \t Ann\xa0\u200b\u2060\ufeff\r\n", {}, "Ann"),
        ("\u3000\u2003\u200eAnn Marie\u200f", {}, "Ann Marie"),
        (" geheim ", {"trim": False}, " geheim "),
        ("Mu\u0308ller", {}, "Müller"),
        ("Mu\u0308ller", {"compose": False}, "Mu\u0308ller"),
        ("straße", {"case": "upper"}, "STRASSE"),
        ("GROẞ", {"case": "lower"}, "groß"),
        ("Ann@Example.COM", {"case": "lower", "type": "email"}, "ann@example.com"),
        ("MÜLLER", {"case": "title"}, "Müller"),
    ],
)
def test_texts_are_put_right(value: str, rule: dict[str, Any], expected: str) -> None:
    assert good(value, rule) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("müller-lüdenscheidt", "Müller-Lüdenscheidt"),
        ("VON DER HEIDE", "von der Heide"),
        ("von der Heide", "von der Heide"),
        ("ANNA VON DER HEIDE", "Anna von der Heide"),
        ("DEN HAAG", "Den Haag"),
        ("AM WALD 5A", "Am Wald 5A"),
        ("WEG AM WALD", "Weg am Wald"),
        ("o'neill", "O'Neill"),
        ("D’ARTAGNAN", "D’Artagnan"),
        ("müller's", "Müller's"),
        ("McDonald", "McDonald"),
        ("E. T. A. HOFFMANN", "E. T. A. Hoffmann"),
        ("MÜLLER UND SÖHNE GMBH & CO. KG", "Müller und Söhne GmbH & Co. KG"),
        ("KARL III", "Karl III"),
        ("weiß", "Weiß"),
        ("", ""),
    ],
)
def test_names_are_written_as_names(text: str, expected: str) -> None:
    assert titled(text) == expected


@given(st.text())
def test_a_name_that_is_put_right_stays_so(text: str) -> None:
    assert titled(titled(text)) == titled(text)


# Numbers


@pytest.mark.parametrize(
    ("text", "mark", "expected"),
    [
        ("1.234,56", ",", "1234.56"),
        ("1234,56", ",", "1234.56"),
        ("1.234.567", ",", "1234567"),
        ("1 234,5", ",", "1234.5"),
        ("1\u202f234,5", ",", "1234.5"),
        ("1'234’567,5", ",", None),
        ("1'234'567,5", ",", "1234567.5"),
        ("-12,50", ",", "-12.50"),
        ("−12,50", ",", "-12.50"),
        ("12,50-", ",", "-12.50"),
        ("-12,50-", ",", None),
        ("12,-", ",", "12"),
        ("12,--", ",", "12"),
        ("1,234.56", ".", "1234.56"),
        ("1.234", ",", "1234"),
        ("1.234", ".", "1.234"),
        ("12.5", ",", None),
        ("1.23,4", ",", None),
        ("1.2345,6", ",", None),
        ("1.234 567", ",", None),
        (",5", ",", None),
        ("5,", ",", None),
        ("", ",", None),
        ("1e5", ".", None),
        ("NaN", ".", None),
        ("٣", ",", None),
        ("1" * 61, ",", None),
        ("0,1", ",", "0.1"),
        ("+5", ",", "5"),
        ("-" + "9" * 40, ",", "-" + "9" * 40),
    ],
)
def test_a_number_is_read_as_people_write_it_or_not_at_all(text: str, mark: str, expected: str | None) -> None:
    found = decimal_of(text, mark)

    assert found == (None if expected is None else Decimal(expected))


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_a_number_is_read_as_the_locale_writes_it(number: Decimal) -> None:
    english = f"{number:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))

    assert good(german, {"type": "number"}) == number
    assert good(english, {"type": "number"}, ENGLISH) == number
    assert good(german, {"type": "number", "decimal": ","}, ENGLISH) == number


@given(st.text(alphabet="0123456789.,' -+€eE", max_size=70))
def test_a_number_has_the_digits_that_stand_there(text: str) -> None:
    german, english = decimal_of(text, ",", "€"), decimal_of(text, ".", "€")

    digits = "".join(one for one in text if one.isdigit())
    for found in (german, english):
        assert found is None or format(found.copy_abs(), "f").replace(".", "").lstrip("0") in digits.lstrip("0") + "0"


@pytest.mark.parametrize("text", ["12,50 €", "€ 12,50", "12,50\xa0€", "€12,50", "12,50"])
def test_a_unit_may_stand_beside_a_number(text: str) -> None:
    assert good(text, {"type": "number", "unit": "€"}) == Decimal("12.50")


def test_another_unit_is_refused() -> None:
    assert "is no number" in problem("12,50 $", {"type": "number", "unit": "€"})
    assert "is no number" in problem("12,50 €", {"type": "number"})


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (5, "number", Decimal(5)),
        (0.1, "number", Decimal("0.1")),
        (Decimal("1.50"), "number", Decimal("1.50")),
        (5.0, "whole_number", 5),
        ("1.234", "whole_number", 1234),
        ("5,00", "whole_number", 5),
        (Decimal("5.0"), "whole_number", 5),
        (4711, "text", "4711"),
        (4711.0, "text", "4711"),
        (12.5, "text", "12,5"),
        (Decimal("12.50"), "text", "12,50"),
        ("00123", "text", "00123"),
        ("00123", "whole_number", 123),
        (1e22, "text", "10000000000000000000000"),
    ],
)
def test_a_cell_takes_the_type_of_its_rule(value: Scalar, kind: str, expected: Scalar) -> None:
    found = good(value, {"type": kind})

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("zwölf", "number", "Column 'a': 'zwölf' is no number; one such as 1.234,56 is expected."),
        ("12.5", "number", "Column 'a': '12.5' is no number; one such as 1.234,56 is expected."),
        (True, "number", "Column 'a' holds true or false, and a number is expected."),
        (date(2026, 1, 1), "number", "Column 'a' holds a date, and a number is expected."),
        (float("nan"), "number", "Column 'a' is no number that can be calculated with."),
        ("12,5", "whole_number", "Column 'a': '12,5' is no whole number."),
        (Decimal("1E+999"), "whole_number", "Column 'a': 1E+999 is no whole number."),
        (True, "text", "Column 'a' holds true or false, and text is expected."),
        (datetime(2026, 1, 1, 8), "text", "Column 'a' holds a date with a time, and text is expected."),
    ],
)
def test_a_cell_of_another_type_is_refused(value: Scalar, kind: str, expected: str) -> None:
    assert problem(value, {"type": kind}) == expected


def test_numbers_stay_within_their_bounds() -> None:
    rule = {"type": "number", "min": "0", "max": 100.5}

    assert good("0", rule) == 0
    assert good("100,5", rule) == Decimal("100.5")
    assert problem("-0,01", rule) == "Column 'a': -0.01 is less than 0, the least allowed."
    assert problem(100.51, rule) == "Column 'a': 100.51 is more than 100.5, the most allowed."


# Dates


@pytest.mark.parametrize(
    ("value", "rule", "expected"),
    [
        ("01.03.2026", {}, date(2026, 3, 1)),
        ("1.3.2026", {}, date(2026, 3, 1)),
        ("2026-03-01", {}, date(2026, 3, 1)),
        ("01.03.2026 00:00:00", {}, date(2026, 3, 1)),
        (datetime(2026, 3, 1), {}, date(2026, 3, 1)),
        (date(2026, 3, 1), {}, date(2026, 3, 1)),
        ("1. März 2026", {"formats": ["d. MMMM yyyy"]}, date(2026, 3, 1)),
        ("1. MÄRZ 2026", {"formats": ["d. MMMM yyyy"]}, date(2026, 3, 1)),
        ("Mo., 2. Feb. 2026", {"formats": ["EEE, d. MMM y"]}, date(2026, 2, 2)),
        ("Montag, 2.\xa0Februar\xa02026", {"formats": ["EEEE, d. MMMM y"]}, date(2026, 2, 2)),
        ("20260301", {"formats": ["yyyyMMdd"]}, date(2026, 3, 1)),
        ("01.03.68", {"formats": ["dd.MM.yy"]}, date(2068, 3, 1)),
        ("01.03.69", {"formats": ["dd.MM.yy"]}, date(1969, 3, 1)),
        ("3/1/2026", {"formats": ["dd.MM.yyyy", "M/d/yyyy"]}, date(2026, 3, 1)),
        ("am 01.03.2026", {"formats": ["'am' dd.MM.yyyy"]}, date(2026, 3, 1)),
        ("29.02.2024", {}, date(2024, 2, 29)),
    ],
)
def test_dates_are_read_as_they_are_written(value: Scalar, rule: dict[str, Any], expected: date) -> None:
    found = good(value, {"type": "date", **rule})

    assert found == expected
    assert type(found) is date


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("01.03.2026 14:05", datetime(2026, 3, 1, 14, 5)),
        ("01.03.2026, 14:05:30", datetime(2026, 3, 1, 14, 5, 30)),
        ("2026-03-01T14:05", datetime(2026, 3, 1, 14, 5)),
        ("2026-03-01T14:05:00Z", datetime(2026, 3, 1, 15, 5)),
        ("2026-07-01 14:05:00+00:00", datetime(2026, 7, 1, 16, 5)),
        ("01.03.2026", datetime(2026, 3, 1)),
        (date(2026, 3, 1), datetime(2026, 3, 1)),
        (datetime(2026, 3, 1, 14, 5, tzinfo=UTC), datetime(2026, 3, 1, 15, 5)),
    ],
)
def test_times_are_those_of_the_clocks_in_the_flows_time_zone(value: Scalar, expected: datetime) -> None:
    assert good(value, {"type": "datetime"}) == expected


def test_a_half_day_clock_is_read() -> None:
    rule = {"type": "datetime", "formats": ["M/d/yyyy h:mm a"]}

    assert good("3/1/2026 12:05 AM", rule, ENGLISH) == datetime(2026, 3, 1, 0, 5)
    assert good("3/1/2026 12:05 p.m.", rule, ENGLISH) == datetime(2026, 3, 1, 12, 5)
    assert "is no date" in problem("3/1/2026 13:05 PM", rule, ENGLISH)


@pytest.mark.parametrize(
    ("locale", "expected"),
    [("de_DE", "d.M.yyyy"), ("en_US", "M/d/yyyy"), ("en_GB", "d/M/yyyy"), ("fr_FR", "d/M/yyyy"), ("sv_SE", "yyyy-M-d")],
)
def test_without_formats_dates_are_those_of_the_locale(locale: str, expected: str) -> None:
    assert default_format(locale) == expected


@given(st.dates(min_value=date(1000, 1, 1)))
def test_every_date_is_read_as_it_was_written(day: date) -> None:
    assert good(f"{day:%d.%m.%Y}", {"type": "date"}) == day
    assert good(day.isoformat(), {"type": "date"}) == day
    assert good(f"{day.month}/{day.day}/{day.year}", {"type": "date"}, ENGLISH) == day


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("30.02.2026", "Column 'a': '30.02.2026' is no date; one written as d.M.yyyy or yyyy-MM-dd is expected."),
        ("03/01/2026", "is no date"),
        ("1.3.26", "is no date"),
        ("01.03.2026 14:05", "Column 'a': '01.03.2026 14:05' has a time of day, and a date alone is expected."),
        (
            datetime(2026, 3, 1, 14, 5),
            "Column 'a': 2026-03-01 14:05:00 has a time of day, and a date",
        ),
        (
            45352.0,
            "Column 'a' holds a number, and a date is expected; give the cells a date format",
        ),
        (time(8), "Column 'a' holds a time of day, and a date is expected"),
        (True, "Column 'a' holds true or false, and a date is expected"),
        ("1" * 5000, "(5000 characters) is no date"),
    ],
)
def test_what_is_no_date_is_refused(value: Scalar, expected: str) -> None:
    assert expected in problem(value, {"type": "date"})


@pytest.mark.parametrize(
    ("rule", "inside", "outside", "message"),
    [
        ({"not_before": "2026-03-02"}, date(2026, 3, 2), date(2026, 3, 1), "is before 2026-03-02, the earliest"),
        ({"not_before": "today"}, date(2026, 3, 2), date(2026, 3, 1), "2026-03-01 is before 2026-03-02 (today), the"),
        ({"not_after": "today"}, date(2026, 3, 2), date(2026, 3, 3), "is after 2026-03-02 (today), the latest"),
        ({"not_before": "-P30D"}, date(2026, 1, 31), date(2026, 1, 30), "2026-01-30 is before 2026-01-31 (-P30D)"),
        ({"not_after": "P2W"}, date(2026, 3, 16), date(2026, 3, 17), "is after 2026-03-16 (P2W)"),
        ({"not_after": "+P1M"}, date(2026, 4, 2), date(2026, 4, 3), "is after 2026-04-02 (+P1M)"),
        ({"not_after": "-P18Y"}, date(2008, 3, 2), date(2008, 3, 3), "is after 2008-03-02 (-P18Y)"),
        ({"not_before": "-P1Y1M1D"}, date(2025, 2, 1), date(2025, 1, 31), "is before 2025-02-01"),
        ({"not_before": "-P999Y999M999W99999D"}, date(1000, 1, 1), date(600, 1, 1), "is before 0650-"),
    ],
)  # fmt: skip
def test_dates_stay_within_their_window(rule: dict[str, Any], inside: date, outside: date, message: str) -> None:
    assert good(inside, {"type": "date", **rule}) == inside
    assert message in problem(outside, {"type": "date", **rule})


def test_today_is_that_of_the_flows_time_zone() -> None:
    late = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
    rule = {"type": "date", "not_after": "today"}

    assert good("01.07.2026", rule, Surroundings(Path(), now=late)) == date(2026, 7, 1)
    assert "is after 2026-06-30 (today)" in problem(
        date(2026, 7, 1), rule, Surroundings(Path(), now=late, timezone="UTC")
    )


def test_a_month_from_the_last_day_ends_with_the_month() -> None:
    at = Surroundings(Path(), now=datetime(2026, 1, 31, 12, tzinfo=UTC))

    assert good("28.02.2026", {"type": "date", "not_after": "P1M"}, at) == date(2026, 2, 28)
    assert "is after 2026-02-28" in problem("01.03.2026", {"type": "date", "not_after": "P1M"}, at)


def test_a_window_of_times_includes_its_days() -> None:
    rule = {"type": "datetime", "not_before": "today", "not_after": "today"}

    assert good(datetime(2026, 3, 2, 23, 59), rule) == datetime(2026, 3, 2, 23, 59)
    assert "is after" in problem(datetime(2026, 3, 3), rule)


# Yes and no


@pytest.mark.parametrize("value", [True, 1, 1.0, "ja", "Ja", "J", "yes", "wahr", "TRUE", "1", "x", "X"])
def test_words_for_yes_are_read(value: Scalar) -> None:
    assert good(value, {"type": "boolean"}) is True


@pytest.mark.parametrize("value", [False, 0, 0.0, Decimal(0), "nein", "n", "no", "falsch", "false", "0"])
def test_words_for_no_are_read(value: Scalar) -> None:
    assert good(value, {"type": "boolean"}) is False


@pytest.mark.parametrize("value", ["vielleicht", 2, date(2026, 1, 1), 0.5])
def test_what_is_neither_is_refused(value: Scalar) -> None:
    assert "is neither yes nor no; ja, nein, yes, no" in problem(value, {"type": "boolean"})


# Addresses


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("anna@example.com", "anna@example.com"),
        (" anna@example.com\xa0", "anna@example.com"),
        ("anna@müller.de", "anna@müller.de"),
        ("anna@xn--mller-kva.de", "anna@müller.de"),
        ("jürgen@example.com", "jürgen@example.com"),
        ("o'neill+x@sub.example.co.uk", "o'neill+x@sub.example.co.uk"),
    ],
)
def test_a_mail_address_is_accepted(value: str, expected: str) -> None:
    assert good(value, {"type": "email"}) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            "a@example.com, b@example.com",
            "Column 'a': 'a@example.com, b@example.com' holds two addresses; one is",
        ),
        ("a@example.com;b@example.com; c@example.com", "holds 3 addresses; one is expected"),
        ("a@example.com b@example.com", "holds two addresses; one is expected"),
        ("Anna <anna@example.com>", "holds a name beside the address; the address alone is expected"),
        ("anna.example.com", "Column 'a': 'anna.example.com' is no mail address. "),
        ("anna@@example.com", "is no mail address"),
        ("anna@", "is no mail address"),
        ("anna@localhost", "is no mail address"),
        ("anna@example.com\r\nBcc: x@example.com", "holds two addresses"),
        ("anna@example.com\r\nX-Test: 1", "is no mail address"),
        ("anna@exam ple.com", "is no mail address"),
        (4711, "Column 'a' holds a number, and a mail address is expected."),
        ("a" * 2000 + "@example.com", "is too long for a mail address"),
    ],
)
def test_what_is_no_single_mail_address_is_refused(value: Scalar, expected: str) -> None:
    assert expected in problem(value, {"type": "email"})


# IBAN


@pytest.mark.parametrize(
    "value",
    ["DE89370400440532013000", "de89 3704 0044 0532 0130 00", "DE89\xa03704\u202f0044 0532 0130 00 "],
)
def test_an_iban_is_written_without_spaces(value: str) -> None:
    assert good(value, {"type": "iban"}) == "DE89370400440532013000"


@pytest.mark.parametrize(
    "value", ["GB33 BUKB 2020 1555 5555 55", "AT61 1904 3002 3457 3201", "FR1420041010050500013M02606"]
)
def test_an_iban_of_another_country_is_accepted(value: str) -> None:
    assert good(value, {"type": "iban"}) == value.replace(" ", "")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("DE00370400440532013000", "Column 'a': 'DE0…' (22 characters) is no valid IBAN (the check digits are wrong: "
                                   "a character is missing or was mistyped)."),
        ("DE8937040044053201300", "is no valid IBAN (a German one has 22 characters)."),
        ("XX89370400440532013000", "is no valid IBAN ("),
        ("ÄE89370400440532013000", "is no valid IBAN (it begins with a country such as DE and holds letters and"),
        ("DE" + "0" * 100, "is no valid IBAN (it is too long)."),
        ("kein Konto", "is no valid IBAN ("),
        (370400440532013000, "Column 'a' holds a number, and an IBAN is expected."),
    ],
)  # fmt: skip
def test_what_is_no_iban_is_refused_without_quoting_it(value: Scalar, expected: str) -> None:
    found = problem(value, {"type": "iban"})

    assert expected in found
    assert str(value)[4:] not in found


@given(st.integers(min_value=0, max_value=10**18 - 1), st.integers(min_value=0, max_value=99))
def test_a_german_iban_is_judged_as_the_library_does(account: int, digits: int) -> None:
    right = 98 - int(f"{account:018d}131400") % 97
    for pair in (right, digits):
        text = f"DE{pair:02d}{account:018d}"
        try:
            found = read_iban(text)
        except Complaint:
            found = None

        assert (found == text) is iban.is_valid(text)


# Phone numbers


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0171 2345678", "+491712345678"),
        ("(0221) 12345678", "+4922112345678"),
        ("+49 (0)30 1234567", "+49301234567"),
        ("0049/30/1234567", "+49301234567"),
        ("+43 1 5858000", "+4315858000"),
        ("49 30 1234567", "+49301234567"),
        (1712345678.0, "+491712345678"),
        (1712345678, "+491712345678"),
    ],
)
def test_a_phone_number_is_written_with_its_country(value: Scalar, expected: str) -> None:
    assert good(value, {"type": "phone"}) == expected


def test_the_region_of_a_rule_goes_before_that_of_the_locale() -> None:
    assert good("(650) 253-0000", {"type": "phone"}, ENGLISH) == "+16502530000"
    assert good("01 5858000", {"type": "phone", "region": "AT"}) == "+4315858000"
    assert good("+49 30 1234567", {"type": "phone"}, Surroundings(Path(), locale="de")) == "+49301234567"


@pytest.mark.parametrize(
    ("value", "ctx", "expected"),
    [
        (
            "0171 23",
            GERMAN,
            "Column 'a': '0171 23' is no phone number that exists; a digit is missing",
        ),
        ("keine", GERMAN, "is no phone number; one such as +49 30 1234567 is expected"),
        ("030 1234567 / 0171 2345678", GERMAN, "is no phone number"),
        ("030 1234567 ext. 5", GERMAN, "holds an extension"),
        ("030 1234567", Surroundings(Path(), locale="de"), "is no phone number with its country; one such as"),
        (date(2026, 1, 1), GERMAN, "Column 'a' holds a date, and a phone number is expected."),
        ("1" * 5000, GERMAN, "is too long for a phone number"),
        ("491712345678", GERMAN, "can be read in two ways; begin it with + and the country, or with 0"),
        (491712345678.0, GERMAN, "can be read in two ways; begin it with + and the country, or with 0"),
    ],
)
def test_what_is_no_phone_number_is_refused(value: Scalar, ctx: Surroundings, expected: str) -> None:
    assert expected in problem(value, {"type": "phone"}, ctx)


# Texts


def test_a_pattern_must_match_the_whole_text() -> None:
    rule = {"pattern": r"[A-ZÄÖÜ]{2}-?\d{4}"}

    assert good("KÖ-1234", rule) == "KÖ-1234"
    assert "does not match the pattern" in problem("KÖ-12345", rule)
    assert "does not match the pattern" in problem("KÖ-1234\nx", rule)
    assert good("Müller", {"pattern": r"\p{L}+"}) == "Müller"


def test_a_number_of_excel_is_checked_as_the_text_that_it_shows() -> None:
    assert good(50667.0, {"pattern": "[0-9]{5}"}) == "50667"


def test_a_hostile_pattern_does_not_hang() -> None:
    begun = clock.perf_counter()

    found = problem("a" * 50_000 + "!", {"pattern": "(a+)+b|(a|aa)+$|(.*a){30}c"})

    assert "does not match the pattern" in found
    assert clock.perf_counter() - begun < 5


def test_a_huge_cell_is_refused_unread() -> None:
    found = problem("1" * 100_001, {"type": "number"})

    assert found == "Column 'a' has 100,001 characters; at most 100,000 are read."


def test_the_length_is_counted_in_characters_that_people_see() -> None:
    assert good("Mu\u0308ller", {"max_length": 6}) == "Müller"
    assert "is too long; at most 6 characters are expected" in problem(
        "Mu\u0308ller", {"max_length": 6, "compose": False}
    )


def test_a_listed_value_takes_the_listed_spelling() -> None:
    rule = {"one_of": ["DE", "AT"], "ignore_case": True}

    assert good(" de ", rule) == "DE"
    assert problem("de", {"one_of": ["DE", "AT"]}) == "Column 'a': 'de' is not in the list. Did you mean 'DE'?"
    assert problem("FR", rule) == "Column 'a': 'FR' is not in the list. There are: 'AT', 'DE'."


def test_listed_numbers_are_numbers() -> None:
    assert good("0,1", {"one_of": [0.1, 7]}) == Decimal("0.1")
    assert good(7.0, {"one_of": [0.1, 7], "type": "whole_number"} | {"one_of": [7]}) == 7
    assert "is not in the list. There are: '7', '8'." in problem(9, {"one_of": [7, 8]})


def test_a_long_list_is_not_searched_for_the_nearest() -> None:
    assert (
        problem("x", {"one_of": [f"v{n}" for n in range(5000)]}) == "Column 'a': 'x' is not in the list of 5000 values."
    )


# Secrets


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


# What it tells the check


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
