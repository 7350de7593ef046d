"""Numbers and dates under the rules of ValidateRecords."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postwerk.engine import Scalar
from postwerk.nodes.records.moments import default_format
from postwerk.nodes.records.numbers import decimal_of

from ..surroundings import Surroundings
from .checked import ENGLISH, good, problem


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
