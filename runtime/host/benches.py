"""Benches: where this process works on a run, with its nodes made and its workers at hand; kept for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ..runs import rows
from ..runs.starting import setup_of
from ..work import Crew, Workshop
from ..workspace import Workspace

KEPT_SECONDS = 20.0
"""How long a bench stays that nobody uses: making one costs some milliseconds, its worker processes a second."""


@dataclass
class Bench:
    """Where one run is worked on."""

    run: rows.Run
    shop: Workshop
    crew: Crew
    users: int = 0
    closing: asyncio.TimerHandle | None = None


class Benches:
    """The benches of this process."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._benches: dict[str, Bench] = {}
        self._making: dict[str, asyncio.Lock] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def at(self, run: rows.Run) -> AsyncIterator[Bench]:
        """The bench of a run, as long as it is used."""
        bench = await self._bench(run)
        bench.users += 1
        if bench.closing:
            bench.closing.cancel()
        try:
            yield bench
        finally:
            bench.users -= 1
            if not bench.users:
                bench.closing = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._drop, run.id)

    async def clear(self, run_id: str) -> None:
        """Ends the bench of a run that has ended."""
        bench = self._benches.get(run_id)
        if bench and not bench.users:
            self._drop(run_id)

    async def close(self) -> None:
        """Ends all; what is being done is given up."""
        for run_id in list(self._benches):
            self._drop(run_id)
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _bench(self, run: rows.Run) -> Bench:
        async with self._making.setdefault(run.id, asyncio.Lock()):
            known = self._benches.get(run.id)
            if known and (known.run.flow, known.run.files) != (run.flow, run.files):
                self._end(self._benches.pop(run.id))  # it is done again with another version
            if run.id not in self._benches:
                setup = await setup_of(self._workspace, run)
                shop = await asyncio.to_thread(Workshop, setup)
                crew = Crew(setup, shop, is_careful=run.started_at is not None)
                self._benches[run.id] = Bench(run, shop, crew)
        return self._benches[run.id]

    def _drop(self, run_id: str) -> None:
        self._making.pop(run_id, None)
        if bench := self._benches.pop(run_id, None):
            self._end(bench)

    def _end(self, bench: Bench) -> None:
        if bench.closing:
            bench.closing.cancel()
        task = asyncio.get_running_loop().create_task(bench.crew.close(is_hasty=bench.users > 0))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
