"""Signing in for an account, as it is set up: in a browser here, or with a code anywhere."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import SecretStr

from ...engine import ConfigError
from ..clock import Clock
from ..oauth import SignIn
from ..oauth.browser import sign_in_by_browser
from ..oauth.device import sign_in_by_device
from ..oauth.server import DeviceGrant
from .account import Account


async def sign_in(
    account: Account,
    show_address: Callable[[str], None],
    show_code: Callable[[DeviceGrant], None],
    clock: Clock,
    *,
    port: int = 0,
) -> None:
    """Has a person sign in, and keeps what that brings.

    Raises:
        ConfigError: the account does not log in with tokens.
        SignInError, TokenServerError: it did not succeed.
    """
    oauth = account.oauth
    if oauth is None:
        raise ConfigError(f"The account {account.name!r} does not log in with tokens; there is nothing to sign in.")
    secret: SecretStr | None = account.tokens.client_secret
    if oauth.sign_in is SignIn.BROWSER:
        token = await sign_in_by_browser(oauth, secret, show_address, clock, account.name, user=account.user, port=port)
        await account.tokens.keep(token)
    elif oauth.sign_in is SignIn.DEVICE:
        await account.tokens.keep(await sign_in_by_device(oauth, secret, show_code, clock, account.name))
    else:
        await account.tokens.token()
