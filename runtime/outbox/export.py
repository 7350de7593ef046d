"""Mails as they are told and handed out: a dictionary for lists, mbox for mail programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from ..store import outbox, portions
from .mail import Mail

_FROM = re.compile(rb"^(>*From )", re.MULTILINE)


def told_of(mail: Mail) -> dict[str, Any]:
    """All that is told of a mail but its bytes."""
    return {
        "id": mail.id, "state": mail.state.value, "recipients": list(mail.recipients), "subject": mail.subject,
        "run": mail.run, "step": mail.step, "key": mail.key, "account": mail.account,
        "envelope_sender": mail.envelope_sender, "message_id": mail.message_id, "attempts": mail.attempts,
        "reply": mail.reply, "status": mail.enhanced, "source": str(mail.source) if mail.source else None,
        "created_at": mail.created_at.isoformat(), "sent_at": mail.sent_at.isoformat() if mail.sent_at else None,
        "next_attempt_at": mail.next_attempt_at.isoformat() if mail.next_attempt_at else None, "size": mail.blob.size,
    }  # fmt: skip


def mbox_entry(content: bytes, envelope_sender: str, moment: datetime) -> bytes:
    """A mail as it stands in an mbox file (RFC 4155), in the variant `mboxrd`: what it quotes can be taken back."""
    head = f"From {envelope_sender or 'MAILER-DAEMON'} {moment:%a %b %d %H:%M:%S %Y}\n"
    lines = content.replace(b"\r\n", b"\n")
    end = b"\n" if lines.endswith(b"\n") else b"\n\n"
    return head.encode("ascii", "replace") + _FROM.sub(rb">\1", lines) + end


def accounts_of(connection: Connection, ids: Sequence[int]) -> set[str]:
    """The accounts by which these mails leave."""
    found: set[str] = set()
    for few in portions(ids):
        some = outbox.c.id.in_(few)
        found.update(connection.execute(select(outbox.c.account).where(some).distinct()).scalars())
    return found
