"""The runner: takes one run from where it is to its end.

Everything that it does is a chunk, and a chunk's outcome is kept in one transaction: mails, failures, counts. A run
that was interrupted goes on with the chunks that are not done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection

from ...engine import PostwerkError, Transient
from ...engine.agenda import Entry, agenda
from ...engine.plan import Root, Stage
from ..clock import Clock, WallClock
from ..outbox import following, outbox
from ..outbox.outlook import end_of_run
from ..store import Store
from ..work import Crew, Workshop
from . import rows, turns
from .ending import steps_of_sources, tell_undelivered
from .keeping import Elsewhere, Job, Keeper, Post, RunEndedError
from .onward import Onward
from .outcomes import Outcomes
from .progress import Progress
from .resting import Rest, RestingError
from .roots import Roots
from .states import ACTIVE, RunState
from .turns import Turn

PATIENCE = 0.5
"""Seconds after which it looks again, though nobody said that something changed."""
REST_AFTER = 1.0
"""Seconds without anything to do after which a run may rest."""
GATHERING = 0.1
"""Seconds in which changes gather, so that not each mail is looked at alone."""


@dataclass
class Runner:
    """Runs one run."""

    store: Store
    run: rows.Run
    shop: Workshop
    crew: Crew
    post: Post
    progress: Progress
    clock: Clock = field(default_factory=WallClock)
    turn: Turn | None = None
    may_rest: bool = False
    """Somebody takes the run up again when there is something to do."""
    elsewhere: Elsewhere | None = None
    rest: Rest | None = None
    """What it rests for, when `go` has returned because of that."""

    def __post_init__(self) -> None:
        self.outcomes = Outcomes(self.store, self.run.id, self.shop, self.clock)
        self.roots = Roots(self.store, self.run, self.shop, self.outcomes, self.progress)
        self._idle_since: float | None = None
        self.jobs = 0
        """Chunks that were begun."""
        self.keeper = Keeper(
            self.store, self.run, self.crew, self.outcomes, self.post, self.progress, self.clock, self.elsewhere
        )

    async def go(self, *, is_sending: bool = True) -> rows.Run:
        """To the end, or until it rests; without sending, to where its mails are queued.

        Returns the run as it is then.

        Raises:
            DiskFullError: not even the end could be written; the run can be resumed.
            Transient: the database is away; the run can be resumed.
        """
        failure: BaseException | None = None
        try:
            await self._go(is_sending)
        except* RunEndedError:
            pass
        except* RestingError as resting:
            self.rest = cast("RestingError", _first(resting)).rest
        except* (PostwerkError, OSError) as errors:
            failure = _first(errors)
        if isinstance(failure, Transient):
            raise failure
        if failure is not None:
            with suppress(RunEndedError):
                await self._fail(failure)
        return await self.store.read(lambda connection: rows.get_run(connection, self.run.id))

    async def _go(self, is_sending: bool) -> None:
        started = self.run.started_at or self.clock.now()
        await self.store.write(lambda connection: rows.set_started(connection, self.run.id, started))
        for entry in agenda(self.shop.plan, is_behind_suspension=False):
            await self._take(entry)
        if not (await self._release() and is_sending):
            return
        for entry in agenda(self.shop.plan, is_behind_suspension=True):
            await self._take(entry)
        await self._finish()

    async def _take(self, entry: Entry) -> None:
        if entry.stage:
            await self._wait_for(self.outcomes.suspending(entry.stage.shared))
        if entry.root:
            await self._read(entry.root, entry.stage)
        elif entry.stage and self.outcomes.suspending(entry.stage.enters):
            await self._follow(Onward(self.outcomes, entry.stage))
        elif entry.stage:
            await self._work_through(entry.stage)

    async def _read(self, root: Root, stage: Stage | None) -> None:
        """Reads a source or gather, and does the first stage of its items meanwhile."""
        await self._wait_for(self.outcomes.suspending(root.takes))
        done = await self._numbers_done(stage) if stage else frozenset()
        async with asyncio.TaskGroup() as group, aclosing(self.roots.portions(root, done)) as portions:
            async for portion in portions:
                if stage and portion.items:
                    await self._start(group, Job(stage, portion.number, portion.number, portion.lines, is_portion=True))

    async def _work_through(self, stage: Stage) -> None:
        """Does a stage whose items have all left earlier ones."""
        done = await self._numbers_done(stage)
        async with asyncio.TaskGroup() as group:
            for origin in await self.roots.origins(stage.root):
                if origin not in done:
                    lines = await self.outcomes.lines(stage.root, origin, stage.enters)
                    await self._start(group, Job(stage, origin, origin, lines, is_portion=True))

    async def _follow(self, onward: Onward) -> None:
        """Does a stage behind sends, item by item, as their outcomes come; ends when no more can come."""
        await self._pass(onward)
        while True:
            is_settled = await self.outcomes.is_settled(onward.awaited)
            if await self._go_on(onward):
                continue
            if is_settled:
                return
            await self._pause(Rest(tuple(sorted(onward.triggers)), is_for_each=True))

    async def _pass(self, onward: Onward) -> None:
        """Items that wait for no mail; their chunks have the numbers of their portions."""
        done = await self._numbers_done(onward.stage)
        async with asyncio.TaskGroup() as group:
            for origin in await self.roots.origins(onward.stage.root):
                if origin not in done and (seeds := await onward.passing(origin)):
                    await self._start(group, Job(onward.stage, origin, origin, self.outcomes.encoded(seeds)))

    async def _go_on(self, onward: Onward) -> bool:
        """Whether any item could go on."""
        number = await self._next_number(onward.stage)
        first = number
        async with asyncio.TaskGroup() as group:
            async for ready in onward.ready():
                lines = self.outcomes.encoded(ready.seeds)
                await self._start(group, Job(onward.stage, number, ready.origin, lines, ready.taken))
                number += 1
        return number > first

    async def _next_number(self, stage: Stage) -> int:
        """Behind those of the portions, which `_pass` uses."""
        run_id, origins = self.run.id, await self.roots.origins(stage.root)
        used = await self.store.read(lambda connection: rows.next_number(connection, run_id, stage.number))
        return max([used, *(origin + 1 for origin in origins)])

    async def _start(self, group: asyncio.TaskGroup, job: Job) -> None:
        self._idle_since = None
        self.jobs += 1
        await self.keeper.slots.acquire()
        group.create_task(self.keeper.do(job))

    async def _numbers_done(self, stage: Stage) -> frozenset[int]:
        number, run_id = stage.number, self.run.id
        done = await self.store.read(lambda connection: rows.chunks_of(connection, run_id, stage=number))
        return frozenset(chunk.number for chunk in done)

    async def _release(self) -> bool:
        """The verdict of the preflight: lets the planned mails go, or none."""
        is_released = await self.store.write(self._verdict)
        await self._look()
        run_id = self.run.id
        for account in await self.store.read(lambda connection: following.accounts_of(connection, run_id)):
            self.post.wake(account)
        return is_released

    def _verdict(self, connection: Connection) -> bool:
        run_id, now = self.run.id, self.clock.now()
        state = self._state(connection)
        if state not in ACTIVE:
            raise RunEndedError
        if state is RunState.SENDING:
            return True
        rows.keep_totals(connection, run_id, self.progress.as_totals())
        failed = rows.failed_items(connection, run_id)
        if failed and self.shop.flow.settings.bad_rows == "stop":
            outbox.cancel_run(connection, run_id, now)
            message = f"{failed:,} of {self.progress.read:,} items are not in order, so no mail has left."
            rows.move_run(connection, run_id, RunState.FAILED, message=message, finished_at=now)
            return False
        outbox.release_run(connection, run_id, now)
        rows.move_run(connection, run_id, RunState.SENDING)
        return True

    def _state(self, connection: Connection) -> RunState:
        """Raises RunEndedError when another turn of the run has begun: this program was taken for dead."""
        state = rows.state_of(connection, self.run.id, is_held=True)
        if self.turn and not turns.is_last(connection, self.turn):
            raise RunEndedError
        return state

    async def _finish(self) -> None:
        await self._wait_for(None)
        await self._look()
        await self.store.write(self._end)

    def _end(self, connection: Connection) -> None:
        if self._state(connection) not in ACTIVE:
            return
        now = self.clock.now()
        tell_undelivered(connection, self.outcomes, now)
        self.progress.count_failed(rows.failed_items(connection, self.run.id, steps_of_sources(self.shop.plan)))
        rows.keep_totals(connection, self.run.id, self.progress.as_totals())
        rows.move_run(connection, self.run.id, RunState.FINISHED, finished_at=now)

    async def _wait_for(self, steps: Collection[str] | None) -> None:
        """Returns when no mail of these steps, or of all, can still change by itself."""
        if steps is not None and not steps:
            return
        while not await self.outcomes.is_settled(steps):
            await self._pause(Rest(None if steps is None else tuple(sorted(steps)), is_for_each=False))

    async def _pause(self, rest: Rest) -> None:
        """Waits until some mails have changed, and looks again; or lets the run rest.

        Raises:
            RestingError: there was nothing to do for a while.
        """
        self._idle_since = self._idle_since or time.monotonic()
        if self.may_rest and time.monotonic() - self._idle_since > REST_AFTER:
            raise RestingError(rest)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.post.changed()
                await asyncio.sleep(GATHERING)
        await self._look()

    async def _look(self) -> None:
        """Looks where the mails stand, and whether a person has cancelled."""
        run_id = self.run.id
        now, rate = self.clock.now(), self.progress.posting.rate or None
        state, self.progress.mails, self.progress.mails_end_at = await self.store.read(
            lambda connection: (
                rows.state_of(connection, run_id),
                outbox.counts(connection, run_id),
                end_of_run(connection, run_id, now, rate),
            )
        )
        self.progress.mark()
        if state not in ACTIVE:
            raise RunEndedError

    async def _fail(self, error: BaseException) -> None:
        now, message = self.clock.now(), str(error)

        def fail(connection: Connection) -> None:
            if self._state(connection) in ACTIVE:
                outbox.cancel_run(connection, self.run.id, now)
                rows.keep_totals(connection, self.run.id, self.progress.as_totals())
                rows.move_run(connection, self.run.id, RunState.FAILED, message=message, finished_at=now)

        await self.store.write(fail)


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
