"""Leases: an account is delivered by one member at a time, and accounts are spread over the members that deliver.

So an account's connections, order and budget hold for all machines together. A lease ends when its holder lets go of
it or is buried. Pure SQL on a connection, so that it joins any transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, exists, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ..members import living
from ..store import Bulk, hold, leases, members, ring
from .claims import accounts_with_mails
from .outbox import BELL

LEASES = "leases"
"""Held while accounts are taken."""
LIVING_LEASES = select(leases.c.account, leases.c.holder).where(leases.c.holder.in_(living()))


class LeaseLostError(Exception):
    """Another member delivers this account now; nothing was moved."""


@dataclass(frozen=True, slots=True)
class Shares:
    """What one member should do."""

    held: frozenset[str]
    """The accounts that it holds."""
    free: tuple[str, ...]
    """Those that it should take."""
    surplus: tuple[str, ...]
    """Those that it should hand over to others, who hold fewer."""


def shares(connection: Connection, member: str) -> Shares:
    """How the accounts should be spread, as seen by one member that delivers."""
    holders: dict[str, str] = {row.account: row.holder for row in connection.execute(LIVING_LEASES)}
    held = {account for account, holder in holders.items() if holder == member}
    wanted = accounts_with_mails(connection)
    free = sorted(wanted - holders.keys())
    most = -(-(len(holders) + len(free)) // max(1, _deliverers(connection)))
    idle_first = sorted(held, key=lambda account: (account in wanted, account))
    return Shares(frozenset(held), tuple(free[: max(0, most - len(held))]), tuple(idle_first[: len(held) - most]))


def take(connection: Connection, member: str) -> Shares:
    """Takes what is free, as far as it is this member's share."""
    hold(connection, LEASES)
    share = shares(connection, member)
    if not share.free or not _is_living(connection, member):
        return share
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    rows = [{"account": account, "holder": member} for account in share.free]
    new = insert(leases)
    connection.execute(
        new.on_conflict_do_update(index_elements=["account"], set_={"holder": new.excluded.holder}), rows
    )
    return Shares(share.held | set(share.free), (), share.surplus)


def begin_to_deliver(connection: Connection, member: str) -> Shares:
    """Says that this member delivers, and takes its share."""
    connection.execute(update(members).where(members.c.id == member).values(delivers=True))
    return take(connection, member)


def let_go(connection: Connection, member: str, account: str) -> None:
    """Lets others have the account."""
    connection.execute(delete(leases).where(leases.c.holder == member, leases.c.account == account))
    ring(connection, BELL, account)


def end_to_deliver(connection: Connection, member: str) -> None:
    """Lets others have all accounts; this member delivers no more."""
    connection.execute(update(members).where(members.c.id == member).values(delivers=False))
    connection.execute(delete(leases).where(leases.c.holder == member))
    ring(connection, BELL)


HELD = Bulk(
    select(leases.c.account)
    .where(leases.c.account == bindparam("of"), leases.c.holder == bindparam("member"))
    .with_for_update(read=True)
)


def still_held(connection: Connection, member: str, accounts: Collection[str]) -> set[str]:
    """Those of the accounts that this member holds; nobody takes them over until the transaction ends."""
    return {account for account in accounts if HELD.ask(connection, {"of": account, "member": member})}


def _deliverers(connection: Connection) -> int:
    return len(connection.execute(living().where(members.c.delivers)).all())


def _is_living(connection: Connection, member: str) -> bool:
    return connection.execute(select(exists(living().where(members.c.id == member)))).scalar_one()
