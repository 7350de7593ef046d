"""The people of a workspace: names, roles, passwords, and the accounts that they may send by."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from ...engine import ConfigError, Refused, suggestion
from ..store import Store
from ..store.schema import people as table
from ..store.schema import tokens
from .passwords import hashed, is_outdated, is_right
from .roles import Role

NAME = re.compile(r"\w[\w.@+-]{0,99}")
LOGIN = "login"
"""The label of tokens that a login gives."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may log in."""

    name: str
    role: Role
    created_at: datetime
    has_password: bool = False
    accounts: tuple[str, ...] | None = None
    """The accounts that they may send by; None: all."""

    def may_send_by(self, account: str) -> bool:
        return self.role is Role.ADMIN or self.accounts is None or account in self.accounts


class People:
    """Everybody who may log in to a workspace. The last admin stays one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(
        self, name: str, role: Role, password: str | None = None, accounts: Collection[str] | None = None
    ) -> Person:
        """A new person; without a password they work by tokens alone.

        Raises:
            ConfigError: the name or the password is of no use.
            Refused: there is one of this name.
        """
        if not NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} is no name for a person. Use letters, digits and . @ + - _, at most 100.", field="name"
            )
        kept = None if password is None else await hashed(password)
        now = datetime.now(UTC)
        values = {"name": name, "role": role.value, "password": kept, "accounts": _listed(accounts), "created_at": now}

        def write(connection: Connection) -> Person:
            if _row(connection, name) is not None:
                raise Refused(f"There is a person {name!r} already. Take another name, or change that one.")
            connection.execute(insert(table).values(values))
            return _get(connection, name)

        return await self._store.write(write)

    async def get(self, name: str) -> Person:
        """Raises ConfigError when there is none of this name."""
        return await self._store.read(lambda connection: _get(connection, name))

    async def all(self) -> list[Person]:
        """Everybody, by name."""
        query = select(table).order_by(table.c.name)
        return await self._store.read(lambda connection: [person_of(row) for row in connection.execute(query)])

    async def remove(self, name: str) -> None:
        """Forgets a person and their tokens.

        Raises:
            ConfigError: there is none of this name.
            Refused: it is the last admin.
        """

        def write(connection: Connection) -> None:
            _keep_an_admin(connection, _get(connection, name), None)
            connection.execute(delete(tokens).where(tokens.c.person == name))
            connection.execute(delete(table).where(table.c.name == name))

        await self._store.write(write)

    async def set_role(self, name: str, role: Role) -> Person:
        """Raises ConfigError when there is none of this name, Refused when it is the last admin."""

        def write(connection: Connection) -> Person:
            _keep_an_admin(connection, _get(connection, name), role)
            return _change(connection, name, role=role.value)

        return await self._store.write(write)

    async def set_accounts(self, name: str, accounts: Collection[str] | None) -> Person:
        """Says by which accounts a person may send; None: by all. An admin may always send by all."""
        return await self._store.write(lambda connection: _change(connection, name, accounts=_listed(accounts)))

    async def set_password(self, name: str, password: str) -> Person:
        """Gives a new password. The tokens of logins end; those that were issued go on.

        Raises:
            ConfigError: there is none of this name, or the password is of no use.
        """
        kept = await hashed(password)

        def write(connection: Connection) -> Person:
            connection.execute(delete(tokens).where(tokens.c.person == name, tokens.c.label == LOGIN))
            return _change(connection, name, password=kept)

        return await self._store.write(write)

    async def log_in(self, name: str, password: str) -> Person | None:
        """The person, if that is the password. A name that nobody has takes as long."""
        row = await self._store.read(lambda connection: _row(connection, name))
        kept: str | None = None if row is None else row.password
        if not await is_right(kept, password) or row is None or kept is None:
            return None
        if is_outdated(kept):
            fresh = await hashed(password)
            await self._store.write(lambda connection: _change(connection, name, password=fresh))
        return person_of(row)


def _get(connection: Connection, name: str) -> Person:
    row = _row(connection, name)
    if row is None:
        names = connection.execute(select(table.c.name)).scalars().all()
        raise ConfigError(f"There is no person {name!r}. {suggestion(name, names)}", field="name")
    return person_of(row)


def _row(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(table).where(table.c.name == name)).first()


def _change(connection: Connection, name: str, **values: Any) -> Person:
    _get(connection, name)
    connection.execute(update(table).where(table.c.name == name).values(values))
    return _get(connection, name)


def _keep_an_admin(connection: Connection, person: Person, after: Role | None) -> None:
    if person.role is not Role.ADMIN or after is Role.ADMIN:
        return
    admins = select(table.c.name).where(table.c.role == Role.ADMIN.value).with_for_update()  # two may leave at once
    if len(connection.execute(admins).all()) == 1:
        raise Refused(f"{person.name!r} is the last admin. Make somebody else one first.")


def _listed(accounts: Collection[str] | None) -> list[str] | None:
    return None if accounts is None else sorted(set(accounts))


def person_of(row: Row[Any]) -> Person:
    accounts: Sequence[str] | None = row.accounts
    return Person(
        row.name,
        Role(row.role),
        row.created_at,
        row.password is not None,
        None if accounts is None else tuple(accounts),
    )
