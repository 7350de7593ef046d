"""Mail accounts: how mail leaves, in whose name, and how much of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError, model_validator
from sqlalchemy import Connection, delete, insert, select, update

from ..engine import ConfigError, Mailbox, Refused, Sender, suggestion
from ..engine.addresses import parse_mailbox
from .secrets import Secrets
from .store import Store
from .store import accounts as table


class Security(StrEnum):
    """How the connection to the server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    """RFC 3207; a server that does not offer it is refused."""
    TLS = "tls"
    """From the first byte on (RFC 8314)."""


class InDoubt(StrEnum):
    """What becomes of a mail whose bytes left and whose answer never came."""

    HOLD = "hold"
    """A person decides."""
    RESEND = "resend"
    """It is sent again with the same Message-ID; some recipient may get it twice."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Timeouts(_Part):
    """How long an answer may take, in seconds. RFC 5321, 4.5.3.2 asks for more patience than most users have."""

    connect: float = Field(30, gt=0, le=3600)
    command: float = Field(120, gt=0, le=3600)
    data: float = Field(600, gt=0, le=3600)
    """After the last byte of a mail. Giving up too early leaves a mail in doubt."""


class Limits(_Part):
    """What the provider allows. None: no limit. They hold for all flows together."""

    connections: int = Field(4, ge=1, le=100)
    mails_per_connection: int | None = Field(100, ge=1)
    """Providers close a session after some hundred mails; a new one costs little."""
    per_minute: int | None = Field(None, ge=1)
    per_hour: int | None = Field(None, ge=1)
    per_day: int | None = Field(None, ge=1)


class Patience(_Part):
    """When a mail is tried again that the server put off (4yz)."""

    first_wait: timedelta = Field(timedelta(minutes=5), gt=timedelta(0))
    max_wait: timedelta = Field(timedelta(hours=1), gt=timedelta(0))
    """The wait doubles from attempt to attempt up to this."""
    give_up_after: timedelta = Field(timedelta(days=2), gt=timedelta(0))
    """Counted from when the mail was queued; then it counts as failed."""

    def wait(self, attempts: int) -> timedelta:
        """How long to wait after this many attempts."""
        return min(self.max_wait, self.first_wait * (1 << min(attempts - 1, 20)))


_Word = StringConstraints(pattern=r"^\S+$", max_length=255)


class Account(_Part):
    """A sending account. Its password is never shown: not in its text, not in its JSON."""

    name: Annotated[str, StringConstraints(pattern=r"^\w[\w.@+-]*$", max_length=100)]
    host: Annotated[str, _Word]
    port: int = Field(ge=1, le=65535)
    security: Security
    user: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    password: SecretStr | None = None
    sender: str
    sender_name: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)] = ""
    reply_to: str | None = None
    envelope_sender: str = ""
    """The address that bounces go to (RFC 5321: reverse-path); the sender's own when left empty."""
    verify_tls: bool = True
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    patience: Patience = Patience()
    in_doubt: InDoubt = InDoubt.HOLD

    @model_validator(mode="after")
    def _addresses_are_addresses(self) -> Self:
        for field in ("sender", "reply_to", "envelope_sender"):
            if text := getattr(self, field):
                try:
                    parse_mailbox(text, where=field)
                except Refused as error:
                    raise ValueError(error.message) from error
        if self.password is not None and self.user is None:
            raise ValueError("there is a password but no user; name the user")
        return self

    @property
    def bounces_to(self) -> str:
        """The envelope sender."""
        return self.envelope_sender or parse_mailbox(self.sender).address

    @property
    def as_sender(self) -> Sender:
        """What a node may know of it."""
        return Sender(
            name=self.name,
            mailbox=Mailbox(address=parse_mailbox(self.sender).address, name=self.sender_name),
            reply_to=(parse_mailbox(self.reply_to),) if self.reply_to else (),
            envelope_sender=self.bounces_to,
        )

    @property
    def risks(self) -> tuple[str, ...]:
        """What a person should know before trusting it, as sentences."""
        if self.security is Security.NONE:
            told = f"Mails travel to {self.host} in clear. Use 'starttls' or 'tls'."
            login = f"The password travels to {self.host} in clear. Use 'starttls' or 'tls'."
            return () if _is_loopback(self.host) else (login, told) if self.user else (told,)
        if not self.verify_tls:
            return (f"The certificate of {self.host} is not verified: anybody on the way can read and change mails.",)
        return ()


def parse_account(fields: Mapping[str, Any]) -> Account:
    """An account from what a form or a command line gave.

    Raises:
        ConfigError: names every field that is wrong; `field` is the first of them.
    """
    try:
        return Account.model_validate(dict(fields))
    except ValidationError as error:
        problems = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_input=False)]
        told = "; ".join(f"{field}: {message}" if field else message for field, message in problems)
        raise ConfigError(f"The account can't be kept: {told}.", field=problems[0][0] or None) from None


class Accounts:
    """The accounts of a workspace."""

    def __init__(self, store: Store, secrets: Secrets) -> None:
        self._store = store
        self._secrets = secrets

    async def add(self, account: Account) -> None:
        """Keeps the account, in place of one of the same name."""
        await self._store.write(lambda connection: self._write(connection, account))

    async def get(self, name: str) -> Account:
        """The account with its password.

        Raises:
            ConfigError: there is none, or its password was locked with another key.
        """
        return await self._store.read(lambda connection: self._read(connection, name))

    async def all(self) -> list[Account]:
        """All accounts without their passwords, by name."""
        query = select(table.c.settings).order_by(table.c.name)
        rows = await self._store.read(lambda connection: connection.execute(query).scalars().all())
        return [Account.model_validate(settings) for settings in rows]

    async def remove(self, name: str) -> None:
        """Forgets the account and its password. Its mails stay where they are.

        Raises:
            ConfigError: there is none.
        """
        await self._store.write(lambda connection: self._remove(connection, name))

    def _write(self, connection: Connection, account: Account) -> None:
        settings = account.model_dump(mode="json", exclude={"password"})
        known = table.c.name == account.name
        if not connection.execute(update(table).where(known).values(settings=settings)).rowcount:
            connection.execute(insert(table).values(name=account.name, settings=settings))
        if account.password is None:
            self._secrets.remove(connection, _secret(account.name))
        else:
            self._secrets.put(connection, _secret(account.name), account.password.get_secret_value().encode())

    def _read(self, connection: Connection, name: str) -> Account:
        settings = connection.execute(select(table.c.settings).where(table.c.name == name)).scalar()
        if settings is None:
            raise _unknown(connection, name)
        password = self._secrets.get(connection, _secret(name))
        return Account.model_validate(settings | {"password": password.decode() if password is not None else None})

    def _remove(self, connection: Connection, name: str) -> None:
        if not connection.execute(delete(table).where(table.c.name == name)).rowcount:
            raise _unknown(connection, name)
        self._secrets.remove(connection, _secret(name))


def _secret(name: str) -> str:
    return f"account:{name}"


def _unknown(connection: Connection, name: str) -> ConfigError:
    names = connection.execute(select(table.c.name)).scalars().all()
    return ConfigError(
        f"There is no account {name!r} in this workspace. {suggestion(name, names)} "
        f"Add it: postwerk account add {name} …",
        field="account",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
