"""The headers of mails, read back by parsers that are not ours."""

from __future__ import annotations

from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.utils import parseaddr
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from postwerk.engine import Letterhead, Mailbox, Message, Refused

from .mails import ANN, CHARACTERS, assert_fits_the_wire, draft, read, read_foreign, read_old, written

LINES = st.text(CHARACTERS, max_size=200)


@given(LINES)
@example("Rechnung für März 2026 – Müller & Söhne GmbH, Kundennummer 4711, zahlbar bis 31. März 2026")
@example("=?utf-8?q?not_encoded?=")
@example("  leading and trailing  ")
@example("two  spaces " * 10)
@example("ä" + "a" * 70)
@example("ä😀" * 12)
@example("a" * 1200)
@example("a" * 60 + " " + "b" * 60)
@example("😀" * 40)
@example("")
def test_any_subject_arrives_in_both_parsers(subject: str) -> None:
    content = written(draft("Hi", subject=subject))

    assert str(read(content)["Subject"]) == subject
    assert read_foreign(content).subject == subject
    assert_fits_the_wire(content)


@given(LINES)
@example("Müller, Jürgen")
@example('Ann "the" O\'Neil \\ Sons')
@example("=?utf-8?q?x?=")
@example("a@b.de")
@example("Dr. phil. Hans-Jürgen Müller-Lüdenscheidt, Geschäftsführer der Söhne & Co. KG in Ückermünde")
@example("a" * 200)
@example("<ann@example.com>")
@example("(comment)")
@example("two  spaces")
def test_any_display_name_arrives_in_both_parsers(name: str) -> None:
    content = written(draft("Hi", to=Mailbox(address="ann@example.com", name=name), cc=(ANN,)))

    [foreign] = read_foreign(content).to
    old_name, old_address = parseaddr(str(read_old(content)["To"]))

    expected = (name.strip(), "ann@example.com")
    assert ((foreign.display_name or ""), foreign.address) == expected
    assert (str(make_header(decode_header(old_name))), old_address) == expected
    if len(name.encode()) <= 40:  # two encoded words get a space in between: Python issue 128110
        [new] = read(content)["To"].addresses
        assert (new.display_name, new.addr_spec) == expected
    assert_fits_the_wire(content)


def test_many_recipients_are_folded_and_all_arrive() -> None:
    boxes = tuple(
        Mailbox(address=f"person{n}@example.com", name=f"Jörg Müller {n}" if n % 2 else "") for n in range(60)
    )
    content = written(Message(head=Letterhead(to=boxes), text="Hi"))

    assert [one.addr_spec for one in read(content)["To"].addresses] == [one.address for one in boxes]
    assert [one.address for one in read_foreign(content).to] == [one.address for one in boxes]
    assert max(map(len, content.split(b"\r\n"))) <= 78


def test_bcc_is_in_no_header() -> None:
    content = written(Message(head=Letterhead(to=(ANN,), bcc=(Mailbox(address="secret@example.com"),)), text="Hi"))

    assert b"secret" not in content
    assert b"bcc" not in content.lower()


def test_a_mail_with_blind_recipients_alone_says_so() -> None:
    content = written(Message(head=Letterhead(to=(), bcc=(ANN,)), text="Hi"))

    assert read(content)["To"] == "undisclosed-recipients:;"


def test_the_draft_s_own_sender_and_reply_to_come_first() -> None:
    own = Mailbox(address="sales@example.com", name="Verkauf")
    replies = (Mailbox(address="replies@example.com"),)

    account = read(written(draft("Hi"), reply_to=replies))
    mine = read(written(draft("Hi", sender=own, reply_to=(own,)), reply_to=replies))

    assert (account["From"].addresses[0].display_name, account["Reply-To"]) == ("Büro Süd", "replies@example.com")
    assert (mine["From"], mine["Reply-To"]) == ("Verkauf <sales@example.com>", "Verkauf <sales@example.com>")


def test_the_fixed_headers_stand_once() -> None:
    mail = read(written(draft("Hi", cc=(ANN,), subject="Hello", headers=(("Importance", "high"),))))

    assert {name: mail.get_all(name) for name in mail} == {
        "From": ["Büro Süd <office@example.com>"],
        "To": ["ann@example.com"],
        "Cc": ["ann@example.com"],
        "Subject": ["Hello"],
        "Date": ["Mon, 02 Mar 2026 09:30:00 +0100"],
        "Message-ID": ["<1@example.com>"],
        "Importance": ["high"],
        "MIME-Version": ["1.0"],
        "Content-Type": ['text/plain; charset="utf-8"'],
        "Content-Transfer-Encoding": ["7bit"],
    }


def test_a_domain_with_umlauts_is_written_in_ascii() -> None:
    content = written(draft("Hi", to=Mailbox(address="jürgen.m@straße.de".replace("ü", "ue"), name="Jürgen")))

    assert b"<juergen.m@xn--strae-oqa.de>" in content
    assert content.isascii()


def test_a_local_part_with_umlauts_is_written_as_it_is() -> None:
    content = written(draft("Hi", to=Mailbox(address="jürgen@müller.de", name="Jürgen")))

    assert "<jürgen@xn--mller-kva.de>".encode() in content
    assert read_foreign(content).to[0].address == "jürgen@xn--mller-kva.de"


@pytest.mark.parametrize(
    "evil", ["\r\nBcc: all@example.com", "\n", "\r", "\0", "\x0b", "\x1b", "\x7f", "\x85", "\u2028", "\t"]
)
@pytest.mark.parametrize(
    ("fields", "header"),
    [
        ({"subject": "Hi{}"}, "Subject"),
        ({"to": Mailbox(address="ann@example.com", name="Ann{}")}, "To"),
        ({"to": Mailbox(address="ann{}@example.com")}, "To"),
        ({"cc": (Mailbox(address="ann@example.com", name="Ä{}"),)}, "Cc"),
        ({"sender": Mailbox(address="ann@example.com", name="Ann{}")}, "From"),
        ({"reply_to": (Mailbox(address="ann@example.com{}"),)}, "Reply-To"),
        ({"headers": (("X-Customer", "4711{}"),)}, "X-Customer"),
    ],
)
def test_a_line_break_in_a_header_is_refused_by_its_name(fields: dict[str, Any], header: str, evil: str) -> None:
    with pytest.raises(Refused, match=rf"^The header {header} holds a"):
        written(draft("Hi", **filled(fields, evil)))


def filled(value: Any, evil: str) -> Any:
    if isinstance(value, str):
        return value.replace("{}", evil)
    if isinstance(value, Mailbox):
        return Mailbox(address=filled(value.address, evil), name=filled(value.name, evil))
    if isinstance(value, tuple):
        return tuple(filled(one, evil) for one in value)
    return {name: filled(one, evil) for name, one in value.items()}


def test_a_line_break_in_the_account_s_sender_is_refused() -> None:
    with pytest.raises(Refused, match=r"^The header From holds a line break"):
        written(draft("Hi"), sender=Mailbox(address="a@example.com", name="A\nB"))


@pytest.mark.parametrize(
    "name",
    [
        *("From", "to", "CC", "Bcc", "Sender", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version"),
        *("Return-Path", "Received", "Content-Type", "content-disposition", "DKIM-Signature", "Resent-To", "ARC-Seal"),
    ],
)
def test_a_header_that_is_ours_is_refused(name: str) -> None:
    with pytest.raises(Refused, match=rf"^The header {name} is set by Postwerk itself\."):
        written(draft("Hi", headers=((name, "x"),)))


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X\r\nY", "Ümlaut", "-X", "X" * 61])
def test_a_name_that_is_no_header_s_is_refused(name: str) -> None:
    with pytest.raises(Refused, match=r"is no name of a header\."):
        written(draft("Hi", headers=((name, "x"),)))


def test_a_list_of_addresses_to_unsubscribe_stays_as_it_is() -> None:
    value = f"<https://example.com/u?t={'x' * 90}=?a>, <mailto:unsubscribe@example.com?subject=4711>"

    content = written(
        draft("Hi", headers=(("List-Unsubscribe", value), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")))
    )

    assert read_old(content)["List-Unsubscribe"].replace("\r\n", "") == value
    assert read_foreign(content).headers["List-Unsubscribe-Post"] == ["List-Unsubscribe=One-Click"]


def test_a_further_header_of_any_text_arrives() -> None:
    content = written(draft("Hi", headers=(("X-Kunde", "Müller & Söhne"),)))

    assert read(content)["X-Kunde"] == "Müller & Söhne"
    assert read_foreign(content).headers["X-Kunde"] == ["Müller & Söhne"]


def test_a_further_header_with_a_word_longer_than_a_line_is_refused() -> None:
    with pytest.raises(Refused, match=r"^The header X-Token holds a word of more than 996 characters"):
        written(draft("Hi", headers=(("X-Token", "x" * 1000),)))


@pytest.mark.parametrize(
    "address", ["a@b.de>, <evil@example.com", "a@b.de, evil@example.com", "a b@c.de", "a@b@c.de", "", "ann"]
)
def test_an_address_that_breaks_out_of_its_place_is_refused(address: str) -> None:
    with pytest.raises(Refused, match=r"^The header To holds '.*', which is no address\."):
        written(draft("Hi", to=Mailbox(address=address, name="Ann")))


def test_the_date_tells_the_hour_before_the_clocks_go_back_from_the_hour_after() -> None:
    before = datetime(2026, 10, 25, 2, 30, 0, 7, tzinfo=ZoneInfo("Europe/Berlin"))

    mails = [written(draft("Hi"), date=date) for date in (before, before.replace(fold=1), before)]

    assert [mail.split(b"\r\nDate: ")[1].split(b"\r\n")[0] for mail in mails] == [
        b"Sun, 25 Oct 2026 02:30:00 +0200", b"Sun, 25 Oct 2026 02:30:00 +0100", b"Sun, 25 Oct 2026 02:30:00 +0200",
    ]  # fmt: skip


def test_the_date_is_written_in_the_time_zone_that_it_came_with() -> None:
    here = datetime(2026, 3, 2, 10, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    mails = [written(draft("Hi"), date=date) for date in (here, here.astimezone(UTC), here)]
    assert [mail.split(b"\r\nDate: ")[1].split(b"\r\n")[0] for mail in mails] == [
        b"Mon, 02 Mar 2026 10:30:00 +0100", b"Mon, 02 Mar 2026 09:30:00 +0000", b"Mon, 02 Mar 2026 10:30:00 +0100",
    ]  # fmt: skip
