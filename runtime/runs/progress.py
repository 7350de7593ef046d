"""How far a run is: counts of each step and wire, endings, mails, rate and estimated end."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..outbox import FINAL, MailState
from ..work import StepCount, Worked

WINDOW = 5.0
"""Seconds over which the rate is taken."""


@dataclass
class Progress:
    """What is told of a run while it is on, and kept when it ends."""

    read: int = 0
    """Items read from sources."""
    is_read: bool = False
    """All sources are read to their end."""
    built: int = 0
    """Source items that have passed their first stage."""
    endings: Counter[str] = field(default_factory=Counter)
    steps: dict[str, StepCount] = field(default_factory=dict)
    mails: Counter[MailState] = field(default_factory=Counter)
    _marks: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def settled(self) -> int:
        """Mails that have come to an end."""
        return sum(number for state, number in self.mails.items() if state in FINAL)

    @property
    def open_mails(self) -> int:
        return sum(self.mails.values()) - self.settled

    def mark(self, done: int) -> None:
        """Notes how much is done, for the rate."""
        now = time.monotonic()
        self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[0][0] > WINDOW:
            self._marks.popleft()

    def forget_rate(self) -> None:
        """A new phase counts something else."""
        self._marks.clear()

    @property
    def rate(self) -> float:
        """Done a second, over the last seconds."""
        if len(self._marks) < 2:
            return 0.0
        (start, first), (end, last) = self._marks[0], self._marks[-1]
        return (last - first) / (end - start) if end > start else 0.0

    def seconds_left(self, left: int) -> float | None:
        """The estimate; None while there is nothing to judge by."""
        return left / self.rate if self.rate > 0 else None

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
        """Of a chunk that was done before the run was resumed: what `counts_of` or `counts_read` gave."""
        self.read += counts.get("read", 0)
        self.endings["failed"] += counts.get("unread", 0)
        self.endings.update(counts.get("endings", {}))
        self.built += sum(counts.get("endings", {}).values())
        for step, (taken, failed, given) in counts.get("steps", {}).items():
            self.steps.setdefault(step, StepCount()).add(StepCount(taken, failed, Counter(given)))


def counts_of(worked: Worked, *, is_first: bool) -> dict[str, Any]:
    """What is kept of a chunk's counts. Endings count once, in the first stage of a stream."""
    steps = {step: [one.taken, one.failed, dict(one.given)] for step, one in worked.counts.items()}
    return {"steps": steps, **({"endings": dict(worked.endings)} if is_first else {})}


def counts_read(items: int, failures: int, *, is_gather: bool) -> dict[str, Any]:
    """What is kept of the counts of what was read. What a gather gives was read before, as other items."""
    return {"read": 0 if is_gather else items + failures, "items": items, "unread": failures}
