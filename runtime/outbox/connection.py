"""One SMTP session: opened by aiosmtplib, then mail after mail in as few round trips as the server allows."""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass
from typing import NoReturn, cast

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPAuthenticationError, SMTPException, SMTPHeloError, SMTPResponseException

from ...engine import Refused
from ...engine.addresses import ascii_address, ascii_domain
from ..accounts import Account, Security
from .dialogue import Dialogue, Reply, SessionLostError, printable

QUIT_SECONDS = 5
SECONDS_FOR_BYTES = 1 / 20_000
"""A mail of 20 MB may take a quarter of an hour on a slow line before the server can answer."""
_UNFIT = re.compile("[\x00-\x20\x7f-\xa0<>\u2028\u2029\ud800-\udfff]")
_PERIOD = re.compile(rb"(?m)^\.")
_BARE = re.compile(rb"\r\n|\r|\n")


class OpeningError(Exception):
    """No session could be opened. That is no mail's fault.

    Attributes:
        reply: the server's, if it came to that.
        is_login: it refused the user or the password; trying often may lock the account.
    """

    def __init__(self, reason: str, reply: Reply | None = None, *, is_login: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply
        self.is_login = is_login


class UnfitError(Exception):
    """This server can't take this mail; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the server offers (RFC 5321, 4.1.1.1)."""

    pipelining: bool
    smtputf8: bool
    eight_bits: bool
    max_size: int | None


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


class Session:
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
        mail = f"MAIL FROM:<{_address(envelope.sender, utf8)}>{options}\r\n".encode()
        return mail, [f"RCPT TO:<{_address(one, utf8)}>\r\n".encode() for one in envelope.recipients]


def stuffed(content: bytes) -> bytes:
    """The mail's bytes as DATA wants them (RFC 5321, 4.5.2): CRLF at line ends, periods doubled, a period last."""
    if content.count(b"\n") != content.count(b"\r\n") or content.count(b"\r") != content.count(b"\r\n"):
        content = _BARE.sub(b"\r\n", content)  # a bare LF is how mails are smuggled past servers
    if b"\n." in content or content.startswith(b"."):
        content = _PERIOD.sub(b"..", content)
    return content + (b".\r\n" if content.endswith(b"\r\n") or not content else b"\r\n.\r\n")


def _address(address: str, utf8: bool) -> str:
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


def _no_smtputf8(envelope: Envelope, account: Account) -> str:
    addresses = [one for one in (*envelope.recipients, envelope.sender) if not one.rpartition("@")[0].isascii()]
    shown = repr(addresses[0]) if addresses else "An address"
    return (
        f"{shown} is not ASCII before the '@', and {account.host} does not offer SMTPUTF8. "
        "Use another address of this person, or another account."
    )


async def open_session(account: Account, context: ssl.SSLContext | None) -> Session:
    """A session with the account's server, logged in.

    Raises:
        OpeningError: there is none to be had now.
    """
    smtp = SMTP(
        hostname=account.host,
        port=account.port,
        username=account.user,
        password=account.password.get_secret_value() if account.password else None,
        local_hostname=_greeting(account),
        timeout=account.timeouts.connect,
        use_tls=account.security is Security.TLS,
        start_tls=account.security is Security.STARTTLS,
        tls_context=context,
    )
    try:
        await smtp.connect()
        if smtp.is_ehlo_or_helo_needed:
            await _greet(smtp)
    except (SMTPException, OSError, ValueError) as error:
        smtp.close()
        raise _opening_error(account, error) from error
    except BaseException:
        smtp.close()
        raise
    return Session(Dialogue(cast("asyncio.Transport", smtp.transport)), account, _abilities(smtp))


def tls_context(account: Account) -> ssl.SSLContext | None:
    """How the account's connections are protected; costs 20 ms, so it is made once."""
    if account.security is Security.NONE:
        return None
    context = ssl.create_default_context()
    if not account.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _greet(smtp: SMTP) -> None:
    try:
        await smtp.ehlo()
    except SMTPHeloError:
        await smtp.helo()


def _greeting(account: Account) -> str:
    """What EHLO says: a name that exists, and tells nothing about the network inside."""
    return ascii_domain(account.bounces_to.rpartition("@")[2])


def _abilities(smtp: SMTP) -> Abilities:
    offers = smtp.esmtp_extensions
    size = offers.get("size")
    return Abilities(
        pipelining="pipelining" in offers,
        smtputf8="smtputf8" in offers,
        eight_bits="8bitmime" in offers,
        max_size=int(size) if size and size.isdigit() else 0 if "size" in offers else None,
    )


def _opening_error(account: Account, error: Exception) -> OpeningError:
    where = f"{account.host}:{account.port}"
    if isinstance(error, SMTPResponseException):
        return _refusal(account, where, error)
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return OpeningError(
            f"The certificate of {where} can't be trusted: {cause.verify_message.rstrip('.')}. "
            "Check the host name; or have the certificate's authority installed on this machine."
        )
    if isinstance(cause, ssl.SSLError):
        return OpeningError(f"No TLS with {where}: {cause.reason or cause}. Check port and security of the account.")
    told = printable(str(error)).rstrip(".") or type(error).__name__
    if isinstance(error, OSError):
        return OpeningError(f"No connection with {where}: {told}.")
    return OpeningError(f"{where} can't be used: {told}. Check security and user of the account.")


def _refusal(account: Account, where: str, error: SMTPResponseException) -> OpeningError:
    if error.code < 200:
        return OpeningError(f"{where} answered what is no SMTP: {printable(error.message)}. Check host and port.")
    reply = Reply(error.code, printable(error.message))
    if isinstance(error, SMTPAuthenticationError) and error.code >= 500:
        told = f"{where} refused the login of {account.user!r}: {reply}. Check user and password of the account."
        return OpeningError(told, reply, is_login=True)
    return OpeningError(f"{where} answered {reply}", reply)


def _cause(error: BaseException) -> BaseException:
    while not isinstance(error, ssl.SSLError) and error.__cause__ is not None:
        error = error.__cause__
    return error
