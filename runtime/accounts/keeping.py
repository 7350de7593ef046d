"""The accounts of a workspace: kept, read, changed, with their passwords under lock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, delete, insert, select, update

from ...engine import ConfigError, suggestion
from ..clock import Clock, WallClock
from ..oauth import TokenSource
from ..oauth.tokens import forget_tokens
from ..secrets import Secrets
from ..store import Store
from ..store import accounts as table
from .account import Account


class Accounts:
    """The accounts of a workspace."""

    def __init__(self, store: Store, secrets: Secrets, clock: Clock | None = None) -> None:
        self._store = store
        self._secrets = secrets
        self._clock = clock or WallClock()
        self._sources: dict[str, TokenSource] = {}

    async def add(
        self, account: Account, client_secret: SecretStr | None = None, *, may_name_program: bool = False
    ) -> None:
        """Keeps the account, in place of one of the same name. The first one becomes the default.

        `client_secret` is what the token server knows this program by, where the account logs in with tokens; None
        leaves the one that there is, as long as the same client logs in at the same server. `may_name_program` is for
        those who can call programs of this machine anyway: from afar, a sendmail program would be a way to run others.

        Raises:
            ConfigError: it names a program that it did not name before.
        """
        await self._store.write(lambda connection: self._write(connection, account, client_secret, may_name_program))

    async def get(self, name: str) -> Account:
        """The account with its password; an empty name means the default.

        Raises:
            ConfigError: there is none, or its password was locked with another key.
        """
        account, client_secret = await self._store.read(lambda connection: self._read(connection, name))
        return account.with_tokens(self._source(account, client_secret)) if account.oauth else account

    async def all(self) -> list[Account]:
        """All accounts without their passwords, by name."""
        return await self._store.read(self.all_in)

    def all_in(self, connection: Connection) -> list[Account]:
        """As `all`, on a connection."""
        query = select(table.c.settings).order_by(table.c.name)
        return [Account.model_validate(settings) for settings in connection.execute(query).scalars()]

    async def default(self) -> str | None:
        """The name of the account that sends where a step names none."""
        return await self._store.read(default_in)

    async def make_default(self, name: str) -> None:
        """Has this account send where a step names none.

        Raises:
            ConfigError: there is none of this name.
        """
        await self._store.write(lambda connection: _make_default(connection, name))

    async def remove(self, name: str) -> None:
        """Forgets the account, its password and its tokens. Its mails stay where they are.

        Raises:
            ConfigError: there is none.
        """
        await self._store.write(lambda connection: self._remove(connection, name))

    def _source(self, account: Account, client_secret: SecretStr | None) -> TokenSource:
        """One for all sessions of an account, as long as its settings stay the same."""
        assert account.oauth is not None
        made = TokenSource(self._store, self._secrets, account.name, account.oauth, client_secret, self._clock)
        known = self._sources.get(account.name)
        if known is None or not known.is_like(made):
            known = self._sources[account.name] = made
        return known

    def _write(
        self, connection: Connection, account: Account, client_secret: SecretStr | None, may_name_program: bool
    ) -> None:
        settings = account.model_dump(mode="json", exclude={"password"})
        known: Mapping[str, Any] = (
            connection.execute(select(table.c.settings).where(table.c.name == account.name)).scalar() or {}
        )
        if account.sendmail is not None and not may_name_program and known.get("sendmail") != settings["sendmail"]:
            raise _no_program_from_afar(account)
        _put(connection, account.name, settings, is_new=not known)
        self._lock(connection, _password(account.name), account.password)
        is_same_client = known.get("oauth") == settings["oauth"] and settings["oauth"] is not None
        if client_secret is not None or not is_same_client:
            self._lock(connection, _client(account.name), client_secret if account.oauth else None)
        if not is_same_client or known.get("user") != settings["user"]:
            forget_tokens(connection, self._secrets, account.name)

    def _lock(self, connection: Connection, name: str, secret: SecretStr | None) -> None:
        if secret is None:
            self._secrets.remove(connection, name)
        else:
            self._secrets.put(connection, name, secret.get_secret_value().encode())

    def _unlocked(self, connection: Connection, name: str) -> SecretStr | None:
        found = self._secrets.get(connection, name)
        return None if found is None else SecretStr(found.decode())

    def _read(self, connection: Connection, name: str) -> tuple[Account, SecretStr | None]:
        name = name or _known_default(connection)
        settings: Mapping[str, Any] | None = connection.execute(
            select(table.c.settings).where(table.c.name == name)
        ).scalar()
        if settings is None:
            raise _unknown(connection, name)
        account = Account.model_validate({**settings, "password": self._unlocked(connection, _password(name))})
        return account, self._unlocked(connection, _client(name)) if account.oauth else None

    def _remove(self, connection: Connection, name: str) -> None:
        if not connection.execute(delete(table).where(table.c.name == name)).rowcount:
            raise _unknown(connection, name)
        self._secrets.remove(connection, _password(name))
        self._secrets.remove(connection, _client(name))
        forget_tokens(connection, self._secrets, name)


def _put(connection: Connection, name: str, settings: Mapping[str, Any], *, is_new: bool) -> None:
    if is_new:
        is_first = connection.execute(select(table.c.name).limit(1)).first() is None
        connection.execute(insert(table).values(name=name, settings=settings, is_default=is_first))
    else:
        connection.execute(update(table).where(table.c.name == name).values(settings=settings))


def _password(name: str) -> str:
    return f"account:{name}"


def _client(name: str) -> str:
    return f"oauth-client:{name}"


def default_in(connection: Connection) -> str | None:
    """The name of the default account."""
    found: str | None = connection.execute(select(table.c.name).where(table.c.is_default)).scalar()
    return found


def _known_default(connection: Connection) -> str:
    found = default_in(connection)
    if found is None:
        raise ConfigError(
            "No account is the default, and none was named. Name one, or set the default: "
            "postwerk account default NAME",
            field="account",
        )
    return found


def _make_default(connection: Connection, name: str) -> None:
    connection.execute(update(table).where(table.c.is_default).values(is_default=False))
    if not connection.execute(update(table).where(table.c.name == name).values(is_default=True)).rowcount:
        raise _unknown(connection, name)


def _no_program_from_afar(account: Account) -> ConfigError:
    return ConfigError(
        "A program of this machine is named on its command line only: "
        f"postwerk account add {account.name} --sendmail {account.where} …",
        field="sendmail",
    )


def _unknown(connection: Connection, name: str) -> ConfigError:
    names = connection.execute(select(table.c.name)).scalars().all()
    return ConfigError(
        f"There is no account {name!r} in this workspace. {suggestion(name, names)} "
        f"Add it: postwerk account add {name} …",
        field="account",
    )
