"""An outgoing mail as Python holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from ...engine import Source
from ..blobs import BlobRef
from .dialogue import Reply
from .states import MailState


@dataclass(frozen=True, slots=True)
class NewMail:
    """A finished mail for the outbox. (run, step, key) make it unique."""

    run: str
    step: str
    key: str
    account: str
    envelope_sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str
    blob: BlobRef
    needs_smtputf8: bool = False
    source: Source | None = None
    chunk: int = 0
    """The chunk of the source's items from which it descends."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A row of the outbox."""

    id: int
    run: str
    step: str
    key: str
    account: str
    envelope_sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str
    blob: BlobRef = field(repr=False)
    needs_smtputf8: bool
    source: Source | None
    chunk: int
    state: MailState
    attempts: int
    queued_at: datetime | None
    next_attempt_at: datetime | None
    reply: str | None
    """The server's words, or the reason for the state."""
    code: int | None
    enhanced: str | None
    """RFC 3463: the enhanced status code."""
    answers: Mapping[str, Reply]
    """For each recipient, where a mail has several and the server told them apart."""
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None
    taken: bool

    @property
    def refused_recipients(self) -> tuple[str, ...]:
        """Those that the server would not take while it took others."""
        return tuple(address for address, answer in self.answers.items() if not answer.is_good)


def mail_of(row: RowMapping) -> Mail:
    """A row of the table as a Mail."""
    values: dict[str, Any] = dict(row)
    blob = BlobRef(*(values.pop(name) for name in ("pack", "offset", "size", "digest")))
    del values["holder"]  # of no meaning but to the delivery
    values["recipients"] = tuple(values["recipients"])
    values["state"] = MailState(values["state"])
    values["source"] = Source.model_construct(**values["source"]) if values["source"] else None
    values["answers"] = answers_of(values["answers"])
    return Mail(blob=blob, **values)


def answers_of(column: Mapping[str, Any] | None) -> dict[str, Reply]:
    """The column `answers` as Python holds it."""
    return {address: Reply(*answer) for address, answer in (column or {}).items()}


def answers_column(answers: Mapping[str, Reply]) -> dict[str, list[Any]] | None:
    """The answers as the column holds them."""
    return {address: [answer.code, answer.text] for address, answer in answers.items()} or None


def row_of(mail: NewMail, state: MailState, now: datetime) -> dict[str, Any]:
    """A new mail as a row."""
    return {
        "run": mail.run,
        "step": mail.step,
        "key": mail.key,
        "source": mail.source.model_dump(exclude_none=True) if mail.source else None,
        "chunk": mail.chunk,
        "account": mail.account,
        "envelope_sender": mail.envelope_sender,
        "recipients": list(mail.recipients),
        "subject": mail.subject,
        "message_id": mail.message_id,
        "needs_smtputf8": mail.needs_smtputf8,
        "state": state.value,
        "pack": mail.blob.pack,
        "offset": mail.blob.offset,
        "size": mail.blob.size,
        "digest": mail.blob.digest,
        "created_at": now,
        "updated_at": now,
        "queued_at": now if state is MailState.QUEUED else None,
    }
