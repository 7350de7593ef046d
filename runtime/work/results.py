"""What became of a chunk. All of it goes from a worker process to its master, so it is small and plain."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from ...engine import PostwerkError, Source, key_text
from ...engine.passage import Failure, Tally
from ..blobs import BlobRef


@dataclass(frozen=True, slots=True)
class FailedItem:
    """A row for the run's failures."""

    step: str
    key: str
    item: str
    """The key of the source item."""
    message: str
    error: str
    source: Source | None = None
    column: str | None = None


@dataclass(slots=True)
class BuiltMail:
    """A mail that is ready for the outbox; its bytes are in the chunk's pack."""

    step: str
    key: str
    source: Source | None
    account: str
    envelope_sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str
    needs_smtputf8: bool
    blob: BlobRef


@dataclass(frozen=True, slots=True)
class BuiltPause:
    """An item that waits for a moment."""

    step: str
    key: str
    until: datetime


@dataclass(slots=True)
class StepCount:
    """Items of one step, so far."""

    taken: int = 0
    failed: int = 0
    given: Counter[str] = field(default_factory=Counter)

    def add(self, other: StepCount | Tally) -> None:
        self.taken += other.taken
        self.failed += other.failed
        for port, items in other.given.items():
            self.given[port] += items


@dataclass(slots=True)
class Worked:
    """What became of a chunk."""

    mails: list[BuiltMail] = field(default_factory=list)
    pauses: list[BuiltPause] = field(default_factory=list)
    failures: list[FailedItem] = field(default_factory=list)
    counts: dict[str, StepCount] = field(default_factory=dict)
    endings: Counter[str] = field(default_factory=Counter)
    carried: BlobRef | None = None
    """Seeds of what a later stage, a gather or another stream needs."""
    stops: str | None = None
    """Why the run must stop: a step with `on_error: stop` failed."""
    items: int = 0
    seconds: float = 0.0
    """What so many items took."""

    def count(self, step: str) -> StepCount:
        found = self.counts.get(step)
        if found is None:
            found = self.counts[step] = StepCount()
        return found

    def add(self, other: Worked) -> None:
        """All but what is carried."""
        self.mails += other.mails
        self.pauses += other.pauses
        self.failures += other.failures
        for step, count in other.counts.items():
            self.count(step).add(count)
        self.endings.update(other.endings)
        self.stops = self.stops or other.stops


def failed_item(failure: Failure, item: str) -> FailedItem:
    """A failure in the words of those who must act on it."""
    error, record = failure.error, failure.record
    message = str(error)
    if not isinstance(error, PostwerkError):
        kind = type(error).__name__
        message = f"The step broke: {kind}: {error}. This is a mistake in the node; the log has its traceback."
    return FailedItem(
        step=failure.step, key=key_text(failure.key), item=item, message=message, error=type(error).__name__,
        source=record.source if record else None,
        column=error.column if isinstance(error, PostwerkError) else None,
    )  # fmt: skip
