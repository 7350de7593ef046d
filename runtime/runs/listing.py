"""Runs and failures in pages: pure SQL on a connection."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, tuple_

from ..store import failures, runs
from . import rows
from .states import RunState


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are wanted; what is left out does not matter."""

    flow: str | None = None
    states: Collection[RunState] = ()
    is_dry: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


def page_of_runs(
    connection: Connection, wanted: RunFilter, limit: int, after: tuple[datetime, str] | None = None
) -> list[rows.Run]:
    """The newest first; `after` is where the page before ended: the moment and the id of its last run."""
    place = (runs.c.created_at, runs.c.id)
    query = select(runs).order_by(*(column.desc() for column in place)).limit(limit)
    if wanted.flow is not None:
        query = query.where(runs.c.flow_id == wanted.flow)
    if wanted.states:
        query = query.where(runs.c.state.in_([state.value for state in wanted.states]))
    if wanted.is_dry is not None:
        query = query.where(runs.c.is_dry == wanted.is_dry)
    if wanted.since is not None:
        query = query.where(runs.c.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(runs.c.created_at < wanted.until)
    if after is not None:
        query = query.where(tuple_(*place) < tuple_(*after))
    return [rows.run_of(row) for row in connection.execute(query).mappings()]


def page_of_failures(
    connection: Connection, run_id: str, limit: int, after: int = 0
) -> list[tuple[int, rows.FailureRow]]:
    """The failures of a run as they came, each with its number, by which the next page begins."""
    query = select(failures).where(failures.c.run == run_id, failures.c.id > after).order_by(failures.c.id).limit(limit)
    return [(row["id"], rows.failure_of(row)) for row in connection.execute(query).mappings()]


def find_run(connection: Connection, run_id: str) -> rows.Run | None:
    """The run of this id, if there is one."""
    row = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
    return None if row is None else rows.run_of(row)
