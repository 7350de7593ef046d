"""Where streams begin: reads sources and gathers, keeps what was read, and gives it again when a run is resumed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from ...engine import Item
from ...engine.flow import Endpoint
from ...engine.plan import Root
from ..spool import are_alike
from ..store import Store
from ..work import Workshop
from . import rows
from .outcomes import Outcomes
from .progress import Progress, counts_read
from .reading import Portion, Reader, RunStoppedError
from .tap import Streams


@dataclass
class Roots:
    """The sources and gathers of one run."""

    store: Store
    run: rows.Run
    shop: Workshop
    outcomes: Outcomes
    progress: Progress

    def __post_init__(self) -> None:
        self._unread = {root.step for root in self.shop.plan.roots if not root.is_gather}

    async def portions(self, root: Root, done: Collection[int]) -> AsyncGenerator[Portion, None]:
        """What was read before, then the rest, as far as their chunks are not `done`.

        Raises:
            RunStoppedError: the source has changed since it was read.
        """
        known = await self._known(root)
        if rows.READ_TO_END in known:
            self._note_end(root)
            for number in sorted(known.keys() - done - {rows.READ_TO_END}):
                if output := known[number].output:
                    yield Portion(number, self.shop.blobs.read(output), output, known[number].counts["items"])
            return
        reader = await self._reader(root)
        async with aclosing(reader.portions(self._streams(root))) as portions:
            async for portion in portions:
                await self._keep(root, portion, known.get(portion.number))
                if portion.number not in done:
                    yield portion
        await self._keep(root, Portion(rows.READ_TO_END), None)
        self._note_end(root)

    async def _reader(self, root: Root) -> Reader:
        if root.is_gather:
            return Reader(self.shop, root.step, None)
        parent, only = self.run.parent, None
        if parent is not None:
            only = await self.store.read(lambda connection: rows.failed_rows(connection, parent))
        return Reader(self.shop, root.step, self.run.row_limit, only)

    async def origins(self, root: str) -> list[int]:
        """The numbers of its portions."""
        stage, run_id = self.outcomes.root_stage(root), self.run.id
        kept = await self.store.read(lambda connection: rows.chunks_of(connection, run_id, stage=stage))
        return [chunk.number for chunk in kept if chunk.output]

    async def _known(self, root: Root) -> dict[int, rows.Chunk]:
        stage, run_id = self.outcomes.root_stage(root.step), self.run.id
        kept = await self.store.read(lambda connection: rows.chunks_of(connection, run_id, stage=stage))
        return {chunk.number: chunk for chunk in kept}

    async def _keep(self, root: Root, portion: Portion, known: rows.Chunk | None) -> None:
        if known:
            await asyncio.to_thread(self._must_be_same, root, portion, known)
            return
        is_last = not self.shop.plan.stages_of(root.step)
        counts = counts_read(portion.items, len(portion.failures), is_gather=root.is_gather, is_last=is_last)
        stage = self.outcomes.root_stage(root.step)
        chunk = rows.Chunk(stage, portion.number, portion.number, portion.output, counts)

        def keep(connection: Connection) -> None:
            if rows.add_chunk(connection, self.run.id, chunk):
                rows.add_failures(connection, self.run.id, portion.failures, datetime.now(UTC))

        await self.store.write(keep)
        self.progress.add_kept(counts)

    def _note_end(self, root: Root) -> None:
        self._unread.discard(root.step)
        self.progress.is_read = not self._unread

    def _must_be_same(self, root: Root, portion: Portion, known: rows.Chunk) -> None:
        before = self.shop.blobs.read(known.output) if known.output else b""
        if not are_alike(before, portion.lines):
            raise RunStoppedError(
                f"What step {root.step!r} reads has changed since this run began. "
                "Put it back as it was, or start a new run."
            )

    def _streams(self, root: Root) -> Streams:
        feeds = self.shop.graph.feeds.get(root.step, {})
        loop = asyncio.get_running_loop()
        return {port: self._gathered(sources, loop) for port, sources in feeds.items()}

    def _gathered(self, outputs: list[Endpoint], loop: asyncio.AbstractEventLoop) -> Iterator[Item[Any]]:
        """All items of some outputs, stream by stream and chunk by chunk, for a node that runs on a thread."""
        streams: dict[str, list[Endpoint]] = {}
        for output in outputs:
            streams.setdefault(self.shop.graph.lineage(output).root, []).append(output)
        for root, own in streams.items():
            for origin in asyncio.run_coroutine_threadsafe(self.origins(root), loop).result():
                lines = asyncio.run_coroutine_threadsafe(self.outcomes.lines(root, origin, own), loop).result()
                for seed in self.shop.decode(lines):
                    for output in own:
                        yield from seed.items.get(output, ())
