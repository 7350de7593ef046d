"""The crew: worker processes for one run. They start when there is enough to do, and end with their master.

A small run never needs them: its chunks are done on a thread.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from types import TracebackType
from typing import Self

from ..spool import first_key
from .results import FailedItem, Worked
from .setup import Setup
from .workshop import Workshop

ENOUGH = 64
"""Items from which on worker processes pay: starting them costs about half a second."""

_shop: Workshop | None = None


class Crew:
    """Does chunks, here or in worker processes."""

    def __init__(self, setup: Setup, shop: Workshop, size: int | None = None) -> None:
        self._setup, self._shop = setup, shop
        self.size = size or len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None
        self._starting: asyncio.Task[None] | None = None
        self._here = asyncio.Lock()
        self._items = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._starting:
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._pool:
            await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    async def work(self, stage: int, lines: bytes, shared: bytes) -> Worked:
        """Does a chunk. An item that kills its worker process, alone, twice, is a failed item; the others go on."""
        self._items += lines.count(b"\n") + 1
        if self._items > ENOUGH and self._starting is None:
            self._starting = asyncio.create_task(asyncio.to_thread(self._start))
        async with self._here:
            if self._pool is None:
                return await asyncio.to_thread(self._shop.work, stage, lines, shared)
        return await self._try_twice(stage, lines, shared)

    async def _try_twice(self, stage: int, lines: bytes, shared: bytes) -> Worked:
        for _ in range(2):
            try:
                return await self._in_pool(stage, lines, shared)
            except BrokenProcessPool:
                await self._replace()
        items = lines.split(b"\n")
        if len(items) == 1:
            return self._given_up(stage, lines)
        middle = len(items) // 2
        first = await self._try_twice(stage, b"\n".join(items[:middle]), shared)
        second = await self._try_twice(stage, b"\n".join(items[middle:]), shared)
        return self._together(first, second)

    def _together(self, first: Worked, second: Worked) -> Worked:
        carried = [self._shop.blobs.read(one.carried) for one in (first, second) if one.carried]
        first.add(second)
        first.carried = self._shop.blobs.put(b"\n".join(carried)) if carried else None
        return first

    async def _in_pool(self, stage: int, lines: bytes, shared: bytes) -> Worked:
        pool = self._pool
        if pool is None:
            raise BrokenProcessPool
        return await asyncio.get_running_loop().run_in_executor(pool, _work, stage, lines, shared)

    def _given_up(self, stage: int, line: bytes) -> Worked:
        key, step = first_key(line), self._shop.plan.stages[stage].steps[0]
        message = "The worker process died on this item, twice. Look for a file in it that is damaged or huge."
        return Worked(failures=[FailedItem(step, key, key, message, "WorkerDied")])

    def _start(self) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, *sorted(self._shop.modules)])
        pool = ProcessPoolExecutor(self.size, context, initializer=_begin, initargs=(self._setup,))
        pool.submit(os.getpid).result()
        self._pool = pool

    async def _replace(self) -> None:
        async with self._here:
            broken, self._pool = self._pool, None
            if broken:
                await asyncio.to_thread(broken.shutdown, wait=False)
            await asyncio.to_thread(self._start)


def _begin(setup: Setup) -> None:
    global _shop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the master ends us; Ctrl-C on the terminal is for it alone
    threading.Thread(target=_end_with_master, daemon=True).start()
    _shop = Workshop(setup)


def _end_with_master() -> None:
    master = multiprocessing.parent_process()
    if master is not None:
        wait([master.sentinel])
    os._exit(1)


def _work(stage: int, lines: bytes, shared: bytes) -> Worked:
    if _shop is None:
        raise RuntimeError("The worker was not begun.")
    return _shop.work(stage, lines, shared)
