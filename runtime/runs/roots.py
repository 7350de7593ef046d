"""Where streams begin: reads sources and gathers, keeps what was read, and gives it again when a run is resumed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from ...engine import Item, PostwerkError
from ...engine.flow import Endpoint
from ...engine.plan import Root
from ..store import Store
from ..work import Workshop
from . import rows
from .outcomes import Outcomes
from .progress import Progress, counts_read
from .reading import Portion, Reader


class RunStoppedError(PostwerkError):
    """The run can't go on: what its message says must be mended first."""


@dataclass
class Roots:
    """The sources and gathers of one run."""

    store: Store
    run: rows.Run
    shop: Workshop
    outcomes: Outcomes
    progress: Progress

    async def portions(self, root: Root) -> AsyncIterator[Portion]:
        """What was read before, then the rest; a source that changed meanwhile stops the run."""
        stage, run_id = self.outcomes.root_stage(root.step), self.run.id
        kept = await self.store.read(lambda connection: rows.chunks_of(connection, run_id, stage=stage))
        known = {chunk.number: chunk for chunk in kept}
        if rows.READ_TO_END in known:
            for chunk in kept:
                if chunk.output:
                    yield Portion(chunk.number, self.shop.blobs.read(chunk.output), chunk.output, chunk.counts["items"])
            return
        reader = Reader(self.shop, root.step, None if root.is_gather else self.run.row_limit)
        async for portion in reader.portions(self._streams(root)):
            await self._keep_portion(root, portion, known.get(portion.number))
            yield portion
        await self._keep_portion(root, Portion(rows.READ_TO_END), None)

    async def _keep_portion(self, root: Root, portion: Portion, known: rows.Chunk | None) -> None:
        stage = self.outcomes.root_stage(root.step)
        if known:
            self._must_be_same(stage, portion, known)
            return
        counts = counts_read(portion.items, len(portion.failures), is_gather=root.is_gather)
        chunk = rows.Chunk(stage, portion.number, portion.number, portion.output, counts)

        def keep(connection: Connection) -> None:
            if rows.add_chunk(connection, self.run.id, chunk):
                rows.add_failures(connection, self.run.id, portion.failures, datetime.now(UTC))

        await self.store.write(keep)
        self.progress.add_kept(counts)
        self.progress.is_read |= portion.number == rows.READ_TO_END

    def _must_be_same(self, stage: int, portion: Portion, known: rows.Chunk) -> None:
        holds_blobs = b'{"$": "bytes"' in portion.lines  # then it names packs, and differs each time
        if not holds_blobs and portion.digest != (known.output and known.output.digest):
            step = self.shop.plan.roots[-1 - stage].step
            raise RunStoppedError(
                f"What step {step!r} reads has changed since this run began. Put it back as it was, or start a new run."
            )

    def _streams(self, root: Root) -> dict[str, Iterator[Item[Any]]]:
        feeds = self.shop.graph.feeds.get(root.step, {})
        loop = asyncio.get_running_loop()
        return {port: self._gathered(sources, loop) for port, sources in feeds.items()}

    def _gathered(self, outputs: list[Endpoint], loop: asyncio.AbstractEventLoop) -> Iterator[Item[Any]]:
        """All items of some outputs, chunk by chunk, for a node that runs on a thread."""
        root = self.shop.graph.lineage(outputs[0]).root
        for number in asyncio.run_coroutine_threadsafe(self.origins(root), loop).result():
            seeds = self.outcomes.seeds(root, number, outputs)
            found = asyncio.run_coroutine_threadsafe(seeds, loop).result()
            for seed in found.values():
                for output in outputs:
                    yield from seed.items.get(output, ())

    async def origins(self, root: str) -> list[int]:
        stage, run_id = self.outcomes.root_stage(root), self.run.id
        kept = await self.store.read(lambda connection: rows.chunks_of(connection, run_id, stage=stage))
        return [chunk.number for chunk in kept if chunk.output]
