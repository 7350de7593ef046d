"""Turns: who takes a run forward, and when it may be taken up again. Pure SQL on a connection.

A run is held by one member at a time, from being taken up to its end or its next rest. `turn` counts these spans: what
an earlier turn still does finds that it is over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, or_, select, update

from ..members import living
from ..store import ring, runs
from . import resting, waits
from .resting import Rest
from .rows import BELL
from .states import ACTIVE


@dataclass(frozen=True, slots=True)
class Turn:
    """A run that was taken up."""

    run: str
    number: int
    rest: Rest | None = None
    """What the run rested for before."""


def take_up(connection: Connection, run: str, member: str) -> Turn | None:
    """Takes a run that is on and that nobody living holds; None when there is no such."""
    before = connection.execute(select(runs.c.rest).where(runs.c.id == run)).scalar()
    change = update(runs).where(runs.c.id == run, _is_active(), _is_free())
    taken = connection.execute(change.values(holder=member, turn=runs.c.turn + 1, rest=None, wakes_at=None)).rowcount
    if not taken:
        return None
    number = connection.execute(select(runs.c.turn).where(runs.c.id == run)).scalar_one()
    return Turn(run, number, Rest.of(before) if before else None)


def go_on(connection: Connection, turn: Turn, member: str) -> bool:
    """Whether this turn is still the last of its run, which then is the member's: whoever held it is dead."""
    is_ours = or_(runs.c.holder == member, _is_free())
    mine = update(runs).where(runs.c.id == turn.run, runs.c.turn == turn.number, _is_active(), is_ours)
    return connection.execute(mine.values(holder=member)).rowcount == 1


def let_go(connection: Connection, turn: Turn, member: str, rest: Rest | None, now: datetime) -> None:
    """The turn is over: the run has ended, or rests."""
    wakes_at = None
    if rest is not None:
        wakes_at = rest.looks_at(datetime.now(UTC)) if rest.naps else waits.next_due(connection, turn.run, now)
    mine = update(runs).where(runs.c.id == turn.run, runs.c.turn == turn.number, runs.c.holder == member)
    connection.execute(mine.values(holder=None, rest=rest.column if rest else None, wakes_at=wakes_at))
    ring(connection, BELL, turn.run)


def free(connection: Connection, now: datetime) -> list[str]:
    """The runs that somebody should take up now: new ones, those of the dead, and those whose rest is over."""
    query = select(runs.c.id, runs.c.rest, runs.c.wakes_at).where(_is_active(), _is_free()).order_by(runs.c.created_at)
    return [row["id"] for row in connection.execute(query).mappings() if _may_wake(connection, row, now)]


def is_last(connection: Connection, turn: Turn) -> bool:
    """Whether no later turn of the run has begun."""
    return bool(connection.execute(select(runs.c.turn).where(runs.c.id == turn.run)).scalar() == turn.number)


def is_resting(connection: Connection, run: str) -> bool:
    """Whether the run waits for something, and nobody holds it."""
    query = select(runs.c.id).where(runs.c.id == run, runs.c.holder.is_(None), runs.c.rest.is_not(None))
    return connection.execute(query).first() is not None


def woken(rest: Rest) -> Rest:
    """The rest of a run that was woken and found nothing to do."""
    return replace(rest, naps=rest.naps + 1)


def _may_wake(connection: Connection, row: RowMapping, now: datetime) -> bool:
    if row["rest"] is None:
        return True
    rest = Rest.of(row["rest"])
    if rest.naps:
        return bool(row["wakes_at"] <= datetime.now(UTC))  # by the clock on the wall, whatever the run goes by
    return resting.is_over(connection, row["id"], rest, now)


def _is_active() -> ColumnElement[bool]:
    return runs.c.state.in_([state.value for state in ACTIVE])


def _is_free() -> ColumnElement[bool]:
    """Nobody living holds it."""
    return or_(runs.c.holder.is_(None), runs.c.holder.not_in(living()))
