"""Making an account of what a person gives: a provider's preset fills in what is not said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ...engine import ConfigError
from ..oauth import OAuth, SignIn
from ..oauth.providers import provider
from .account import Account, parse_account
from .presets import Preset, preset, preset_for


def made_account(
    given: Mapping[str, Any], *, preset_name: str | None = None, token_fields: Mapping[str, Any] | None = None
) -> Account:
    """An account of the fields that a person gave, by the preset named, else by that of the address's domain.

    `token_fields` are those of OAuth2: `client_id`, and either a `provider` (the preset's by default) with `sign_in`
    and `tenant`, or what `OAuth` takes.

    Raises:
        ConfigError: something is missing or wrong; says which field.
    """
    address = str(given.get("sender") or given.get("user") or "")
    is_alone = not given.get("host") and not given.get("sendmail")
    name = preset_name or (preset_for(address) if is_alone else None)
    found = preset(name) if name else None
    if is_alone and (found is None or found.smtp is None):
        raise ConfigError(_no_server(address), field="host")
    fields = _filled(dict(given), found, address, is_alone=is_alone)
    if token_fields:
        fields["oauth"] = _tokens(token_fields, found)
    return parse_account(fields | {"preset": name or ""})


def _filled(fields: dict[str, Any], found: Preset | None, address: str, *, is_alone: bool) -> dict[str, Any]:
    if found is not None and found.smtp is not None and is_alone:
        host, port, security = found.smtp
        fields = {"port": port, "security": security, "user": address or None} | fields | {"host": host}
    if found is not None:
        limits = found.limits.model_dump(exclude_unset=True)
        fields["limits"] = limits | dict(fields.get("limits") or {})
    if not fields.get("sender"):
        fields["sender"] = address
    return fields


def _tokens(given: Mapping[str, Any], found: Preset | None) -> OAuth:
    fields = dict(given)
    name = fields.pop("provider", None) or (found.oauth2 if found else "")
    if not name or "token_url" in fields:
        return _own(fields)
    sign_in = fields.get("sign_in")
    chosen = SignIn(sign_in) if sign_in else None
    return provider(name).settings(fields.get("client_id", ""), chosen, fields.get("tenant", ""))


def _own(fields: Mapping[str, Any]) -> OAuth:
    """Those of a provider that is not in the table."""
    try:
        return OAuth.model_validate(fields)
    except ValidationError as error:
        problems = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_input=False)]
        told = "; ".join(f"{field}: {message}" if field else message for field, message in problems)
        raise ConfigError(f"The sign-in can't be kept: {told}.", field=problems[0][0] or None) from None


def _no_server(address: str) -> str:
    domain = address.rpartition("@")[2]
    told = f"The domain {domain!r} says nothing about its mail server" if domain else "No mail server is named"
    return f"{told}. Name a preset (postwerk account presets), or host, port and security, or a sendmail program."
