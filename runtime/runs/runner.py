"""The runner: takes one run from where it is to its end.

Everything that it does is a chunk, and a chunk's outcome is written in one transaction: mails, failures, counts. A run
that was interrupted goes on with the chunks that are not done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Connection

from ...engine import Item, PostwerkError
from ...engine.flow import Endpoint
from ...engine.passage import Items
from ...engine.plan import Root, Stage
from ..outbox import MailState, NewMail, outbox
from ..spool import encode_seeds
from ..work import Crew, Worked, Workshop, merged_items
from ..workspace import Workspace
from . import rows
from .outcomes import Outcomes
from .progress import Progress, counts_of, counts_read
from .reading import Portion, Reader
from .states import ACTIVE, RunState

AHEAD = 2
"""Chunks under way for each worker, so that none waits for the next."""
PATIENCE = 0.5
"""Seconds after which outcomes are taken up even when they do not fill a chunk."""


class Post(Protocol):
    """What the runner asks of the delivery."""

    def wake(self, account: str | None = None) -> None:
        """There are new mails to send."""

    async def changed(self, seconds: float) -> None:
        """Returns when some mail has changed its state, or after so many seconds."""


class RunStoppedError(PostwerkError):
    """The run can't go on: what its message says must be mended first."""


class RunEndedError(Exception):
    """A person has cancelled the run."""


@dataclass
class Runner:
    """Runs one run. Make it with `Runner.of`."""

    workspace: Workspace
    run: rows.Run
    shop: Workshop
    crew: Crew
    post: Post
    progress: Progress

    def __post_init__(self) -> None:
        self.store = self.workspace.store
        self.outcomes = Outcomes(self.store, self.run.id, self.shop)
        self._done: set[str | int] = set()
        self._shared: dict[int, bytes] = {}
        self._slots = asyncio.Semaphore(self.crew.size * AHEAD)

    async def go(self) -> rows.Run:
        """To the end. Returns the run as it ended; it is never left in a state that says it is on."""
        try:
            await self._go()
        except* RunEndedError:
            pass
        except* (PostwerkError, OSError) as errors:
            await self._fail(_first(errors))
        return await self.store.read(lambda connection: rows.get_run(connection, self.run.id))

    async def _go(self) -> None:
        started = self.run.started_at or datetime.now(UTC)
        await self.store.write(lambda connection: rows.set_started(connection, self.run.id, started))
        await self._do_all(is_behind_suspension=False)
        if not await self._release():
            return
        await self._do_all(is_behind_suspension=True)
        await self._finish()

    # building

    async def _do_all(self, *, is_behind_suspension: bool) -> None:
        """Does every root and stage of a phase, each after what it needs."""
        units: list[Root | Stage] = [*self.shop.plan.roots, *self.shop.plan.stages]
        waiting = [unit for unit in units if unit.is_behind_suspension == is_behind_suspension]
        while waiting:
            ready = [unit for unit in waiting if self._is_ready(unit, waiting)]
            for unit in ready:
                waiting.remove(unit)
                await self._do(unit, waiting)

    def _is_ready(self, unit: Root | Stage, waiting: list[Root | Stage]) -> bool:
        if isinstance(unit, Root):
            feeding = {output.step for output in unit.takes}
            return not any(_makes(other, feeding) for other in waiting if other is not unit)
        before = (other for other in waiting if isinstance(other, Stage) and other.root == unit.root)
        needed = set(unit.after) | {unit.root}
        is_first = not any(other.level < unit.level for other in before)
        return is_first and not any(_name(other) in needed for other in waiting if other is not unit)

    async def _do(self, unit: Root | Stage, waiting: list[Root | Stage]) -> None:
        if isinstance(unit, Root):
            first = next((one for one in self.shop.plan.stages_of(unit.step) if one.level == 0), None)
            together = first if first in waiting and not (first and first.after) else None
            await self._read(unit, together)
            if together:
                waiting.remove(together)
        else:
            await self._do_stage(unit)

    async def _read(self, root: Root, stage: Stage | None) -> None:
        """Reads a source or gather, and does the first stage of its items meanwhile."""
        done = await self._numbers_done(stage)
        async with asyncio.TaskGroup() as group:
            async for portion in self._portions(root):
                if stage and portion.items and portion.number not in done:
                    await self._slots.acquire()
                    group.create_task(self._chunk(stage, portion.number, portion.number, portion.lines))

    async def _numbers_done(self, stage: Stage | None) -> set[int]:
        if stage is None:
            return set()
        number, run_id = stage.number, self.run.id
        done = await self.store.read(lambda connection: rows.chunks_of(connection, run_id, stage=number))
        return {chunk.number for chunk in done}

    async def _portions(self, root: Root) -> AsyncIterator[Portion]:
        """What was read before, then the rest; a source that changed meanwhile stops the run."""
        stage, run_id = self.stage_of(root.step), self.run.id
        kept = await self.store.read(lambda connection: rows.chunks_of(connection, run_id, stage=stage))
        known = {chunk.number: chunk for chunk in kept}
        if rows.READ_TO_END in known:
            for chunk in kept:
                if chunk.output:
                    yield Portion(chunk.number, self.shop.blobs.read(chunk.output), chunk.output, chunk.counts["items"])
            return
        reader = Reader(self.shop, root.step, None if root.is_gather else self.run.row_limit)
        async for portion in reader.portions(self._streams(root)):
            await self._keep_portion(stage, portion, known.get(portion.number))
            yield portion
        await self._keep_portion(stage, Portion(rows.READ_TO_END), None)

    async def _keep_portion(self, stage: int, portion: Portion, known: rows.Chunk | None) -> None:
        if known:
            self._must_be_same(stage, portion, known)
            return
        counts = counts_read(portion.items, len(portion.failures))
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

    def stage_of(self, root: str) -> int:
        """The number under which what a root has read is kept."""
        return -1 - [one.step for one in self.shop.plan.roots].index(root)

    def _streams(self, root: Root) -> dict[str, Iterator[Item[Any]]]:
        feeds = self.shop.graph.feeds.get(root.step, {})
        loop = asyncio.get_running_loop()
        return {port: self._gathered(sources, loop) for port, sources in feeds.items()}

    def _gathered(self, outputs: list[Endpoint], loop: asyncio.AbstractEventLoop) -> Iterator[Item[Any]]:
        """All items of some outputs, chunk by chunk, for a node that runs on a thread."""
        root = self.shop.graph.lineage(outputs[0]).root
        for number in asyncio.run_coroutine_threadsafe(self._origins(root), loop).result():
            seeds = self.outcomes.seeds(root, self.stage_of(root), number, outputs)
            found = asyncio.run_coroutine_threadsafe(seeds, loop).result()
            for seed in found.values():
                for output in outputs:
                    yield from seed.items.get(output, ())

    async def _origins(self, root: str) -> list[int]:
        stage, run_id = self.stage_of(root), self.run.id
        kept = await self.store.read(lambda connection: rows.chunks_of(connection, run_id, stage=stage))
        return [chunk.number for chunk in kept if chunk.output]

    # stages

    async def _do_stage(self, stage: Stage) -> None:
        if any(self.shop.graph.ports(output.step).is_suspension for output in stage.enters):
            await self._go_on(stage)
            return
        done = await self._numbers_done(stage)
        async with asyncio.TaskGroup() as group:
            for number in await self._origins(stage.root):
                if number not in done:
                    seeds = await self.outcomes.seeds(stage.root, self.stage_of(stage.root), number, stage.enters)
                    lines = encode_seeds(seeds.values(), self.shop.blobs.put)
                    await self._slots.acquire()
                    group.create_task(self._chunk(stage, number, number, lines))

    async def _go_on(self, stage: Stage) -> None:
        """Does a stage behind sends, item by item, as their outcomes come; ends when no more can come."""
        run_id = self.run.id
        number = await self.store.read(lambda connection: rows.next_number(connection, run_id, stage.number))
        while True:
            is_settled = await self._is_settled(stage)
            ready = await self.outcomes.take(stage, self.stage_of(stage.root))
            for origin, seeds, mails in ready:
                await self._slots.acquire()
                lines = encode_seeds(seeds, self.shop.blobs.put)
                await self._chunk(stage, number, origin, lines, taken=mails)
                number += 1
            if is_settled and not ready:
                return
            if not ready:
                await self.post.changed(PATIENCE)
                await self._look()

    async def _is_settled(self, stage: Stage | None = None) -> bool:
        """Whether no mail that this waits for can still change by itself."""
        steps = self.outcomes.awaited(stage) if stage else None
        return await self.outcomes.is_settled(steps)

    async def _chunk(self, stage: Stage, number: int, origin: int, lines: bytes, taken: Iterable[int] = ()) -> None:
        try:
            worked = await self.crew.work(stage.number, lines, await self._shared_by(stage))
        finally:
            self._slots.release()
        counts = counts_of(worked, is_first=stage.level == 0)
        chunk = rows.Chunk(stage.number, number, origin, worked.carried, counts)
        if await self.store.write(lambda connection: self._keep(connection, stage, chunk, worked, taken)):
            self.progress.add_kept(counts)
        if worked.mails and self._beginning(stage) is MailState.QUEUED:
            self.post.wake()
        if worked.stops:
            raise RunStoppedError(worked.stops)

    def _keep(
        self, connection: Connection, stage: Stage, chunk: rows.Chunk, worked: Worked, taken: Iterable[int]
    ) -> bool:
        if rows.state_of(connection, self.run.id) not in ACTIVE:
            raise RunEndedError
        now = datetime.now(UTC)
        if not rows.add_chunk(connection, self.run.id, chunk):
            return False
        mails = [
            NewMail(
                run=self.run.id, step=one.step, key=one.key, account=one.mail.account,
                envelope_sender=one.mail.envelope_sender, recipients=one.mail.recipients, subject=one.mail.subject,
                message_id=one.mail.message_id, blob=one.blob, needs_smtputf8=one.mail.needs_smtputf8,
                source=one.source, chunk=chunk.origin,
            )
            for one in worked.mails
        ]  # fmt: skip
        outbox.put(connection, mails, self._beginning(stage), now)
        rows.add_failures(connection, self.run.id, worked.failures, now)
        outbox.take(connection, list(taken))
        return True

    def _beginning(self, stage: Stage) -> MailState:
        """The state in which a stage's mails enter the outbox."""
        if self.run.is_dry:
            return MailState.CAPTURED
        checks_first = self.shop.flow.settings.bad_rows == "stop" and not stage.is_behind_suspension
        return MailState.PLANNED if checks_first else MailState.QUEUED

    async def _shared_by(self, stage: Stage) -> bytes:
        """The single items of other streams that the stage gives to all of its own."""
        if not stage.shared:
            return b""
        if stage.number not in self._shared:
            merged: Items = {}
            for output in stage.shared:
                root = self.shop.graph.lineage(output).root
                seeds = await self.outcomes.seeds(root, self.stage_of(root), 0, [output])
                merged |= merged_items(seeds.values())
            self._shared[stage.number] = self.outcomes.encoded(merged)
        return self._shared[stage.number]

    # sending

    async def _release(self) -> bool:
        """The verdict of the preflight: lets the planned mails go, or none."""
        is_released = await self.store.write(self._verdict)
        await self._look()
        self.progress.forget_rate()
        self.post.wake()
        return is_released

    def _verdict(self, connection: Connection) -> bool:
        run_id, now = self.run.id, datetime.now(UTC)
        if rows.state_of(connection, run_id) is RunState.SENDING:
            return True
        failed = rows.failed_items(connection, run_id)
        if failed and self.shop.flow.settings.bad_rows == "stop":
            outbox.cancel_run(connection, run_id, now)
            message = f"{failed:,} of {self.progress.read:,} items are not in order, so no mail has left."
            rows.move_run(connection, run_id, RunState.FAILED, message=message, finished_at=now)
            rows.keep_totals(connection, run_id, self.progress.as_totals())
            return False
        outbox.release_run(connection, run_id, now)
        rows.move_run(connection, run_id, RunState.SENDING)
        rows.keep_totals(connection, run_id, self.progress.as_totals())
        return True

    async def _finish(self) -> None:
        while not await self._is_settled():
            await self.post.changed(PATIENCE)
            await self._look()
        await self._look()
        await self.store.write(self._end)

    def _end(self, connection: Connection) -> None:
        if rows.state_of(connection, self.run.id) not in ACTIVE:
            return
        now = datetime.now(UTC)
        self.outcomes.fail_refused(connection, now)
        rows.keep_totals(connection, self.run.id, self.progress.as_totals())
        rows.move_run(connection, self.run.id, RunState.FINISHED, finished_at=now)

    async def _look(self) -> None:
        """Looks where the mails stand."""
        run_id = self.run.id
        state, counts = await self.store.read(
            lambda connection: (rows.state_of(connection, run_id), outbox.counts(connection, run_id))
        )
        self.progress.mails = counts
        self.progress.mark(self.progress.settled)
        if state is RunState.CANCELLED:
            raise RunEndedError

    async def _fail(self, error: BaseException) -> None:
        now, message = datetime.now(UTC), str(error)

        def fail(connection: Connection) -> None:
            if rows.state_of(connection, self.run.id) in ACTIVE:
                outbox.cancel_run(connection, self.run.id, now)
                rows.move_run(connection, self.run.id, RunState.FAILED, message=message, finished_at=now)

        await self.store.write(fail)


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _name(unit: Root | Stage) -> str | int:
    return unit.step if isinstance(unit, Root) else unit.number


def _makes(unit: Root | Stage, steps: set[str]) -> bool:
    return unit.step in steps if isinstance(unit, Root) else bool(steps & set(unit.steps))
