"""What the delivery reads and writes of the outbox: which mails are next, and what became of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, exists, func, literal_column, select, update

from ..blobs import BlobRef
from ..members import living
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
    holder: str
    """The member that sends it."""


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
    holder: str | None = None
    """The member whose attempt it was, where the mail was in `sending`."""

    def __post_init__(self) -> None:
        if not is_legal(self.before, self.after):
            raise ValueError(f"A mail can't go from {self.before} to {self.after}.")


NEXT = Bulk(
    select(
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
    .where(QUEUED, outbox.c.account == bindparam("of"))
    .order_by(outbox.c.id)
    .limit(bindparam("most"))
)


def claims(
    connection: Connection, account: str, limit: int, known: Collection[int] = frozenset()
) -> tuple[list[Claim], int]:
    """The next queued mails of an account, oldest first, without those `known`; and how many there were with them."""
    rows = NEXT.ask(connection, {"of": account, "most": limit})
    return [_claim(*NEXT.decoded(connection, row)) for row in rows if row[0] not in known], len(rows)


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
    return {account for state in (QUEUED, DEFERRED) for (account,) in connection.execute(_accounts(state))}


def _accounts(state: ColumnElement[bool]) -> Select[Any]:
    """From account to account by the index: however many mails there are, that is one step for each account."""
    first = select(func.min(outbox.c.account).label("account")).where(state)
    found = first.cte("found", recursive=True)
    following = select(func.min(outbox.c.account)).where(state, outbox.c.account > found.c.account).scalar_subquery()
    found = found.union_all(select(following).where(found.c.account.is_not(None)))
    return select(found.c.account).where(found.c.account.is_not(None))


def next_due(connection: Connection, account: str) -> datetime | None:
    """When the first deferred mail of an account is tried again."""
    first = select(func.min(outbox.c.next_attempt_at)).where(DEFERRED, outbox.c.account == account)
    return connection.execute(first).scalar()


def queue_due(connection: Connection, account: str, now: datetime) -> int:
    """Queues the deferred mails whose time has come, and says how many they were."""
    is_due = outbox.c.next_attempt_at <= now
    change = update(outbox).where(DEFERRED, outbox.c.account == account, is_due)
    return connection.execute(change.values(state=MailState.QUEUED.value, updated_at=now)).rowcount


ORPHANED = SENDING & (outbox.c.holder.is_(None) | outbox.c.holder.not_in(living()))
"""On its way, and whoever sent it lives no more."""


def has_orphans(connection: Connection) -> bool:
    """Whether dead members left mails in `sending`."""
    return connection.execute(select(exists(select(outbox.c.id).where(ORPHANED)))).scalar_one()


def recover(connection: Connection, resent: Collection[str], now: datetime) -> tuple[int, int]:
    """Settles the mails that dead members left in `sending`: in doubt, or queued for the accounts in `resent`.

    Returns how many are in doubt now, and how many are queued again.
    """
    reason = "The program ended while this mail was on its way; it may have arrived."
    again = outbox.c.account.in_(list(resent))
    values = {"updated_at": now, "reply": reason}
    queued = update(outbox).where(ORPHANED, again).values(state=MailState.QUEUED.value, queued_at=now, **values)
    doubtful = update(outbox).where(ORPHANED).values(state=MailState.IN_DOUBT.value, **values)
    number = connection.execute(queued).rowcount
    return connection.execute(doubtful).rowcount, number


START = Bulk(
    update(outbox)
    .where(outbox.c.id == bindparam("mail"), outbox.c.state == literal_column(f"'{MailState.QUEUED}'"))
    .values(
        state=literal_column(f"'{MailState.SENDING}'"),
        attempts=outbox.c.attempts + literal_column("1"),
        updated_at=bindparam("at"),
        holder=bindparam("member"),
    )
)


def _end_of(*which: ColumnElement[bool], tried: int) -> Bulk:
    """`tried`: what is added to the attempts."""
    values = {
        "state": bindparam("after"),
        "updated_at": bindparam("at"),
        "reply": bindparam("reply"),
        "code": bindparam("code"),
        "enhanced": bindparam("enhanced"),
        "answers": bindparam("answers"),
        "next_attempt_at": bindparam("next"),
        "sent_at": func.coalesce(bindparam("sent", type_=outbox.c.sent_at.type), outbox.c.sent_at),
        "attempts": outbox.c.attempts + literal_column(str(tried)),
    }
    return Bulk(update(outbox).where(outbox.c.id == bindparam("mail"), *which).values(values))


ENDED_OFFER = _end_of(outbox.c.state == literal_column(f"'{MailState.QUEUED}'"), tried=1)
ENDED_SENDING = _end_of(
    outbox.c.state.in_([literal_column(f"'{MailState.SENDING}'"), literal_column(f"'{MailState.IN_DOUBT}'")]),
    outbox.c.holder == bindparam("member"),
    tried=0,  # `START` has counted it
)
"""In doubt: others took the holder for dead while it was sending. It knows better: see `MOVES` in states.py."""


class OutdatedError(Exception):
    """Some mail is no longer where it was expected; nothing was moved."""


def move_all(connection: Connection, starts: Sequence[Start], ends: Sequence[End]) -> None:
    """Makes all the moves; each mail is in one of them.

    Raises:
        OutdatedError: a mail is not where it was expected; undo the transaction, and use `move_each`.
    """
    offers = [_ended(end) for end in ends if end.before is MailState.QUEUED]
    sendings = [_ended(end) for end in ends if end.before is not MailState.QUEUED]
    started = [_started(start) for start in starts]
    for statement, rows in ((ENDED_OFFER, offers), (ENDED_SENDING, sendings), (START, started)):
        if rows and statement.run(connection, rows) != len(rows):
            raise OutdatedError


def move_each(connection: Connection, starts: Sequence[Start], ends: Sequence[End]) -> set[int]:
    """Makes the moves that are still possible, and returns the mails whose move was not."""
    lost = {end.id for end in ends if not _statement_of(end).run(connection, [_ended(end)])}
    return lost | {start.id for start in starts if not START.run(connection, [_started(start)])}


def _statement_of(end: End) -> Bulk:
    return ENDED_OFFER if end.before is MailState.QUEUED else ENDED_SENDING


def _started(start: Start) -> dict[str, Any]:
    return {"mail": start.id, "at": start.at, "member": start.holder}


def _ended(end: End) -> dict[str, Any]:
    return {
        "mail": end.id,
        "member": end.holder,
        "after": end.after.value,
        "at": end.at,
        "reply": end.reply,
        "code": end.code,
        "enhanced": end.enhanced,
        "answers": answers_column(end.answers) if end.answers else None,
        "next": end.next_attempt_at,
        "sent": end.at if end.after is MailState.SENT else None,
    }
