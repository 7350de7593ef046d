"""Signing in with a short code, in a browser anywhere: for servers without a screen (RFC 8628)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from pydantic import SecretStr

from ..clock import Clock
from .errors import SignInError, TokenRefusedError, TokenServerError
from .server import DeviceGrant, TokenServer
from .settings import OAuth
from .tokens import Token

SLOWER = timedelta(seconds=5)
"""RFC 8628, 3.5."""


async def sign_in_by_device(
    oauth: OAuth, client_secret: SecretStr | None, show: Callable[[DeviceGrant], None], clock: Clock, account: str
) -> Token:
    """The token that the person has agreed to; `show` is told what the person must do.

    Raises:
        SignInError: the person said no, or nothing at all, or the server refuses this program.
        TokenServerError: the token server can't be asked.
    """
    server = TokenServer(oauth, client_secret)
    try:
        grant = await server.ask_device(clock.now())
    except TokenRefusedError as error:
        raise SignInError(error.told(account)) from error
    show(grant)
    return await _agreed(server, grant, clock, account)


async def _agreed(server: TokenServer, grant: DeviceGrant, clock: Clock, account: str) -> Token:
    interval = grant.interval
    while clock.now() + interval < grant.expires_at:
        await clock.until(clock.now() + interval)
        try:
            return await server.of_device(grant.device_code, clock.now())
        except TokenServerError:
            interval *= 2
        except TokenRefusedError as error:
            if error.error == "slow_down":
                interval += SLOWER
            elif error.error != "authorization_pending":
                raise SignInError(_told(error, account)) from error
    raise SignInError(f"The code was not entered in time. Try again: postwerk account sign-in {account}")


def _told(error: TokenRefusedError, account: str) -> str:
    if error.error == "access_denied":
        return f"The sign-in was declined. Try again: postwerk account sign-in {account}"
    if error.error == "expired_token":
        return f"The code was not entered in time. Try again: postwerk account sign-in {account}"
    return error.told(account)
