"""What the runtime lends to a node: files, accounts and identities always; the run and the item while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretBytes

from .item import Item
from .values import Mailbox, Scalar, Value


class Sender(Value):
    """What a node may know of a mail account: who writes, never how to log in."""

    name: str
    mailbox: Mailbox
    reply_to: tuple[Mailbox, ...] = ()
    envelope_sender: str
    """The address that bounces go to (RFC 5321: reverse-path)."""


class Identity(Value):
    """An S/MIME certificate with its private key."""

    name: str
    certificate: bytes
    """DER."""
    key: SecretBytes
    """PKCS #8, DER, unencrypted; in memory only."""
    chain: tuple[bytes, ...] = ()
    """Intermediate certificates, DER, the issuer of the certificate first."""


class RunInfo(Value):
    """What expressions see as `run`."""

    id: str
    flow: str
    started: datetime
    is_dry: bool = False


class Resources(Protocol):
    """What a node may look at, while a flow is edited and while it runs."""

    @property
    def locale(self) -> str:
        """The flow's locale, as Babel writes it: `de_DE`."""

    @property
    def timezone(self) -> str:
        """The flow's time zone, by its IANA name."""

    @property
    def now(self) -> datetime:
        """The present, aware."""

    def find(self, name: str) -> Path:
        """The file of this name in the flow's folder or the workspace's files.

        Raises:
            ConfigError: there is none, or the name leads outside.
        """

    def read(self, name: str) -> bytes:
        """The bytes of a (small) file; read once a run."""

    def list(self, folder: str) -> tuple[str, ...]:
        """The names of the files in a folder, sorted, each good for `find`."""

    def account(self, name: str) -> Sender:
        """The account of this name; with an empty name, the workspace's default.

        Raises:
            ConfigError: the workspace has no such account, or none is the default.
        """

    def identity(self, name: str) -> Identity:
        """Raises ConfigError when the workspace has no such identity."""

    def certificates(self, address: str) -> tuple[bytes, ...]:
        """The certificates (DER) that the workspace keeps for an address, valid or not."""


class Context(Resources, Protocol):
    """What a node may use while it runs."""

    @property
    def run(self) -> RunInfo: ...

    @property
    def inputs(self) -> Mapping[str, Scalar]: ...

    @property
    def step(self) -> str: ...

    @property
    def item(self) -> Item[Any]:
        """The item at hand: its key, and the record that it descends from."""

    def render(self, template: str, *, html: bool = False) -> str:
        """The template with the item's columns filled in; values are escaped when it is HTML."""

    def message_id(self, domain: str) -> str:
        """The Message-ID of this step and item: the same whenever it is asked for."""

    def output(self, name: str) -> AbstractContextManager[Path]:
        """A new file in the run's output folder: write to the path, it takes its name when the block ends well.

        Raises:
            Refused: the name is no plain file name.
        """
