"""All states of an outgoing mail, and every legal move between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class MailState(StrEnum):
    """Where an outgoing mail stands."""

    PLANNED = "planned"
    """Built by the preflight; waits for its run to be released."""
    QUEUED = "queued"
    """May leave at once."""
    SENDING = "sending"
    """Its bytes may be on the way; committed just before the first of them leaves."""
    SENT = "sent"
    """The server took it over."""
    DEFERRED = "deferred"
    """The server asked for patience; tried again at `next_attempt_at`."""
    FAILED = "failed"
    """The server refused it for good, or patience has ended."""
    IN_DOUBT = "in_doubt"
    """Its bytes left and no answer came: perhaps it arrived."""
    HELD = "held"
    """A person stopped it; a person may release it."""
    SUPPRESSED = "suppressed"
    """A rule says that the address gets no such mail."""
    CAPTURED = "captured"
    """Built in a dry run; never leaves."""
    CANCELLED = "cancelled"
    """Its run was cancelled, or a person did it."""
    BOUNCED = "bounced"
    """Taken over by the server, and returned later."""
    DELIVERED_UNKNOWN = "delivered_unknown"
    """The watch ended without a complaint."""


S = MailState

BEGINNINGS = frozenset({S.PLANNED, S.QUEUED, S.HELD, S.SUPPRESSED, S.CAPTURED})
"""The states in which a mail enters the outbox."""

MOVES: Mapping[MailState, frozenset[MailState]] = {
    S.PLANNED: frozenset({S.QUEUED, S.HELD, S.SUPPRESSED, S.CANCELLED}),
    S.QUEUED: frozenset({S.SENDING, S.DEFERRED, S.FAILED, S.HELD, S.SUPPRESSED, S.CANCELLED}),
    S.SENDING: frozenset({S.SENT, S.DEFERRED, S.FAILED, S.IN_DOUBT, S.QUEUED}),
    S.DEFERRED: frozenset({S.QUEUED, S.FAILED, S.HELD, S.SUPPRESSED, S.CANCELLED}),
    S.IN_DOUBT: frozenset({S.QUEUED, S.SENT, S.DEFERRED, S.FAILED, S.CANCELLED, S.BOUNCED}),
    S.HELD: frozenset({S.QUEUED, S.SUPPRESSED, S.CANCELLED}),
    S.SENT: frozenset({S.QUEUED, S.BOUNCED, S.DELIVERED_UNKNOWN}),
    S.FAILED: frozenset({S.QUEUED}),
    S.BOUNCED: frozenset({S.QUEUED}),
    S.DELIVERED_UNKNOWN: frozenset({S.QUEUED, S.BOUNCED}),
    S.CANCELLED: frozenset({S.QUEUED, S.PLANNED}),
    S.SUPPRESSED: frozenset(),
    S.CAPTURED: frozenset(),
}
"""`SENDING` to `QUEUED`: not a byte of the mail had left. `CANCELLED` to `PLANNED`: its run is resumed.
What was sent is queued again only when a person asks for it (`RESENDABLE`).
`IN_DOUBT` to `SENT`, `DEFERRED`, `FAILED` or `QUEUED` without a person: others took the member that was sending it for
dead, because it was frozen or cut off from the store; now it is back, with the server's answer, or knowing that not a
byte had left. Only the mail's last holder may say so, and only while the mail is in doubt."""

MOVING = frozenset({S.QUEUED, S.SENDING})
"""The delivery has something to do now."""
FINAL = frozenset({S.SENT, S.FAILED, S.SUPPRESSED, S.CAPTURED, S.CANCELLED, S.BOUNCED, S.DELIVERED_UNKNOWN})
"""The flow goes on with the outcome."""
ARRIVED = frozenset({S.SENT, S.DELIVERED_UNKNOWN, S.CAPTURED})
"""Of the final states, those that count as success."""
NOT_GONE = frozenset({S.PLANNED, S.FAILED, S.BOUNCED, S.SUPPRESSED, S.CAPTURED, S.CANCELLED})
"""Nobody has such a mail, and nobody will get it unless a person asks for it."""
CANCELLABLE = frozenset(state for state, targets in MOVES.items() if S.CANCELLED in targets)
RESENDABLE = frozenset({S.SENT, S.IN_DOUBT, S.FAILED, S.BOUNCED, S.DELIVERED_UNKNOWN, S.CANCELLED})
RELEASABLE = frozenset({S.PLANNED, S.HELD, S.DEFERRED})


def is_legal(before: MailState, after: MailState) -> bool:
    """Whether a mail may go from the one state to the other."""
    return after in MOVES[before]
