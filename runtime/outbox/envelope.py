"""Who a mail is from and for, what the other side says of it, and what every session does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from ...engine import Refused
from ...engine.addresses import ascii_address
from ..accounts import Account
from .dialogue import Reply, printable

_UNFIT = re.compile("[\x00-\x20\x7f-\xa0<>\u2028\u2029\ud800-\udfff]")


class UnfitError(Exception):
    """This server can't take this mail; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """RFC 5321: what the server is told beside the mail itself."""

    sender: str
    recipients: tuple[str, ...]
    needs_smtputf8: bool


@dataclass(frozen=True, slots=True)
class EnvelopeReplies:
    """What the server said of the envelope, as far as it was asked."""

    sender: Reply
    recipients: tuple[Reply, ...]
    data: Reply | None

    @property
    def is_ready(self) -> bool:
        """The server waits for the mail's bytes, and somebody will get them."""
        is_waiting = self.data is not None and self.data.code == 354
        return is_waiting and self.sender.is_good and any(reply.is_good for reply in self.recipients)


class Session(Protocol):
    """Somebody who takes mails of an account, one after the other: a server, or a program."""

    account: Account
    mails: int
    """Envelopes that were offered."""

    @property
    def is_open(self) -> bool:
        """Whether it takes more mails, as far as is known."""

    async def offer(self, envelope: Envelope, content: bytes) -> EnvelopeReplies:
        """Tells the envelope, and asks to send the mail if any recipient is taken.

        Raises:
            UnfitError: such a mail can't be taken.
            SessionLostError: the session ended; nothing of the mail had left.
        """

    async def send(self, content: bytes) -> Reply:
        """Sends the mail's bytes after an offer that `is_ready`, and returns the answer.

        Raises:
            SessionLostError: no answer came. The mail may have arrived, if `has_left`.
        """

    async def quit(self) -> None:
        """Takes leave, as politely as the other side lets us."""

    def close(self) -> None:
        """Ends the session at once. A mail that was offered and not sent is dropped."""


def envelope_address(address: str, utf8: bool) -> str:
    """As it stands in an envelope.

    Raises:
        UnfitError: it can't.
    """
    if _UNFIT.search(address):
        raise UnfitError(f"{printable(address)!r} can't stand in an envelope. Correct the address.")
    if address.isascii():
        return address
    try:
        plain = ascii_address(address)
    except Refused as error:
        raise UnfitError(error.message) from error
    if not plain.isascii() and not utf8:
        raise UnfitError(f"{address!r} is not ASCII before the '@', and the mail was not built for that.")
    return plain
