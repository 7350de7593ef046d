"""Chunks that any machine may do: put on the queue that all hosts share, and done here when their turn comes."""

from __future__ import annotations

import logging
import time

from ...engine import PostwerkError, Transient
from ...engine.plan import Stage
from ..clock import Clock
from ..durable import Durable
from ..members import Membership, hosts
from ..outbox.delivery import Delivery
from ..runs import rows
from ..runs.keeping import AHEAD, Elsewhere, Job, Keeper, RunEndedError
from ..runs.outcomes import Outcomes
from ..runs.progress import Progress
from ..runs.reading import RunStoppedError
from ..runs.turns import Turn
from ..work import cores
from ..workspace import Workspace
from .benches import Benches

log = logging.getLogger(__name__)

COUNT_SECONDS = 2.0
"""How long the number of hosts is taken as known."""


class Chunks:
    """Does chunks here, and has others do them."""

    def __init__(
        self, workspace: Workspace, member: Membership, delivery: Delivery, benches: Benches, clock: Clock
    ) -> None:
        self._workspace, self._member, self._delivery = workspace, member, delivery
        self._benches, self._clock = benches, clock
        self._hosts, self._counted_at = 1, float("-inf")
        self.durable: Durable | None = None
        self.width = cores()
        """How many are done here at a time: no host takes one that another could begin with at once."""

    async def elsewhere(self, turn: Turn) -> Elsewhere | None:
        """Where the chunks of a run are done; None when this host is alone and does them at once."""
        hosts = await self._number_of_hosts()
        return _Queue(self, turn, self.width * hosts * AHEAD) if hosts > 1 else None

    async def do(self, run_id: str, stage: int, number: int) -> str:
        """Does a chunk and keeps what it brought; empty, or why it could not."""
        self._member.check()
        store = self._workspace.store
        run = await store.read(lambda connection: rows.get_run(connection, run_id))
        async with self._benches.at(run) as bench:
            outcomes = Outcomes(store, run_id, bench.shop, self._clock)
            place = bench.shop.plan.stages[stage]
            lines = await self._lines(outcomes, place, number)
            keeper = Keeper(store, run, bench.crew, outcomes, self._delivery, Progress(), self._clock)
            try:
                await keeper.do(Job(place, number, number, lines))
            except RunEndedError:
                return ""
            except Transient:
                raise
            except PostwerkError as error:
                return error.message
        return ""

    async def _lines(self, outcomes: Outcomes, stage: Stage, number: int) -> bytes:
        """The items of a portion. What was read is taken as it was kept, where nothing has come to it since."""
        if not stage.level:
            run_id, root = outcomes.run_id, outcomes.root_stage(stage.root)
            kept = await self._workspace.store.read(lambda connection: rows.chunks_of(connection, run_id, stage=root))
            output = next(chunk.output for chunk in kept if chunk.number == number)
            return outcomes.shop.blobs.read(output) if output else b""
        return await outcomes.lines(stage.root, number, stage.enters)

    async def _number_of_hosts(self) -> int:
        if time.monotonic() - self._counted_at > COUNT_SECONDS:
            self._hosts = max(1, await self._workspace.store.read(hosts))
            self._counted_at = time.monotonic()
        return self._hosts


class _Queue(Elsewhere):
    """The chunks of one turn of a run, on the queue."""

    def __init__(self, chunks: Chunks, turn: Turn, width: int) -> None:
        self._chunks, self._turn = chunks, turn
        self.width = width

    async def chunk(self, stage: int, number: int) -> None:
        durable = self._chunks.durable
        assert durable is not None, "a turn begins when everything is at work"
        if reason := await durable.chunk(self._turn.run, self._turn.number, stage, number):
            raise RunStoppedError(reason)
