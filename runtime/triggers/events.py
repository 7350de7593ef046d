"""Firings in the store: pure SQL on a connection."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, update

from ..store import insert_new, runs
from ..store.schema import firings as table
from .rows import TriggerRow
from .states import BEGINNINGS, FiringState, is_legal

CLAIM = timedelta(seconds=30)
"""How long whoever took up a firing is left alone with it. A second attempt does no harm: a run's id is there once."""


@dataclass(frozen=True, slots=True)
class ArrivedFile:
    """A file that made a trigger fire, as it was."""

    path: str
    size: int
    changed_ns: int
    digest: str
    copy: str | None
    """Its copy, relative to the workspace's files; None where it was not read."""
    is_moved: bool = False
    """It was moved to where it belongs: what lies there again is another arrival."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a trigger fires. `key` may happen once for each trigger."""

    key: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Instead of, or beside, those of the trigger."""
    due_at: datetime | None = None
    state: FiringState = FiringState.PENDING
    message: str | None = None
    body: str | None = None
    file: ArrivedFile | None = None
    is_file_here: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A firing with its outcome."""

    id: int
    trigger: int
    name: str
    flow_id: str
    key: str
    due_at: datetime | None
    inputs: Mapping[str, str]
    run: str | None
    state: FiringState
    message: str | None
    attempts: int
    next_try_at: datetime | None
    body: str | None
    file: ArrivedFile | None
    is_file_here: bool
    created_at: datetime


def run_id(trigger_id: int, key: str, created_at: datetime) -> str:
    """The id of the run that a firing starts: the same for the same firing, whoever asks."""
    digest = hashlib.sha256(f"{trigger_id}:{key}".encode()).hexdigest()
    return f"{created_at:%Y%m%d-%H%M%S}-{digest[:10]}"


def add(connection: Connection, row: TriggerRow, cause: Cause, now: datetime) -> tuple[Event, bool]:
    """The firing of this cause, and whether it is new. Whoever added it has it for himself for a while (`CLAIM`)."""
    is_new = insert_new(connection, table, [_columns(row, cause, now)], ("trigger", "key")) == 1
    found = _found(connection, row.id, cause.key)
    if found.state is FiringState.SKIPPED and cause.state is FiringState.PENDING:
        is_new = _revive(connection, found, now)
        found = _found(connection, row.id, cause.key)
    return found, is_new


def _found(connection: Connection, trigger_id: int, key: str) -> Event:
    if (found := find(connection, trigger_id, key)) is None:
        raise RuntimeError(f"The firing {key!r} was neither inserted nor found.")
    return found


def _revive(connection: Connection, event: Event, now: datetime) -> bool:
    """What was skipped too early is yet to fire. Whether nobody else said so."""
    skipped = (table.c.id == event.id) & (table.c.state == FiringState.SKIPPED.value)
    run = run_id(event.trigger, event.key, event.created_at)
    pending = {"state": FiringState.PENDING.value, "run": run, "message": None, "next_try_at": now + CLAIM}
    return connection.execute(update(table).where(skipped).values(pending)).rowcount == 1


def _columns(row: TriggerRow, cause: Cause, now: datetime) -> dict[str, Any]:
    if cause.state not in BEGINNINGS:
        raise ValueError(f"No firing begins as {cause.state}.")
    is_pending = cause.state is FiringState.PENDING
    return {
        "trigger": row.id, "name": row.name, "flow_id": row.trigger.flow_id, "key": cause.key,
        "due_at": cause.due_at, "inputs": {**row.trigger.inputs, **cause.inputs},
        "run": run_id(row.id, cause.key, now) if is_pending else None,
        "state": cause.state.value, "message": cause.message, "next_try_at": now + CLAIM if is_pending else None,
        "body": cause.body, "file": _file_columns(cause.file), "is_file_here": cause.is_file_here, "created_at": now,
    }  # fmt: skip


def _file_columns(file: ArrivedFile | None) -> dict[str, Any] | None:
    return {one.name: getattr(file, one.name) for one in fields(file)} if file else None


def find(connection: Connection, trigger_id: int, key: str) -> Event | None:
    query = select(table).where(table.c.trigger == trigger_id, table.c.key == key)
    row = connection.execute(query).mappings().first()
    return _event(row) if row else None


def get(connection: Connection, event_id: int) -> Event:
    return _event(connection.execute(select(table).where(table.c.id == event_id)).mappings().one())


def newest(connection: Connection, trigger_id: int, limit: int = 20) -> list[Event]:
    """The newest first."""
    query = select(table).where(table.c.trigger == trigger_id).order_by(table.c.id.desc()).limit(limit)
    return [_event(row) for row in connection.execute(query).mappings()]


def of_run(connection: Connection, run: str) -> Event | None:
    """The firing that started a run, if one did."""
    row = connection.execute(select(table).where(table.c.run == run)).mappings().first()
    return _event(row) if row else None


def left_pending(connection: Connection, now: datetime, limit: int = 50) -> list[Event]:
    """Firings that nobody has at present: their program ended, or they are to be tried again."""
    due = (table.c.state == FiringState.PENDING.value) & (table.c.next_try_at <= now)
    query = select(table).where(due).order_by(table.c.id).limit(limit)
    return [_event(row) for row in connection.execute(query).mappings()]


def next_left_pending(connection: Connection) -> datetime | None:
    """When the next firing may be taken up again."""
    query = select(func.min(table.c.next_try_at)).where(table.c.state == FiringState.PENDING.value)
    found: datetime | None = connection.execute(query).scalar()
    return found


def claim(connection: Connection, event: Event, now: datetime) -> bool:
    """Takes up a firing that was left. Whether nobody else did."""
    same = (table.c.id == event.id) & (table.c.state == FiringState.PENDING.value)
    mine = same & (table.c.next_try_at == event.next_try_at)
    return connection.execute(update(table).where(mine).values(next_try_at=now + CLAIM)).rowcount == 1


def put_off(connection: Connection, event: Event, until: datetime, message: str) -> None:
    """It is tried again later."""
    pending = (table.c.id == event.id) & (table.c.state == FiringState.PENDING.value)
    later = {"next_try_at": until, "attempts": table.c.attempts + 1, "message": message}
    connection.execute(update(table).where(pending).values(later))


def settle(connection: Connection, event: Event, refusal: str | None) -> Event:
    """What became of it. A run that is there was started, whatever else was met."""
    query = select(runs.c.id).where(runs.c.id == event.run)
    has_run = connection.execute(query).first() is not None
    after = FiringState.STARTED if has_run or refusal is None else FiringState.REFUSED
    message = None if after is FiringState.STARTED else refusal
    allowed = [state.value for state in FiringState if is_legal(state, after)]
    movable = (table.c.id == event.id) & table.c.state.in_(allowed)
    connection.execute(update(table).where(movable).values(state=after.value, message=message, next_try_at=None))
    return get(connection, event.id)


def files_here(connection: Connection, trigger_id: int) -> list[Event]:
    """Firings whose file waits where it arrived."""
    query = select(table).where(table.c.trigger == trigger_id, table.c.is_file_here).order_by(table.c.id)
    return [_event(row) for row in connection.execute(query).mappings()]


def set_file_gone(connection: Connection, event: Event, *, is_moved: bool, message: str | None) -> None:
    """Its file lies there no longer. The message is kept where something is to be told."""
    if event.file is None:
        return
    file = _file_columns(replace(event.file, is_moved=is_moved))
    changed = {"is_file_here": False, "file": file} | ({"message": message} if message else {})
    connection.execute(update(table).where(table.c.id == event.id).values(changed))


def moved_files(connection: Connection, trigger_id: int, keys: str) -> int:
    """How many firings have keys that begin so, and files that were moved away."""
    begins = table.c.key.startswith(keys, autoescape=True) & (table.c.trigger == trigger_id)
    return sum(file["is_moved"] for file in connection.execute(select(table.c.file).where(begins)).scalars())


def remember(connection: Connection, row: TriggerRow, causes: Sequence[Cause], now: datetime) -> list[Event]:
    """The firings among these causes that are new."""
    return [event for event, is_new in (add(connection, row, cause, now) for cause in causes) if is_new]


def _event(row: RowMapping) -> Event:
    values = {one.name: row[one.name] for one in fields(Event)}
    values["state"] = FiringState(row["state"])
    values["file"] = ArrivedFile(**row["file"]) if row["file"] else None
    return Event(**values)
