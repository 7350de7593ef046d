"""What providers publish about their servers; the table is `presets.toml`, with the source of each entry."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from ...engine import ConfigError, suggestion
from .account import Account, Limits, Security


class Server(NamedTuple):
    """Where a service is found."""

    host: str
    port: int
    security: Security


class Preset(BaseModel):
    """A provider of the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    domains: tuple[str, ...] = ()
    """Addresses that lie there for certain. Firms with a domain of their own must say where it lies."""
    smtp: Server | None = None
    imap: Server | None = None
    pop3: Server | None = None
    oauth2: str = ""
    """The provider of tokens (runtime/oauth/providers.toml), where it offers that."""
    limits: Limits = Limits()
    hint: str
    sources: tuple[str, ...]


@lru_cache
def presets() -> Mapping[str, Preset]:
    """All of the table, by name."""
    table = tomllib.loads(files(__package__).joinpath("presets.toml").read_text("utf-8"))
    return {name: Preset.model_validate(fields) for name, fields in table.items()}


def preset(name: str) -> Preset:
    """Raises ConfigError when the table has none of this name."""
    try:
        return presets()[name]
    except KeyError:
        raise ConfigError(f"There is no preset {name!r}. {suggestion(name, presets())}", field="preset") from None


def preset_for(address: str) -> str | None:
    """The name of the preset that an address is for, by its domain; None when the domain says nothing."""
    domain = address.rpartition("@")[2].casefold()
    found = (name for name, one in presets().items() if any(_is_in(domain, known) for known in one.domains))
    return next(found, None)


def hint_of(account: Account) -> str:
    """What a person should know of the account's provider; empty when nothing is known."""
    if account.preset in presets():
        return "" if account.preset == "plain" else presets()[account.preset].hint
    known = (one.hint for one in presets().values() if one.smtp and one.smtp.host == account.host)
    return next(known, "")


def _is_in(domain: str, known: str) -> bool:
    """Tenants of Microsoft have names below a common one."""
    return domain == known or (known == "onmicrosoft.com" and domain.endswith(f".{known}"))
