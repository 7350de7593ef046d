"""All states of a run, and every legal move between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class RunState(StrEnum):
    """Where a run stands."""

    BUILDING = "building"
    """It reads, checks and builds; nothing has left, unless the flow says `bad_rows: skip`."""
    SENDING = "sending"
    """All that can be built was built; its mails leave, and what follows them is done."""
    PAUSED = "paused"
    """A person lets it rest, with all its mails that have not left. It can be resumed."""
    FINISHED = "finished"
    """Everything came to an end. Some items may have failed."""
    FAILED = "failed"
    """It was stopped by what its message says. It can be resumed."""
    CANCELLED = "cancelled"
    """A person stopped it. It can be resumed."""


S = RunState

MOVES: Mapping[RunState, frozenset[RunState]] = {
    S.BUILDING: frozenset({S.SENDING, S.PAUSED, S.FAILED, S.CANCELLED}),
    S.SENDING: frozenset({S.FINISHED, S.PAUSED, S.FAILED, S.CANCELLED}),
    S.PAUSED: frozenset({S.BUILDING, S.SENDING, S.CANCELLED}),
    S.FINISHED: frozenset({S.BUILDING, S.SENDING}),
    S.FAILED: frozenset({S.BUILDING, S.SENDING}),
    S.CANCELLED: frozenset({S.BUILDING, S.SENDING}),
}
"""From `FINISHED`: mails that rested were released or sent again, or it is done again from a step on."""

ACTIVE = frozenset({S.BUILDING, S.SENDING})


def is_legal(before: RunState, after: RunState) -> bool:
    """Whether a run may go from the one state to the other."""
    return after in MOVES[before]
