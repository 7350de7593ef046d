"""How hard an account's server may be pressed: pauses after troubles, and fewer connections where it had enough."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..clock import Clock
from .connection import OpeningError

log = logging.getLogger(__name__)

FIRST_WAIT = timedelta(seconds=1)
FIRST_LOGIN_WAIT = timedelta(minutes=1)
"""Servers lock accounts after a few refused logins."""
LONGEST_WAIT = timedelta(minutes=10)
CROWDED = timedelta(minutes=1)
"""How long fewer connections are used after the server had enough of them."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an account sends nothing just now."""

    account: str
    reason: str
    since: datetime
    retry_at: datetime
    failures: int


class Pace:
    """What went wrong lately with an account, and what that allows now. Troubles are no mail's fault."""

    def __init__(self, account: str, clock: Clock) -> None:
        self.trouble: Trouble | None = None
        self._account = account
        self._clock = clock
        self._setbacks = 0
        self._crowd: tuple[int, datetime] | None = None

    @property
    def resumes_at(self) -> datetime | None:
        """Until when nothing is to be tried; None when something may be tried now."""
        is_pausing = self.trouble is not None and self.trouble.retry_at > self._clock.now()
        return self.trouble.retry_at if self.trouble and is_pausing else None

    @property
    def widens_at(self) -> datetime | None:
        """When more connections may be tried again."""
        return self._crowd[1] if self._crowd and self._crowd[1] > self._clock.now() else None

    def sessions(self, most: int) -> int:
        """How many sessions there may be, of the `most` that the account allows. In trouble one is enough to try."""
        if self.trouble is not None:
            return 1
        return min(most, self._crowd[0]) if self._crowd and self.widens_at else most

    def could_not_open(self, error: OpeningError, others: int) -> None:
        """No session was to be had, while there are so many others."""
        if others and not error.is_login:
            self._crowd = (others, self._clock.now() + CROWDED)
            log.warning("%s: %s Going on with fewer connections: %d.", self._account, error.reason, others)
        else:
            self.pause(error.reason, FIRST_LOGIN_WAIT if error.is_login else FIRST_WAIT)

    def set_back(self, reason: str) -> None:
        """A session broke off. Once may be chance, or the server's daily restart."""
        self._setbacks += 1
        if self._setbacks > 1:
            self.pause(f"The server breaks off: {reason}", FIRST_WAIT)

    def pause(self, reason: str, first_wait: timedelta = FIRST_WAIT) -> None:
        """Stops for a while, each time for longer. What several sessions met at once counts once."""
        before = self.trouble
        if self.resumes_at is not None:
            return
        now = self._clock.now()
        failures = before.failures + 1 if before else 1
        wait = min(LONGEST_WAIT, first_wait * (1 << min(failures - 1, 20)))
        self.trouble = Trouble(self._account, reason, before.since if before else now, now + wait, failures)
        if before is None or before.reason != reason:
            log.warning("%s sends nothing for now: %s", self._account, reason)

    def succeed(self) -> None:
        """The server has answered a mail."""
        self._setbacks = 0
        if self.trouble is not None:
            log.warning("%s sends again.", self._account)
            self.trouble = None
