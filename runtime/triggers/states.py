"""All states of a firing, and every legal move between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class FiringState(StrEnum):
    """What became of a firing."""

    PENDING = "pending"
    """It is decided that a run begins, and with which id; whether that run is there already is not known."""
    STARTED = "started"
    """Its run is there."""
    REFUSED = "refused"
    """The flow could not be started; the message says why."""
    SKIPPED = "skipped"
    """It was missed, and nothing was to be started for it."""


S = FiringState

BEGINNINGS = frozenset({S.PENDING, S.REFUSED, S.SKIPPED})
"""A file too large to be read is refused at once."""

MOVES: Mapping[FiringState, frozenset[FiringState]] = {
    S.PENDING: frozenset({S.STARTED, S.REFUSED}),
    S.REFUSED: frozenset({S.STARTED}),
    S.STARTED: frozenset(),
    S.SKIPPED: frozenset({S.PENDING}),
}
"""`REFUSED` to `STARTED`: two programs tried at once, and the other one did start the run. `SKIPPED` to `PENDING`: the
clock ran ahead and was set right, so that what seemed to be missed is yet to come."""


def is_legal(before: FiringState, after: FiringState) -> bool:
    """Whether a firing may go from the one state to the other."""
    return after in MOVES[before]
