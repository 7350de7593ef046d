"""How often somebody may fail to log in. It is kept in memory: a restart forgives, an attacker can't restart us."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil

from ..clock import Clock, WallClock

WINDOW = timedelta(minutes=15)
MOST_KEYS = 10_000
"""Addresses and names that are remembered; with more, those are forgotten that failed longest ago."""


@dataclass
class Throttle:
    """Counts failures by a key, an address say. Only failures count, so whoever logs in is not slowed down."""

    most: int
    """Failures within the window, after which there are no more attempts."""
    clock: Clock = field(default_factory=WallClock)
    _failures: OrderedDict[str, deque[datetime]] = field(default_factory=OrderedDict)

    def wait(self, key: str) -> int:
        """Seconds until the next attempt is allowed; 0: now."""
        failures = self._recent(key)
        if len(failures) < self.most:
            return 0
        return max(1, ceil((failures[0] + WINDOW - self.clock.now()).total_seconds()))

    def fail(self, key: str) -> None:
        """An attempt has failed."""
        failures = self._recent(key)
        failures.append(self.clock.now())
        while len(failures) > self.most:
            failures.popleft()
        self._failures[key] = failures
        self._failures.move_to_end(key)
        if len(self._failures) > MOST_KEYS:
            self._failures.popitem(last=False)

    def forgive(self, key: str) -> None:
        """An attempt was good."""
        self._failures.pop(key, None)

    def _recent(self, key: str) -> deque[datetime]:
        failures = self._failures.get(key, deque())
        begin = self.clock.now() - WINDOW
        while failures and failures[0] <= begin:
            failures.popleft()
        return failures
