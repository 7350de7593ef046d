"""Mails to write, and two parsers that are not ours to read them: the standard library's and mailparse (Rust)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from email.message import Message as OldMessage
from typing import Any

from fast_mail_parser import PyMail, parse_email
from hypothesis import strategies as st
from postwerk.engine import Document, InlineImage, Letterhead, Mailbox, Message
from postwerk.engine.mime import compose, entity

WHEN = datetime(2026, 3, 2, 9, 30, tzinfo=timezone(timedelta(hours=1)))
OFFICE = Mailbox(address="office@example.com", name="Büro Süd")
ANN = Mailbox(address="ann@example.com")
PDF = Document(name="Rechnung.pdf", content=b"%PDF-1.7 \x00\xff\r\n" * 400, media_type="application/pdf")
LOGO = InlineImage(cid="logo", document=Document(name="logo.png", content=b"\x89PNG\r\n" * 40, media_type="image/png"))

CHARACTERS = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029")


def written(message: Message, **changes: Any) -> bytes:
    return compose(
        message.head,
        entity(message),
        **{"message_id": "<1@example.com>", "date": WHEN, "sender": OFFICE, **changes},
    )


def draft(text: str | None = None, html: str | None = None, *, to: Mailbox = ANN, **fields: Any) -> Message:
    mine = {name: fields.pop(name) for name in ("images", "attachments") if name in fields}
    return Message(head=Letterhead(to=(to,), **fields), text=text, html=html, **mine)


def read(content: bytes) -> EmailMessage:
    """By the standard library; whatever it calls a defect fails the test."""
    found = message_from_bytes(content, policy=policy.default)
    for part in found.walk():
        assert part.defects == []
        assert [one for value in part.values() for one in value.defects] == []
    return found


def read_old(content: bytes) -> OldMessage:
    return message_from_bytes(content, policy=policy.compat32)


def read_foreign(content: bytes) -> PyMail:
    """By mailparse; whatever it had to repair fails the test."""
    return parse_email(content, strict=True)


def body(part: MIMEPart | None) -> str:
    assert part is not None
    return normal(part.get_payload(decode=True).decode())  # type: ignore[union-attr]  # bytes, once decoded


def normal(text: str) -> str:
    """A mail's text ends with a line end whether or not its draft did; all line ends are alike."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


def shape(part: MIMEPart) -> Any:
    """`mixed(alternative(plain, html), pdf)` as nested tuples."""
    if part.is_multipart() and part.get_content_maintype() == "multipart":
        return (part.get_content_subtype(), *(shape(one) for one in part.iter_parts()))
    return part.get_content_subtype()


def assert_fits_the_wire(content: bytes) -> None:
    assert content.isascii()
    assert content.endswith(b"\r\n")
    assert not re.search(rb"[^\r]\n|\r[^\n]|\0", content)
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert all(len(line) <= 76 for line in content.split(b"\r\n\r\n")[0].split(b"\r\n") if b"=?" in line)  # RFC 2047, 2
