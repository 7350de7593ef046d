"""How long an account's queue will take, by what the store knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from ..accounts import Account
from ..store import budgets, outbox
from .forecast import forecast
from .states import MailState

WAITING = (MailState.QUEUED, MailState.SENDING, MailState.DEFERRED)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What waits, and when the last of it will leave."""

    mails: int
    ends_at: datetime


def outlook(connection: Connection, account: Account, more: int, now: datetime, rate: float | None) -> Outlook:
    """Of the mails that wait to leave by an account, and so many more. The `rate` is as for `forecast`."""
    states = [state.value for state in WAITING]
    waiting = select(func.count()).where(outbox.c.account == account.name, outbox.c.state.in_(states))
    spent = connection.execute(select(budgets.c.spent).where(budgets.c.account == account.name)).scalar()
    mails = connection.execute(waiting).scalar_one() + more
    return Outlook(mails, forecast(mails, account.limits, spent or {}, now, rate))
