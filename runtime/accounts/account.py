"""What an account is: how mail leaves, in whose name, and how much of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from ...engine import ConfigError, Mailbox, Refused, Sender
from ...engine.addresses import parse_mailbox
from ..oauth import OAuth, TokenSource
from .sendmail import Sendmail


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


_Host = StringConstraints(pattern=r"^\S*$", max_length=255)
_Helo = StringConstraints(
    pattern=r"^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[A-Za-z0-9.:]+\])?$",
    max_length=255,
)


class Account(_Part):
    """A sending account. Its password is never shown: not in its text, not in its JSON."""

    name: Annotated[str, StringConstraints(pattern=r"^\w[\w.@+-]*$", max_length=100)]
    host: Annotated[str, _Host] = ""
    port: int = Field(587, ge=1, le=65535)
    security: Security = Security.STARTTLS
    sendmail: Sendmail | None = None
    """The mails go to this program instead of a server; host, port and login mean nothing then."""
    user: Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$", max_length=255)] | None = None
    password: SecretStr | None = None
    oauth: OAuth | None = None
    """The user logs in with a token instead of a password."""
    sender: str
    sender_name: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)] = ""
    reply_to: str | None = None
    envelope_sender: str = ""
    """The address that bounces go to (RFC 5321: reverse-path); the sender's own when left empty."""
    verify_tls: bool = True
    helo_name: Annotated[str, _Helo] = ""
    """What EHLO says; the domain of the envelope sender when left empty."""
    source_address: str | None = None
    """The address of this machine from which connections begin, where it has several."""
    preset: str = ""
    """The provider by whose preset it was made."""
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    patience: Patience = Patience()
    in_doubt: InDoubt = InDoubt.HOLD
    _tokens: TokenSource | None = PrivateAttr(default=None)

    @field_validator("source_address")
    @classmethod
    def _address_is_one(cls, text: str | None) -> str | None:
        return None if text is None else str(ip_address(text))

    @model_validator(mode="after")
    def _addresses_are_addresses(self) -> Self:
        for field in ("sender", "reply_to", "envelope_sender"):
            if text := getattr(self, field):
                try:
                    parse_mailbox(text, where=field)
                except Refused as error:
                    raise ValueError(error.message) from error
        return self

    @model_validator(mode="after")
    def _way_out_is_clear(self) -> Self:
        if self.sendmail is None and not self.host:
            raise ValueError("there is neither a host nor a sendmail program; name one of them")
        if self.sendmail is not None and (self.user or self.oauth):
            raise ValueError("a sendmail program takes no login; leave out the user")
        if self.password is not None and self.user is None:
            raise ValueError("there is a password but no user; name the user")
        if self.oauth is not None and (self.user is None or self.password is not None):
            raise ValueError("with OAuth2 the user logs in with a token; name the user, and give no password")
        return self

    @property
    def where(self) -> str:
        """What takes its mails, for messages: the server and its port, or the program."""
        return self.sendmail.path if self.sendmail else f"{self.host}:{self.port}"

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
        if self.sendmail is not None:
            return ()
        if self.security is Security.NONE:
            told = f"Mails travel to {self.host} in clear. Use 'starttls' or 'tls'."
            login = f"The password travels to {self.host} in clear. Use 'starttls' or 'tls'."
            return () if _is_loopback(self.host) else (login, told) if self.user else (told,)
        if not self.verify_tls:
            return (f"The certificate of {self.host} is not verified: anybody on the way can read and change mails.",)
        return ()

    @property
    def tokens(self) -> TokenSource:
        """Where the tokens come from with which it logs in.

        Raises:
            ConfigError: it logs in otherwise, or was not read from the workspace.
        """
        if self._tokens is None:
            raise ConfigError(f"The account {self.name!r} has no tokens. Keep it first, and sign in.")
        return self._tokens

    def with_tokens(self, tokens: TokenSource | None) -> Self:
        """The same account, which logs in with these tokens."""
        account = self.model_copy()
        account._tokens = tokens
        return account


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


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
