"""From a cause to a run, exactly once, whatever ends in between.

A firing is written first, with the id that its run will have. Then the run is started under that id, and the firing
is settled. A program that ends before, between or behind these leaves nothing, a firing that is taken up again, or a
run that is found; a run's id is there once, so that two programs which try at the same time start one run.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection

from ...engine import ConfigError, Refused, Transient
from ..clock import Clock
from ..disk import DiskFullError
from ..store import Store
from . import events, rows
from .calendar import Calendar, Missed
from .events import Cause, Event
from .rows import TriggerRow
from .states import FiringState

log = logging.getLogger(__name__)

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(hours=1)
"""A mailing that was to start in the morning must not start by itself in the evening."""


class Start(Protocol):
    """Sees to it that a run of the flow is there under this id, once, and that it is done. It may be called again.

    Raises:
        ConfigError, Refused: the flow can't be started so.
        Transient, DiskFullError: it is tried again.
    """

    async def __call__(self, flow_id: str, inputs: Mapping[str, str], run_id: str, trigger: str) -> None: ...


class Launcher:
    """Writes firings and starts their runs."""

    def __init__(self, store: Store, start: Start, clock: Clock) -> None:
        self._store, self._start, self._clock = store, start, clock

    async def fire(self, row: TriggerRow, cause: Cause) -> Event:
        """The firing with its outcome; that of before, when this cause has fired already."""
        now = self._clock.now()
        event, is_new = await self._store.write(lambda connection: events.add(connection, row, cause, now))
        if not is_new:
            return event
        try:
            return await self.launch(event)
        except (Transient, DiskFullError) as error:  # it is kept all the same, and taken up again
            return replace(event, message=error.message)

    async def fire_due(self, row: TriggerRow, causes: Sequence[Cause], until: datetime) -> list[Event]:
        """Writes what is due of a calendar up to a moment, all or nothing. Empty when another program did."""
        now = self._clock.now()

        def write(connection: Connection) -> list[Event]:
            return events.remember(connection, row, causes, now) if rows.decide(connection, row, until) else []

        return await self._store.write(write)

    async def launch(self, event: Event) -> Event:
        """Starts the run of a firing that this program has for itself."""
        if event.state is not FiringState.PENDING or event.run is None:
            return event
        try:
            await self._start(event.flow_id, event.inputs, event.run, event.name)
        except (Transient, DiskFullError) as error:
            return await self._put_off(event, error.message)
        except (ConfigError, Refused) as error:
            return await self._settle(event, error.message)
        except Exception as error:  # a node's check broke, say: the other triggers go on
            log.exception("The start of flow %r by trigger %r broke.", event.flow_id, event.name)
            return await self._settle(event, f"The start broke: {type(error).__name__}: {error}.")
        return await self._settle(event, None)

    async def repair(self) -> int:
        """Takes up firings that were left, and says how many they were."""
        now = self._clock.now()
        left = await self._store.read(lambda connection: events.left_pending(connection, now))
        return sum([await self._take_up(event) for event in left])

    async def next_repair(self) -> datetime | None:
        """When a firing is to be taken up again."""
        return await self._store.read(events.next_left_pending)

    async def _take_up(self, event: Event) -> bool:
        now = self._clock.now()

        def take(connection: Connection) -> tuple[bool, TriggerRow | None]:
            return events.claim(connection, event, now), rows.live(connection, event.trigger)

        is_mine, row = await self._store.write(take)
        if not is_mine:
            return False
        if (objection := _objection(event, row, now)) is None:
            await self.launch(event)
        else:
            await self._settle(event, objection)
        return True

    async def _put_off(self, event: Event, message: str) -> Event:
        now = self._clock.now()
        if now - event.created_at >= GIVE_UP_AFTER:
            return await self._settle(event, f"{message} It was tried for an hour, and given up.")
        until = now + min(LONGEST_WAIT, FIRST_WAIT * (1 << min(event.attempts, 10)))

        def write(connection: Connection) -> Event:
            events.put_off(connection, event, until, message)
            return events.get(connection, event.id)

        return await self._store.write(write)

    async def _settle(self, event: Event, refusal: str | None) -> Event:
        return await self._store.write(lambda connection: events.settle(connection, event, refusal))


def _objection(event: Event, row: TriggerRow | None, now: datetime) -> str | None:
    """Why a firing that was left is not started now."""
    if row is None:
        return "The trigger was removed or is not published any more, so nothing was started."
    calendar = row.trigger.settings
    if not isinstance(calendar, Calendar) or calendar.missed is not Missed.SKIP or event.due_at is None:
        return None
    if now - event.due_at <= max(calendar.late_after, GIVE_UP_AFTER):
        return None
    return "Its program ended before the run was started; now it is too late, since what was missed is skipped."
