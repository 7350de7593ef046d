"""The mail sandbox: a mail server that keeps what it gets, and sends nothing on. For the demo, and for trying flows."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from email import policy
from email.parser import BytesHeaderParser
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from .disk import DiskFullError, full_disk_told

_UNFIT = re.compile(r"[^\w@.+-]")
_PARSER = BytesHeaderParser(policy=policy.default)


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail that the sandbox has got."""

    sender: str
    """The envelope sender."""
    recipients: tuple[str, ...]
    """Those of the envelope, hidden ones too."""
    subject: str
    path: Path


class Sandbox:
    """Listens on 127.0.0.1 from entering the `async with` block to leaving it, and keeps each mail as an .eml file.

    As every mail server at the end of the way, it writes the envelope into the headers Return-Path and Delivered-To.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.port = port
        """0: a free one is taken on entering."""
        self.count = 0
        """Mails got since it was entered."""
        self._visits: WeakSet[SMTP] = WeakSet()

    def mails(self) -> list[Kept]:
        """All mails in the folder, in the order in which they came."""
        return [_kept(path) for path in sorted(self.folder.glob("*.eml"))]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        del server, session
        try:
            self._keep(envelope)
        except DiskFullError as error:
            return f"452 4.3.1 {error.message}"
        return "250 2.0.0 Ok: kept in the sandbox"

    def _keep(self, envelope: Envelope) -> None:
        first = _UNFIT.sub("_", envelope.rcpt_tos[0])[:80]
        head = [f"Return-Path: <{envelope.mail_from}>", *(f"Delivered-To: {one}" for one in envelope.rcpt_tos)]
        content = envelope.original_content or b""
        with full_disk_told(self.folder):
            path = self.folder / f"{next(self._numbers):06}-{first}.eml"
            path.write_bytes("".join(f"{line}\r\n" for line in head).encode() + content)
        self.count += 1

    def _visit(self) -> SMTP:
        visit = SMTP(self, hostname="sandbox.invalid", ident="Postwerk mail sandbox", enable_SMTPUTF8=True)
        self._visits.add(visit)
        return visit

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        last = max((int(path.name[:6]) for path in self.folder.glob("[0-9]" * 6 + "-*.eml")), default=0)
        self._numbers = count(last + 1)
        self._server = await asyncio.get_running_loop().create_server(self._visit, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for visit in self._visits:
            if visit.transport is not None:
                visit.transport.close()
        await self._server.wait_closed()


def _kept(path: Path) -> Kept:
    with path.open("rb") as file:
        head = _PARSER.parse(file)
    recipients = tuple(str(one) for one in head.get_all("Delivered-To", ()))
    return Kept(str(head["Return-Path"] or "").strip("<>"), recipients, str(head["Subject"] or ""), path)
