"""The delivery: a courier for each account, and one writer for the states of their mails."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Self

from ..accounts import Accounts, InDoubt
from ..blobs import Blobs
from ..clock import Clock, WallClock
from ..store import Store
from . import outbox
from .claims import accounts_with_mails, recover
from .courier import Courier, Office
from .marks import Marks
from .pace import Trouble
from .states import MOVING, MailState

POLL_SECONDS = 5
"""How often mails are looked for that another program has queued or cancelled."""
GRACE_SECONDS = 10
"""How long a stop waits for the server's answer to mails that are on their way."""
COUNT_SECONDS = 0.1


class Delivery:
    """Sends what the outbox holds, from entering the `async with` block to leaving it.

    Mails that a dead process left on their way are settled on entering. Leaving lets each session finish its mail.

    Attributes:
        doubtful: how many mails were found on their way and are in doubt now.
        requeued: how many were found on their way and are sent again, as their account says.
    """

    def __init__(self, store: Store, blobs: Blobs, accounts: Accounts, clock: Clock | None = None) -> None:
        self._store = store
        self._accounts = accounts
        self._clock = clock or WallClock()
        self._marks = Marks(store, self._clock)
        self._office = Office(store, blobs, accounts, self._marks, self._clock, self._tell_change)
        self._couriers: dict[str, Courier] = {}
        self._changed = asyncio.Event()
        self._is_running = asyncio.Event()
        self._is_stopping = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        self.doubtful = 0
        self.requeued = 0

    @property
    def troubles(self) -> dict[str, Trouble]:
        """The accounts that send nothing just now, and why. Their mails stay queued."""
        known = {name: courier.pace.trouble for name, courier in self._couriers.items()}
        return {name: trouble for name, trouble in known.items() if trouble is not None}

    def wake(self, account: str) -> None:
        """Says that mails of this account were queued; without it they are noticed within some seconds."""
        if self._is_stopping.is_set():
            return
        if account not in self._couriers:
            courier = self._couriers[account] = Courier(account, self._office)
            self._couriering.create_task(courier.run())
        self._couriers[account].wake()

    async def changed(self) -> None:
        """Returns when some mail has reached a new state, or an account got into trouble or out of it."""
        await self._changed.wait()

    async def settle(self, run: str) -> Counter[MailState]:
        """Returns the counts of a run when none of its mails can be sent now: all ended, or wait for later.

        While an account is in trouble its mails stay queued, and this waits: see `troubles`.
        """
        while True:
            changed = self._changed
            counts = await self._store.read(lambda connection: outbox.counts(connection, run))
            if not any(counts[state] for state in MOVING):
                return counts
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await changed.wait()
            await asyncio.sleep(COUNT_SECONDS)  # many mails change in this time; counting after each would cost more

    async def __aenter__(self) -> Self:
        accounts = await self._accounts.all()
        again = [account.name for account in accounts if account.in_doubt is InDoubt.RESEND]
        now = self._clock.now()
        settled = await self._store.write(lambda connection: recover(connection, again, now))
        self.doubtful, self.requeued = settled
        await self._tasks.__aenter__()
        self._work = self._tasks.create_task(self._run())
        await self._is_running.wait()
        return self

    async def __aexit__(
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
                looking = self._couriering.create_task(self._look())
                self._is_running.set()
                await self._is_stopping.wait()
                looking.cancel()
                last_call = self._stop_couriers()
            last_call.cancel()
            self._marks.close()

    def _stop_couriers(self) -> asyncio.TimerHandle:
        for courier in self._couriers.values():
            courier.stop()
        return asyncio.get_running_loop().call_later(GRACE_SECONDS, self._abandon)

    def _abandon(self) -> None:
        for courier in self._couriers.values():
            courier.abandon()

    async def _look(self) -> None:
        """Finds mails of accounts that nobody has told us of."""
        while True:
            for account in await self._store.read(accounts_with_mails):
                self.wake(account)
            await self._clock.until(self._clock.now() + timedelta(seconds=POLL_SECONDS))

    def _tell_change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
