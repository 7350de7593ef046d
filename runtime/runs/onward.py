"""How a stream goes on behind its sends: which source items can, because all of their mails have come to an end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from ...engine import key_text
from ...engine.passage import Seed
from ...engine.plan import Stage
from ..outbox import FINAL, Mail, following
from .outcomes import Outcomes, waiting


@dataclass(frozen=True, slots=True)
class Ready:
    """Source items of one portion that can go on."""

    origin: int
    seeds: list[Seed]
    mails: list[int]
    """Those that are taken with them, and those whose items have nothing to do here."""


@dataclass
class Onward:
    """The items that enter one stage behind sends."""

    outcomes: Outcomes
    stage: Stage

    def __post_init__(self) -> None:
        self.awaited = self.outcomes.sends_among(self.stage.enters)
        before = self._stages_before()
        self.triggers = self.awaited - {step for stage in before for step in self.outcomes.sends_among(stage.enters)}
        """The sends whose outcomes no earlier stage has taken."""
        others = any(not self.outcomes.sends(output.step) for output in self.stage.enters)
        self.may_pass = others or self.triggers != self.awaited
        """Whether items may enter that have sent nothing by a trigger."""

    def _stages_before(self) -> list[Stage]:
        stages = self.outcomes.shop.plan.stages_of(self.stage.root)
        return [stage for stage in stages if stage.level < self.stage.level]

    async def ready(self) -> AsyncIterator[Ready]:
        """Items whose last mail has come to its end, and with which the flow has not gone on."""
        run_id, steps = self.outcomes.run_id, self.triggers
        found = await self.outcomes.store.read(lambda connection: following.new_outcomes(connection, run_id, steps))
        for origin in found:
            ready = await self._ready(origin)
            if ready.mails:
                yield ready

    async def _ready(self, origin: int) -> Ready:
        ready = Ready(origin, [], [])
        entering = await self.outcomes.seeds(self.stage.root, origin, self.stage.enters)
        for key, mails in (await self._mails(origin)).items():
            new = [mail.id for mail in mails if mail.step in self.triggers and not mail.taken]
            if new and _are_final(mails):
                ready.mails.extend(new)
                ready.seeds.extend(seed for seed in [entering.get(key)] if seed and seed.items)
        return ready

    async def passing(self, origin: int) -> list[Seed]:
        """Items that have sent nothing here, and so wait for nothing; none while a mail of one of them is undecided."""
        if not self.may_pass:
            return []
        entering = await self.outcomes.seeds(self.stage.root, origin, self.stage.enters)
        mails = await self._mails(origin)
        keys = [key for key, own in mails.items() if all(mail.step not in self.triggers for mail in own)]
        passing = [key for key in keys if key in entering and entering[key].items]
        return [entering[key] for key in passing] if all(_are_final(mails[key]) for key in passing) else []

    async def _mails(self, origin: int) -> dict[str, list[Mail]]:
        """The awaited mails of each source item."""
        found = await self.outcomes.mails(self.awaited, origin)
        seeds = await self.outcomes.carried(self.stage.root, origin)
        return {
            key: [found[step, key_text(item.key)] for step, item in waiting(seed, self.awaited)]
            for key, seed in seeds.items()
        }


def _are_final(mails: list[Mail]) -> bool:
    return all(mail.state in FINAL for mail in mails)
