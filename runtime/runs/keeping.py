"""Has a chunk done, and keeps everything that it brought in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import Connection

from ...engine.passage import Items
from ...engine.plan import Stage
from ..outbox import MailState, NewMail, outbox
from ..store import Store
from ..work import Crew, Worked, merged_items
from . import rows
from .outcomes import Outcomes
from .progress import Progress, counts_of
from .roots import RunStoppedError
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


@dataclass
class Keeper:
    """Does the chunks of one run, several at once."""

    store: Store
    run: rows.Run
    crew: Crew
    outcomes: Outcomes
    post: Post
    progress: Progress
    _shared: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shop = self.outcomes.shop
        self.slots = asyncio.Semaphore(self.crew.size * AHEAD)

    async def chunk(self, stage: Stage, number: int, origin: int, lines: bytes, taken: Iterable[int] = ()) -> None:
        try:
            worked = await self.crew.work(stage.number, lines, await self._shared_by(stage))
        finally:
            self.slots.release()
        counts = counts_of(worked, is_first=stage.level == 0)
        chunk = rows.Chunk(stage.number, number, origin, worked.carried, counts)
        if await self.store.write(lambda connection: self._keep(connection, stage, chunk, worked, taken)):
            self.progress.add_kept(counts)
        if self._beginning(stage) is MailState.QUEUED:
            for account in {one.mail.account for one in worked.mails}:
                self.post.wake(account)
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
                seeds = await self.outcomes.seeds(root, 0, [output])
                merged |= merged_items(seeds.values())
            self._shared[stage.number] = self.outcomes.encoded(merged)
        return self._shared[stage.number]
