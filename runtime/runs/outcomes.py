"""What was kept of a stream, put together again by source item: what left its stages, and what became of its mails."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...engine import Delivered, Item, RefusedMail, SentMail, Suspension, key_text
from ...engine.flow import Endpoint
from ...engine.passage import Seed, Suspended, Trail
from ..blobs import BlobRef
from ..outbox import ARRIVED, FINAL, Mail, following
from ..spool import decode_seeds, encode_seeds
from ..store import Store
from ..work import Workshop, part_of, pour, suspended_at
from . import rows

Mails = Mapping[tuple[str, str], Mail]
"""By step and key."""


@dataclass
class Outcomes:
    """Reads what a run has kept. Bytes stay on the disk; one chunk's worth of the rest is in memory."""

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

    def sends_among(self, outputs: Iterable[Endpoint]) -> frozenset[str]:
        """The steps that send, of those that have these outputs."""
        return frozenset(output.step for output in outputs if self.sends(output.step))

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
        mails = await self.mails(self.sends_among(outputs), origin)
        found = {key: self._with_outcomes(seed, outputs, mails) for key, seed in merged.items()}
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

    async def mails(self, steps: Collection[str], origin: int) -> Mails:
        """The mails of some steps that descend from one portion."""
        if not steps:
            return {}
        run_id = self.run_id
        found = await self.store.read(lambda connection: following.of_chunk(connection, run_id, steps, origin))
        return {(mail.step, mail.key): mail for mail in found}

    def _with_outcomes(self, seed: Seed, outputs: Collection[Endpoint], mails: Mails) -> Seed:
        """What of a source item is on the outputs by now."""
        found = Seed(seed.key)
        pour(found, part_of(seed.items, outputs), part_of(seed.lost, outputs))
        for step, item in waiting(seed, self.sends_among(outputs)):
            mail = mails.get((step, key_text(item.key)))
            if mail and mail.state in FINAL:
                trail = self._settled(step, item, mail)
                pour(found, part_of(trail.items, outputs), part_of(trail.lost, outputs))
        return found

    def _settled(self, step: str, item: Item[Any], mail: Mail) -> Trail:
        passage = self.shop.passages[self.shop.plan.stage_of(step).number]
        return passage.settle(Suspended(step, item.key, item.record, _AWAY), delivered(mail))

    async def is_settled(self, steps: Collection[str] | None) -> bool:
        """Whether no mail of these steps, or of all, can still change by itself."""
        run_id = self.run_id
        return await self.store.read(lambda connection: following.is_settled(connection, run_id, steps))


_AWAY = Suspension()
"""Stands for a mail that left long ago."""


def waiting(seed: Seed, steps: Iterable[str]) -> Iterator[tuple[str, Item[Any]]]:
    """The items that some steps have sent, with their step."""
    return ((step, item) for step in steps for item in seed.items.get(suspended_at(step), ()))


def delivered(mail: Mail) -> Delivered:
    """What a mail's end is to the flow."""
    if mail.state in ARRIVED:
        return Delivered(sent=SentMail(
            message_id=mail.message_id, account=mail.account, recipients=mail.recipients, subject=mail.subject,
            sent_at=mail.sent_at or mail.updated_at, reply=mail.reply or "",
        ))  # fmt: skip
    return Delivered(refused=RefusedMail(
        message_id=mail.message_id, account=mail.account, recipients=mail.recipients, subject=mail.subject,
        state=mail.state.value, reply=mail.reply or "",
    ))  # fmt: skip


def _unread(ref: BlobRef) -> BlobRef:
    return ref
