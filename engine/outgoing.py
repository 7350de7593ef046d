"""A mail that is ready to leave: what a send step hands to the outbox."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from .ports import Outputs, Reject, Suspension
from .values import RefusedMail, SentMail


class Delivered(Outputs):
    """What became of a mail."""

    sent: SentMail | None = None
    refused: Annotated[RefusedMail | None, Reject] = None


class Outgoing(Suspension):
    """The finished bytes of one mail with its envelope. A step that returns it sends through the outbox."""

    outcome: ClassVar[type[Outputs]] = Delivered

    account: str
    envelope_sender: str
    """RFC 5321 reverse-path; empty for notifications that must not bounce."""
    recipients: tuple[str, ...] = Field(min_length=1)
    message_id: str
    subject: str = ""
    content: bytes = Field(repr=False)
    """RFC 5322 message; lines end with CRLF."""
    needs_smtputf8: bool = False
    """An address has a local part that is not ASCII (RFC 6531)."""
