"""Secrets at rest: AES-256-GCM, each value bound to its name, so that nobody can swap two rows."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, delete, insert, select, update

from ..engine import ConfigError
from .store import secrets as table

VARIABLE = "POSTWERK_KEY"
KEY_FILE = "secret.key"
KEY_BYTES = 32
NONCE_BYTES = 12
PROOF = "key proof"
"""The name of the row that tells whether a key is the one that everything was locked with."""


def load_key(folder: Path, environment: Mapping[str, str]) -> bytes:
    """The workspace's key: from POSTWERK_KEY, else from its key file, which is made when there is none.

    Raises:
        ConfigError: it is no key, or others may read the file.
    """
    if text := environment.get(VARIABLE):
        return _parsed(text, VARIABLE)
    path = folder / KEY_FILE
    try:
        return _made(path)
    except FileExistsError:
        return _read(path)


class Secrets:
    """Values that nobody reads without the key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def put(self, connection: Connection, name: str, value: bytes) -> None:
        """Keeps the value under this name, in place of any before.

        Raises:
            ConfigError: the workspace was locked with another key.
        """
        if self._read(connection, PROOF) is None:
            self._write(connection, PROOF, b"postwerk")
        self._write(connection, name, value)

    def get(self, connection: Connection, name: str) -> bytes | None:
        """The value, or None when there is none.

        Raises:
            ConfigError: it was locked with another key.
        """
        return self._read(connection, name)

    def remove(self, connection: Connection, name: str) -> None:
        """Forgets the value, if there is one."""
        connection.execute(delete(table).where(table.c.name == name))

    def check(self, connection: Connection) -> None:
        """Raises ConfigError when the workspace was locked with another key."""
        self._read(connection, PROOF)

    def _read(self, connection: Connection, name: str) -> bytes | None:
        locked = connection.execute(select(table.c.value).where(table.c.name == name)).scalar()
        if locked is None:
            return None
        try:
            return self._cipher.decrypt(locked[:NONCE_BYTES], locked[NONCE_BYTES:], name.encode())
        except InvalidTag as error:
            raise ConfigError(
                f"The secret {name!r} was locked with another key. "
                f"Set {VARIABLE} to the key of this workspace, or put its file {KEY_FILE!r} back."
            ) from error

    def _write(self, connection: Connection, name: str, value: bytes) -> None:
        nonce = os.urandom(NONCE_BYTES)
        locked = nonce + self._cipher.encrypt(nonce, value, name.encode())
        if not connection.execute(update(table).where(table.c.name == name).values(value=locked)).rowcount:
            connection.execute(insert(table).values(name=name, value=locked))


def _made(path: Path) -> bytes:
    key = os.urandom(KEY_BYTES)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.urlsafe_b64encode(key) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def _read(path: Path) -> bytes:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise ConfigError(
            f"The key file {str(path)!r} can be read by others (mode {mode:o}, 600 expected), so it may be known. "
            f"Run 'chmod 600 {path}' when nobody has seen it; else set all passwords anew with a new key."
        )
    return _parsed(path.read_text(encoding="ascii", errors="replace"), f"The file {str(path)!r}")


def _parsed(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"{where} holds no key: {KEY_BYTES} bytes in base64 (44 characters) were expected. "
            "Make one with 'openssl rand -base64 32'."
        )
    return key
