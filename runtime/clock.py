"""The present, and waiting for a moment. What waits by the wall clock takes a clock, so that a test can turn it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits for it."""

    def now(self) -> datetime:
        """The present, in UTC."""

    async def until(self, moment: datetime) -> None:
        """Returns when the moment has come."""


class WallClock:
    """The computer's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def until(self, moment: datetime) -> None:
        while (left := (moment - self.now()).total_seconds()) > 0:  # noqa: ASYNC110  the wall clock sends no event
            await asyncio.sleep(min(left, 60))  # it may be set meanwhile
