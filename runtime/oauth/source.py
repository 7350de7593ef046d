"""The tokens of one account, for as many connections as there are."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import SecretStr
from sqlalchemy import Connection

from ..clock import Clock
from ..secrets import Secrets
from ..store import Store
from .errors import SignInError, TokenRefusedError, TokenServerError
from .settings import OAuth, SignIn
from .tokens import Standing, Token, begin_renewal, distrust, end_renewal, keep_token, standing

T = TypeVar("T")

LEASE = timedelta(seconds=60)
"""For one renewal; the token server gets 20 seconds to answer."""
LOOK_SECONDS = 0.2
"""How often somebody looks who waits for another one to renew the token, in this process or elsewhere."""


class TokenSource:
    """Lends the access token, renewed before it expires. Whoever asks meanwhile gets the old one, or waits."""

    def __init__(
        self, store: Store, secrets: Secrets, account: str, oauth: OAuth, client_secret: SecretStr | None, clock: Clock
    ) -> None:
        self.account = account
        self.oauth = oauth
        self.client_secret = client_secret
        self._store = store
        self._secrets = secrets
        self._clock = clock

    def is_like(self, other: TokenSource) -> bool:
        """Whether the other asks the same server in the same way."""
        return (self.oauth, self.client_secret) == (other.oauth, other.client_secret)

    async def token(self) -> str:
        """An access token that is valid for a while.

        Raises:
            SignInError: a person must sign in; says how.
            TokenServerError: there is none to be had just now.
        """
        while (found := await self._found_or_renewed()) is None:  # noqa: ASYNC110  a database sends no event
            await asyncio.sleep(LOOK_SECONDS)
        return found

    async def keep(self, token: Token) -> None:
        """Keeps what a sign-in brought."""
        await self._store.write(lambda connection: keep_token(connection, self._secrets, self.account, token))

    async def distrust(self, access: str) -> bool:
        """Says that the mail server refused this token; whether a new one will come in its place."""
        return await self._store.write(lambda connection: distrust(connection, self._secrets, self.account, access))

    async def standing(self) -> Standing:
        """What is known without asking the token server."""
        return await self._store.read(self._standing)

    async def _found_or_renewed(self) -> str | None:
        """None when somebody else is at it, and there is nothing valid until then."""
        now = self._clock.now()
        known = self._usable(await self._store.read(self._standing))
        if known is not None and known.is_fresh(now):
            return known.access
        renewer = str(uuid.uuid4())
        known, is_ours = await self._store.write(lambda connection: self._begin(connection, renewer))
        if known is not None and known.is_fresh(now):
            return known.access
        if is_ours:
            return (await _to_the_end(self._renew(known, renewer))).access
        return known.access if known is not None and known.is_valid(now) else None

    def _usable(self, found: Standing) -> Token | None:
        if found.refused is not None:
            raise SignInError(found.refused)
        if self.oauth.sign_in is SignIn.CLIENT or (found.token is not None and found.token.refresh):
            return found.token
        if found.token is None or not found.token.is_valid(self._clock.now()):
            what = "Nobody has signed in" if found.token is None else "The sign-in has ended"
            raise SignInError(f"{what} for account {self.account!r}. Sign in: postwerk account sign-in {self.account}")
        return found.token

    def _begin(self, connection: Connection, renewer: str) -> tuple[Token | None, bool]:
        """The token as it is now, and whether we are the one to renew it: of all processes, one."""
        now = self._clock.now()
        known = self._usable(self._standing(connection))
        if known is not None and (known.is_fresh(now) or not self._can_renew(known)):
            return known, False
        return known, begin_renewal(connection, self.account, renewer, now, now + LEASE)

    def _can_renew(self, token: Token) -> bool:
        return self.oauth.sign_in is SignIn.CLIENT or bool(token.refresh)

    def _standing(self, connection: Connection) -> Standing:
        return standing(connection, self._secrets, self.account)

    async def _renew(self, known: Token | None, renewer: str) -> Token:
        from .server import TokenServer  # 0.15 s at the start of every program, for the few that use tokens

        now = self._clock.now()
        server = TokenServer(self.oauth, self.client_secret)
        try:
            token = await (server.renewed(known.refresh, now) if known and known.refresh else server.of_client(now))
        except TokenRefusedError as error:
            told = error.told(self.account)
            needs_person = error.is_final and self.oauth.sign_in is not SignIn.CLIENT
            await self._give_up(renewer, told if needs_person else None)
            raise SignInError(told) from error
        except TokenServerError:
            await self._give_up(renewer, None)
            if known is not None and known.access and known.is_valid(now):
                return known
            raise
        await self.keep(token)
        return token

    async def _give_up(self, renewer: str, refused: str | None) -> None:
        await self._store.write(lambda connection: end_renewal(connection, self.account, renewer, refused))


async def _to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Does the work even if nobody waits for it any longer.

    A token server may take the old refresh token back when it gives a new one. Who stopped between the two would lock
    the account out.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
