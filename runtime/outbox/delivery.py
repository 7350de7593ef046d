"""The delivery: a courier for each account that this member holds, and one writer for the states of their mails."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing, suppress
from datetime import timedelta
from types import TracebackType
from typing import Self

from ...engine import Transient
from ..accounts import Accounts, InDoubt
from ..blobs import Blobs
from ..clock import Clock, WallClock
from ..disk import DiskFullError
from ..members import Kind, Membership
from ..store import Store
from . import leases, outbox
from .claims import has_orphans, recover
from .courier import Courier, Office
from .marks import Marks
from .pace import Trouble
from .states import MOVING, MailState

log = logging.getLogger(__name__)

POLL_SECONDS = 5
"""How often mails are looked for that another program has queued or cancelled; on SQLite no bell tells of them."""
GRACE_SECONDS = 10
"""How long a stop waits for the server's answer to mails that are on their way."""
READERS = 2
"""Threads that read the bytes of mails."""
COUNT_SECONDS = 0.1
SHARED_COUNT_SECONDS = 1
"""Where other members deliver too, nobody tells what they have sent."""


class Delivery:
    """Sends what the outbox holds, from entering the `async with` block to leaving it.

    Each account is delivered by one member at a time; this one takes its share. Mails that a dead member left on their
    way are settled on entering, and while it runs. Leaving lets each session finish its mail.

    Attributes:
        doubtful: how many mails were found on their way and are in doubt now.
        requeued: how many were found on their way and are sent again, as their account says.
    """

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        accounts: Accounts,
        clock: Clock | None = None,
        member: Membership | None = None,
    ) -> None:
        """Without a `member` it is one of its own."""
        self._store = store
        self._accounts = accounts
        self._clock = clock or WallClock()
        self._own_member = Membership(store, Kind.RUN) if member is None else None
        self._member = member or self._own_member or Membership(store, Kind.RUN)
        self._marks = Marks(store, self._clock, self._member)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="mail-reader")
        self._office = Office(
            store, blobs, accounts, self._marks, self._clock, self._member, self._tell_change, self._readers
        )
        self._couriers: dict[str, Courier] = {}
        self._changed = asyncio.Event()
        self._to_attend = asyncio.Event()
        self._is_running = asyncio.Event()
        self._is_stopping = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        self._membership = AsyncExitStack()
        self.doubtful = 0
        self.requeued = 0

    @property
    def troubles(self) -> dict[str, Trouble]:
        """The accounts that send nothing just now, and why. Their mails stay queued."""
        known = {name: courier.pace.trouble for name, courier in self._couriers.items()}
        return {name: trouble for name, trouble in known.items() if trouble is not None}

    @property
    def held(self) -> frozenset[str]:
        """The accounts that this member delivers now."""
        return frozenset(self._couriers)

    def wake(self, account: str) -> None:
        """Says that mails of this account were queued; without it they are noticed within some seconds."""
        if self._is_stopping.is_set():
            return
        if account in self._couriers:
            self._couriers[account].wake()
        else:
            self._to_attend.set()

    async def changed(self) -> None:
        """Returns when some mail has reached a new state, or an account got into trouble or out of it."""
        await self._changed.wait()

    async def settle(self, run: str) -> Counter[MailState]:
        """Returns the counts of a run when none of its mails can be sent now: all ended, or wait for later.

        While an account is in trouble its mails stay queued, and this waits: see `troubles`.
        """
        patience = SHARED_COUNT_SECONDS if self._store.is_shared else POLL_SECONDS
        while True:
            changed = self._changed
            counts = await self._store.read(lambda connection: outbox.counts(connection, run))
            if not any(counts[state] for state in MOVING):
                return counts
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await changed.wait()
            await asyncio.sleep(COUNT_SECONDS)  # many mails change in this time; counting after each would cost more

    async def __aenter__(self) -> Self:
        if self._own_member is not None:
            await self._membership.enter_async_context(self._own_member)
        try:
            self._shares = await self._store.write(lambda one: leases.begin_to_deliver(one, self._member.id))
            await self._recover()
        except BaseException:
            await self._membership.aclose()
            raise
        await self._tasks.__aenter__()
        self._work = self._tasks.create_task(self._run())
        await self._is_running.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._end(kind, error, trace)
        finally:
            self._readers.shutdown()
            await self._membership.__aexit__(kind, error, trace)

    async def _end(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_stopping.set()
        self._tell_change()
        try:
            await asyncio.wait([self._work])
        finally:
            is_ours = self._work.cancelled() or (self._work.done() and self._work.exception() is not None)
            if is_ours:  # else an error of the block passes as it is, not in a group
                await self._tasks.__aexit__(kind, error, trace)
            else:
                await self._tasks.__aexit__(None, None, None)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as writing:
            writing.create_task(self._marks.run())
            async with asyncio.TaskGroup() as self._couriering:
                watching = [self._couriering.create_task(one) for one in (self._attend(), self._poll(), self._listen())]
                self._is_running.set()
                await self._is_stopping.wait()
                for task in watching:
                    task.cancel()
                last_call = self._stop_couriers()
            last_call.cancel()
            self._marks.close()
        await self._try(lambda: self._store.write(lambda one: leases.end_to_deliver(one, self._member.id)))

    def _stop_couriers(self) -> asyncio.TimerHandle:
        for courier in self._couriers.values():
            courier.stop()
        return asyncio.get_running_loop().call_later(GRACE_SECONDS, self._abandon)

    def _abandon(self) -> None:
        for courier in self._couriers.values():
            courier.abandon()

    async def _attend(self) -> None:
        """Once a heartbeat, and when a bell has rung: settles what the dead left, and sees to this member's share."""
        self._employ()
        while True:
            await self._next_beat_or_bell()
            await self._try(self._look)

    async def _next_beat_or_bell(self) -> None:
        beat = asyncio.ensure_future(self._member.beaten())
        bell = asyncio.ensure_future(self._to_attend.wait())
        try:
            await asyncio.wait([beat, bell], return_when=asyncio.FIRST_COMPLETED)
        finally:
            beat.cancel()
            bell.cancel()
        self._to_attend.clear()
        for courier in self._couriers.values():
            courier.go_on()  # this member may have been cut off until now

    async def _look(self) -> None:
        member = self._member.id
        self._shares, is_recovery_due = await self._store.read(
            lambda connection: (leases.shares(connection, member), has_orphans(connection))
        )
        if is_recovery_due:
            await self._recover()
        if self._shares.free:
            self._shares = await self._store.write(lambda connection: leases.take(connection, member))
        self._employ()

    def _employ(self) -> None:
        """A courier for each account that is held; those of other accounts come to their end."""
        for account in self._shares.held - self._couriers.keys():
            courier = self._couriers[account] = Courier(account, self._office)
            self._couriering.create_task(self._deliver(account, courier))
        for account, courier in self._couriers.items():
            if account not in self._shares.held or account in self._shares.surplus:
                courier.stop()

    async def _deliver(self, account: str, courier: Courier) -> None:
        await courier.run()
        if not self._is_stopping.is_set():
            await self._try(lambda: self._store.write(lambda one: leases.let_go(one, self._member.id, account)))
            del self._couriers[account]
            self._to_attend.set()

    async def _recover(self) -> None:
        accounts = await self._accounts.all()
        again = [account.name for account in accounts if account.in_doubt is InDoubt.RESEND]
        now = self._clock.now()
        doubtful, requeued = await self._store.write(lambda connection: recover(connection, again, now))
        self.doubtful += doubtful
        self.requeued += requeued
        if doubtful or requeued:
            self._tell_change()
            self._wake_all()

    async def _poll(self) -> None:
        """Finds mails of which nobody has told."""
        while True:
            await self._clock.until(self._clock.now() + timedelta(seconds=POLL_SECONDS))
            self._wake_all()

    async def _listen(self) -> None:
        """Hears of mails that were queued, by whichever program."""
        async with aclosing(self._store.rings(outbox.BELL)) as rings:
            async for account in rings:
                if account:
                    self.wake(account)
                else:
                    self._wake_all()

    def _wake_all(self) -> None:
        self._to_attend.set()
        for courier in self._couriers.values():
            courier.wake()

    async def _try(self, work: Callable[[], Awaitable[object]]) -> None:
        """What can as well be done a second later, or by others."""
        try:
            await work()
        except (Transient, DiskFullError) as error:
            log.warning("%s", error.message)

    def _tell_change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
