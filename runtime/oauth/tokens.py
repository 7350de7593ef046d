"""Tokens at rest: encrypted, one for each account, and one renewal at a time, whichever process wants it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, or_, select, update

from ..secrets import Secrets
from ..store import insert_new
from ..store import signins as table

MARGIN = timedelta(minutes=5)
"""A token is renewed so long before it expires: a session that begins with it must not lose it at once."""
MARGIN_PART = 5
"""But never before this part of its life is left."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token server gave."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    issued_at: datetime
    expires_at: datetime | None
    """None: the server did not say."""

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at

    def is_fresh(self, now: datetime) -> bool:
        """Whether it will be valid for a while yet."""
        if self.expires_at is None:
            return True
        margin = min(MARGIN, (self.expires_at - self.issued_at) / MARGIN_PART)
        return now < self.expires_at - margin

    def to_bytes(self) -> bytes:
        expires = self.expires_at.isoformat() if self.expires_at else None
        values = {"access": self.access, "refresh": self.refresh, "issued": self.issued_at.isoformat()}
        return json.dumps(values | {"expires": expires}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Token:
        values = json.loads(data)
        expires = datetime.fromisoformat(values["expires"]) if values["expires"] else None
        return cls(values["access"], values["refresh"], datetime.fromisoformat(values["issued"]), expires)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands with its token server."""

    token: Token | None
    refused: str | None
    """The words of the token server, when a person must sign in again."""


def standing(connection: Connection, secrets: Secrets, account: str) -> Standing:
    """What is known of an account."""
    refused = connection.execute(select(table.c.refused).where(table.c.account == account)).scalar()
    data = secrets.get(connection, _name(account))
    return Standing(Token.from_bytes(data) if data is not None else None, refused)


def keep_token(connection: Connection, secrets: Secrets, account: str, token: Token) -> None:
    """Keeps the token in place of any before; a renewal is over."""
    secrets.put(connection, _name(account), token.to_bytes())
    _make_row(connection, account)
    over = {"refused": None, "renewer": None, "renewed_until": None}
    connection.execute(update(table).where(table.c.account == account).values(over))


def begin_renewal(connection: Connection, account: str, renewer: str, now: datetime, until: datetime) -> bool:
    """Whether this renewer may fetch a new token; nobody else may, until then."""
    _make_row(connection, account)
    is_free = or_(table.c.renewed_until.is_(None), table.c.renewed_until <= now)
    change = update(table).where(table.c.account == account, is_free).values(renewer=renewer, renewed_until=until)
    return connection.execute(change).rowcount == 1


def end_renewal(connection: Connection, account: str, renewer: str, refused: str | None) -> None:
    """Ends this renewer's renewal, which brought nothing. With words in `refused` a person must sign in again."""
    is_ours = (table.c.account == account) & (table.c.renewer == renewer)
    over = {"refused": refused, "renewer": None, "renewed_until": None}
    connection.execute(update(table).where(is_ours).values(over))


def distrust(connection: Connection, secrets: Secrets, account: str, access: str) -> bool:
    """Has the token renewed before it is used again; false if another has taken its place already."""
    token = standing(connection, secrets, account).token
    if token is None or token.access != access:
        return False
    secrets.put(connection, _name(account), Token("", token.refresh, token.issued_at, token.issued_at).to_bytes())
    return True


def forget_tokens(connection: Connection, secrets: Secrets, account: str) -> None:
    """Forgets that anybody signed in."""
    secrets.remove(connection, _name(account))
    connection.execute(delete(table).where(table.c.account == account))


def _make_row(connection: Connection, account: str) -> None:
    insert_new(connection, table, [{"account": account}], ["account"])


def _name(account: str) -> str:
    return f"oauth-token:{account}"
