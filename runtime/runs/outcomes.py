"""Where a stream goes on: what left earlier stages, and what became of the mails, put together again by source item."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from ...engine import Item, RefusedMail, SentMail, key_text
from ...engine.flow import Endpoint
from ...engine.passage import Items, Seed
from ...engine.plan import Stage
from ..outbox import ARRIVED, FINAL, Mail, following
from ..spool import encode_seeds
from ..store import Store
from ..work import FailedItem, Workshop, suspended_at
from . import rows

TAKEN_AT_ONCE = 500

Ready = tuple[int, list[Seed], list[int]]
"""The origin, its source items that can go on, and the mails that are taken with them."""


@dataclass
class Outcomes:
    """Reads what a run has kept. One chunk's worth of memory."""

    store: Store
    run_id: str
    shop: Workshop
    _last: tuple[Any, dict[str, Seed]] | None = field(default=None)

    def root_stage(self, root: str) -> int:
        """The number of the stage under which what a root has read is kept."""
        return -1 - [one.step for one in self.shop.plan.roots].index(root)

    def sends(self, step: str) -> bool:
        """Whether its items become mails."""
        return self.shop.graph.ports(step).is_suspension

    async def seeds(self, root: str, origin: int, outputs: Collection[Endpoint]) -> dict[str, Seed]:
        """All items on some outputs of one stream that descend from one chunk of its source, by source item."""
        merged = await self._carried(root, origin)
        mails = await self._mails({output.step for output in outputs if self.sends(output.step)}, origin)
        found: dict[str, Seed] = {}
        for key, seed in merged.items():
            items = {output: list(seed.items[output]) for output in outputs if output in seed.items}
            lost = {output: seed.lost[output] for output in outputs if output in seed.lost}
            found[key] = Seed(key, items, lost)
            for output in outputs:
                if self.sends(output.step):
                    self._add_outcomes(found[key].items, output, seed, mails)
        return {key: seed for key, seed in found.items() if seed.items or seed.lost}

    async def _carried(self, root: str, origin: int) -> dict[str, Seed]:
        stages = {self.root_stage(root), *(stage.number for stage in self.shop.plan.stages_of(root))}
        run_id = self.run_id
        kept = await self.store.read(lambda connection: rows.chunks_of(connection, run_id, origin=origin))
        chunks = [chunk for chunk in kept if chunk.stage in stages and chunk.output and chunk.number >= 0]
        mark = [(chunk.stage, chunk.number) for chunk in chunks]
        if self._last and self._last[0] == (origin, mark):
            return self._last[1]
        merged: dict[str, Seed] = {}
        for chunk in chunks:
            assert chunk.output is not None
            for seed in self.shop.decode(self.shop.blobs.read(chunk.output)):
                into = merged.setdefault(seed.key, Seed(seed.key))
                for output, items in seed.items.items():
                    into.items.setdefault(output, []).extend(items)
                for output, keys in seed.lost.items():
                    into.lost.setdefault(output, set()).update(keys)
        self._last = ((origin, mark), merged)
        return merged

    async def _mails(self, steps: set[str], origin: int) -> dict[tuple[str, str], Mail]:
        if not steps:
            return {}
        run_id = self.run_id
        found = await self.store.read(lambda connection: following.of_chunk(connection, run_id, steps, origin))
        return {(mail.step, mail.key): mail for mail in found}

    def _add_outcomes(self, items: Items, output: Endpoint, seed: Seed, mails: dict[tuple[str, str], Mail]) -> None:
        for left in seed.items.get(suspended_at(output.step), ()):
            mail = mails.get((output.step, key_text(left.key)))
            if mail and mail.state in FINAL and (mail.state in ARRIVED) == (output.port == "sent"):
                items.setdefault(output, []).append(Item(left.key, outcome_of(mail), left.record))

    def awaited(self, stage: Stage) -> frozenset[str]:
        """The sends whose outcomes enter a stage."""
        return frozenset(output.step for output in stage.enters if self.sends(output.step))

    async def take(self, stage: Stage) -> list[Ready]:
        """Source items all of whose mails have come to an end, and with which the flow has not gone on."""
        steps = self.awaited(stage)
        run_id = self.run_id
        new = await self.store.read(lambda connection: following.outcomes(connection, run_id, steps, TAKEN_AT_ONCE))
        by_origin: dict[int, list[Mail]] = {}
        for mail in new:
            by_origin.setdefault(mail.chunk, []).append(mail)
        found = [await self._ready(stage, origin, mails) for origin, mails in by_origin.items()]
        return [ready for ready in found if ready]

    async def _ready(self, stage: Stage, origin: int, new: list[Mail]) -> Ready | None:
        steps = self.awaited(stage)
        all_mails = await self._mails(set(steps), origin)
        seeds = await self.seeds(stage.root, origin, stage.enters)
        carried = await self._carried(stage.root, origin)
        taken: list[int] = []
        going: list[Seed] = []
        fresh = {(mail.step, mail.key) for mail in new}
        for key, seed in seeds.items():
            own = [(step, key_text(item.key)) for step in steps for item in _left(carried[key], step)]
            if fresh.isdisjoint(own) or not all(_is_final(all_mails.get(one)) for one in own):
                continue
            going.append(seed)
            taken += (all_mails[one].id for one in own)
        return (origin, going, taken) if going else None

    async def is_settled(self, steps: Collection[str] | None) -> bool:
        """Whether no mail of these steps, or of all, can still change by itself."""
        run_id = self.run_id
        return await self.store.read(lambda connection: following.is_settled(connection, run_id, steps))

    def encoded(self, items: Items) -> bytes:
        """Items as one seed, for all chunks of a stage."""
        return encode_seeds([Seed("", items)], self.shop.blobs.put)

    def fail_refused(self, connection: Connection, now: datetime) -> None:
        """Mails that did not arrive are failures of their items, unless the flow takes them on."""
        for step in self.unheeded():
            refused = following.refused(connection, self.run_id, step)
            rows.add_failures(connection, self.run_id, [_failed(mail) for mail in refused], now)

    def unheeded(self) -> Iterable[str]:
        """The sends whose output for refused mails nobody takes."""
        graph = self.shop.graph
        for step in graph.order:
            outputs = graph.ports(step).outputs.values() if graph.ports(step).is_suspension else ()
            if any(port.is_reject and not graph.is_wired(step, port.name) for port in outputs):
                yield step


def outcome_of(mail: Mail) -> SentMail | RefusedMail:
    """What a mail's end is to the flow."""
    if mail.state in ARRIVED:
        return SentMail(
            message_id=mail.message_id, account=mail.account, recipients=mail.recipients, subject=mail.subject,
            sent_at=mail.sent_at or mail.updated_at, reply=mail.reply or "",
        )  # fmt: skip
    return RefusedMail(
        message_id=mail.message_id, account=mail.account, recipients=mail.recipients, subject=mail.subject,
        state=mail.state.value, reply=mail.reply or "",
    )  # fmt: skip


def _left(seed: Seed, step: str) -> list[Item[Any]]:
    return seed.items.get(suspended_at(step), [])


def _is_final(mail: Mail | None) -> bool:
    return mail is not None and mail.state in FINAL


def _failed(mail: Mail) -> FailedItem:
    to = ", ".join(mail.recipients)
    message = f"The mail to {to} is {mail.state.value}: {mail.reply or 'no reason was given'}"
    return FailedItem(mail.step, mail.key, mail.key.split("/")[0], message, mail.state.value, mail.source)
