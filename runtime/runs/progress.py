"""How far a run is: counts of each step and wire, endings, mails, rates and estimated ends."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..outbox import FINAL, MailState
from ..work import StepCount, Worked

WINDOW = 5.0
"""Seconds over which a rate is taken."""


class Meter:
    """How fast something is done. Another thread may look at it."""

    def __init__(self) -> None:
        self._marks: tuple[tuple[float, int], ...] = ()

    def mark(self, done: int) -> None:
        """So much is done by now."""
        now = time.monotonic()
        recent = tuple(one for one in self._marks[1:] if now - one[0] <= WINDOW)
        self._marks = (*self._marks[:1], (now, done)) if not recent else (*recent, (now, done))

    @property
    def rate(self) -> float:
        """Done a second, over the last seconds."""
        marks = self._marks
        if len(marks) < 2:
            return 0.0
        (start, first), (end, last) = marks[0], marks[-1]
        return max(0.0, (last - first) / (end - start)) if end > start else 0.0

    def seconds_left(self, left: int) -> float | None:
        """The estimate; None while there is nothing to judge by."""
        rate = self.rate
        return left / rate if rate > 0 else None


@dataclass
class Progress:
    """What is told of a run while it is on, and kept when it ends."""

    read: int = 0
    """Rows read from sources."""
    is_read: bool = False
    """All sources are read to their end."""
    built: int = 0
    """Rows that have passed their first stage."""
    endings: Counter[str] = field(default_factory=Counter)
    steps: dict[str, StepCount] = field(default_factory=dict)
    mails: Counter[MailState] = field(default_factory=Counter)
    building: Meter = field(default_factory=Meter)
    posting: Meter = field(default_factory=Meter)
    mails_end_at: datetime | None = None
    """When the accounts' limits let the last mail leave, where they have limits."""

    @property
    def settled(self) -> int:
        """Mails that have come to an end."""
        return sum(number for state, number in self.mails.items() if state in FINAL)

    @property
    def open_mails(self) -> int:
        return sum(self.mails.values()) - self.settled

    def become(self, other: Progress) -> None:
        """Tells what the other tells, to those who look at this one."""
        self.__dict__.update(other.__dict__)

    def seconds_of_mails(self, now: datetime) -> float | None:
        """The estimate for the mails: by the accounts' limits, else by the rate."""
        if self.mails_end_at is not None:
            return max(0.0, (self.mails_end_at - now).total_seconds())
        return self.posting.seconds_left(self.open_mails)

    def mark(self) -> None:
        """Notes how much is done, for the rates."""
        self.building.mark(self.built)
        self.posting.mark(self.settled)

    def as_totals(self) -> dict[str, Any]:
        """What is kept with the run."""
        return {
            "read": self.read, "is_read": self.is_read, "built": self.built, "endings": dict(self.endings),
            "steps": {
                step: {"in": count.taken, "failed": count.failed, "out": dict(count.given)}
                for step, count in self.steps.items()
            },
        }  # fmt: skip

    def add_kept(self, counts: Mapping[str, Any]) -> None:
        """Of what is done: what `counts_of` or `counts_read` gave."""
        self.read += counts.get("read", 0)
        self.endings["failed"] += counts.get("unread", 0)
        self.endings.update(counts.get("endings", {}))
        self.built += sum(counts.get("endings", {}).values())
        for step, (taken, failed, given) in counts.get("steps", {}).items():
            self.steps.setdefault(step, StepCount()).add(StepCount(taken, failed, Counter(given)))

    def count_failed(self, failed: int) -> None:
        """So many rows have failed in the end, some of them after they had passed their first stage."""
        late = max(0, min(failed - self.endings["failed"], self.endings["done"]))
        self.endings["done"] -= late
        self.endings["failed"] += late


def counts_of(worked: Worked, *, is_first: bool) -> dict[str, Any]:
    """What is kept of a chunk's counts. Endings count once, in the first stage of a source's stream."""
    steps = {step: [one.taken, one.failed, dict(one.given)] for step, one in worked.counts.items()}
    return {"steps": steps, **({"endings": dict(worked.endings)} if is_first else {})}


def counts_read(items: int, failures: int, *, is_gather: bool, is_last: bool) -> dict[str, Any]:
    """What is kept of the counts of what was read.

    What a gather gives was read before, as other items. Where no stage follows, reading is all that is done.
    """
    counts: dict[str, Any] = {"read": 0 if is_gather else items + failures, "items": items, "unread": failures}
    return {**counts, "endings": {"done": items}} if is_last and not is_gather else counts
