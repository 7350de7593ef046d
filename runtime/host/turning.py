"""Turns of runs: each takes one run from where it is to its end or its next rest. What the durable engine calls."""

from __future__ import annotations

import asyncio
import logging

from ...engine import Transient
from .. import logs
from ..clock import Clock
from ..disk import DiskFullError
from ..members import Membership
from ..outbox.delivery import Delivery
from ..runs import rows, service, turns
from ..runs.progress import Progress
from ..runs.resting import Rest
from ..runs.runner import Runner
from ..runs.turns import Turn
from ..workspace import Workspace
from .benches import Benches
from .chunks import Chunks

log = logging.getLogger(__name__)

AFTER_TROUBLE = Rest(steps=None, is_for_each=False, naps=4)
"""A run that met a full disk or a database that is away is taken up again some seconds later."""


class Turning:
    """Takes runs forward, many at a time."""

    def __init__(
        self, workspace: Workspace, member: Membership, delivery: Delivery, benches: Benches, chunks: Chunks,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._workspace, self._store, self._member, self._clock = workspace, workspace.store, member, clock
        self._delivery, self._benches, self._chunks = delivery, benches, chunks
        self._tasks: set[asyncio.Task[None]] = set()
        self._expected: dict[tuple[str, int], Turn] = {}
        self._is_stopping = False
        self.progress: dict[str, Progress] = {}
        """Of the runs that are taken forward here."""

    def expect(self, turn: Turn) -> None:
        """This turn begins in a moment."""
        self.progress[turn.run] = Progress()
        self._expected[turn.run, turn.number] = turn

    async def take_forward(self, run: str, turn: int) -> None:
        if not self._is_stopping:
            task = asyncio.create_task(self._turn(Turn(run, turn), self._expected.pop((run, turn), None)))
            self._tasks.add(task)
            await asyncio.wait([task])  # a host that ends cancels the task, and not the workflow
            self._tasks.discard(task)

    async def do_chunk(self, run: str, stage: int, number: int) -> str:
        """Empty when it was done, and when it must be tried again: then there is no chunk."""
        try:
            with logs.about(run=run):
                return await self._chunks.do(run, stage, number)
        except (Transient, DiskFullError) as error:
            log.warning("Chunk %d of stage %d of run %s waits: %s", number, stage, run, error.message)
            return ""
        except Exception as error:
            log.exception("Chunk %d of stage %d of run %s broke.", number, stage, run)
            return _mistake(error)

    async def stop(self) -> None:
        """Hands all runs back: others take them up at once."""
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _turn(self, turn: Turn, expected: Turn | None) -> None:
        """One that was not expected was begun by somebody who is dead now, and may be over."""
        if expected is None and not await self._take_over(turn):
            return
        rest, progress = None, self.progress.setdefault(turn.run, Progress())
        try:
            with logs.about(run=turn.run):
                rest = await self._go(expected or turn, progress)
        except (Transient, DiskFullError) as error:
            log.warning("Run %s waits: %s", turn.run, error.message)
            rest = AFTER_TROUBLE
        except Exception as error:
            log.exception("Run %s broke.", turn.run)
            await service.fail(self._workspace, turn.run, _mistake(error))
        finally:
            self.progress.pop(turn.run, None)
            await asyncio.shield(self._let_go(turn, rest))

    async def _take_over(self, turn: Turn) -> bool:
        member = self._member.id
        try:
            return await self._store.write(lambda connection: turns.go_on(connection, turn, member))
        except (Transient, DiskFullError) as error:
            log.warning("Run %s is left to others: %s", turn.run, error.message)
            return False

    async def _let_go(self, turn: Turn, rest: Rest | None) -> None:
        member, now = self._member.id, self._clock.now()
        try:
            await self._store.write(lambda connection: turns.let_go(connection, turn, member, rest, now))
        except (Transient, DiskFullError) as error:
            log.warning("Run %s is held until this program ends: %s", turn.run, error.message)

    async def _go(self, turn: Turn, progress: Progress) -> Rest | None:
        run, kept = await self._store.read(
            lambda connection: (rows.get_run(connection, turn.run), rows.chunks_of(connection, turn.run))
        )
        for chunk in kept:
            progress.add_kept(chunk.counts)
        async with self._benches.at(run) as bench:
            runner = Runner(
                self._store, run, bench.shop, bench.crew, self._delivery, progress, self._clock,
                turn=turn, may_rest=True, elsewhere=await self._chunks.elsewhere(turn),
            )  # fmt: skip
            await runner.go()
        if runner.rest is None:
            await self._benches.clear(run.id)
        elif runner.rest.is_like(turn.rest) and not runner.jobs:
            return turns.woken(turn.rest or runner.rest)
        return runner.rest


def _mistake(error: Exception) -> str:
    return f"The program made a mistake: {type(error).__name__}: {error}. Its log says more."
