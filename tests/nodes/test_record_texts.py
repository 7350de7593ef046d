"""Texts, names, addresses and account numbers under the rules of ValidateRecords."""

from __future__ import annotations

import time as clock
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postwerk.engine import Scalar
from postwerk.nodes.records.complaints import Complaint
from postwerk.nodes.records.corrections import titled
from postwerk.nodes.records.readers import read_iban
from stdnum import iban

from ..surroundings import Surroundings
from .checked import ENGLISH, GERMAN, good, problem


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


@pytest.mark.parametrize("value", [True, 1, 1.0, "ja", "Ja", "J", "yes", "wahr", "TRUE", "1", "x", "X"])
def test_words_for_yes_are_read(value: Scalar) -> None:
    assert good(value, {"type": "boolean"}) is True


@pytest.mark.parametrize("value", [False, 0, 0.0, Decimal(0), "nein", "n", "no", "falsch", "false", "0"])
def test_words_for_no_are_read(value: Scalar) -> None:
    assert good(value, {"type": "boolean"}) is False


@pytest.mark.parametrize("value", ["vielleicht", 2, date(2026, 1, 1), 0.5])
def test_what_is_neither_is_refused(value: Scalar) -> None:
    assert "is neither yes nor no; ja, nein, yes, no" in problem(value, {"type": "boolean"})


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
