"""A workspace's parts around the outbox, for tests: store, blobs, accounts, and mails to put in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from postwerk.engine import Source
from postwerk.runtime.accounts import Account, Accounts, parse_account
from postwerk.runtime.blobs import Blobs
from postwerk.runtime.outbox import Mail, MailState, NewMail, outbox
from postwerk.runtime.outbox.delivery import Delivery
from postwerk.runtime.secrets import Secrets
from postwerk.runtime.store import Store

from ..turned_clock import NOON, TurnedClock

KEY = bytes(range(32))
ON_BOTH = pytest.mark.parametrize("post", ["sqlite", "postgresql"], indirect=True)
"""Marks tests of the outbox that run on both databases."""


def account(port: int = 25, **fields: Any) -> Account:
    """An account on 127.0.0.1."""
    plain = {"name": "office", "host": "127.0.0.1", "port": port, "security": "none", "sender": "office@example.com"}
    return parse_account(plain | fields)


def content_of(number: int, *, size: int = 500) -> bytes:
    head = f"From: office@example.com\r\nSubject: Rechnung {number}\r\nMessage-ID: <{number}@example.com>\r\n\r\n"
    return head.encode() + b"Guten Tag.\r\n" * (size // 12)


@dataclass
class Office:
    """What a delivery needs."""

    store: Store
    blobs: Blobs
    clock: TurnedClock = field(default_factory=TurnedClock)

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.store, Secrets(KEY))

    def delivery(self) -> Delivery:
        return Delivery(self.store, self.blobs, self.accounts, self.clock)

    def new(self, number: int, recipients: tuple[str, ...] = (), *, content: bytes = b"", **fields: Any) -> NewMail:
        values: dict[str, Any] = {
            "run": "r1",
            "step": "send",
            "key": str(number),
            "account": "office",
            "envelope_sender": "bounces@example.com",
            "recipients": recipients or (f"ann{number}@example.com",),
            "subject": f"Rechnung {number}",
            "message_id": f"<{number}@example.com>",
            "source": Source(file="list.xlsx", sheet="Kunden", row=number + 2),
        }
        if "blob" not in fields:
            values["blob"] = self.blobs.put(content or content_of(number))
        return NewMail(**(values | fields))

    def several(self, count: int) -> list[NewMail]:
        """Numbered mails, their bytes in one pack."""
        with self.blobs.pack() as pack:
            refs = [pack.add(content_of(number)) for number in range(count)]
            pack.close()
        return [self.new(number, blob=ref) for number, ref in enumerate(refs)]

    async def put(self, *mails: NewMail, state: MailState = MailState.QUEUED, now: datetime = NOON) -> int:
        return await self.store.write(lambda connection: outbox.put(connection, mails, state, now))

    async def mails(self) -> list[Mail]:
        return await self.store.read(lambda connection: list(outbox.listed(connection)))

    async def states(self) -> dict[str, str]:
        """State by key."""
        return {mail.key: mail.state.value for mail in await self.mails()}

    async def only(self) -> Mail:
        (mail,) = await self.mails()
        return mail

    async def until(self, state: MailState, *, number: int = 1) -> None:
        """Waits, with the real clock, until so many mails are in the state."""
        async with asyncio.timeout(10):
            while sum(mail.state is state for mail in await self.mails()) < number:  # noqa: ASYNC110  it is in a database
                await asyncio.sleep(0.005)


@contextmanager
def office(folder: Path, place: Path | str | None = None) -> Iterator[Office]:
    with Store(place or folder / "store.db") as store:
        blobs = Blobs(folder / "blobs")
        yield Office(store, blobs)
        blobs.close()


def on_disk(folder: Path) -> bytes:
    """All bytes of all files."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
