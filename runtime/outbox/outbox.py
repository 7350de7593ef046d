"""What a run and a person do with outgoing mails: pure SQL on a connection, so that it joins any transaction.

Every change of state names the states that it expects; two actors can't both win.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, false, func, select, true, update

from ...engine import Refused
from ..store import insert_new, outbox, portions, ring
from .mail import Mail, NewMail, mail_of, row_of
from .states import ARRIVED, BEGINNINGS, CANCELLABLE, FINAL, NOT_GONE, RELEASABLE, RESENDABLE, MailState, is_legal

KEY = ("run", "step", "key")
BELL = "outbox"
"""Rings for an account that has new mails to send, or for all."""
RUN_STOPPED = "Its run was stopped."
"""The reason of mails that `cancel_run` has cancelled."""
RUN_PAUSED = "Its run is paused."
"""The reason of mails that `pause_run` holds."""


def put(connection: Connection, mails: Sequence[NewMail], state: MailState, now: datetime) -> int:
    """Puts mails in, each (run, step, key) once, and says how many are new."""
    if state not in BEGINNINGS:
        raise ValueError(f"A mail can't begin as {state}. It begins as {_listed(BEGINNINGS)}.")
    if state is MailState.QUEUED:
        for account in {mail.account for mail in mails}:
            ring(connection, BELL, account)
    return insert_new(connection, outbox, [row_of(mail, state, now) for mail in mails], KEY)


def put_gone(connection: Connection, mails: Iterable[tuple[NewMail, Mail]], now: datetime) -> None:
    """Notes of mails that an earlier run has them: as sent, or as left to what becomes of them there."""
    rows = []
    for new, old in mails:
        state, reply = MailState.SUPPRESSED, f"Mail {old.id} of run {old.run} is {old.state}."
        if old.state in ARRIVED:
            state, reply = MailState.SENT, f"Run {old.run} has sent it."
        noted = {"message_id": old.message_id, "sent_at": old.sent_at, "reply": reply}
        rows.append(row_of(new, state, now) | noted)
    insert_new(connection, outbox, rows, KEY)


def move(
    connection: Connection, ids: Collection[int], before: MailState, after: MailState, now: datetime, **fields: Any
) -> int:
    """Moves those of the mails that are still in the state `before`, and says how many they were."""
    return sum(
        _move(connection, outbox.c.id.in_(some), (before,), after, now, **fields) for some in portions(sorted(ids))
    )


def release_run(connection: Connection, run: str, now: datetime) -> int:
    """Lets the planned mails of a run go, and says how many they were."""
    return _move(connection, outbox.c.run == run, (MailState.PLANNED,), MailState.QUEUED, now, queued_at=now)


def cancel_run(connection: Connection, run: str, now: datetime) -> int:
    """Cancels the mails of a run that have not left, and says how many they were.

    Doubtful ones stay in doubt, and held ones held: a person decides on them.
    """
    states, fields = CANCELLABLE - {MailState.IN_DOUBT, MailState.HELD}, {"reply": RUN_STOPPED, "next_attempt_at": None}
    return _move(connection, outbox.c.run == run, states, MailState.CANCELLED, now, **fields)


def pause_run(connection: Connection, run: str, now: datetime) -> int:
    """Holds the mails of a run that wait to leave, and says how many they were."""
    states, fields = (MailState.QUEUED, MailState.DEFERRED), {"reply": RUN_PAUSED, "next_attempt_at": None}
    return _move(connection, outbox.c.run == run, states, MailState.HELD, now, **fields)


def unpause_run(connection: Connection, run: str, now: datetime) -> int:
    """Queues the mails again that `pause_run` has held; what a person has held stays so."""
    held = (outbox.c.run == run) & (outbox.c.reply == RUN_PAUSED)
    return _move(connection, held, (MailState.HELD,), MailState.QUEUED, now, reply=None, queued_at=now)


def restore_run(connection: Connection, run: str, after: MailState, now: datetime) -> int:
    """Plans or queues the mails again that `cancel_run` has cancelled, and says how many they were.

    What a person has cancelled stays so.
    """
    fields: dict[str, Any] = {"reply": None, "taken": False}
    if after is MailState.QUEUED:
        fields["queued_at"] = now
    stopped = (outbox.c.run == run) & (outbox.c.reply == RUN_STOPPED)
    return _move(connection, stopped, (MailState.CANCELLED,), after, now, **fields)


def forget_unsent(connection: Connection, run: str, steps: Collection[str]) -> int:
    """Removes the mails of some steps that have not left and will not leave by themselves, so that they are built anew.

    What has left, or may have, stays: it is sent once.
    """
    states = [state.value for state in (MailState.PLANNED, MailState.CANCELLED, MailState.FAILED, MailState.CAPTURED)]
    which = (outbox.c.run == run) & outbox.c.step.in_(sorted(steps)) & outbox.c.state.in_(states)
    return connection.execute(delete(outbox).where(which)).rowcount


def sent_before(connection: Connection, run: str, step: str, keys: Collection[str]) -> dict[str, Mail]:
    """The mails of another run that have left, or may have, by their keys."""
    done = outbox.c.state.in_([state.value for state in MailState if state not in NOT_GONE])
    found: dict[str, Mail] = {}
    for some in portions(list(keys)):
        query = select(outbox).where(outbox.c.run == run, outbox.c.step == step, outbox.c.key.in_(some), done)
        found |= {row["key"]: mail_of(row) for row in connection.execute(query).mappings()}
    return found


def is_released(connection: Connection, run: str) -> bool:
    """Whether any mail of a run was allowed to leave."""
    query = select(outbox.c.id).where(outbox.c.run == run, outbox.c.queued_at.is_not(None))
    return connection.execute(select(exists(query))).scalar_one()


def resend(connection: Connection, ids: Collection[int], now: datetime) -> int:
    """Queues mails again whose end a person does not accept. Message-ID and bytes stay as they are.

    A mail with several recipients goes to those that the server has not taken; to all, when it took all.

    Raises:
        Refused: one of them is in no such state; nothing is changed.
    """
    _must_be(connection, ids, RESENDABLE, "sent again")
    return _queue(connection, ids, RESENDABLE, now)


def release(connection: Connection, ids: Collection[int], now: datetime) -> int:
    """Lets mails go now that are planned, held, or wait for their next attempt.

    Raises:
        Refused: one of them is in no such state; nothing is changed.
    """
    _must_be(connection, ids, RELEASABLE, "released")
    return _queue(connection, ids, RELEASABLE, now)


def cancel(connection: Connection, ids: Collection[int], now: datetime) -> int:
    """Cancels mails that have not left. One in doubt is given up: it is not sent again.

    Raises:
        Refused: one of them is in no such state; nothing is changed.
    """
    _must_be(connection, ids, CANCELLABLE, "cancelled")
    cancelled = MailState.CANCELLED
    return sum(_move(connection, outbox.c.id.in_(some), CANCELLABLE, cancelled, now) for some in portions(sorted(ids)))


def counts(connection: Connection, run: str, step: str | None = None) -> Counter[MailState]:
    """How many mails of a run, or of one step of it, are in each state."""
    query = select(outbox.c.state, func.count()).where(outbox.c.run == run).group_by(outbox.c.state)
    if step is not None:
        query = query.where(outbox.c.step == step)
    return Counter({MailState(state): number for state, number in connection.execute(query)})


def outcomes(connection: Connection, run: str, step: str, limit: int = 500) -> list[Mail]:
    """Mails that reached their end and whose flow has not yet gone on, oldest first."""
    is_new = (outbox.c.taken == false()) & outbox.c.state.in_([state.value for state in FINAL])
    query = select(outbox).where(outbox.c.run == run, is_new, outbox.c.step == step).order_by(outbox.c.id).limit(limit)
    return [mail_of(row) for row in connection.execute(query).mappings()]


def take(connection: Connection, ids: Collection[int]) -> None:
    """Notes that the flow went on with the outcomes of these mails."""
    for some in portions(sorted(ids)):
        connection.execute(update(outbox).where(outbox.c.id.in_(some)).values(taken=true()))


def show(connection: Connection, mail_id: int) -> Mail:
    """One mail.

    Raises:
        Refused: there is none of this number.
    """
    row = connection.execute(select(outbox).where(outbox.c.id == mail_id)).mappings().first()
    if row is None:
        raise Refused(f"There is no mail {mail_id} in the outbox. 'postwerk outbox list' shows what there is.")
    return mail_of(row)


def listed(
    connection: Connection,
    *,
    run: str | None = None,
    states: Collection[MailState] = (),
    account: str | None = None,
    after: int = 0,
    limit: int | None = None,
) -> Iterator[Mail]:
    """Mails by their number; `after` and `limit` page through them."""
    query = select(outbox).where(outbox.c.id > after).order_by(outbox.c.id).limit(limit)
    if run is not None:
        query = query.where(outbox.c.run == run)
    if account is not None:
        query = query.where(outbox.c.account == account)
    if states:
        query = query.where(outbox.c.state.in_([state.value for state in states]))
    with connection.execution_options(yield_per=1000).execute(query) as rows:
        for row in rows.mappings():
            yield mail_of(row)


def _queue(connection: Connection, ids: Collection[int], before: Collection[MailState], now: datetime) -> int:
    fresh = {"queued_at": now, "next_attempt_at": None}
    return sum(
        _move(connection, outbox.c.id.in_(some), before, MailState.QUEUED, now, **fresh)
        for some in portions(sorted(ids))
    )


def _move(
    connection: Connection,
    which: ColumnElement[bool],
    before: Collection[MailState],
    after: MailState,
    now: datetime,
    **fields: Any,
) -> int:
    for state in before:
        if not is_legal(state, after):
            raise ValueError(f"A mail can't go from {state} to {after}.")
    if after is MailState.QUEUED:
        ring(connection, BELL)
    expected = outbox.c.state.in_([state.value for state in before])
    change = update(outbox).where(which, expected).values(state=after.value, updated_at=now, **fields)
    return connection.execute(change).rowcount


def _must_be(connection: Connection, ids: Collection[int], states: Collection[MailState], done: str) -> None:
    found: dict[int, str] = {}
    for some in portions(sorted(ids)):
        rows = connection.execute(select(outbox.c.id, outbox.c.state).where(outbox.c.id.in_(some)))
        found.update((row.id, row.state) for row in rows)
    for one in sorted(ids):
        if one not in found:
            raise Refused(f"There is no mail {one} in the outbox, so nothing was done.")
        if MailState(found[one]) not in states:
            raise Refused(
                f"Mail {one} is {found[one]}, so it can't be {done}, and nothing was done. "
                f"This can be done with what is {_listed(states)}."
            )


def _listed(states: Iterable[MailState]) -> str:
    *others, last = sorted(states)
    return f"{', '.join(others)} or {last}" if others else last
