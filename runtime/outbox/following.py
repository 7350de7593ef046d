"""What a run asks of its mails to go on: which have come to an end, and whether any can still change by itself."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, Select, exists, false, select

from ..store import outbox
from .mail import Mail, mail_of
from .states import ARRIVED, FINAL, MailState

RESTING = frozenset({MailState.IN_DOUBT, MailState.HELD})
"""A person must act; nobody waits for that."""
STIRRING = frozenset(MailState) - FINAL - RESTING
"""Will change by itself."""


def of_chunk(connection: Connection, run: str, steps: Collection[str], chunk: int) -> list[Mail]:
    """The mails of some steps that descend from one chunk of the source's items."""
    query = _of_steps(run, steps).where(outbox.c.chunk == chunk)
    return [mail_of(row) for row in connection.execute(query).mappings()]


def new_outcomes(connection: Connection, run: str, steps: Collection[str]) -> list[int]:
    """The chunks with mails that reached their end and with which the flow has not gone on."""
    is_new = _of_steps(run, steps).where(outbox.c.taken == false(), _in(FINAL))
    query = is_new.with_only_columns(outbox.c.chunk).distinct().order_by(outbox.c.chunk)
    return list(connection.execute(query).scalars())


def is_settled(connection: Connection, run: str, steps: Collection[str] | None) -> bool:
    """Whether no mail of these steps, or of all, will change by itself."""
    query = select(outbox.c.id).where(outbox.c.run == run, _in(STIRRING))
    if steps is not None:
        query = query.where(outbox.c.step.in_(sorted(steps)))
    return not connection.execute(select(exists(query))).scalar_one()


def undelivered(connection: Connection, run: str, step: str, *, only_resting: bool) -> list[Mail]:
    """Mails that came to an end without having arrived, and those that rest; or these alone."""
    states = RESTING if only_resting else (FINAL | RESTING) - ARRIVED
    query = _of_steps(run, [step]).where(_in(states)).order_by(outbox.c.id)
    return [mail_of(row) for row in connection.execute(query).mappings()]


def accounts_of(connection: Connection, run: str) -> list[str]:
    """The accounts by which a run's mails leave."""
    return list(connection.execute(select(outbox.c.account).where(outbox.c.run == run).distinct()).scalars())


def _of_steps(run: str, steps: Collection[str]) -> Select[tuple[object, ...]]:
    return select(outbox).where(outbox.c.run == run, outbox.c.step.in_(sorted(steps)))


def _in(states: Collection[MailState]) -> ColumnElement[bool]:
    return outbox.c.state.in_([state.value for state in states])
