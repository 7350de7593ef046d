"""Has a chunk done, and keeps everything that it brought in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Protocol

from sqlalchemy import Connection

from ...engine.plan import Stage
from ..clock import Clock
from ..outbox import MailState, NewMail, outbox
from ..store import Store
from ..work import BuiltMail, Crew, Worked, merged
from . import awaited, rows, waits
from .awaited import Awaited
from .outcomes import Outcomes
from .progress import Progress, counts_of
from .reading import RunStoppedError
from .states import ACTIVE

AHEAD = 2
"""Chunks under way for each worker, so that none waits for the next."""


class Post(Protocol):
    """What a run asks of the delivery."""

    def wake(self, account: str) -> None:
        """There are new mails of this account to send."""

    async def changed(self) -> None:
        """Returns when some mail has reached a new state."""


class Elsewhere(Protocol):
    """What a run asks of other machines."""

    width: int
    """Chunks that all of them do at a time."""

    async def chunk(self, stage: int, number: int) -> None:
        """Returns when the chunk of a portion is done and kept. Raises RunStoppedError when it can't be."""


class RunEndedError(Exception):
    """A person has cancelled the run, or let it pause; or another program takes it forward."""


@dataclass(frozen=True, slots=True)
class Job:
    """A chunk that is to be done."""

    stage: Stage
    number: int
    origin: int
    """The portion of the source from which it descends."""
    lines: bytes
    taken: Collection[Awaited] = ()
    """With whose outcomes it goes on."""
    is_portion: bool = False
    """It is all that is known of a portion, so that any machine can put it together again."""


@dataclass
class Keeper:
    """Does the chunks of one run, several at once. Whoever has one done takes a slot first."""

    store: Store
    run: rows.Run
    crew: Crew
    outcomes: Outcomes
    post: Post
    progress: Progress
    clock: Clock
    elsewhere: Elsewhere | None = None
    _shared: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shop = self.outcomes.shop
        self.slots = asyncio.Semaphore(self.elsewhere.width if self.elsewhere else self.crew.size * AHEAD)
        self._sources = {root.step for root in self.shop.plan.roots if not root.is_gather}

    async def do(self, job: Job) -> None:
        """Does one chunk, or has it done.

        Raises:
            RunEndedError: a person has cancelled the run.
            RunStoppedError: a step of it says that the run must stop.
        """
        try:
            if self.elsewhere and job.is_portion:
                await self._have_done(self.elsewhere, job)
                return
            worked = await self.crew.work(job.stage.number, job.lines, await self._shared_by(job.stage))
        finally:
            self.slots.release()
        await self._keep_all(job, worked)

    async def _have_done(self, elsewhere: Elsewhere, job: Job) -> None:
        run_id, stage, number = self.run.id, job.stage.number, job.number
        await elsewhere.chunk(stage, number)
        found = await self.store.read(lambda connection: rows.chunk_of(connection, run_id, stage, number))
        if found is None:
            raise RunEndedError
        self.progress.add_kept(found.counts)
        self.progress.mark()

    async def _keep_all(self, job: Job, worked: Worked) -> None:
        stage = job.stage
        counts = counts_of(worked, is_first=stage.level == 0 and stage.root in self._sources)
        chunk = rows.Chunk(stage.number, job.number, job.origin, worked.carried, counts)
        if await self.store.write(lambda connection: self._keep(connection, job, chunk, worked)):
            self.progress.add_kept(counts)
            self.progress.mark()
        if self._beginning(stage) is MailState.QUEUED:
            for account in {mail.account for mail in worked.mails}:
                self.post.wake(account)
        if worked.stops:
            raise RunStoppedError(worked.stops)

    def _keep(self, connection: Connection, job: Job, chunk: rows.Chunk, worked: Worked) -> bool:
        if rows.state_of(connection, self.run.id, is_held=True) not in ACTIVE:
            raise RunEndedError
        now = self.clock.now()
        if not rows.add_chunk(connection, self.run.id, chunk):
            return False
        mails = [self._new_mail(mail, chunk.origin) for mail in worked.mails]
        outbox.put(connection, self._new(connection, mails, now), self._beginning(job.stage), now)
        rows.add_failures(connection, self.run.id, worked.failures, now)
        waits.put(connection, self.run.id, chunk.origin, worked.pauses, now if self.run.is_dry else None)
        awaited.take(connection, job.taken)
        return True

    def _new(self, connection: Connection, mails: list[NewMail], now: datetime) -> list[NewMail]:
        """Those that no earlier run has sent, of which this one does the failed items again. The others are noted."""
        if self.run.parent is None or self.run.is_dry:
            return mails
        new: list[NewMail] = []
        for step, some in groupby(sorted(mails, key=lambda mail: mail.step), key=lambda mail: mail.step):
            own = list(some)
            gone = outbox.sent_before(connection, self.run.parent, step, [mail.key for mail in own])
            outbox.put_gone(connection, [(mail, gone[mail.key]) for mail in own if mail.key in gone], now)
            new += [mail for mail in own if mail.key not in gone]
        return new

    def _new_mail(self, mail: BuiltMail, origin: int) -> NewMail:
        return NewMail(
            run=self.run.id, step=mail.step, key=mail.key, account=mail.account, envelope_sender=mail.envelope_sender,
            recipients=mail.recipients, subject=mail.subject, message_id=mail.message_id, blob=mail.blob,
            needs_smtputf8=mail.needs_smtputf8, source=mail.source, chunk=origin,
        )  # fmt: skip

    def _beginning(self, stage: Stage) -> MailState:
        """The state in which a stage's mails enter the outbox."""
        if self.run.is_dry:
            return MailState.CAPTURED
        checks_first = self.shop.flow.settings.bad_rows == "stop" and not stage.is_behind_suspension
        return MailState.PLANNED if checks_first else MailState.QUEUED

    async def _shared_by(self, stage: Stage) -> bytes:
        """The single items of other streams that the stage gives to all of its own, and which of them were lost."""
        if not stage.shared:
            return b""
        if stage.number not in self._shared:
            seeds = [
                seed
                for output in stage.shared
                for seed in (await self.outcomes.seeds(self.shop.graph.lineage(output).root, 0, [output])).values()
            ]
            self._shared[stage.number] = self.outcomes.encoded([merged(seeds)])
        return self._shared[stage.number]
