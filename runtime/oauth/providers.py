"""Token servers whose addresses are known; the table is `providers.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ...engine import ConfigError, suggestion
from .settings import OAuth, SignIn


class Provider(BaseModel):
    """One of the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    token_url: str
    authorize_url: str = ""
    device_url: str = ""
    scope: str
    client_scope: str = ""
    client_auth: Literal["basic", "post"] = "basic"
    redirect_host: Literal["127.0.0.1", "localhost"] = "127.0.0.1"
    sign_ins: tuple[SignIn, ...]
    """The first is the usual one."""
    tenant: str = ""
    """What stands for `{tenant}` when none is named."""
    authorize_parameters: Mapping[str, str] = {}
    registration: str
    """How the firm gets a client id, for a person."""

    def settings(self, client_id: str, sign_in: SignIn | None = None, tenant: str = "") -> OAuth:
        """Those of an account.

        Raises:
            ConfigError: this provider does not let programs sign in to mail so.
        """
        chosen = sign_in or self.sign_ins[0]
        if chosen not in self.sign_ins:
            offered = ", ".join(f"'{one}'" for one in self.sign_ins)
            raise ConfigError(f"{self.title} offers no sign-in by '{chosen}' for mail. Use {offered}.", field="sign_in")
        where = tenant or self.tenant
        return OAuth(
            client_id=client_id,
            sign_in=chosen,
            token_url=self.token_url.replace("{tenant}", where),
            authorize_url=self.authorize_url.replace("{tenant}", where),
            device_url=self.device_url.replace("{tenant}", where),
            scope=self.client_scope if chosen is SignIn.CLIENT and self.client_scope else self.scope,
            client_auth=self.client_auth,
            redirect_host=self.redirect_host,
            authorize_parameters=self.authorize_parameters,
        )


@lru_cache
def providers() -> Mapping[str, Provider]:
    """All of the table, by name."""
    table = tomllib.loads(files(__package__).joinpath("providers.toml").read_text("utf-8"))
    return {name: Provider.model_validate(fields) for name, fields in table.items()}


def provider(name: str) -> Provider:
    """Raises ConfigError when the table has none of this name."""
    try:
        return providers()[name]
    except KeyError:
        hint = suggestion(name, providers())
        raise ConfigError(f"There is no OAuth2 provider {name!r}. {hint}", field="oauth2") from None
