"""What a run waits for while nobody holds it: a row, no memory and no worker, however long it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from sqlalchemy import Connection

from . import awaited

LONGEST_NAP = timedelta(minutes=1)
"""How long a run is left alone that was woken in vain: an item may wait for several mails."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What ends the rest of a run."""

    steps: tuple[str, ...] | None
    """The steps whose mails and waits it is about; None: all."""
    is_for_each: bool
    """Each outcome wakes it; else it sleeps until nothing can change any more by itself."""
    naps: int = 0
    """How often it was woken in vain."""

    def is_like(self, other: Rest | None) -> bool:
        """Whether both rest for the same."""
        return other is not None and (self.steps, self.is_for_each) == (other.steps, other.is_for_each)

    @classmethod
    def of(cls, column: Mapping[str, Any]) -> Self:
        """From the column `rest` of the runs."""
        steps = column["steps"]
        return cls(None if steps is None else tuple(steps), column["is_for_each"], column["naps"])

    @property
    def column(self) -> dict[str, Any]:
        """As the column holds it."""
        steps = None if self.steps is None else list(self.steps)
        return {"steps": steps, "is_for_each": self.is_for_each, "naps": self.naps}

    def looks_at(self, now: datetime) -> datetime:
        """When a run that was woken in vain may be woken again."""
        if self.naps >= UNTIL_ASKED.naps:
            return datetime.max.replace(tzinfo=UTC)
        return now + min(LONGEST_NAP, timedelta(seconds=0.5 * 2 ** min(self.naps, 10)))


UNTIL_ASKED = Rest(steps=None, is_for_each=False, naps=1_000_000)
"""Of a run that a person has interrupted: it goes on when a person says so."""


class RestingError(Exception):
    """The run rests now."""

    def __init__(self, rest: Rest) -> None:
        super().__init__()
        self.rest = rest


def is_over(connection: Connection, run: str, rest: Rest, now: datetime) -> bool:
    """Whether there is something to do for the run."""
    if rest.is_for_each and rest.steps and awaited.new_outcomes(connection, run, rest.steps, now):
        return True
    return awaited.is_settled(connection, run, rest.steps, now)
