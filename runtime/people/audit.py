"""The audit log: who did what, when, to which thing. Entries are added and read, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from ..store import Store
from ..store.schema import audit as table


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that somebody did. Details hold no secrets."""

    actor: str
    """A person's name; `cli:NAME` for whoever used the command line."""
    action: str
    """What was done to which kind of thing: `run.start`, `person.remove`."""
    target: str
    """The thing's name or id."""
    details: Mapping[str, Any] | None = None
    address: str | None = None
    """From where the request came."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A deed as it was written down."""

    id: int
    at: datetime
    deed: Deed


class Audit:
    """The audit log of a workspace."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def note(self, deed: Deed) -> None:
        """Writes it down."""
        now = datetime.now(UTC)
        await self._store.write(lambda connection: note(connection, deed, now))

    async def listed(
        self, *, actor: str | None = None, action: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[Entry]:
        """The newest first; `before` is the id of the last entry of the page before."""
        query = select(table).order_by(table.c.id.desc()).limit(limit)
        if actor is not None:
            query = query.where(table.c.actor == actor)
        if action is not None:
            query = query.where(table.c.action == action)
        if before is not None:
            query = query.where(table.c.id < before)
        return await self._store.read(lambda connection: [_entry(row) for row in connection.execute(query)])


def note(connection: Connection, deed: Deed, now: datetime) -> None:
    """Writes a deed down in the transaction that does it."""
    values = {
        "at": now, "actor": deed.actor, "action": deed.action, "target": deed.target,
        "details": dict(deed.details) if deed.details else None, "address": deed.address,
    }  # fmt: skip
    connection.execute(insert(table).values(values))


def _entry(row: Row[Any]) -> Entry:
    return Entry(row.id, row.at, Deed(row.actor, row.action, row.target, row.details, row.address))
