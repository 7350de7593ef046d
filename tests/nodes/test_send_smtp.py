"""SendSMTP: the envelope and the bytes that go to the outbox."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from fast_mail_parser import parse_email
from postwerk.engine import ConfigError, Letterhead, Mailbox, Message, Outgoing, Refused, SealedMessage, Sender
from postwerk.nodes.mail.send import SendSMTP

from ..surroundings import Surroundings, item

OFFICE = Sender(
    name="office",
    mailbox=Mailbox(address="office@müller.de", name="Büro Süd"),
    reply_to=(Mailbox(address="answers@example.com"),),
    envelope_sender="bounces@müller.de",
)


def box(address: str, name: str = "") -> Mailbox:
    return Mailbox(address=address, name=name)


ANN = box("ann@example.com", "Änn")


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path, accounts={"office": OFFICE}, item=item("4711"))


def send(ctx: Surroundings, envelope_sender: str | None = None, **head: Any) -> Outgoing:
    letterhead = Letterhead.model_validate({"to": (ANN,), "subject": "Grüße", **head})
    return SendSMTP(account="office", envelope_sender=envelope_sender).run(Message(head=letterhead, text="Hi"), ctx)


def test_a_mail_is_finished_with_the_account_s_sender(ctx: Surroundings) -> None:
    made = send(ctx)

    mail = message_from_bytes(made.content, policy=policy.SMTP)
    assert str(mail["From"]) == "Büro Süd <office@xn--mller-kva.de>"
    assert mail["Reply-To"] == "answers@example.com"
    assert mail["Date"] == "Mon, 02 Mar 2026 10:30:00 +0100"  # in the flow's time zone
    assert mail["Message-ID"] == made.message_id
    assert made.message_id.endswith("@xn--mller-kva.de>")
    assert (made.account, made.envelope_sender, made.subject) == ("office", "bounces@xn--mller-kva.de", "Grüße")
    assert [parse_email(made.content).text_plain[0].strip(), made.needs_smtputf8] == ["Hi", False]


def test_the_same_item_gives_the_same_mail(ctx: Surroundings) -> None:
    assert send(ctx) == send(ctx)
    assert send(ctx).message_id != send(Surroundings(ctx.folder, accounts=ctx.accounts, item=item("4712"))).message_id


def test_the_draft_s_own_sender_names_the_domain_of_the_message_id(ctx: Surroundings) -> None:
    made = send(ctx, sender=box("sales@example.org", "Verkauf"))

    assert made.message_id.endswith("@example.org>")
    assert parse_email(made.content).headers["From"] == ["Verkauf <sales@example.org>"]


def test_everybody_is_in_the_envelope_once_and_blind_copies_in_no_header(ctx: Surroundings) -> None:
    made = send(
        ctx, cc=(box("bob@müller.de"), box("ann@EXAMPLE.com")), bcc=(box("archive@example.com"), box("bob@Müller.de"))
    )

    assert made.recipients == ("ann@example.com", "bob@xn--mller-kva.de", "archive@example.com")
    assert b"archive" not in made.content


def test_two_mailboxes_that_differ_in_case_before_the_at_sign_are_two(ctx: Surroundings) -> None:
    assert send(ctx, cc=(box("Ann@example.com"),)).recipients == ("ann@example.com", "Ann@example.com")


def test_a_mail_without_recipients_is_refused(ctx: Surroundings) -> None:
    with pytest.raises(Refused, match=r"^The mail has no recipient in To, Cc or Bcc\."):
        send(ctx, to=())


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ({}, False),
        ({"to": (box("ann@müller.de"),)}, False),
        ({"to": (box("jürgen@müller.de"),)}, True),
        ({"bcc": (box("jürgen@example.com"),)}, True),
        ({"reply_to": (box("jürgen@example.com"),)}, True),
        ({"sender": box("jürgen@example.com")}, True),
    ],
)
def test_only_letters_before_the_at_sign_need_smtputf8(ctx: Surroundings, head: dict[str, Any], expected: bool) -> None:
    assert send(ctx, **head).needs_smtputf8 is expected


def test_the_envelope_sender_may_be_the_step_s_own(ctx: Surroundings) -> None:
    assert send(ctx, envelope_sender="b+4711@Müller.de").envelope_sender == "b+4711@xn--mller-kva.de"
    assert send(ctx, envelope_sender=" ").envelope_sender == "bounces@xn--mller-kva.de"
    with pytest.raises(Refused, match=r"^The address in 'envelope_sender' holds two addresses"):
        send(ctx, envelope_sender="a@example.com,b@example.com")


def test_a_sealed_mail_keeps_its_entity(ctx: Surroundings) -> None:
    entity = b'Content-Type: multipart/signed; boundary="b"\r\n\r\n--b\r\n\r\nx \r\n--b--\r\n'

    made = SendSMTP(account="office").run(SealedMessage(head=Letterhead(to=(ANN,)), entity=entity), ctx)

    assert made.content.endswith(b"\r\nMIME-Version: 1.0\r\n" + entity)


def test_a_line_break_in_the_subject_is_refused(ctx: Surroundings) -> None:
    with pytest.raises(Refused, match=r"^The header Subject holds a line break"):
        send(ctx, subject="Hi\r\nBcc: all@example.com")


def test_an_unknown_account_is_a_flaw(ctx: Surroundings) -> None:
    node = SendSMTP(account="offcie", envelope_sender="bounces@")

    assert [(one.field, one.message[:29]) for one in node.flaws(ctx)] == [
        (None, "There is no account 'offcie'."),
        ("envelope_sender", "The address in 'envelope_send"),
    ]
    with pytest.raises(ConfigError, match="There is no account 'offcie'"):
        node.run(Message(head=Letterhead(to=(ANN,)), text="Hi"), ctx)


def test_what_it_takes_leaves() -> None:
    assert SendSMTP.leaves
    assert set(SendSMTP.ports.outputs) == {"sent", "refused"}
    assert SendSMTP.ports.outputs["refused"].is_reject
