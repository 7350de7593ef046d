"""Items that wait for a moment: pure SQL on a connection. A wait costs a row and nothing else, however long it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, exists, false, func, select, true, update

from ..store import insert_new, portions, waits
from ..work import BuiltPause


@dataclass(frozen=True, slots=True)
class Wait:
    """A row of the waits."""

    id: int
    step: str
    key: str
    due_at: datetime
    taken: bool


def put(connection: Connection, run: str, chunk: int, pauses: Sequence[BuiltPause], now: datetime | None) -> None:
    """Notes until when items wait, each (run, step, key) once; with `now` all are due at once, as in a dry run."""
    rows = [
        {"run": run, "step": one.step, "key": one.key, "chunk": chunk, "due_at": now or one.until} for one in pauses
    ]
    insert_new(connection, waits, rows, ("run", "step", "key"))


def of_chunk(connection: Connection, run: str, steps: Collection[str], chunk: int) -> list[Wait]:
    """The waits of some steps that descend from one chunk of the source's items."""
    query = _of_steps(run, steps).where(waits.c.chunk == chunk)
    return [Wait(row.id, row.step, row.key, row.due_at, row.taken) for row in connection.execute(query)]


def new_due(connection: Connection, run: str, steps: Collection[str], now: datetime) -> list[int]:
    """The chunks with waits that are over and with which the flow has not gone on."""
    is_new = _of_steps(run, steps).where(waits.c.taken == false(), waits.c.due_at <= now)
    return list(connection.execute(is_new.with_only_columns(waits.c.chunk).distinct()).scalars())


def next_due(connection: Connection, run: str, now: datetime) -> datetime | None:
    """When the first of a run's waits is over that is not over yet."""
    query = select(func.min(waits.c.due_at)).where(waits.c.run == run, waits.c.taken == false(), waits.c.due_at > now)
    return connection.execute(query).scalar()


def is_over(connection: Connection, run: str, steps: Collection[str] | None, now: datetime) -> bool:
    """Whether no wait of these steps, or of all, is still on."""
    query = select(waits.c.id).where(waits.c.run == run, waits.c.due_at > now)
    if steps is not None:
        query = query.where(waits.c.step.in_(sorted(steps)))
    return not connection.execute(select(exists(query))).scalar_one()


def take(connection: Connection, ids: Sequence[int]) -> None:
    """Notes that the flow went on with these."""
    for some in portions(ids):
        connection.execute(update(waits).where(waits.c.id.in_(some)).values(taken=true()))


def _of_steps(run: str, steps: Collection[str]) -> Select[tuple[object, ...]]:
    return select(waits).where(waits.c.run == run, waits.c.step.in_(sorted(steps)))
