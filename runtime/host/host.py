"""The host: what `postwerk serve` and `postwerk worker` run. It takes runs forward, does chunks, and delivers mails.

Several hosts may share a store in PostgreSQL. Each run is taken forward by one of them, its chunks are done by all, and
what a dead one held goes on at another within seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from sqlalchemy import select

from ...engine import Transient
from ..api.engine import Order, Version
from ..clock import Clock, WallClock
from ..disk import DiskFullError
from ..durable import Durable, database_beside
from ..members import Kind, Membership
from ..outbox.delivery import Delivery
from ..outbox.pace import Trouble
from ..runs import again, rows, service, turns
from ..runs.progress import Progress
from ..runs.starting import start_run
from ..runs.turns import Turn
from ..runs.watching import watch
from ..store import members
from ..triggers.service import Triggers
from ..workspace import Workspace
from .benches import Benches
from .chunks import Chunks
from .turning import Turning

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
"""How often runs are looked for that another program has started, or whose rest is over."""
KEPT, TIDY_SECONDS = timedelta(days=1), 3600
"""How long the durable engine remembers what has ended, and how often it forgets."""
MOST_TURNS = 64
"""Runs that one host takes forward at a time."""


class Host:
    """A process at work, from entering the `async with` block to leaving it. Leaving hands everything back in order."""

    def __init__(self, workspace: Workspace, kind: Kind = Kind.SERVE, clock: Clock | None = None) -> None:
        self.workspace = workspace
        self.clock = clock or WallClock()
        self.member = Membership(workspace.store, kind)
        self.delivery = Delivery(workspace.store, workspace.blobs, workspace.accounts, self.clock, self.member)
        self.triggers = Triggers(workspace, clock=self.clock)
        self.benches = Benches(workspace)
        self.is_launched = self.is_draining = False
        self._chunks = Chunks(workspace, self.member, self.delivery, self.benches, self.clock)
        self._turning = Turning(workspace, self.member, self.delivery, self.benches, self._chunks, self.clock)
        self._durable = Durable(
            database_beside(workspace.store.url), self.member.id, self._turning, width=self._chunks.width
        )
        self._stack, self._tasks = AsyncExitStack(), asyncio.TaskGroup()
        self._buried: set[str] = set()
        self._tick = asyncio.Event()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.benches.close)
            await stack.enter_async_context(self.member)
            await stack.enter_async_context(self.delivery)
            await stack.enter_async_context(self._durable)
            self._chunks.durable = self._durable
            stack.push_async_callback(self._turning.stop)
            self._stack = stack.pop_all()
        await self._tasks.__aenter__()
        self._own = [self._tasks.create_task(work()) for work in self._works()]
        self.is_launched = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_draining = True
        has_broken = any(task.done() and not task.cancelled() for task in self._own)
        for task in self._own:
            task.cancel()
        try:
            if has_broken:
                await self._tasks.__aexit__(kind, error, trace)
            else:  # an error of the block passes as it is, not in a group
                await self._tasks.__aexit__(None, None, None)
        finally:
            await self._stack.__aexit__(kind, error, trace)
            self.is_launched = False

    @property
    def troubles(self) -> Mapping[str, Trouble]:
        """The accounts that send nothing just now, and why."""
        return self.delivery.troubles

    async def start(self, order: Order) -> str:
        """Writes a run down and begins with it: see `runtime/api/engine.py`."""
        flow, folder = self.workspace.stored_flow(order.flow)
        run = await start_run(
            self.workspace, flow, folder, order.inputs, is_dry=order.is_dry, limit=order.limit, run_id=order.run_id,
            holder=self.member.id,
        )  # fmt: skip
        await self._go_ahead(Turn(run.id, 1))
        return run.id

    async def cancel(self, run: str) -> int:
        return await service.cancel(self.workspace, run)

    async def pause(self, run: str) -> None:
        await service.pause(self.workspace, run)

    async def resume(self, run: str) -> None:
        await service.reopen(self.workspace, run)
        self._tick.set()

    async def again(self, run: str, from_step: str | None, version: Version) -> str:
        new = await again.again(self.workspace, run, from_step, is_now=version is Version.NOW)
        self._tick.set()
        return new

    async def retry_failed(self, run: str, version: Version) -> str:
        new = await again.retry_failed(self.workspace, run, is_now=version is Version.NOW)
        self._tick.set()
        return new

    def watch(self, run: str) -> AsyncGenerator[Progress, None]:
        return watch(self.workspace, run, self._turning.progress, lambda: self.is_draining)

    def wake(self, account: str) -> None:
        self.delivery.wake(account)

    async def _begin(self, run: str) -> None:
        member = self.member.id
        turn = await self.workspace.store.write(lambda connection: turns.take_up(connection, run, member))
        if turn is not None:
            await self._go_ahead(turn)

    async def _go_ahead(self, turn: Turn) -> None:
        self._turning.expect(turn)
        await self._durable.begin(turn.run, turn.number)

    async def _look_after_runs(self) -> None:
        """Takes up what is free, and what the dead have left."""
        while True:
            try:
                await self._take_over()
                await self._take_up()
            except (Transient, DiskFullError) as error:
                log.warning("%s", error.message)
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._tick.wait()
            self._tick.clear()

    async def _take_up(self) -> None:
        now = self.clock.now()
        for run in await self.workspace.store.read(lambda connection: turns.free(connection, now)):
            if len(self._turning.progress) >= MOST_TURNS or not self.member.is_alive:
                return
            await self._begin(run)

    async def _take_over(self) -> None:
        """Has the workflows of dead hosts begun again, by whoever lives."""
        query = select(members.c.id).where(members.c.buried_at.is_not(None), members.c.kind != Kind.RUN.value)
        buried = await self.workspace.store.read(lambda connection: set(connection.execute(query).scalars()))
        if new := buried - self._buried:
            await self._durable.take_over(new)
            self._buried = buried

    async def _tidy(self) -> None:
        """Keeps the durable engine's tables small: what has ended is in our store."""
        while True:
            found = 0
            try:
                found = await self._durable.tidy(datetime.now(UTC) - KEPT)
            except Transient as error:
                log.warning("%s", error.message)
            await asyncio.sleep(1 if found else TIDY_SECONDS)

    async def _hear(self) -> None:
        async with aclosing(self.workspace.store.rings(rows.BELL)) as rings:
            async for _ in rings:
                self._tick.set()

    def _works(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        always = (self._look_after_runs, self._hear, self._tidy)
        return (*always, self.triggers.run) if self.member.kind is Kind.SERVE else always
