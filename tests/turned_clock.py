"""A clock that a test turns."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class TurnedClock:
    """Stands still until it is turned."""

    def __init__(self, now: datetime = NOON) -> None:
        self._now = now
        self._alarms: list[tuple[datetime, asyncio.Event]] = []
        self._set = asyncio.Event()

    def now(self) -> datetime:
        return self._now

    async def until(self, moment: datetime) -> None:
        while self._now < moment:
            event = asyncio.Event()
            self._alarms.append((moment, event))
            self._set.set()
            await event.wait()

    def turn(self, by: timedelta) -> None:
        """Lets time pass."""
        self._now += by
        due = [alarm for alarm in self._alarms if alarm[0] <= self._now]
        self._alarms = [alarm for alarm in self._alarms if alarm[0] > self._now]
        for _, event in due:
            event.set()
