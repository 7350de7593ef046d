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
    FINISHED = "finished"
    """Everything came to an end. Some items may have failed."""
    FAILED = "failed"
    """It was stopped by what its message says. It can be resumed."""
    CANCELLED = "cancelled"
    """A person stopped it. It can be resumed."""


S = RunState

MOVES: Mapping[RunState, frozenset[RunState]] = {
    S.BUILDING: frozenset({S.SENDING, S.FAILED, S.CANCELLED}),
    S.SENDING: frozenset({S.FINISHED, S.FAILED, S.CANCELLED}),
    S.FINISHED: frozenset({S.SENDING}),
    S.FAILED: frozenset({S.BUILDING, S.SENDING}),
    S.CANCELLED: frozenset({S.BUILDING, S.SENDING}),
}
"""`FINISHED` to `SENDING`: it is resumed because mails that rested were released or sent again."""

ACTIVE = frozenset({S.BUILDING, S.SENDING})


def is_legal(before: RunState, after: RunState) -> bool:
    """Whether a run may go from the one state to the other."""
    return after in MOVES[before]
