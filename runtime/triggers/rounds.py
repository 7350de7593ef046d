"""What triggers do by themselves: calendars that fire, folders that are looked at, firings that were left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ...engine import Transient
from ..clock import Clock
from ..disk import DiskFullError
from ..workspace import Workspace
from . import rows
from .calendar import DAY, Calendar, firings
from .events import Event
from .folders import FolderWatch
from .kinds import Folder
from .launching import Launcher
from .rows import TriggerRow
from .ticks import due

log = logging.getLogger(__name__)

LOOK = timedelta(seconds=10)
"""How often it is looked whether another program has changed a trigger or left a firing."""
JUMP = timedelta(hours=1)
"""A clock that was further ahead than this was wrong, and has been set right."""
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Watched:
    """A folder, and whether somebody is looking at it: a share that does not answer holds up no other."""

    watch: FolderWatch
    next_look: datetime = LONG_AGO
    is_busy: bool = False


class Rounds:
    """Goes round until it is cancelled. Whatever is cut off is taken up by the next round of any program."""

    def __init__(self, workspace: Workspace, launcher: Launcher, clock: Clock) -> None:
        self._workspace, self._launcher, self._clock = workspace, launcher, clock
        self._changed = asyncio.Event()
        self._watched: dict[int, _Watched] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._again(lambda: self._fire_calendars(group)))
            group.create_task(self._again(lambda: self._look_at_folders(group)))
            group.create_task(self._again(self._repair))

    async def _listen(self) -> None:
        """Goes round at once when a trigger was changed, on PostgreSQL by whichever program."""
        async with aclosing(self._workspace.store.rings(rows.BELL)) as rings:
            async for _ in rings:
                changed, self._changed = self._changed, asyncio.Event()
                changed.set()

    async def _again(self, work: Callable[[], Awaitable[datetime]]) -> None:
        """Does the work whenever the moment has come that it named, or a trigger was changed."""
        while True:
            changed = self._changed
            try:
                moment = await work()
            except (Transient, DiskFullError) as error:
                log.warning("The triggers wait: %s", error.message)
                moment = self._clock.now() + LOOK
            await self._pause(moment, changed)

    async def _pause(self, moment: datetime, changed: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            waits = (group.create_task(self._clock.until(moment)), group.create_task(_heard(changed)))
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for one in waits:
                one.cancel()

    async def _published(self, kind: str) -> list[TriggerRow]:
        return await self._workspace.store.read(
            lambda connection: rows.all_triggers(connection, kind=kind, is_published=True)
        )

    # Calendars

    async def _fire_calendars(self, group: asyncio.TaskGroup) -> datetime:
        """When the next one fires, or when to look again."""
        moments = [self._clock.now() + LOOK]
        for row in await self._published("calendar"):
            if isinstance(calendar := row.trigger.settings, Calendar):
                now = self._clock.now()
                if fired := await self._fire_due(row, calendar, now):
                    group.create_task(self._launch(fired))
                moments.extend(firings(calendar, now, now + LOOK))
        return min(moments)

    async def _fire_due(self, row: TriggerRow, calendar: Calendar, now: datetime) -> list[Event]:
        decided = row.decided_until or now
        if decided > now + JUMP:
            return await self._launcher.fire_due(row, (), now)
        causes = due(calendar, decided, now)
        if not causes and now - decided < DAY:
            return []
        return await self._launcher.fire_due(row, causes, now)  # without a cause too: so the next look is short

    async def _launch(self, fired: Sequence[Event]) -> None:
        """One after the other: what was missed comes in its order."""
        for event in fired:
            try:
                await self._launcher.launch(event)
            except (Transient, DiskFullError) as error:
                log.warning("A firing of %r waits: %s", event.name, error.message)

    # Folders

    async def _look_at_folders(self, group: asyncio.TaskGroup) -> datetime:
        """When to look again."""
        now = self._clock.now()
        published = {row.id: row for row in await self._published("folder")}
        self._watched = {one: self._watch(row) for one, row in published.items()}
        for watched in self._watched.values():
            if watched.next_look <= now or watched.next_look > now + JUMP:
                watched.next_look = now + watched.watch.settings.look_every
                if not watched.is_busy:
                    watched.is_busy = True
                    group.create_task(self._look(watched, now))
        return min([now + LOOK, *(one.next_look for one in self._watched.values())])

    def _watch(self, row: TriggerRow) -> _Watched:
        """The watch of before, unless the trigger was changed."""
        known = self._watched.get(row.id)
        if known is not None and known.watch.row.changed_at == row.changed_at:
            known.watch.row = row
            return known
        if not isinstance(row.trigger.settings, Folder):
            raise TypeError(f"The trigger {row.name!r} watches no folder.")
        return _Watched(FolderWatch(self._workspace, self._launcher, row, row.trigger.settings))

    async def _look(self, watched: _Watched, now: datetime) -> None:
        try:
            await watched.watch.look(now)
        except (Transient, DiskFullError) as error:
            log.warning("The folder of trigger %r waits: %s", watched.watch.row.name, error.message)
        finally:
            watched.is_busy = False

    # Firings that were left

    async def _repair(self) -> datetime:
        await self._launcher.repair()
        soon, later = self._clock.now() + LOOK, await self._launcher.next_repair()
        return min(soon, later) if later else soon


async def _heard(event: asyncio.Event) -> None:
    await event.wait()
