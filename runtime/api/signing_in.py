"""Signing in for accounts that log in with tokens: with a code, from anywhere (RFC 8628)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from ...engine import ConfigError
from ..accounts import Account
from ..oauth import SignIn
from ..oauth.errors import SignInError, TokenRefusedError
from ..people import Role
from .accounts import known
from .fields import NameIn
from .problems import ApiError
from .routes import Routes
from .services import Caller, House, PendingSignIn

if TYPE_CHECKING:
    from ..oauth.server import DeviceGrant, TokenServer

routes = Routes("Accounts")
NOT_YET = frozenset({"authorization_pending", "slow_down"})


class SignInTold(BaseModel):
    """How far a sign-in is."""

    state: Literal["signed-in", "waiting"]
    user_code: str | None = Field(None, description="What the person types in.", examples=["WDJB-MJHT"])
    url: str | None = Field(None, description="Where, in any browser.", examples=["https://microsoft.com/devicelogin"])
    expires_at: datetime | None = None
    interval: float | None = Field(None, description="Seconds to wait before you ask whether it is done.")


@routes.post("/accounts/{name}/sign-in", needs=Role.ADMIN, summary="Begin to sign in for an account",
             problems=(404, 409, 503))  # fmt: skip
async def begin_sign_in(house: House, caller: Caller, name: NameIn) -> SignInTold:
    """Gives a code and the address where a person enters it. Then ask `/sign-in/finish` until it is done.

    An account that logs in as this program alone (client credentials) is signed in at once. Signing in by a browser
    beside the server is done on its command line.
    """
    await known(house, name)
    account = await house.workspace.accounts.get(name)
    await house.audit.note(caller.did("account.sign-in", name))
    if account.oauth is None:
        raise ConfigError(f"The account {name!r} does not log in with tokens; there is nothing to sign in.")
    if account.oauth.sign_in is SignIn.CLIENT:
        await account.tokens.token()
        return SignInTold(state="signed-in")
    if account.oauth.sign_in is SignIn.BROWSER:
        raise ConfigError(
            f"The account {name!r} is signed in by a browser beside the server: postwerk account sign-in {name}. "
            "With 'sign_in': 'device' it can be done from anywhere."
        )
    return await _ask(house, account)


async def _ask(house: House, account: Account) -> SignInTold:
    now = datetime.now(UTC)
    try:
        grant = await _server(account).ask_device(now)
    except TokenRefusedError as error:
        raise SignInError(error.told(account.name)) from error
    house.sign_ins[account.name] = PendingSignIn(grant, now + grant.interval)
    return _waiting(grant)


@routes.post("/accounts/{name}/sign-in/finish", needs=Role.ADMIN, summary="Ask whether a sign-in is done",
             problems=(404, 409, 429, 503))  # fmt: skip
async def finish_sign_in(house: House, caller: Caller, name: NameIn) -> SignInTold:
    """`waiting` until the person has agreed. Do not ask more often than `interval` says."""
    await known(house, name)
    account, now = await house.workspace.accounts.get(name), datetime.now(UTC)
    pending = house.sign_ins.get(name)
    if pending is None or account.oauth is None or pending.grant.expires_at <= now:
        house.sign_ins.pop(name, None)
        raise ApiError(409, "No sign-in of this account is on, or its code has expired. Begin again.", kind="refused")
    if now < pending.ask_from:
        raise ApiError(429, "You ask too often.", kind="too-often", headers={"Retry-After": str(pending.seconds)})
    pending.ask_from = now + pending.grant.interval
    try:
        token = await _server(account).of_device(pending.grant.device_code, now)
    except TokenRefusedError as error:
        if error.error in NOT_YET:
            return _waiting(pending.grant)
        del house.sign_ins[name]
        raise SignInError(error.told(name)) from error
    house.sign_ins.pop(name, None)
    await account.tokens.keep(token)
    await house.audit.note(caller.did("account.signed-in", name))
    return SignInTold(state="signed-in")


def _server(account: Account) -> TokenServer:
    from ..oauth.server import TokenServer  # it costs each start 50 ms, and is seldom needed

    if account.oauth is None:
        raise ConfigError(f"The account {account.name!r} does not log in with tokens.")
    return TokenServer(account.oauth, account.tokens.client_secret)


def _waiting(grant: DeviceGrant) -> SignInTold:
    return SignInTold(
        state="waiting", user_code=grant.user_code, url=grant.url, expires_at=grant.expires_at,
        interval=grant.interval.total_seconds(),
    )  # fmt: skip
