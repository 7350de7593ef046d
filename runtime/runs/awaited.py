"""What a suspended item has come to: a mail that the outbox has settled, or a wait that is over."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ...engine import Delivered, Record, RefusedMail, SentMail
from ...engine.pause import elapsed
from ...engine.ports import Outputs
from ..outbox import ARRIVED, FINAL, Mail, following, outbox
from . import waits


@dataclass(frozen=True, slots=True)
class Awaited:
    """One item that its step has left with the runtime."""

    step: str
    key: str
    is_final: bool
    taken: bool
    """The flow has gone on with it."""
    mail: Mail | None
    wait: int = 0

    def outcome(self, record: Record | None) -> Outputs:
        """With what the flow goes on."""
        return delivered(self.mail) if self.mail else elapsed(record)


def of_chunk(
    connection: Connection, run: str, steps: Collection[str], chunk: int, now: datetime
) -> dict[tuple[str, str], Awaited]:
    """The suspended items of some steps that descend from one portion of the source, by step and key."""
    mails = following.of_chunk(connection, run, steps, chunk)
    found = [Awaited(one.step, one.key, one.state in FINAL, one.taken, one) for one in mails]
    paused = waits.of_chunk(connection, run, steps, chunk)
    found += [Awaited(one.step, one.key, one.due_at <= now, one.taken, None, one.id) for one in paused]
    return {(one.step, one.key): one for one in found}


def new_outcomes(connection: Connection, run: str, steps: Collection[str], now: datetime) -> list[int]:
    """The portions with items that have come to an end and with which the flow has not gone on."""
    mails = following.new_outcomes(connection, run, steps)
    return sorted({*mails, *waits.new_due(connection, run, steps, now)})


def is_settled(connection: Connection, run: str, steps: Collection[str] | None, now: datetime) -> bool:
    """Whether nothing of these steps, or of all, can still change by itself."""
    return following.is_settled(connection, run, steps) and waits.is_over(connection, run, steps, now)


def take(connection: Connection, taken: Iterable[Awaited]) -> None:
    """Notes that the flow went on with these."""
    several = list(taken)
    outbox.take(connection, [one.mail.id for one in several if one.mail])
    waits.take(connection, [one.wait for one in several if not one.mail])


def delivered(mail: Mail) -> Delivered:
    """What a mail's end is to the flow."""
    if mail.state in ARRIVED:
        return Delivered(sent=SentMail(
            message_id=mail.message_id, account=mail.account, recipients=mail.recipients, subject=mail.subject,
            sent_at=mail.sent_at or mail.updated_at, reply=mail.reply or "",
        ))  # fmt: skip
    return Delivered(refused=RefusedMail(
        message_id=mail.message_id, account=mail.account, recipients=mail.recipients, subject=mail.subject,
        state=mail.state.value, reply=mail.reply or "",
    ))  # fmt: skip
