"""What an answer of the server means for a mail. Pure: no network, no store, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from ..accounts import InDoubt, Patience
from .claims import Claim, End
from .connection import EnvelopeReplies
from .dialogue import Reply
from .states import MailState

MOST_RESENDS = 3
"""A server that takes mails and never answers gets the same one so often at most, then a person must look."""


def taken_of(claim: Claim, offer: EnvelopeReplies) -> tuple[str, ...]:
    """The recipients that the server takes."""
    return tuple(one for one, reply in zip(claim.recipients, offer.recipients, strict=False) if reply.is_good)


def after_offer(claim: Claim, offer: EnvelopeReplies, patience: Patience, now: datetime) -> End:
    """The end of an attempt whose envelope was refused: the sender, every recipient, or the mail as such."""
    if not offer.sender.is_good:
        answers = dict.fromkeys(claim.recipients, offer.sender)
    else:
        answers = dict(zip(claim.recipients, offer.recipients, strict=True))
        if offer.data is not None:
            answers |= dict.fromkeys(taken_of(claim, offer), offer.data)
    return _ended(claim, MailState.QUEUED, answers, patience, now)


def after_send(claim: Claim, offer: EnvelopeReplies, reply: Reply, patience: Patience, now: datetime) -> End:
    """The end of an attempt whose bytes were sent and answered."""
    answers = dict(zip(claim.recipients, offer.recipients, strict=True))
    answers |= dict.fromkeys(taken_of(claim, offer), reply)
    return _ended(claim, MailState.SENDING, answers, patience, now)


def without_answer(claim: Claim, offer: EnvelopeReplies, reason: str, policy: InDoubt, now: datetime) -> End:
    """The end of an attempt whose bytes left and were not answered: perhaps it arrived."""
    refused = {one: reply for one, reply in zip(claim.recipients, offer.recipients, strict=True) if not reply.is_good}
    again = policy is InDoubt.RESEND and claim.attempts < MOST_RESENDS
    state = MailState.QUEUED if again else MailState.IN_DOUBT
    told = f"{reason} The mail had left before; it may have arrived."
    return End(claim.id, MailState.SENDING, state, now, reply=told, answers=claim.answers | refused)


def not_begun(claim: Claim, reason: str, now: datetime) -> End:
    """The end of an attempt that was announced in the store, and then not a byte left."""
    return End(claim.id, MailState.SENDING, MailState.QUEUED, now, reply=reason, answers=claim.answers)


def never_heard(claim: Claim, reason: str, patience: Patience, now: datetime) -> End:
    """The end of several attempts that each cost a session: the others must not wait for this mail."""
    answers = dict.fromkeys(claim.recipients, Reply(421, reason))
    end = _ended(claim, MailState.QUEUED, answers, patience, now)
    end.code = None
    return end


def unfit(claim: Claim, reason: str, now: datetime) -> End:
    """The end of a mail that this server, or this program, can't send."""
    return End(claim.id, MailState.QUEUED, MailState.FAILED, now, reply=reason, answers=claim.answers)


def _ended(claim: Claim, before: MailState, replies: Mapping[str, Reply], patience: Patience, now: datetime) -> End:
    left = claim.queued_at + patience.give_up_after - now
    state = _state([*claim.answers.values(), *replies.values()], replies.values(), left)
    shown = _shown(replies.values(), state)
    several = len(claim.recipients) > 1 or bool(claim.answers)
    end = End(
        claim.id, before, state, now,
        reply=shown.text, code=shown.code, enhanced=shown.enhanced,
        answers=claim.answers | dict(replies) if several else {},
    )  # fmt: skip
    if state is MailState.DEFERRED:
        end.next_attempt_at = now + min(patience.wait(claim.attempts + 1), left)
    elif state is MailState.FAILED and shown.is_passing:
        end.reply = f"{shown.text} (given up: queued since {claim.queued_at:%Y-%m-%d %H:%M} UTC)"
    return end


def _state(all_replies: Iterable[Reply], latest: Iterable[Reply], left: timedelta) -> MailState:
    if left > timedelta(0) and any(reply.is_passing for reply in latest):
        return MailState.DEFERRED
    return MailState.SENT if any(reply.is_good for reply in all_replies) else MailState.FAILED


def _shown(replies: Iterable[Reply], state: MailState) -> Reply:
    """The reply that explains the state."""
    known = list(replies)
    if state is MailState.SENT:
        fitting = [reply for reply in known if reply.is_good]
    elif state is MailState.DEFERRED:
        fitting = [reply for reply in known if reply.is_passing]
    else:
        fitting = [reply for reply in known if not reply.is_good]
    return (fitting or known)[0]
