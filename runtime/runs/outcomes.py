"""What was kept of a stream, put together again by source item: what left its stages, and what became of what waits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...engine import Item, Suspension, key_text
from ...engine.flow import Endpoint
from ...engine.passage import Seed, Suspended, Trail
from ...engine.plan import Plan
from ..blobs import BlobRef
from ..clock import Clock
from ..spool import decode_seeds, encode_seeds
from ..store import Store
from ..work import Workshop, part_of, pour, suspended_at
from . import awaited, rows
from .awaited import Awaited

Suspensions = Mapping[tuple[str, str], Awaited]
"""By step and key."""


@dataclass
class Outcomes:
    """Reads what a run has kept. Bytes stay on the disk; one chunk's worth of the rest is in memory."""

    store: Store
    run_id: str
    shop: Workshop
    clock: Clock
    _last: tuple[Any, dict[str, Seed]] | None = field(default=None)

    def root_stage(self, root: str) -> int:
        """The number of the stage under which what a root has read is kept."""
        return root_stage(self.shop.plan, root)

    def suspends(self, step: str) -> bool:
        """Whether its items become mails, or wait."""
        return self.shop.graph.ports(step).is_suspension

    def suspending(self, outputs: Iterable[Endpoint]) -> frozenset[str]:
        """The steps that send or wait, of those that have these outputs."""
        return frozenset(output.step for output in outputs if self.suspends(output.step))

    async def lines(self, root: str, origin: int, outputs: Collection[Endpoint]) -> bytes:
        """As `seeds`, for a chunk or a gather."""
        return self.encoded((await self.seeds(root, origin, outputs)).values())

    def encoded(self, seeds: Iterable[Seed]) -> bytes:
        return encode_seeds(seeds, self.shop.blobs.put)

    async def seeds(self, root: str, origin: int, outputs: Collection[Endpoint]) -> dict[str, Seed]:
        """All items on some outputs of one stream that descend from one portion of its source, by source item.

        Their bytes are not read: where they lie stands in their place.
        """
        merged = await self.carried(root, origin)
        suspended = await self.suspended(self.suspending(outputs), origin)
        found = {key: self._with_outcomes(seed, outputs, suspended) for key, seed in merged.items()}
        return {key: seed for key, seed in found.items() if seed.items or seed.lost}

    async def carried(self, root: str, origin: int) -> dict[str, Seed]:
        """What left the stages, and the items that wait for outcomes, by source item."""
        stages = {self.root_stage(root), *(stage.number for stage in self.shop.plan.stages_of(root))}
        run_id = self.run_id
        kept = await self.store.read(lambda connection: rows.chunks_of(connection, run_id, origin=origin))
        packs = [chunk.output for chunk in kept if chunk.output and chunk.stage in stages]
        if self._last is None or self._last[0] != packs:
            self._last = packs, self._merged(packs)
        return self._last[1]

    def _merged(self, packs: list[BlobRef]) -> dict[str, Seed]:
        found: dict[str, Seed] = {}
        for pack in packs:
            for seed in decode_seeds(self.shop.blobs.read(pack), _unread):
                pour(found.setdefault(seed.key, Seed(seed.key)), seed.items, seed.lost)
        return found

    async def suspended(self, steps: Collection[str], origin: int) -> Suspensions:
        """What some steps have left with the runtime, as far as it descends from one portion."""
        if not steps:
            return {}
        run_id, now = self.run_id, self.clock.now()
        return await self.store.read(lambda connection: awaited.of_chunk(connection, run_id, steps, origin, now))

    def _with_outcomes(self, seed: Seed, outputs: Collection[Endpoint], suspended: Suspensions) -> Seed:
        """What of a source item is on the outputs by now."""
        found = Seed(seed.key)
        pour(found, part_of(seed.items, outputs), part_of(seed.lost, outputs))
        for step, item in waiting(seed, self.suspending(outputs)):
            one = suspended.get((step, key_text(item.key)))
            if one and one.is_final:
                trail = self._settled(step, item, one)
                pour(found, part_of(trail.items, outputs), part_of(trail.lost, outputs))
        return found

    def _settled(self, step: str, item: Item[Any], one: Awaited) -> Trail:
        passage = self.shop.passages[self.shop.plan.stage_of(step).number]
        return passage.settle(Suspended(step, item.key, item.record, _AWAY), one.outcome(item.record))

    async def is_settled(self, steps: Collection[str] | None) -> bool:
        """Whether nothing that these steps, or any, have left can still change by itself."""
        run_id, now = self.run_id, self.clock.now()
        return await self.store.read(lambda connection: awaited.is_settled(connection, run_id, steps, now))


def root_stage(plan: Plan, root: str) -> int:
    """The number of the stage under which what a root has read is kept."""
    return -1 - [one.step for one in plan.roots].index(root)


_AWAY = Suspension()
"""Stands for what was left with the runtime long ago."""


def waiting(seed: Seed, steps: Iterable[str]) -> Iterator[tuple[str, Item[Any]]]:
    """The items that some steps have left with the runtime, with their step."""
    return ((step, item) for step in steps for item in seed.items.get(suspended_at(step), ()))


def _unread(ref: BlobRef) -> BlobRef:
    return ref
