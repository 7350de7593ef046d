"""Addresses as analysts type them and as cells hold them."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import assume, example, given
from hypothesis import strategies as st
from postwerk.engine import Mailbox, Refused
from postwerk.engine.addresses import (
    ascii_address,
    ascii_domain,
    needs_smtputf8,
    parse_mailbox,
    parse_mailboxes,
)


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("ann@example.com", "ann@example.com", ""),
        ("  ann@example.com\n", "ann@example.com", ""),
        ("\ufeffann@example.com\xa0", "ann@example.com", ""),
        ("<ann@example.com>", "ann@example.com", ""),
        ("Ann Smith <ann@example.com>", "ann@example.com", "Ann Smith"),
        ("Ann Smith<ann@example.com>", "ann@example.com", "Ann Smith"),
        ('"Müller, Jürgen" <j@müller.de>', "j@müller.de", "Müller, Jürgen"),
        ("Müller, Jürgen <j@müller.de>", "j@müller.de", "Müller, Jürgen"),
        ('"Ann \\"the boss\\" Smith" <ann@example.com>', "ann@example.com", 'Ann "the boss" Smith'),
        ('"a@b.de" <ann@example.com>', "ann@example.com", "a@b.de"),
        ("O'Neil+bills@mail.example.co.uk", "O'Neil+bills@mail.example.co.uk", ""),
        ("jürgen@müller.de", "jürgen@müller.de", ""),
        ("ann@xn--mller-kva.de", "ann@müller.de", ""),
        ("ann@server.local", "ann@server.local", ""),
    ],
)
def test_an_address_is_read_with_or_without_a_name(text: str, address: str, name: str) -> None:
    assert parse_mailbox(text) == Mailbox(address=address, name=name)


@pytest.mark.parametrize(
    "text",
    [
        *("ann", "ann@", "@example.com", "ann@example", "a b@example.com", "ann@exam ple.com", "ann..b@example.com"),
        *(".ann@example.com", "ann@-a.com", "ann@a-.com", "ann@example..com", "ann@1.2.3.4", "ann@[127.0.0.1]"),
        *("Ann <ann@example.com", "ann@example.com>", "a@b@example.com", f"{'a' * 250}@example.com", "ann@😀.de"),
        *(f"a@{'b' * 64}.de", f"a@{'.'.join(['b' * 60] * 5)}.de", "mailto:ann@example.com", '"a b"@example.com'),
    ],
)
def test_what_is_no_address_is_refused_with_the_text_and_a_reason(text: str) -> None:
    with pytest.raises(Refused, match=r"^The recipient is no address: '") as caught:
        parse_mailbox(text, where="The recipient", field="to")

    assert caught.value.field == "to"
    assert text[:40].strip("<>") in str(caught.value)


@pytest.mark.parametrize("text", ["", "  ", "\xa0"])
def test_an_empty_cell_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"^The recipient is empty\. An address such as ann@example\.com is expected\.$"):
        parse_mailbox(text, where="The recipient")


@pytest.mark.parametrize(
    "text",
    ["ann@example.com, bob@example.com", "ann@example.com;bob@example.com", "A <ann@example.com>,bob@example.com"],
)
def test_a_list_where_one_address_is_due_is_refused(text: str) -> None:
    with pytest.raises(
        Refused, match=r"^The recipient holds two addresses: .*ann@example\.com>?, bob@example\.com\. Write"
    ):
        parse_mailbox(text, where="The recipient")


def test_an_address_beside_another_in_brackets_is_refused() -> None:
    with pytest.raises(Refused, match=r"^The address holds two addresses: ann@example\.com, <bob@example\.com>\."):
        parse_mailbox("ann@example.com <bob@example.com>")
    assert parse_mailbox("Ann@example.com <ann@example.com>").name == "Ann@example.com"


def test_of_a_long_list_three_are_named() -> None:
    text = ",".join(f"p{n}@example.com" for n in range(5))

    with pytest.raises(Refused, match=r"holds 5 addresses: p0@example\.com, p1@example\.com, p2@example\.com, …\."):
        parse_mailbox(text)


@pytest.mark.parametrize(
    "text", ["ann@example.com\nBcc: all@example.com", "Ann\r\nX: y <ann@example.com>", "a\0@example.com"]
)
def test_a_line_break_within_an_address_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"holds a line break or another control character"):
        parse_mailbox(text)


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("ann@example.com", ["ann@example.com"]),
        ("ann@example.com, Bob <bob@example.com>", ["ann@example.com", "bob@example.com"]),
        ("ann@example.com; bob@example.com;", ["ann@example.com", "bob@example.com"]),
        ("Müller, Jürgen <j@müller.de>; Schulz, Eva <eva@example.com>", ["j@müller.de", "eva@example.com"]),
        ('"Müller; Söhne, GmbH" <j@müller.de>,eva@example.com', ["j@müller.de", "eva@example.com"]),
        ('"a@b.de, c@d.de" <j@müller.de>', ["j@müller.de"]),
        ('"A@home" Müller, Jürgen <j@müller.de>', ["j@müller.de"]),
        (",, ann@example.com ,,", ["ann@example.com"]),
    ],
)
def test_a_list_is_cut_at_commas_and_semicolons_outside_of_names(text: str, addresses: list[str]) -> None:
    assert [one.address for one in parse_mailboxes(text)] == addresses


@pytest.mark.parametrize(
    "text", ["", ";", "ann@example.com, bob", "ann@example.com, , bob@", '"ann@example.com, b@c.de']
)
def test_a_list_with_anything_but_addresses_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"^The copy "):
        parse_mailboxes(text, where="The copy")


def test_a_hostile_list_is_refused_at_once() -> None:
    with pytest.raises(Refused, match="longer than 100,000 characters"):
        parse_mailboxes('"' * 10_000_000)


@given(st.text(max_size=80) | st.text("ab@.,;<>\" \\(-'ü", max_size=40))
@example('"' * 3000 + "@")
@example("<" * 3000)
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        found = parse_mailbox(text)
    except Refused:
        return
    assert found.address.count("@") == 1


LOCAL = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,66}", fullmatch=True)
DOMAIN = st.from_regex(r"[A-Za-z0-9.-]{1,70}\.[A-Za-z0-9-]{1,5}", fullmatch=True)


@given(LOCAL, DOMAIN)
@example("a", "xn--mller-kva.de")
@example("a", "ab--c.de")
def test_the_short_way_takes_nothing_that_the_library_refuses(local: str, domain: str) -> None:
    text = f"{local}@{domain}"
    try:
        parse_mailbox(text)
    except Refused:
        return

    try:
        found = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        pytest.fail(f"{text}: {error}")
    assert found.ascii_domain.lower() == domain.lower()


NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029"), max_size=60)


@given(NAMES)
def test_a_quoted_name_comes_back(name: str) -> None:
    assume(name == name.strip())
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')

    assert parse_mailbox(f'"{escaped}" <ann@example.com>').name == name
    assert parse_mailboxes(f'"{escaped}" <ann@example.com>, b@c.de')[0].name == name


def test_a_domain_is_written_by_idna_2008() -> None:
    assert ascii_domain("Straße.de") == "xn--strae-oqa.de"
    assert ascii_address("jürgen@MÜLLER.de") == "jürgen@xn--mller-kva.de"
    assert ascii_address("Ann@Example.COM") == "Ann@Example.COM"


def test_a_domain_that_can_t_be_written_in_ascii_is_refused() -> None:
    with pytest.raises(Refused, match=r"^'😀\.de' is no domain of an address"):
        ascii_domain("😀.de")


def test_only_a_local_part_needs_smtputf8() -> None:
    assert needs_smtputf8("jürgen@example.com")
    assert not needs_smtputf8("juergen@müller.de")
    assert not needs_smtputf8("ann@example.com")
