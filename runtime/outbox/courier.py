"""The delivery of one account: takes its queued mails, opens sessions as needed, and shares the mails among them."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Connection

from ...engine import ConfigError
from ..accounts import Account, Accounts, Patience
from ..blobs import BlobDamagedError, Blobs
from ..clock import Clock
from ..disk import DiskFullError
from ..store import Store
from . import verdicts
from .attempt import attempt
from .claims import Claim, End, OutdatedError, claims, next_due, queue_due
from .connection import OpeningError, Session, open_session, tls_context
from .dialogue import SessionLostError
from .marks import BudgetSpentError, Marks
from .states import MailState

log = logging.getLogger(__name__)

BATCH = 200
"""Mails read from the store at a time."""
READ_AHEAD_BYTES = 16_000_000
"""Of mails held in memory; the bytes of the others are read when their turn comes."""
IDLE_SECONDS = 10
"""How long a session waits for another mail."""
MOST_SESSIONS_LOST = 3
"""A mail that cost so many sessions is put off."""
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


@dataclass(slots=True)
class Parcel:
    """A mail in memory."""

    claim: Claim
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Office:
    """What all couriers share."""

    store: Store
    blobs: Blobs
    accounts: Accounts
    marks: Marks
    clock: Clock
    changed: Callable[[], None]
    """Called when mails have reached a new state."""


class Courier:
    """Sends the mails of one account until it is stopped."""

    def __init__(self, name: str, office: Office) -> None:
        self.name = name
        self.trouble: Trouble | None = None
        self._office = office
        self._waiting: deque[Parcel] = deque()
        self._held: set[int] = set()
        self._settled: set[int] = set()
        self._sessions: set[Session] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._idle = 0
        self._setbacks = 0
        self._losses: Counter[int] = Counter()
        self._account: Account | None = None
        self._context: ssl.SSLContext | None = None
        self._awake = asyncio.Event()
        self._arrived = asyncio.Event()
        self._is_stopping = False
        self._has_more = True
        self._due: datetime | None = None
        self._budget_at: datetime | None = None
        self._crowd: tuple[int, datetime] | None = None

    def wake(self) -> None:
        """Says that there may be new mails."""
        self._has_more = True
        self._awake.set()

    def stop(self) -> None:
        """Has every session end after the mail that it is sending."""
        self._is_stopping = True
        self._awake.set()
        self._arrived.set()
        for task in self._opening:
            task.cancel()

    def abandon(self) -> None:
        """Ends every session at once; a mail on its way is in doubt then."""
        for session in self._sessions:
            session.close()

    @property
    def _now(self) -> datetime:
        return self._office.clock.now()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while not self._is_stopping:
                self._awake.clear()
                await self._refill()
                if self._waiting and self._gate() is None:
                    self._arrived.set()
                for _ in range(self._wanted_sessions()):
                    self._opening.add(tasks.create_task(self._serve()))
                alarm = tasks.create_task(self._ring())
                await self._awake.wait()
                alarm.cancel()

    async def _refill(self) -> None:
        """Reads the next mails, when few are left in memory."""
        if self._due is not None and self._due <= self._now:
            await self._queue_due()
        if not self._has_more or len(self._waiting) > BATCH // 2:
            return
        self._has_more = False
        self._settled.clear()
        number = BATCH + len(self._held)
        parcels, self._due = await self._office.store.read(lambda connection: self._read(connection, number))
        gone = self._held | self._settled  # what was settled while we read may still look queued
        fresh = [parcel for parcel in parcels if parcel.claim.id not in gone]
        self._has_more = self._has_more or len(parcels) == number
        self._waiting.extend(fresh)
        self._held.update(parcel.claim.id for parcel in fresh)

    async def _queue_due(self) -> None:
        try:
            await self._office.store.write(lambda connection: queue_due(connection, self.name, self._now))
            self._has_more = True
        except DiskFullError as error:
            self._in_trouble(error.message, FIRST_WAIT)

    def _read(self, connection: Connection, number: int) -> tuple[list[Parcel], datetime | None]:
        room = READ_AHEAD_BYTES
        parcels = []
        for claim in claims(connection, self.name, number):
            room -= claim.blob.size
            is_new = claim.id not in self._held
            parcels.append(Parcel(claim, self._content(claim) if room >= 0 and is_new else None))
        return parcels, next_due(connection, self.name)

    def _content(self, claim: Claim) -> bytes | None:
        try:
            return self._office.blobs.read(claim.blob)
        except BlobDamagedError:
            return None  # told when its turn comes

    def _wanted_sessions(self) -> int:
        """How many more sessions there should be."""
        if not self._waiting or self._gate() is not None:
            return 0
        most = 1 if self.trouble or self._account is None else self._account.limits.connections
        if self._crowd is not None:
            if self._crowd[1] <= self._now:
                self._crowd = None
            else:
                most = min(most, self._crowd[0])
        there = len(self._sessions) + len(self._opening)
        return max(0, min(most - there, len(self._waiting) - len(self._opening) - self._idle))

    def _gate(self) -> datetime | None:
        """Until when nothing may be sent, whatever waits."""
        gates = [self._budget_at, self.trouble.retry_at if self.trouble else None]
        closed = [gate for gate in gates if gate is not None and gate > self._now]
        return max(closed, default=None)

    async def _ring(self) -> None:
        """Wakes the loop at the next moment at which there may be something to do."""
        moments = [moment for moment in (self._gate(), self._due) if moment is not None]
        if self._crowd is not None and self._waiting:
            moments.append(self._crowd[1])
        if moments:
            await self._office.clock.until(min(moments))
            self._awake.set()

    async def _serve(self) -> None:
        """One session after another, as long as each is used up and there is more to send."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        goes_on = True
        while goes_on:
            self._opening.add(task)
            session = await self._open()
            self._opening.discard(task)
            self._awake.set()
            goes_on = session is not None and await self._use(session)

    async def _use(self, session: Session) -> bool:
        """Sends what there is; whether the server would take more, though not over this session."""
        self._sessions.add(session)
        try:
            while self._may_go_on(session) and (parcel := await self._next()) is not None:
                await self._deliver(session, parcel)
            goes_on = session.is_open and not self._is_stopping and bool(self._waiting) and self._gate() is None
            await session.quit()
        finally:
            session.close()
            self._sessions.discard(session)
            self._awake.set()
        return goes_on

    async def _open(self) -> Session | None:
        try:
            account = await self._office.accounts.get(self.name)
            if account != self._account:
                self._context = await asyncio.to_thread(tls_context, account)
                self._account = account
            return await open_session(account, self._context)
        except OpeningError as error:
            self._cannot_open(error)
        except ConfigError as error:
            self._in_trouble(error.message, FIRST_LOGIN_WAIT)
        return None

    def _cannot_open(self, error: OpeningError) -> None:
        if self._sessions and not error.is_login:
            self._crowd = (len(self._sessions), self._now + CROWDED)
            log.warning("%s: %s Going on with fewer connections: %d.", self.name, error.reason, len(self._sessions))
        else:
            self._in_trouble(error.reason, FIRST_LOGIN_WAIT if error.is_login else FIRST_WAIT)

    def _in_trouble(self, reason: str, first_wait: timedelta) -> None:
        """Pauses the account, each time for longer. Its mails stay queued."""
        before = self.trouble
        failures = before.failures + 1 if before else 1
        wait = min(LONGEST_WAIT, first_wait * (1 << min(failures - 1, 20)))
        since = before.since if before else self._now
        self.trouble = Trouble(self.name, reason, since, self._now + wait, failures)
        if before is None or before.reason != reason:
            log.warning("%s sends nothing for now: %s", self.name, reason)
        self._office.changed()

    def _may_go_on(self, session: Session) -> bool:
        most = session.account.limits.mails_per_connection
        return session.is_open and not self._is_stopping and (most is None or session.mails < most)

    async def _next(self) -> Parcel | None:
        """The next mail; None when none comes for a while."""
        if not self._waiting or self._gate() is not None:
            self._idle += 1
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._wait_for_mail()
            except TimeoutError:
                return None
            finally:
                self._idle -= 1
        if self._is_stopping:
            return None
        if len(self._waiting) <= BATCH // 2 and self._has_more:
            self._awake.set()
        return self._waiting.popleft()

    async def _wait_for_mail(self) -> None:
        while not self._is_stopping and (not self._waiting or self._gate() is not None):
            self._arrived.clear()
            self._awake.set()
            await self._arrived.wait()

    async def _deliver(self, session: Session, parcel: Parcel) -> None:
        """One attempt, whatever comes of it."""
        claim = parcel.claim
        try:
            content = parcel.content
            if content is None:
                content = await asyncio.to_thread(self._office.blobs.read, claim.blob)
            end = await attempt(session, claim, content, self._office.marks, self._office.clock)
        except BlobDamagedError as error:
            self._end(verdicts.unfit(claim, error.message, self._now))
        except OutdatedError:
            self._forget(claim.id)
        except SessionLostError as error:
            self._lose(parcel, error.reason)
        except BudgetSpentError as error:
            self._budget_at = error.until
            self._waiting.appendleft(parcel)
        except DiskFullError as error:
            self._in_trouble(error.message, FIRST_WAIT)
            self._waiting.appendleft(parcel)
        else:
            self._end(end)
            if end.code is None and end.before is MailState.SENDING:  # sent, and no answer
                self._set_back(end.reply or "")
            else:
                self._succeed()

    def _lose(self, parcel: Parcel, reason: str) -> None:
        """The session ended with this mail at hand. Others go first now, and after some such losses it must wait."""
        claim = parcel.claim
        self._losses[claim.id] += 1
        if self._losses[claim.id] < MOST_SESSIONS_LOST:
            self._waiting.append(parcel)
        else:
            patience = self._account.patience if self._account else Patience()
            self._end(verdicts.never_heard(claim, reason, patience, self._now))
        self._set_back(reason)

    def _set_back(self, reason: str) -> None:
        """A session went wrong. Once may be chance, or the server's daily restart."""
        self._setbacks += 1
        if self._setbacks > 1:
            self._in_trouble(f"{self.name}'s server breaks off: {reason}", FIRST_WAIT)

    def _succeed(self) -> None:
        self._setbacks = 0
        if self.trouble is not None:
            log.warning("%s sends again.", self.name)
            self.trouble = None
            self._awake.set()

    def _end(self, end: End) -> None:
        self._office.marks.end(end, self._settle)

    def _settle(self, end: End) -> None:
        """The end stands in the store."""
        self._forget(end.id)
        if end.after is MailState.QUEUED:
            self.wake()
        elif end.next_attempt_at is not None:
            self._due = min(self._due or end.next_attempt_at, end.next_attempt_at)
            self._awake.set()
        self._office.changed()

    def _forget(self, mail_id: int) -> None:
        self._held.discard(mail_id)
        self._settled.add(mail_id)
        if mail_id in self._losses:
            del self._losses[mail_id]
