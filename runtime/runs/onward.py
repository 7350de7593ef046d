"""How a stream goes on behind its sends and waits: with the source items of which nothing is awaited any more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from ...engine import key_text
from ...engine.passage import Seed
from ...engine.plan import Stage
from . import awaited
from .awaited import Awaited
from .outcomes import Outcomes, waiting


@dataclass(frozen=True, slots=True)
class Ready:
    """Source items of one portion that can go on."""

    origin: int
    seeds: list[Seed]
    taken: list[Awaited]
    """With what they go on, and that whose items have nothing to do here."""


@dataclass
class Onward:
    """The items that enter one stage behind sends or waits."""

    outcomes: Outcomes
    stage: Stage

    def __post_init__(self) -> None:
        self.awaited = self.outcomes.suspending(self.stage.enters)
        before = self._stages_before()
        self.triggers = self.awaited - {step for stage in before for step in self.outcomes.suspending(stage.enters)}
        """The steps whose outcomes no earlier stage has taken."""
        others = any(not self.outcomes.suspends(output.step) for output in self.stage.enters)
        self.may_pass = others or self.triggers != self.awaited
        """Whether items may enter that have left nothing at a trigger."""

    def _stages_before(self) -> list[Stage]:
        stages = self.outcomes.shop.plan.stages_of(self.stage.root)
        return [stage for stage in stages if stage.level < self.stage.level]

    async def ready(self) -> AsyncIterator[Ready]:
        """Items of which the last thing awaited has come to its end, and with which the flow has not gone on."""
        run_id, steps, now = self.outcomes.run_id, self.triggers, self.outcomes.clock.now()
        found = await self.outcomes.store.read(lambda connection: awaited.new_outcomes(connection, run_id, steps, now))
        for origin in found:
            ready = await self._ready(origin)
            if ready.taken:
                yield ready

    async def _ready(self, origin: int) -> Ready:
        """What is awaited is read first: whose end comes later is taken next time, with what it brings."""
        ready = Ready(origin, [], [])
        found = await self._awaited(origin)
        entering = await self.outcomes.seeds(self.stage.root, origin, self.stage.enters)
        for key, own in found.items():
            new = [one for one in own if one.step in self.triggers and not one.taken]
            if new and _are_final(own):
                ready.taken.extend(new)
                ready.seeds.extend(seed for seed in [entering.get(key)] if seed and seed.items)
        return ready

    async def passing(self, origin: int) -> list[Seed]:
        """Items that have left nothing here, and so wait for nothing; none while one of them is undecided."""
        if not self.may_pass:
            return []
        found = await self._awaited(origin)
        entering = await self.outcomes.seeds(self.stage.root, origin, self.stage.enters)
        keys = [key for key, own in found.items() if all(one.step not in self.triggers for one in own)]
        passing = [key for key in keys if key in entering and entering[key].items]
        return [entering[key] for key in passing] if all(_are_final(found[key]) for key in passing) else []

    async def _awaited(self, origin: int) -> dict[str, list[Awaited]]:
        """What is awaited of each source item."""
        found = await self.outcomes.suspended(self.awaited, origin)
        seeds = await self.outcomes.carried(self.stage.root, origin)
        return {
            key: [found[step, key_text(item.key)] for step, item in waiting(seed, self.awaited)]
            for key, seed in seeds.items()
        }


def _are_final(several: list[Awaited]) -> bool:
    return all(one.is_final for one in several)
