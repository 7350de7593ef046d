"""One SMTP session: mail after mail in as few round trips as the server allows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from ..accounts import Account
from .dialogue import Dialogue, Reply, SessionLostError
from .envelope import Envelope, EnvelopeReplies, UnfitError, envelope_address

QUIT_SECONDS = 5
SECONDS_FOR_BYTES = 1 / 20_000
"""A mail of 20 MB may take a quarter of an hour on a slow line before the server can answer."""
_PERIOD = re.compile(rb"(?m)^\.")
_BARE = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the server offers (RFC 5321, 4.1.1.1)."""

    pipelining: bool
    smtputf8: bool
    eight_bits: bool
    max_size: int | None


class SmtpSession:
    """An open session with the account's server."""

    def __init__(self, dialogue: Dialogue, account: Account, abilities: Abilities) -> None:
        self._dialogue = dialogue
        self.account = account
        self.abilities = abilities
        self._must_reset = False
        self.mails = 0
        """Envelopes that were offered."""

    @property
    def is_open(self) -> bool:
        return self._dialogue.is_open

    async def offer(self, envelope: Envelope, content: bytes) -> EnvelopeReplies:
        """Tells the envelope, and asks to send the mail if any recipient is taken.

        Raises:
            UnfitError: the server can't take such a mail.
            SessionLostError: the session ended; nothing of the mail had left.
        """
        mail, recipients = self._commands(envelope, content)
        self.mails += 1
        reset = b"RSET\r\n" if self._must_reset else b""
        self._must_reset = True
        if self.abilities.pipelining:
            return await self._offer_at_once(reset, mail, recipients)
        offered = await self._offer_one_by_one(reset, mail, recipients)
        self._check(offered)
        return offered

    async def send(self, content: bytes) -> Reply:
        """Sends the mail's bytes after an offer that `is_ready`, and returns the server's answer.

        Raises:
            SessionLostError: no answer came. The mail may have arrived, if `has_left`.
        """
        seconds = self.account.timeouts.data + len(content) * SECONDS_FOR_BYTES
        (reply,) = await self._dialogue.ask(stuffed(content), 1, seconds)
        if reply.code < 400 and not reply.is_good:
            self._confused(f"The server answered the mail with {reply}.", has_left=True)
        self._must_reset = not reply.is_good
        return reply

    async def quit(self) -> None:
        """Takes leave, as politely as the server lets us."""
        try:
            if self.is_open:
                await self._dialogue.ask(b"QUIT\r\n", 1, QUIT_SECONDS)
        except SessionLostError:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Ends the session at once. A mail that was offered and not sent is dropped by the server."""
        self._dialogue.close()

    async def _offer_at_once(self, reset: bytes, mail: bytes, recipients: list[bytes]) -> EnvelopeReplies:
        resets = 1 if reset else 0
        commands = b"".join([reset, mail, *recipients, b"DATA\r\n"])
        replies = await self._ask(commands, resets + len(recipients) + 2)
        sender, *answers, data = replies[resets:]
        offered = EnvelopeReplies(sender, tuple(answers), data)
        self._check(offered)
        if data.code == 354 and not offered.is_ready:
            await self._withdraw(offered)
            return EnvelopeReplies(sender, tuple(answers), None)
        return offered

    async def _withdraw(self, offered: EnvelopeReplies) -> None:
        """The server waits for a mail that it refused: RFC 2920, 3.1."""
        if offered.sender.is_good:
            await self._ask(b".\r\n", 1)  # it goes to nobody
        else:
            self.close()

    async def _offer_one_by_one(self, reset: bytes, mail: bytes, recipients: list[bytes]) -> EnvelopeReplies:
        if reset:
            await self._ask(reset, 1)
        (sender,) = await self._ask(mail, 1)
        if not sender.is_good:
            return EnvelopeReplies(sender, (), None)
        answers = [(await self._ask(recipient, 1))[0] for recipient in recipients]
        if not any(reply.is_good for reply in answers):
            return EnvelopeReplies(sender, tuple(answers), None)
        (data,) = await self._ask(b"DATA\r\n", 1)
        return EnvelopeReplies(sender, tuple(answers), data)

    async def _ask(self, commands: bytes, replies: int) -> list[Reply]:
        found = await self._dialogue.ask(commands, replies, self.account.timeouts.command)
        closing = next((reply for reply in found if reply.code == 421), None)
        if closing is not None:  # RFC 5321, 3.8: the server closes the session
            self.close()
            raise SessionLostError(str(closing), has_left=True)
        return found

    def _check(self, replies: EnvelopeReplies) -> None:
        """A 3yz where none belongs, or a 2yz to DATA: whoever goes on would take one reply for another's."""
        for reply in (replies.sender, *replies.recipients):
            if reply.code < 400 and not reply.is_good:
                self._confused(f"The server answered the envelope with {reply}.", has_left=False)
        if replies.data is not None and replies.data.code < 400 and replies.data.code != 354:
            self._confused(f"The server answered DATA with {replies.data}.", has_left=False)

    def _confused(self, reason: str, *, has_left: bool) -> NoReturn:
        self.close()
        raise SessionLostError(reason, has_left=has_left)

    def _commands(self, envelope: Envelope, content: bytes) -> tuple[bytes, list[bytes]]:
        able = self.abilities
        options = ""
        if able.max_size is not None:
            options = f" SIZE={len(content)}"
            if 0 < able.max_size < len(content):
                raise UnfitError(
                    f"The mail has {len(content):,} bytes; {self.account.host} takes {able.max_size:,} at most. "
                    "Send smaller attachments, or a link."
                )
        if not content.isascii():
            if not able.eight_bits:
                raise UnfitError(f"The mail holds 8-bit text, and {self.account.host} takes 7-bit text only.")
            options += " BODY=8BITMIME"
        if envelope.needs_smtputf8:
            if not able.smtputf8:
                raise UnfitError(_no_smtputf8(envelope, self.account))
            options += " SMTPUTF8"
        utf8 = envelope.needs_smtputf8
        mail = f"MAIL FROM:<{envelope_address(envelope.sender, utf8)}>{options}\r\n".encode()
        return mail, [f"RCPT TO:<{envelope_address(one, utf8)}>\r\n".encode() for one in envelope.recipients]


def stuffed(content: bytes) -> bytes:
    """The mail's bytes as DATA wants them (RFC 5321, 4.5.2): CRLF at line ends, periods doubled, a period last."""
    if content.count(b"\n") != content.count(b"\r\n") or content.count(b"\r") != content.count(b"\r\n"):
        content = _BARE.sub(b"\r\n", content)  # a bare LF is how mails are smuggled past servers
    if b"\n." in content or content.startswith(b"."):
        content = _PERIOD.sub(b"..", content)
    return content + (b".\r\n" if content.endswith(b"\r\n") or not content else b"\r\n.\r\n")


def _no_smtputf8(envelope: Envelope, account: Account) -> str:
    addresses = [one for one in (*envelope.recipients, envelope.sender) if not one.rpartition("@")[0].isascii()]
    shown = repr(addresses[0]) if addresses else "An address"
    return (
        f"{shown} is not ASCII before the '@', and {account.host} does not offer SMTPUTF8. "
        "Use another address of this person, or another account."
    )
