"""How long an account's queue will take, by what the store knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from ..accounts import Account
from ..store import accounts, budgets, outbox
from .following import accounts_of
from .forecast import forecast
from .limits import is_limited
from .states import MailState

WAITING = (MailState.QUEUED, MailState.SENDING, MailState.DEFERRED)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What waits, and when the last of it will leave."""

    mails: int
    ends_at: datetime


def end_of_run(connection: Connection, run: str, now: datetime, rate: float | None) -> datetime | None:
    """When the last mail of a run will have left; None where no account that it uses has limits."""
    known = [Account.model_validate(settings) for settings in connection.execute(select(accounts.c.settings)).scalars()]
    limited = [account for account in known if is_limited(account.limits)]
    used = accounts_of(connection, run) if limited else ()  # looks at all mails of the run, several times a second
    ends = [outlook(connection, account, 0, now, rate).ends_at for account in limited if account.name in used]
    return max(ends, default=None)


def outlook(connection: Connection, account: Account, more: int, now: datetime, rate: float | None) -> Outlook:
    """Of the mails that wait to leave by an account, and so many more. The `rate` is as for `forecast`."""
    states = [state.value for state in WAITING]
    waiting = select(func.count()).where(outbox.c.account == account.name, outbox.c.state.in_(states))
    spent = connection.execute(select(budgets.c.spent).where(budgets.c.account == account.name)).scalar()
    mails = connection.execute(waiting).scalar_one() + more
    return Outlook(mails, forecast(mails, account.limits, spent or {}, now, rate))
