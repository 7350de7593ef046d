"""What a workspace keeps for S/MIME: identities with their private keys, and the certificates of recipients."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from pydantic import SecretBytes
from sqlalchemy import Connection, delete, insert, select, update

from ..engine import ConfigError, Identity, suggestion
from ..engine.certificates import comparable
from .secrets import Secrets
from .store import Store, insert_new
from .store import certificates as certificate_table
from .store import identities as table


class Identities:
    """The identities of a workspace. Their private keys lie among the secrets."""

    def __init__(self, store: Store, secrets: Secrets) -> None:
        self._store = store
        self._secrets = secrets

    async def add(self, identity: Identity) -> None:
        """Keeps the identity, in place of one of the same name."""
        await self._store.write(lambda connection: self._write(connection, identity))

    async def get(self, name: str) -> Identity:
        """The identity with its key.

        Raises:
            ConfigError: there is none, or its key was locked with another key.
        """
        return await self._store.read(lambda connection: self._one(connection, name))

    async def all(self) -> list[Identity]:
        """All identities with their keys, by name."""
        return await self._store.read(self.all_in)

    async def remove(self, name: str) -> None:
        """Forgets the identity and its key.

        Raises:
            ConfigError: there is none.
        """
        await self._store.write(lambda connection: self._remove(connection, name))

    def _write(self, connection: Connection, identity: Identity) -> None:
        chain = [b64encode(one).decode("ascii") for one in identity.chain]
        values = {"certificate": identity.certificate, "chain": chain}
        if not connection.execute(update(table).where(table.c.name == identity.name).values(values)).rowcount:
            connection.execute(insert(table).values(name=identity.name, **values))
        self._secrets.put(connection, _secret(identity.name), identity.key.get_secret_value())

    def _one(self, connection: Connection, name: str) -> Identity:
        row = connection.execute(select(table).where(table.c.name == name)).first()
        if row is None:
            raise _unknown(connection, name)
        return self._identity(connection, row)

    def all_in(self, connection: Connection) -> list[Identity]:
        """As `all`, on a connection."""
        rows = connection.execute(select(table).order_by(table.c.name)).all()
        return [self._identity(connection, row) for row in rows]

    def _identity(self, connection: Connection, row: Any) -> Identity:
        key = self._secrets.get(connection, _secret(row.name))
        if key is None:
            raise ConfigError(f"The private key of identity {row.name!r} is missing. Add the identity again.")
        chain = tuple(b64decode(one) for one in row.chain)
        return Identity(name=row.name, certificate=row.certificate, key=SecretBytes(key), chain=chain)

    def _remove(self, connection: Connection, name: str) -> None:
        if not connection.execute(delete(table).where(table.c.name == name)).rowcount:
            raise _unknown(connection, name)
        self._secrets.remove(connection, _secret(name))


class Certificates:
    """The certificates that a workspace keeps for its recipients. An address may have several, valid or not."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, addresses: Iterable[str], certificate: bytes) -> int:
        """Keeps a certificate (DER) for these addresses, and says for how many it is new."""
        fingerprint = hashlib.sha256(certificate).hexdigest()
        known_as = sorted({comparable(address) for address in addresses})
        rows = [{"address": address, "fingerprint": fingerprint, "der": certificate} for address in known_as]
        key = ("address", "fingerprint")
        return await self._store.write(lambda connection: insert_new(connection, certificate_table, rows, key))

    async def all(self) -> dict[str, tuple[bytes, ...]]:
        """All certificates by address, as `comparable` writes it."""
        return await self._store.read(self.all_in)

    def all_in(self, connection: Connection) -> dict[str, tuple[bytes, ...]]:
        """As `all`, on a connection."""
        query = select(certificate_table).order_by(certificate_table.c.address, certificate_table.c.fingerprint)
        found: defaultdict[str, tuple[bytes, ...]] = defaultdict(tuple)
        for row in connection.execute(query):
            found[row.address] += (row.der,)
        return dict(found)

    async def remove(self, address: str) -> int:
        """Forgets the certificates of an address, and says how many they were."""
        forget = delete(certificate_table).where(certificate_table.c.address == comparable(address))
        return await self._store.write(lambda connection: connection.execute(forget).rowcount)


def _secret(name: str) -> str:
    return f"identity:{name}"


def _unknown(connection: Connection, name: str) -> ConfigError:
    names = connection.execute(select(table.c.name)).scalars().all()
    return ConfigError(
        f"There is no identity {name!r} in this workspace. {suggestion(name, names)} "
        f"Add it: postwerk identity add {name} FILE",
        field="identity",
    )
