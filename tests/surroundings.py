"""A context for tests of single nodes: files in a folder, everything else handed in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from postwerk.engine import ConfigError, Identity, Item, Record, RunInfo, Scalar, Sender, Templates

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@dataclass
class Surroundings:
    """Satisfies `Context` and `Resources`."""

    folder: Path
    locale: str = "de_DE"
    timezone: str = "Europe/Berlin"
    now: datetime = NOW
    accounts: Mapping[str, Sender] = field(default_factory=dict)
    identities: Mapping[str, Identity] = field(default_factory=dict)
    kept_certificates: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    inputs: Mapping[str, Scalar] = field(default_factory=dict)
    step: str = "step"
    item: Item[Any] = field(default_factory=lambda: item())
    run: RunInfo = field(default_factory=lambda: RunInfo(id="r1", flow="flow", started=NOW))

    def find(self, name: str) -> Path:
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()) or not path.exists():
            raise ConfigError(f"There is no file {name!r}.")
        return path

    def read(self, name: str) -> bytes:
        return self.find(name).read_bytes()

    def list(self, folder: str) -> tuple[str, ...]:
        return tuple(sorted(f"{folder}/{one.name}" for one in self.find(folder).iterdir() if one.is_file()))

    def account(self, name: str) -> Sender:
        if name not in self.accounts:
            raise ConfigError(f"There is no account {name!r}.")
        return self.accounts[name]

    def identity(self, name: str) -> Identity:
        if name not in self.identities:
            raise ConfigError(f"There is no identity {name!r}.")
        return self.identities[name]

    def certificates(self, address: str) -> tuple[bytes, ...]:
        return self.kept_certificates.get(address.casefold(), ())

    def render(self, template: str, *, html: bool = False) -> str:
        record = self.item.record
        names = {**(record.values if record else {}), "record": record, "inputs": self.inputs, "run": self.run}
        return Templates(self.locale, self.timezone).render(template, names, html=html)

    def message_id(self, domain: str) -> str:
        return f"<{hashlib.sha256(str(self.item).encode()).hexdigest()[:32]}@{domain}>"

    @contextmanager
    def output(self, name: str) -> Iterator[Path]:
        yield self.folder / name


def item(key: str = "1", **values: Scalar) -> Item[Any]:
    """An item whose value is its record."""
    record = Record(key=key, values=values)
    return Item(key=(key,), value=record, record=record)
