"""One attempt to send one mail: envelope, the mark in the store, the bytes, the answer."""

from __future__ import annotations

from datetime import datetime

from ..clock import Clock
from ..members import Membership
from . import verdicts
from .claims import Claim, End
from .connection import Envelope, EnvelopeReplies, Session, UnfitError
from .dialogue import SessionLostError
from .marks import Marks


async def attempt(
    session: Session, claim: Claim, content: bytes, marks: Marks, member: Membership, clock: Clock
) -> End:
    """What became of the mail.

    Raises:
        SessionLostError, OutdatedError, LeaseLostError, BudgetSpentError, DiskFullError, StoreUnreachableError: no byte
            of the mail has left, and it is queued as before (or wherever somebody else has put it).
        SuspendedError: no byte has left, and it is `sending`.
        OutcomeUnknownError: no byte has left, and nobody knows whether it is queued or `sending`.
    """
    envelope = Envelope(claim.envelope_sender, claim.recipients, claim.needs_smtputf8)
    patience = session.account.patience
    try:
        offer = await session.offer(envelope, content)
    except UnfitError as error:
        return verdicts.unfit(claim, str(error), clock.now())
    if not offer.is_ready:
        return verdicts.after_offer(claim, offer, patience, clock.now())
    try:
        await marks.start(claim.id, session.account)
        member.check()  # frozen meanwhile, perhaps for hours: others may have this mail now
    except BaseException:
        session.close()  # the server waits for the mail; SMTP knows no other way to say that none comes
        raise
    return await _send(session, claim, content, offer, clock)


async def _send(session: Session, claim: Claim, content: bytes, offer: EnvelopeReplies, clock: Clock) -> End:
    try:
        reply = await session.send(content)
    except SessionLostError as error:
        return _unanswered(session, claim, offer, error, clock.now())
    if reply.code == 421:
        session.close()
    return verdicts.after_send(claim, offer, reply, session.account.patience, clock.now())


def _unanswered(session: Session, claim: Claim, offer: EnvelopeReplies, error: SessionLostError, now: datetime) -> End:
    if not error.has_left:
        return verdicts.not_begun(claim, error.reason, now)
    return verdicts.without_answer(claim, offer, error.reason, session.account.in_doubt, now)
