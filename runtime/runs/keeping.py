"""Has a chunk done, and keeps everything that it brought in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
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


class RunEndedError(Exception):
    """A person has cancelled the run."""


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
    _shared: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shop = self.outcomes.shop
        self.slots = asyncio.Semaphore(self.crew.size * AHEAD)
        self._sources = {root.step for root in self.shop.plan.roots if not root.is_gather}

    async def do(self, job: Job) -> None:
        """Does one chunk.

        Raises:
            RunEndedError: a person has cancelled the run.
            RunStoppedError: a step of it says that the run must stop.
        """
        stage = job.stage
        try:
            worked = await self.crew.work(stage.number, job.lines, await self._shared_by(stage))
        finally:
            self.slots.release()
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
        if rows.state_of(connection, self.run.id) not in ACTIVE:
            raise RunEndedError
        now = self.clock.now()
        if not rows.add_chunk(connection, self.run.id, chunk):
            return False
        mails = [self._new_mail(mail, chunk.origin) for mail in worked.mails]
        outbox.put(connection, mails, self._beginning(job.stage), now)
        rows.add_failures(connection, self.run.id, worked.failures, now)
        waits.put(connection, self.run.id, chunk.origin, worked.pauses, now if self.run.is_dry else None)
        awaited.take(connection, job.taken)
        return True

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
