"""What the delivery reads and writes of the outbox: which mails are next, and what became of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, literal_column, select, update

from ..blobs import BlobRef
from ..store import Bulk, outbox
from .dialogue import Reply
from .mail import answers_column, answers_of
from .states import MailState, is_legal

QUEUED, DEFERRED, SENDING = (
    outbox.c.state == literal_column(f"'{state}'")  # spelt out: a partial index is not used for a parameter
    for state in (MailState.QUEUED, MailState.DEFERRED, MailState.SENDING)
)


@dataclass(slots=True)
class Claim:
    """A queued mail as the delivery needs it."""

    id: int
    envelope_sender: str
    recipients: tuple[str, ...]
    """Those to whom it must still go."""
    needs_smtputf8: bool
    attempts: int
    queued_at: datetime
    blob: BlobRef
    answers: dict[str, Reply]


@dataclass(slots=True)
class Start:
    """The move to `sending`: the next thing that happens is that bytes leave."""

    id: int
    at: datetime


@dataclass(slots=True)
class End:
    """The move to where an attempt led."""

    id: int
    before: MailState
    after: MailState
    at: datetime
    reply: str | None = None
    code: int | None = None
    enhanced: str | None = None
    answers: Mapping[str, Reply] = field(default_factory=dict)
    next_attempt_at: datetime | None = None

    def __post_init__(self) -> None:
        if not is_legal(self.before, self.after):
            raise ValueError(f"A mail can't go from {self.before} to {self.after}.")


CLAIMED = select(
    outbox.c.id,
    outbox.c.envelope_sender,
    outbox.c.recipients,
    outbox.c.needs_smtputf8,
    outbox.c.attempts,
    outbox.c.queued_at,
    outbox.c.answers,
    outbox.c.pack,
    outbox.c.offset,
    outbox.c.size,
    outbox.c.digest,
)


def claims(connection: Connection, account: str, limit: int) -> list[Claim]:
    """The next queued mails of an account, oldest first."""
    query = CLAIMED.where(QUEUED, outbox.c.account == account).order_by(outbox.c.id).limit(limit)
    return [_claim(*row) for row in connection.execute(query)]


def _claim(
    mail_id: int,
    sender: str,
    recipients: list[str],
    needs_smtputf8: bool,
    attempts: int,
    queued_at: datetime,
    answered: Mapping[str, Any] | None,
    *blob: Any,
) -> Claim:
    answers = answers_of(answered)
    to = _left(recipients, answers)
    return Claim(mail_id, sender, to, needs_smtputf8, attempts, queued_at, BlobRef(*blob), answers)


def _left(recipients: list[str], answers: Mapping[str, Reply]) -> tuple[str, ...]:
    """Those not settled yet. When all are, a person wants it sent again: to those refused, else to all."""
    open_ones = [one for one in recipients if one not in answers or answers[one].is_passing]
    refused = [one for one in recipients if one in answers and not answers[one].is_good]
    return tuple(open_ones or refused or recipients)


def accounts_with_mails(connection: Connection) -> set[str]:
    """The accounts that have mails to send, now or later."""
    queries = (select(outbox.c.account).where(state).distinct() for state in (QUEUED, DEFERRED))
    return {account for query in queries for account in connection.execute(query).scalars()}


def next_due(connection: Connection, account: str) -> datetime | None:
    """When the first deferred mail of an account is tried again."""
    first = select(func.min(outbox.c.next_attempt_at)).where(DEFERRED, outbox.c.account == account)
    return connection.execute(first).scalar()


def queue_due(connection: Connection, account: str, now: datetime) -> int:
    """Queues the deferred mails whose time has come, and says how many they were."""
    is_due = outbox.c.next_attempt_at <= now
    change = update(outbox).where(DEFERRED, outbox.c.account == account, is_due)
    return connection.execute(change.values(state=MailState.QUEUED.value, updated_at=now)).rowcount


def recover(connection: Connection, resent: Collection[str], now: datetime) -> tuple[int, int]:
    """Settles the mails that a dead process left in `sending`: in doubt, or queued for the accounts in `resent`.

    Returns how many are in doubt now, and how many are queued again.
    """
    reason = "The program ended while this mail was on its way; it may have arrived."
    again = outbox.c.account.in_(list(resent))
    values = {"updated_at": now, "reply": reason}
    queued = update(outbox).where(SENDING, again).values(state=MailState.QUEUED.value, queued_at=now, **values)
    doubtful = update(outbox).where(SENDING).values(state=MailState.IN_DOUBT.value, **values)
    number = connection.execute(queued).rowcount
    return connection.execute(doubtful).rowcount, number


START = Bulk(
    update(outbox)
    .where(outbox.c.id == bindparam("mail"), outbox.c.state == literal_column(f"'{MailState.QUEUED}'"))
    .values(
        state=literal_column(f"'{MailState.SENDING}'"),
        attempts=outbox.c.attempts + literal_column("1"),
        updated_at=bindparam("at"),
    )
)
END = Bulk(
    update(outbox)
    .where(outbox.c.id == bindparam("mail"), outbox.c.state == bindparam("before"))
    .values(
        state=bindparam("after"),
        updated_at=bindparam("at"),
        attempts=outbox.c.attempts + bindparam("tried"),
        reply=bindparam("reply"),
        code=bindparam("code"),
        enhanced=bindparam("enhanced"),
        answers=bindparam("answers"),
        next_attempt_at=bindparam("next"),
        sent_at=func.coalesce(bindparam("sent", type_=outbox.c.sent_at.type), outbox.c.sent_at),
    )
)


class OutdatedError(Exception):
    """Some mail is no longer where it was expected; nothing was moved."""


def move_all(connection: Connection, starts: Sequence[Start], ends: Sequence[End]) -> None:
    """Makes all the moves; each mail is in one of them.

    Raises:
        OutdatedError: a mail is not where it was expected; undo the transaction, and use `move_each`.
    """
    for statement, rows in ((END, [_ended(end) for end in ends]), (START, [_started(start) for start in starts])):
        if rows and statement.run(connection, rows) != len(rows):
            raise OutdatedError


def move_each(connection: Connection, starts: Sequence[Start], ends: Sequence[End]) -> set[int]:
    """Makes the moves that are still possible, and returns the mails whose move was not."""
    lost = {end.id for end in ends if not END.run(connection, [_ended(end)])}
    return lost | {start.id for start in starts if not START.run(connection, [_started(start)])}


def _started(start: Start) -> dict[str, Any]:
    return {"mail": start.id, "at": start.at}


def _ended(end: End) -> dict[str, Any]:
    return {
        "mail": end.id,
        "before": end.before.value,
        "after": end.after.value,
        "at": end.at,
        "tried": int(end.before is MailState.QUEUED),  # else `Start` has counted it
        "reply": end.reply,
        "code": end.code,
        "enhanced": end.enhanced,
        "answers": answers_column(end.answers) if end.answers else None,
        "next": end.next_attempt_at,
        "sent": end.at if end.after is MailState.SENT else None,
    }
