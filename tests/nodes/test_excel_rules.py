"""Excel's rules for columns, dates and formats, with openpyxl as the witness."""

from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils import column_index_from_string, get_column_letter
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel
from postwerk.nodes.tables.letters import column_letters, column_number
from postwerk.nodes.tables.moments import Kind, built_in_kind, kind_of, moment

LAST_DAY = 2_957_003
"""31 December 9999, counted from 1904."""
FORMATS = [
    *BUILTIN_FORMATS.values(),
    *("yyyy-mm-dd", "dd.mm.yyyy", "TT.MM.JJJJ", "[$-407]d. mmmm yyyy;@", "h:mm:ss AM/PM", "[hh]:mm", "[m]:ss.0", "[s]"),
    *("0.00 [$EUR]", '"days" 0', "#,##0.00 [Red]", "0.0E+00", "@", "General", '0" h"', "yy/mm/dd@", "[Blue]0"),
]


@given(st.integers(1, 16_384))
def test_columns_have_the_names_that_excel_gives_them(number: int) -> None:
    assert column_letters(number) == get_column_letter(number)
    assert column_number(column_letters(number)) == number == column_index_from_string(column_letters(number))


@given(st.floats(0, LAST_DAY, allow_nan=False) | st.integers(0, LAST_DAY).map(float), st.booleans())
def test_a_count_of_days_is_the_date_that_others_read(days: float, is_1904: bool) -> None:
    theirs = from_excel(days, MAC_EPOCH if is_1904 else WINDOWS_EPOCH)

    ours = moment(days, is_1904)

    if days < 1:
        assert ours == (theirs if isinstance(theirs, time) else time())
    else:
        assert isinstance(ours, date)
        assert (ours if isinstance(ours, datetime) else datetime.combine(ours, time())) == theirs


@pytest.mark.parametrize("code", FORMATS)
def test_a_format_shows_what_others_say_it_shows(code: str) -> None:
    theirs = Kind.DURATION if is_timedelta_format(code) else Kind.MOMENT if is_date_format(code) else None

    assert kind_of(code) is theirs


@pytest.mark.parametrize("code", ["0 \\d", '"[h]" 0', "0_d", "*d0"])
def test_a_letter_that_is_only_shown_makes_no_date(code: str) -> None:
    assert kind_of(code) is None


def test_built_in_formats_are_known_by_their_numbers() -> None:
    for number, code in BUILTIN_FORMATS.items():
        assert built_in_kind(number) is kind_of(code)
    assert built_in_kind(30) is Kind.MOMENT
    assert built_in_kind(57) is Kind.MOMENT
    assert built_in_kind(163) is None
