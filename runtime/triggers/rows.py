"""Triggers in the store: pure SQL on a connection."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from ...engine import ConfigError, suggestion
from ..outbox.states import MailState
from ..store import outbox, ring, runs
from ..store.schema import firings
from ..store.schema import triggers as table
from .kinds import Trigger, parse_trigger

BELL = "triggers"
"""Rung when a trigger was changed."""

log = logging.getLogger(__name__)

LEFT = (MailState.SENT.value, MailState.BOUNCED.value, MailState.DELIVERED_UNKNOWN.value)
"""Mails that a server took over, whatever became of them later."""


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """A trigger as it is kept."""

    id: int
    trigger: Trigger
    created_at: datetime
    changed_at: datetime
    decided_until: datetime | None
    trouble: str | None

    @property
    def name(self) -> str:
        return self.trigger.name


@dataclass(frozen=True, slots=True)
class Totals:
    """What a trigger did, counted in the firings, the runs and the outbox themselves."""

    firings: dict[str, int]
    """By state."""
    runs: dict[str, int]
    """Runs that it started, by their states now."""
    sent: int
    """Mails of these runs that left."""

    @property
    def started(self) -> int:
        return sum(self.runs.values())


def put(connection: Connection, trigger: Trigger, now: datetime, token: str | None = None) -> TriggerRow:
    """Keeps a trigger, in place of one of the same name and kind, whose token stays when none is given.

    Raises:
        ConfigError: there is one of the same name and another kind.
    """
    known = connection.execute(select(table.c.id, table.c.kind).where(table.c.name == trigger.name)).first()
    if known is None:
        connection.execute(insert(table).values(**_columns(trigger, now), created_at=now, token=token))
    else:
        _is_same_kind(known.kind, trigger)
        changed = _columns(trigger, now) | ({"token": token} if token else {})
        connection.execute(update(table).where(table.c.id == known.id).values(changed))
    ring(connection, BELL)
    return get(connection, trigger.name)


def _columns(trigger: Trigger, now: datetime) -> dict[str, object]:
    return {
        "name": trigger.name, "flow_id": trigger.flow_id, "kind": trigger.kind, "group": trigger.group,
        "settings": trigger.settings.model_dump(mode="json"), "inputs": dict(trigger.inputs),
        "is_published": trigger.is_published, "changed_at": now, "decided_until": now, "trouble": None,
    }  # fmt: skip


def _is_same_kind(known: str, trigger: Trigger) -> None:
    if known != trigger.kind:
        raise ConfigError(
            f"There is a trigger {trigger.name!r} of the kind {known!r}; it can't become a "
            f"{trigger.kind!r}. Take another name, or remove it first: postwerk trigger remove {trigger.name!r}",
            field="name",
        )


def get(connection: Connection, name: str) -> TriggerRow:
    """Raises ConfigError when there is none of this name."""
    row = connection.execute(select(table).where(table.c.name == name)).mappings().first()
    if row is None:
        raise _unknown(connection, name)
    return _row(row)


def _unknown(connection: Connection, name: str) -> ConfigError:
    names = connection.execute(select(table.c.name)).scalars().all()
    return ConfigError(f"There is no trigger {name!r} in this workspace. {suggestion(name, names)}")


def by_token(connection: Connection, token: str) -> TriggerRow | None:
    """The webhook whose secret path has this digest."""
    row = connection.execute(select(table).where(table.c.token == token)).mappings().first()
    return _row(row) if row else None


def all_triggers(
    connection: Connection, *, group: str | None = None, kind: str | None = None, is_published: bool | None = None
) -> list[TriggerRow]:
    """By group and name. One that can't be read is told in the log, and holds up no other."""
    query = select(table).order_by(table.c.group, table.c.name)
    for column, wanted in ((table.c.group, group), (table.c.kind, kind), (table.c.is_published, is_published)):
        if wanted is not None:
            query = query.where(column == wanted)
    return list(_readable(connection.execute(query).mappings()))


def _readable(found: Iterable[RowMapping]) -> Iterator[TriggerRow]:
    for row in found:
        try:
            yield _row(row)
        except ConfigError as error:
            log.error("%s", error.message)


def publish(connection: Connection, name: str, now: datetime, *, is_published: bool) -> TriggerRow:
    """What came while it was not published was not missed: it counts from now on.

    Raises:
        ConfigError: there is none of this name.
    """
    known = get(connection, name)
    if known.trigger.is_published is not is_published:
        changed = {"is_published": is_published, "changed_at": now, "decided_until": now, "trouble": None}
        connection.execute(update(table).where(table.c.id == known.id).values(changed))
        ring(connection, BELL)
    return get(connection, name)


def remove(connection: Connection, name: str) -> int:
    """Forgets a trigger and says which id it had; its firings and runs stay.

    Raises:
        ConfigError: there is none of this name.
    """
    found: int | None = connection.execute(select(table.c.id).where(table.c.name == name)).scalar()
    if found is None:
        raise _unknown(connection, name)
    connection.execute(delete(table).where(table.c.id == found))
    ring(connection, BELL)
    return found


def decide(connection: Connection, row: TriggerRow, until: datetime) -> bool:
    """Takes it on itself to say which times fire up to a moment. Whether nobody else did, or changed the trigger."""
    unchanged = (table.c.id == row.id) & (table.c.changed_at == row.changed_at) & table.c.is_published
    same = unchanged & (table.c.decided_until == row.decided_until)
    return connection.execute(update(table).where(same).values(decided_until=until)).rowcount == 1


def live(connection: Connection, trigger_id: int) -> TriggerRow | None:
    """The trigger, if it is there and published."""
    query = select(table).where(table.c.id == trigger_id, table.c.is_published)
    row = connection.execute(query).mappings().first()
    return _row(row) if row else None


def set_trouble(connection: Connection, trigger_id: int, trouble: str | None) -> None:
    changed = table.c.trouble.is_distinct_from(trouble)
    connection.execute(update(table).where(table.c.id == trigger_id, changed).values(trouble=trouble))


def totals(connection: Connection, trigger_ids: Sequence[int]) -> dict[int, Totals]:
    """Counted anew each time, so that no counter can drift."""
    found = {one: Totals({}, {}, 0) for one in trigger_ids}
    of_these = firings.c.trigger.in_(list(trigger_ids))
    of_run = firings.join(runs, runs.c.id == firings.c.run)
    by_state = (
        select(firings.c.trigger, firings.c.state, func.count())
        .where(of_these)
        .group_by(firings.c.trigger, firings.c.state)
    )
    for trigger, state, number in connection.execute(by_state):
        found[trigger].firings[state] = number
    by_run = select(firings.c.trigger, runs.c.state, func.count()).select_from(of_run).where(of_these)
    for trigger, state, number in connection.execute(by_run.group_by(firings.c.trigger, runs.c.state)):
        found[trigger].runs[state] = number
    mails = firings.join(outbox, outbox.c.run == firings.c.run)
    by_mail = select(firings.c.trigger, func.count()).select_from(mails).where(of_these, outbox.c.state.in_(LEFT))
    sent = {one: int(number) for one, number in connection.execute(by_mail.group_by(firings.c.trigger))}
    return {one: Totals(total.firings, total.runs, sent.get(one, 0)) for one, total in found.items()}


def _row(row: RowMapping) -> TriggerRow:
    """Raises ConfigError when this program can't read it: a time zone is unknown on this machine, say."""
    try:
        trigger = _trigger(row)
    except ConfigError as error:
        raise ConfigError(
            f"The trigger {row['name']!r} can't be read, so it does not fire. Add it anew. {error.message}"
        ) from error
    return TriggerRow(row["id"], trigger, row["created_at"], row["changed_at"], row["decided_until"], row["trouble"])


def _trigger(row: RowMapping) -> Trigger:
    return parse_trigger(
        {
            "name": row["name"], "flow_id": row["flow_id"], "settings": row["settings"], "group": row["group"],
            "inputs": row["inputs"], "is_published": row["is_published"],
        }
    )  # fmt: skip
