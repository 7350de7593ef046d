"""What the runtime lends to nodes: `Resources` while a flow is edited, `Context` while it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..engine import ConfigError, Identity, Item, RunInfo, Scalar, Sender, Templates, suggestion
from ..engine.certificates import comparable
from .files import Shelf, Tray


@dataclass(frozen=True)
class Keyring:
    """The accounts, identities and certificates of a workspace, without anything that logs in."""

    accounts: Mapping[str, Sender] = field(default_factory=dict)
    identities: Mapping[str, Identity] = field(default_factory=dict)
    certificates: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    """By address, as `comparable` writes it."""
    default: str | None = None
    """The account that sends where a step names none."""


@dataclass
class Lent:
    """Satisfies `Resources`."""

    shelf: Shelf
    keyring: Keyring
    locale: str
    timezone: str

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def find(self, name: str) -> Path:
        return self.shelf.find(name)

    def read(self, name: str) -> bytes:
        return self.shelf.read(name)

    def list(self, folder: str) -> tuple[str, ...]:
        return self.shelf.list(folder)

    def account(self, name: str) -> Sender:
        if not name and self.keyring.default is None:
            raise ConfigError(
                "The step names no account, and none is the default. Name one, or set the default: "
                "postwerk account default NAME",
                field="account",
            )
        try:
            return self.keyring.accounts[name or self.keyring.default or ""]
        except KeyError:
            known = suggestion(name, self.keyring.accounts)
            raise ConfigError(
                f"There is no account {name!r} in this workspace. {known} Add it: postwerk account add {name} …",
                field="account",
            ) from None

    def identity(self, name: str) -> Identity:
        try:
            return self.keyring.identities[name]
        except KeyError:
            known = suggestion(name, self.keyring.identities)
            raise ConfigError(
                f"There is no identity {name!r} in this workspace. {known} Add it: postwerk identity add {name} FILE",
                field="identity",
            ) from None

    def certificates(self, address: str) -> tuple[bytes, ...]:
        return self.keyring.certificates.get(comparable(address), ())


@dataclass
class RunContext(Lent):
    """What all calls of one run have in common."""

    run: RunInfo
    inputs: Mapping[str, Scalar]
    tray: Tray
    templates: Templates

    def names(self, item: Item[Any], ports: Mapping[str, Any]) -> dict[str, Any]:
        """What expressions see: the record's columns, then the step's inputs, then what is always there."""
        columns = item.record.values if item.record else {}
        return {**columns, **ports, "record": item.record, "inputs": self.inputs, "run": self.run}


class CallContext:
    """Satisfies `Context`, for one call of one step's node."""

    __slots__ = ("_names", "_run", "item", "step")

    def __init__(self, run: RunContext, step: str, item: Item[Any], names: Mapping[str, Any]) -> None:
        self._run, self.step, self.item, self._names = run, step, item, names

    @property
    def run(self) -> RunInfo:
        return self._run.run

    @property
    def inputs(self) -> Mapping[str, Scalar]:
        return self._run.inputs

    @property
    def locale(self) -> str:
        return self._run.locale

    @property
    def timezone(self) -> str:
        return self._run.timezone

    @property
    def now(self) -> datetime:
        return self._run.now

    def find(self, name: str) -> Path:
        return self._run.find(name)

    def read(self, name: str) -> bytes:
        return self._run.read(name)

    def list(self, folder: str) -> tuple[str, ...]:
        return self._run.list(folder)

    def account(self, name: str) -> Sender:
        return self._run.account(name)

    def identity(self, name: str) -> Identity:
        return self._run.identity(name)

    def certificates(self, address: str) -> tuple[bytes, ...]:
        return self._run.certificates(address)

    def render(self, template: str, *, html: bool = False) -> str:
        return self._run.templates.render(template, self._names, html=html)

    def message_id(self, domain: str) -> str:
        """Of run, step and key alone, so that a repeated chunk and a second try have the same."""
        origin = "\0".join((self._run.run.id, self.step, *self.item.key))
        return f"<{hashlib.sha256(origin.encode()).hexdigest()[:40]}@{domain}>"

    def output(self, name: str) -> AbstractContextManager[Path]:
        return self._run.tray.output(name, f"step {self.step!r}, item {str(self.item)!r}")
