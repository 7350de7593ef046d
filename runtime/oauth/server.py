"""Asking a token server. authlib speaks OAuth, httpx2 speaks HTTP; here their errors become ours."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from pydantic import SecretStr

from .errors import TokenRefusedError, TokenServerError
from .settings import OAuth, is_loopback
from .tokens import Token

SECONDS = 20
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
DEVICE_SECONDS, POLL_SECONDS = 900, 5
"""RFC 8628, 3.2: the interval where the server names none; codes live for a quarter of an hour, as a rule."""
MAX_WORDS = 500
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class DeviceGrant:
    """What a person must do, anywhere (RFC 8628, 3.2)."""

    user_code: str
    url: str
    """Where to type the code."""
    whole_url: str | None
    """Where the code is filled in already."""
    expires_at: datetime
    interval: timedelta
    device_code: str = field(repr=False)


class TokenServer:
    """The token server of one account."""

    def __init__(self, oauth: OAuth, client_secret: SecretStr | None) -> None:
        self._oauth = oauth
        self._secret = client_secret

    async def renewed(self, refresh: str, now: datetime) -> Token:
        """A new token (RFC 6749, 6). The old refresh token stays, unless a new one comes.

        Raises:
            TokenRefusedError, TokenServerError.
        """
        async with self._client() as client:
            return _token(await client.refresh_token(self._oauth.token_url, refresh_token=refresh), now, refresh)

    async def of_client(self, now: datetime) -> Token:
        """A token for the program itself (RFC 6749, 4.4)."""
        return await self._fetched(now, grant_type="client_credentials", scope=self._oauth.scope)

    async def of_code(self, code: str, verifier: str, redirect: str, now: datetime) -> Token:
        """A token for what a browser brought (RFC 6749, 4.1.3; RFC 7636, 4.5)."""
        return await self._fetched(
            now, grant_type="authorization_code", code=code, code_verifier=verifier, redirect_uri=redirect
        )

    async def of_device(self, device_code: str, now: datetime) -> Token:
        """A token, once the person has said yes (RFC 8628, 3.4)."""
        return await self._fetched(now, grant_type=DEVICE_GRANT, device_code=device_code)

    async def ask_device(self, now: datetime) -> DeviceGrant:
        """Begins a sign-in by code (RFC 8628, 3.1)."""
        data = {"client_id": self._oauth.client_id, "scope": self._oauth.scope}
        async with self._client() as client:
            auth = cast("httpx2.Auth", client.client_auth(self._client_auth))  # the stubs hide that it is one
            answer = await client.post(self._oauth.device_url, data=data, auth=auth)
            if answer.status_code >= 500:
                answer.raise_for_status()
            found = answer.json()
            if "error" in found:
                raise TokenRefusedError(_words(found["error"]), _words(found.get("error_description")))
            return _device_grant(found, now)

    def browser_url(self, state: str, verifier: str, redirect: str, user: str | None) -> str:
        """Where the person says yes (RFC 6749, 4.1.1; RFC 7636, 4.3)."""
        return str(
            prepare_grant_uri(
                self._oauth.authorize_url, client_id=self._oauth.client_id, response_type="code",
                redirect_uri=redirect, scope=self._oauth.scope, state=state,
                code_challenge=_challenge(verifier), code_challenge_method="S256",
                **{**self._oauth.authorize_parameters, **({"login_hint": user} if user else {})},
            )
        )  # fmt: skip

    async def _fetched(self, now: datetime, **parameters: str) -> Token:
        async with self._client() as client:
            return _token(await client.fetch_token(self._oauth.token_url, **parameters), now, None)

    @property
    def _client_auth(self) -> str:
        return f"client_secret_{self._oauth.client_auth}" if self._secret else "none"

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AsyncOAuth2Client]:
        is_near = is_loopback(urlsplit(self._oauth.token_url).hostname or "")
        secret = self._secret.get_secret_value() if self._secret else None
        client = AsyncOAuth2Client(
            client_id=self._oauth.client_id, client_secret=secret, scope=self._oauth.scope, timeout=SECONDS,
            token_endpoint_auth_method=self._client_auth, verify=ssl.create_default_context(), trust_env=not is_near,
        )  # fmt: skip
        try:
            async with asyncio.timeout(SECONDS), client:
                yield client
        except OAuthError as error:
            raise TokenRefusedError(_words(error.error), _words(error.description)) from None  # it may hold the token
        except (httpx2.HTTPError, TimeoutError) as error:
            raise TokenServerError(f"{self._where} can't be asked for a token: {_cause(error)}.") from error
        except (ValueError, TypeError, KeyError) as error:
            raise TokenServerError(f"{self._where} answered what is no token.") from error

    @property
    def _where(self) -> str:
        return f"The token server {urlsplit(self._oauth.token_url).netloc}"


def _challenge(verifier: str) -> str:
    """RFC 7636, 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _token(found: Mapping[str, Any], now: datetime, refresh: str | None) -> Token:
    access = found["access_token"]
    if not (isinstance(access, str) and _TOKEN.fullmatch(access)):
        raise TokenServerError("The token server sent a token that can't be one.")
    lifetime = found.get("expires_in")
    expires = now + timedelta(seconds=float(lifetime)) if lifetime is not None else None
    return Token(access, found.get("refresh_token") or refresh, now, expires)


def _device_grant(found: Mapping[str, Any], now: datetime) -> DeviceGrant:
    url = found.get("verification_uri") or found["verification_url"]  # as Google writes it
    whole = found.get("verification_uri_complete")
    if not all(urlsplit(one).scheme in ("https", "http") for one in (url, *([whole] if whole else []))):
        raise ValueError("no web address")
    return DeviceGrant(
        user_code=_words(found["user_code"]),
        url=_words(url),
        whole_url=_words(whole) if whole else None,
        expires_at=now + timedelta(seconds=float(found.get("expires_in", DEVICE_SECONDS))),
        interval=timedelta(seconds=max(1.0, float(found.get("interval", POLL_SECONDS)))),
        device_code=str(found["device_code"]),
    )


def _cause(error: Exception) -> str:
    if isinstance(error, httpx2.HTTPStatusError):
        return f"it answers {error.response.status_code}"
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return f"it does not answer within {SECONDS} seconds"
    return _words(str(error)).rstrip(".") or type(error).__name__


def _words(text: object) -> str:
    """Words from outside, in one line and of bounded length."""
    shown = _UNPRINTABLE.sub(" ", str(text or "")).strip()
    return shown if len(shown) <= MAX_WORDS else f"{shown[: MAX_WORDS - 1]}…"
