"""A real SMTP server on 127.0.0.1 (aiosmtpd), in a thread of its own. It keeps every mail byte by byte."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Thread
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True)
class Kept:
    """A mail as it arrived."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    options: tuple[str, ...]
    """What the client said with MAIL: `SMTPUTF8`, `SIZE=…`."""


@dataclass
class PostOffice:
    """What arrived, and who came."""

    port: int = 0
    mails: list[Kept] = field(default_factory=list)
    connections: int = 0
    """Opened so far, whatever came of them."""
    logins: list[tuple[str, str]] = field(default_factory=list)
    """Users and passwords that were tried."""
    is_reached: Event = field(default_factory=Event)
    """Set when the first mail's bytes are there."""
    may_answer: Event = field(default_factory=Event)
    """Cleared, it leaves everybody without an answer who has sent a mail."""

    def __post_init__(self) -> None:
        self.may_answer.set()

    def of(self, recipient: str) -> Kept:
        """The only mail to this address."""
        (mail,) = [one for one in self.mails if recipient in one.recipients]
        return mail

    @property
    def recipients(self) -> list[str]:
        """Of all mails, sorted."""
        return sorted(one for mail in self.mails for one in mail.recipients)

    def forget(self) -> None:
        """What came so far is no longer told."""
        self.mails.clear()
        self.logins.clear()
        self.connections = 0
        self.is_reached.clear()
        self.may_answer.set()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content, sender = envelope.content, envelope.mail_from
        assert isinstance(content, bytes)
        self.is_reached.set()
        await asyncio.to_thread(self.may_answer.wait)
        self.mails.append(Kept(sender or "", tuple(envelope.rcpt_tos), content, tuple(envelope.mail_options)))
        return f"250 2.0.0 Ok: kept as number {len(self.mails)}"


@contextmanager
def post_office(
    *,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    login: tuple[str, str] | None = None,
    smtputf8: bool = True,
) -> Iterator[PostOffice]:
    """An open post office: with TLS from the start, or a STARTTLS that it insists on, or neither.

    With STARTTLS it insists on the login too; otherwise the library can only offer it.
    """
    office = PostOffice()

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        office.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=office.logins[-1] == login, handled=False)

    def answer() -> SMTP:
        office.connections += 1
        return SMTP(
            office, hostname="post.example", data_size_limit=20_000_000, enable_SMTPUTF8=smtputf8,
            tls_context=starttls, require_starttls=starttls is not None,
            authenticator=authenticate if login else None,
            auth_required=login is not None and starttls is not None, auth_require_tls=starttls is not None,
        )  # fmt: skip

    with _listening(answer, tls) as office.port:
        try:
            yield office
        finally:
            office.may_answer.set()


@contextmanager
def _listening(answer: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext | None) -> Iterator[int]:
    """Answers on a free port, in a thread, until the end of the block."""
    opened = Future[tuple[int, Callable[[], object]]]()

    async def serve() -> None:
        closing, loop = asyncio.Event(), asyncio.get_running_loop()
        server = await loop.create_server(answer, "127.0.0.1", 0, ssl=tls)
        opened.set_result((server.sockets[0].getsockname()[1], partial(loop.call_soon_threadsafe, closing.set)))
        await closing.wait()
        server.close()

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    port, close = opened.result(timeout=30)
    try:
        yield port
    finally:
        close()
        thread.join()
