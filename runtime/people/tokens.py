"""Tokens: what a program shows instead of a password. The store has their digests only.

A token reads `pw_PREFIX_SECRET`. It is found by its prefix, and proved by the digest of the whole, compared in constant
time. Its secret has 256 bits, so a plain SHA-256 keeps it: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from ...engine import ConfigError, Refused
from ..clock import Clock, WallClock
from ..store import Store
from ..store.schema import people, tokens
from .people import LOGIN, Person, person_of
from .roles import Role, lesser

FORM = re.compile(r"pw_([0-9a-f]{12})_([0-9A-Za-z_-]{43})")
MOST = 100
"""Tokens of one person; whoever needs more has forgotten to revoke some."""
NOTED_EVERY = timedelta(minutes=1)
"""How often the last use of a token is written down."""
LONGEST_LABEL = 200


@dataclass(frozen=True, slots=True)
class Token:
    """What may be shown of a token."""

    prefix: str
    person: str
    label: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token with its text, which is shown this once."""

    token: Token
    text: str


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whoever shows a token that holds."""

    person: Person
    role: Role
    """What the token's role and the person's role both allow."""
    prefix: str


class Tokens:
    """The tokens of a workspace."""

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or WallClock()

    async def issue(self, person: str, label: str, role: Role, expires_at: datetime | None = None) -> Issued:
        """A new token of a person. It may do no more than they may, now and later.

        Raises:
            ConfigError: there is no such person, or label or expiry is of no use.
            Refused: they have too many.
        """
        now = self._clock.now()
        if not 1 <= len(label) <= LONGEST_LABEL or not label.isprintable():
            raise ConfigError("A token needs a label that says what it is for, of 1 to 200 signs.", field="label")
        if expires_at is not None and expires_at <= now:
            raise ConfigError(f"The token would have expired at {expires_at:%Y-%m-%d %H:%M}.", field="expires_at")
        prefix, text = _made()
        row = {
            "prefix": prefix, "digest": _digest(text), "person": person, "label": label, "role": role.value,
            "created_at": now, "expires_at": expires_at,
        }  # fmt: skip
        return await self._store.write(lambda connection: Issued(_insert(connection, row, now), text))

    async def find(self, text: str) -> Bearer | None:
        """Whoever this token belongs to; None when it is none, or has expired."""
        form = FORM.fullmatch(text)
        if form is None:
            return None
        prefix, shown = form[1], _digest(text)
        row = await self._store.read(lambda connection: _with_person(connection, prefix))
        is_proved = hmac.compare_digest(row.digest if row is not None else bytes(len(shown)), shown)
        now = self._clock.now()
        if row is None or not is_proved or (row.expires_at is not None and row.expires_at <= now):
            return None
        if row.last_used_at is None or now - row.last_used_at >= NOTED_EVERY:
            await self._store.write(lambda connection: _note_use(connection, prefix, now))
        person = person_of(row)
        return Bearer(person, lesser(Role(row.token_role), person.role), prefix)

    async def all(self, person: str | None = None) -> list[Token]:
        """All tokens, or those of one person, the newest first; also those that have expired."""
        query = select(tokens).order_by(tokens.c.created_at.desc(), tokens.c.prefix)
        if person is not None:
            query = query.where(tokens.c.person == person)
        return await self._store.read(lambda connection: [_token(row) for row in connection.execute(query)])

    async def revoke(self, prefix: str, person: str | None = None) -> Token:
        """Ends a token at once; with a person, only one of theirs.

        Raises:
            ConfigError: there is none.
        """

        def write(connection: Connection) -> Token:
            row = connection.execute(select(tokens).where(tokens.c.prefix == prefix)).first()
            if row is None or (person is not None and row.person != person):
                raise ConfigError(f"There is no token {prefix!r}. 'postwerk token list' shows what there is.")
            connection.execute(delete(tokens).where(tokens.c.prefix == prefix))
            return _token(row)

        return await self._store.write(write)


def _made() -> tuple[str, str]:
    prefix = secrets.token_hex(6)
    return prefix, f"pw_{prefix}_{secrets.token_urlsafe(32)}"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _insert(connection: Connection, row: dict[str, Any], now: datetime) -> Token:
    person = row["person"]
    if connection.execute(select(people.c.name).where(people.c.name == person)).first() is None:
        raise ConfigError(f"There is no person {person!r}. Add them: postwerk person add {person}", field="person")
    is_theirs = tokens.c.person == person
    connection.execute(delete(tokens).where(is_theirs, tokens.c.label == LOGIN, tokens.c.expires_at <= now))
    if connection.execute(select(func.count()).where(is_theirs)).scalar_one() >= MOST:
        raise Refused(f"{person!r} has {MOST} tokens already. Revoke those that nobody uses: postwerk token list")
    connection.execute(insert(tokens).values(row))
    return _token(connection.execute(select(tokens).where(tokens.c.prefix == row["prefix"])).one())


def _with_person(connection: Connection, prefix: str) -> Row[Any] | None:
    query = (
        select(people, tokens.c.digest, tokens.c.role.label("token_role"), tokens.c.expires_at, tokens.c.last_used_at)
        .join(tokens, tokens.c.person == people.c.name)
        .where(tokens.c.prefix == prefix)
    )
    return connection.execute(query).first()


def _note_use(connection: Connection, prefix: str, now: datetime) -> None:
    connection.execute(update(tokens).where(tokens.c.prefix == prefix).values(last_used_at=now))


def _token(row: Row[Any]) -> Token:
    return Token(row.prefix, row.person, row.label, Role(row.role), row.created_at, row.expires_at, row.last_used_at)
