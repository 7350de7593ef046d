"""The crew: worker processes for one run. They start when there is enough to do, and end with their master.

A small run never needs them: its chunks are done on a thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Self

from ...engine import PostwerkError
from ...engine.passage import Seed
from ..forking import context, without_interrupts
from .aside import aside
from .results import FailedItem, StepCount, Worked
from .setup import Setup
from .worker import begin, do
from .workshop import Workshop

log = logging.getLogger(__name__)

ENOUGH = 16
"""Items from which on worker processes pay: starting them costs about half a second, and a locked form 15 ms."""
PORTION_SECONDS = 0.2
"""What one worker does at a time of a chunk: short enough to share it among all, long enough to be worth an fsync."""
SMALLEST, LARGEST = 8, 200
MOST_DEADLY = 20
"""Items that killed their worker process, after which the fault is not theirs. Finding one costs some seconds."""


class CrewLostError(PostwerkError):
    """No work can be done: worker processes do not start, or die too often."""


def cores() -> int:
    """How many cores this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Crew:
    """Does chunks, here or in worker processes."""

    def __init__(self, setup: Setup, shop: Workshop, size: int | None = None, *, is_careful: bool = False) -> None:
        """`is_careful`: nothing is done here, because some item of this work may have ended its program before."""
        self._setup, self._shop = setup, shop
        self.size = size or cores()
        self._is_careful = is_careful
        self._items = 0
        self._pool: ProcessPoolExecutor | None = None
        self._cell: ProcessPoolExecutor | None = None
        """One process for chunks whose process died: here nobody else's item can be the cause."""
        self._starting: asyncio.Task[None] | None = None
        self._here, self._alone = asyncio.Lock(), asyncio.Lock()
        self._deadly: list[str] = []
        self._pace = _Pace()
        self._is_over = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close(is_hasty=kind is not None)

    async def close(self, *, is_hasty: bool = False) -> None:
        """Ends all processes; `is_hasty`: in the middle of their work."""
        self._is_over = True
        if is_hasty:
            self._shop.stop()
        if self._starting:
            await asyncio.gather(self._starting, return_exceptions=True)
        for pool in (self._pool, self._cell):
            if pool:
                await asyncio.to_thread(_end, pool, is_hasty=is_hasty)

    async def work(self, stage: int, lines: bytes, shared: bytes) -> Worked:
        """Does a chunk. An item that kills its worker process is a failed item; the others go on.

        Raises:
            CrewLostError: processes die again and again.
        """
        items = lines.split(b"\n")
        await self._prepare(len(items))
        parts: list[Worked] = []
        while items:
            portion = items[: self._pace.items]
            part = await self._do_here(stage, portion, shared)
            if part is None:
                break
            parts.append(part)
            items = items[len(portion) :]
            self._pace.note(part)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._do_there(stage, portion, shared)) for portion in self._pace.portions(items)
            ]
        return self._together([*parts, *(task.result() for task in tasks)])

    async def _do_here(self, stage: int, items: list[bytes], shared: bytes) -> Worked | None:
        """Some items on a thread; None as soon as worker processes are there."""
        async with self._here:
            if self._pool is not None:
                return None
            return await aside(self._shop.work, stage, b"\n".join(items), shared)

    async def _do_there(self, stage: int, items: list[bytes], shared: bytes) -> Worked:
        """Some items in a worker process."""
        async with self._here:
            pool = self._pool
        assert pool is not None, "whoever replaces a pool holds the lock"
        try:
            worked = await _in(pool, stage, b"\n".join(items), shared)
        except BrokenProcessPool:
            await self._replace(pool)
        else:
            self._pace.note(worked)
            return worked
        async with self._alone:
            return await self._divide(stage, items, shared)

    async def _prepare(self, items: int) -> None:
        self._items += items
        if self._starting is None and (self._is_careful or self._items > ENOUGH):
            self._starting = asyncio.create_task(self._start())
        if self._starting and self._is_careful:
            await asyncio.shield(self._starting)

    async def _start(self) -> None:
        try:
            self._pool = await asyncio.to_thread(self._started, self.size)
        except CrewLostError as error:
            if self._is_careful:
                raise
            log.warning("%s Everything is done in one process, which is slower.", error.message)

    async def _replace(self, broken: ProcessPoolExecutor) -> None:
        """Several chunks learn of the same death; the first of them sees to it."""
        async with self._here:
            if self._pool is broken:
                await asyncio.to_thread(broken.shutdown, wait=False)
                self._pool = await asyncio.to_thread(self._started, self.size)

    async def _divide(self, stage: int, items: list[bytes], shared: bytes) -> Worked:
        """Does items whose process died, halving them until the one that kills it stands alone."""
        for _ in range(2 if len(items) == 1 else 1):
            try:
                return await self._in_cell(stage, b"\n".join(items), shared)
            except BrokenProcessPool:
                self._cell = None
        if len(items) == 1:
            return self._given_up(stage, items[0])
        middle = len(items) // 2
        halves = (items[:middle], items[middle:])
        return self._together([await self._divide(stage, half, shared) for half in halves])

    async def _in_cell(self, stage: int, lines: bytes, shared: bytes) -> Worked:
        if self._cell is None:
            self._cell = await asyncio.to_thread(self._started, 1)
        return await _in(self._cell, stage, lines, shared)

    def _together(self, parts: list[Worked]) -> Worked:
        """The parts of one chunk, in their order, as if it had been done at once."""
        if len(parts) == 1:
            return parts[0]
        whole = Worked()
        for part in parts:
            whole.add(part)
        carried = [self._shop.blobs.read(part.carried) for part in parts if part.carried]
        whole.carried = self._shop.blobs.put(b"\n".join(carried)) if carried else None
        return whole

    def _given_up(self, stage: int, line: bytes) -> Worked:
        (seed,) = self._shop.decode(line)
        self._deadly.append(seed.key)
        if len(self._deadly) > MOST_DEADLY:
            raise CrewLostError(
                f"{len(self._deadly)} items have killed their worker process, so something else is wrong. "
                f"Is there enough memory? The last were {', '.join(self._deadly[-3:])}."
            )
        step = self._shop.plan.stages[stage].steps[0]
        return Worked(failures=[_died(step, seed)], counts={step: StepCount(1, 1)}, endings=Counter(failed=1))

    def _started(self, size: int) -> ProcessPoolExecutor:
        if self._is_over:
            raise CrewLostError("The work has ended before this chunk was done.")
        try:
            with without_interrupts():
                pool = ProcessPoolExecutor(size, context(), initializer=begin, initargs=(self._setup,))
                pool.submit(os.getpid).result()
        except (OSError, BrokenProcessPool) as error:
            raise CrewLostError(f"Worker processes can't be started: {error}") from error
        return pool


class _Pace:
    """How many items make a portion, by what they have cost so far."""

    def __init__(self) -> None:
        self.items = SMALLEST
        self._seconds: float | None = None

    def portions(self, items: list[bytes]) -> list[list[bytes]]:
        size = self.items
        return [items[start : start + size] for start in range(0, len(items), size)]

    def note(self, worked: Worked) -> None:
        each = worked.seconds / max(1, worked.items)
        self._seconds = each if self._seconds is None else 0.7 * self._seconds + 0.3 * each
        self.items = min(LARGEST, max(SMALLEST, round(PORTION_SECONDS / max(self._seconds, 1e-6))))


async def _in(pool: ProcessPoolExecutor, stage: int, lines: bytes, shared: bytes) -> Worked:
    return await asyncio.get_running_loop().run_in_executor(pool, do, stage, lines, shared)


def _died(step: str, seed: Seed) -> FailedItem:
    records = (item.record for items in seed.items.values() for item in items if item.record)
    source = next((record.source for record in records), None)
    message = "The worker process died on this item, twice. Look for a file in it that is damaged or huge."
    return FailedItem(step, seed.key, seed.key, message, "WorkerDied", source)


def _end(pool: ProcessPoolExecutor, *, is_hasty: bool) -> None:
    """A chunk may be ended at any moment: what it did not hand over was not done."""
    if is_hasty:
        for process in list((pool._processes or {}).values()):  # no public way before Python 3.14
            process.terminate()
    pool.shutdown(cancel_futures=True)
