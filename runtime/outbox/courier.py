"""The delivery of one account: takes its queued mails, opens sessions as needed, and shares the mails among them."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, cast

from sqlalchemy import Connection

from ...engine import ConfigError
from ..accounts import Account, Accounts, Patience
from ..blobs import BlobDamagedError, Blobs, BucketUnreachableError
from ..clock import Clock
from ..disk import DiskFullError
from ..members import Membership, SuspendedError
from ..store import OutcomeUnknownError, Store, StoreUnreachableError
from . import verdicts
from .attempt import attempt
from .claims import Claim, End, OutdatedError, claims, next_due, queue_due
from .connection import OpeningError, Session, open_session, tls_context
from .dialogue import SessionLostError
from .leases import LeaseLostError
from .marks import BudgetSpentError, Marks
from .pace import FIRST_LOGIN_WAIT, Pace
from .states import MailState

A = TypeVar("A")
T = TypeVar("T")

BATCH = 200
"""Mails read from the store at a time."""
READ_AHEAD_BYTES = 16_000_000
"""Of mails held in memory; the bytes of the others are read when their turn comes."""
IDLE_SECONDS = 10
"""How long a session waits for another mail."""
MOST_SESSIONS_LOST = 3
"""A mail that cost so many sessions is put off."""


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
    member: Membership
    changed: Callable[[], None]
    """Called when mails have reached a new state."""
    readers: Executor
    """Threads that read mails: neither the database nor the steps of flows wait for them."""

    async def beside(self, work: Callable[[A], T], argument: A) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.readers, work, argument)


class Courier:
    """Sends the mails of one account until it is stopped."""

    def __init__(self, name: str, office: Office) -> None:
        self.name = name
        self.pace = Pace(name, office.clock)
        self._office = office
        self._waiting: deque[Parcel] = deque()
        self._held: set[int] = set()
        self._settled: set[int] = set()
        self._sessions: set[Session] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._idle = 0
        self._offering = 0
        self._losses: Counter[int] = Counter()
        self._account: Account | None = None
        self._context: ssl.SSLContext | None = None
        self._was_let_in = False
        """Whether any session was had: until then one is tried at a time."""
        self._awake = asyncio.Event()
        self._arrived = asyncio.Event()
        self._is_stopping = False
        self._has_more = True
        self._due: datetime | None = None

    def wake(self) -> None:
        """Says that there may be new mails."""
        self._has_more = True
        self._awake.set()

    def go_on(self) -> None:
        """Says that what kept its mails back may be gone."""
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
                if self._may_offer():
                    self._arrived.set()
                for _ in range(self._wanted_sessions()):
                    self._opening.add(tasks.create_task(self._serve()))
                alarm = tasks.create_task(self._ring())
                await self._awake.wait()
                alarm.cancel()
            await self._stop_opening()

    async def _stop_opening(self) -> None:
        """Again and again: Python 3.11 loses a cancellation that comes just when a connection is made."""
        while self._opening:
            for task in self._opening:
                task.cancel()
            done, _ = await asyncio.wait(self._opening, timeout=1)
            self._opening -= done

    async def _refill(self) -> None:
        """Reads the next mails, when few are left in memory."""
        if self._due is not None and self._due <= self._now and self._gate() is None:
            await self._queue_due()
        if not self._has_more or len(self._waiting) > BATCH // 2:
            return
        self._has_more = False
        self._due = None
        self._settled.clear()
        known = frozenset(self._held)
        try:
            found, has_more, due = await self._office.store.read(lambda connection: self._read(connection, known))
        except StoreUnreachableError as error:
            self._has_more = True
            self.pace.pause(error.message)
            return
        self._note_due(due)
        gone = self._held | self._settled  # what was settled while we read may still look queued
        fresh = [claim for claim in found if claim.id not in gone]
        self._has_more = self._has_more or has_more
        self._waiting.extend(await self._office.beside(self._parcels, fresh) if fresh else ())
        self._held.update(claim.id for claim in fresh)

    def _note_due(self, moment: datetime | None) -> None:
        """A deferred mail is tried again then."""
        known = [one for one in (self._due, moment) if one is not None]
        self._due = min(known, default=None)

    async def _queue_due(self) -> None:
        try:
            await self._office.store.write(lambda connection: queue_due(connection, self.name, self._now))
            self._has_more = True
        except (DiskFullError, StoreUnreachableError, OutcomeUnknownError) as error:
            self.pace.pause(error.message)

    def _read(self, connection: Connection, known: frozenset[int]) -> tuple[list[Claim], bool, datetime | None]:
        most = BATCH + len(known)
        found, number = claims(connection, self.name, most, known)
        return found, number == most, next_due(connection, self.name)

    def _parcels(self, fresh: list[Claim]) -> list[Parcel]:
        room = READ_AHEAD_BYTES
        parcels = []
        for claim in fresh:
            room -= claim.blob.size
            parcels.append(Parcel(claim, self._content(claim) if room >= 0 else None))
        return parcels

    def _content(self, claim: Claim) -> bytes | None:
        try:
            return self._office.blobs.read(claim.blob)
        except (BlobDamagedError, BucketUnreachableError):
            return None  # told when its turn comes

    def _wanted_sessions(self) -> int:
        """How many more sessions there should be."""
        if self._is_stopping or not self._may_offer():
            return 0
        most = self.pace.sessions(self._account.limits.connections) if self._account and self._was_let_in else 1
        there = len(self._sessions) + len(self._opening)
        return max(0, min(most - there, len(self._waiting) - len(self._opening) - self._idle))

    def _may_offer(self) -> bool:
        """Whether there is a mail, and nothing that keeps it back."""
        if not self._waiting or self._gate() is not None or not self._office.member.is_alive:
            return False
        left = self._office.marks.left(self.name)
        return left is None or left > self._offering

    def _gate(self) -> datetime | None:
        """Until when nothing may be sent, whatever waits."""
        gates = (self.pace.resumes_at, self._office.marks.shut_until(self.name))
        return max((gate for gate in gates if gate is not None), default=None)

    async def _ring(self) -> None:
        """Wakes the loop at the next moment at which there may be something to do."""
        gate = self._gate()
        moments = [gate] if gate is not None else [self._due, self.pace.widens_at if self._waiting else None]
        known = [moment for moment in moments if moment is not None]
        if known:
            await self._office.clock.until(min(known))
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
                if not session.is_open:  # the server closed it while it was idle
                    self._waiting.appendleft(parcel)
                    break
                await self._deliver(session, parcel)
            goes_on = session.is_open and not self._is_stopping and self._may_offer()
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
            session = await open_session(account, self._context)
            self._was_let_in = True
            return session
        except OpeningError as error:
            self.pace.could_not_open(error, len(self._sessions))
        except ConfigError as error:
            self.pace.pause(error.message, FIRST_LOGIN_WAIT)
        except StoreUnreachableError as error:
            self.pace.pause(error.message)
        self._office.changed()
        return None

    def _may_go_on(self, session: Session) -> bool:
        most = session.account.limits.mails_per_connection
        return session.is_open and not self._is_stopping and (most is None or session.mails < most)

    async def _next(self) -> Parcel | None:
        """The next mail; None when none comes for a while."""
        if not self._may_offer():
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
        while not self._is_stopping and not self._may_offer():
            self._arrived.clear()
            self._awake.set()
            await self._arrived.wait()

    async def _deliver(self, session: Session, parcel: Parcel) -> None:
        """One attempt, whatever comes of it."""
        claim = parcel.claim
        self._offering += 1
        try:
            end = await self._attempt(session, parcel)
        except BlobDamagedError as error:
            self._end(verdicts.unfit(claim, error.message, self._now))
        except OutdatedError:
            self._forget(claim.id)
        except LeaseLostError:
            self.stop()
        except (OutcomeUnknownError, SuspendedError) as error:
            self._end(verdicts.not_begun(claim, error.message, self._now))
        except SessionLostError as error:
            self._lose(parcel, error.reason)
        except BudgetSpentError:
            self._waiting.appendleft(parcel)
        except (DiskFullError, StoreUnreachableError, BucketUnreachableError) as error:
            self.pace.pause(error.message)
            self._waiting.appendleft(parcel)
            self._office.changed()
        else:
            self._end(end)
            self._judge(end)
        finally:
            self._offering -= 1
            if self._idle:
                self._awake.set()

    async def _attempt(self, session: Session, parcel: Parcel) -> End:
        content = parcel.content
        if content is None:
            content = await self._office.beside(self._office.blobs.read, parcel.claim.blob)
        office = self._office
        return await attempt(session, parcel.claim, content, office.marks, office.member, office.clock)

    def _judge(self, end: End) -> None:
        """What an attempt's end says of the server."""
        if end.code is not None:
            self.pace.succeed()
        elif end.before is MailState.SENDING:  # sent, and not answered
            self.pace.set_back(end.reply or "")

    def _lose(self, parcel: Parcel, reason: str) -> None:
        """The session ended with this mail at hand. Others go first now, and after some such losses it must wait."""
        claim = parcel.claim
        self._losses[claim.id] += 1
        if self._losses[claim.id] < MOST_SESSIONS_LOST:
            self._waiting.append(parcel)
        else:
            patience = self._account.patience if self._account else Patience()
            self._end(verdicts.never_heard(claim, reason, patience, self._now))
        self.pace.set_back(reason)

    def _end(self, end: End) -> None:
        self._office.marks.end(end, self._settle)

    def _settle(self, end: End) -> None:
        """The end stands in the store."""
        self._forget(end.id)
        if end.after is MailState.QUEUED:
            self.wake()
        elif end.next_attempt_at is not None:
            self._note_due(end.next_attempt_at)
            self._awake.set()
        self._office.changed()

    def _forget(self, mail_id: int) -> None:
        self._held.discard(mail_id)
        self._settled.add(mail_id)
        if mail_id in self._losses:
            del self._losses[mail_id]
