"""Signing in with a browser on this machine, which brings the answer to a port that only this machine reaches."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from ..clock import Clock
from .errors import SignInError, TokenRefusedError
from .server import TokenServer
from .settings import OAuth
from .tokens import Token

SECONDS = 600
READ_SECONDS = 10
MAX_HEAD = 65_536
PATH = "/"
DONE = "You are signed in. You may close this window."
FAILED = "The sign-in did not succeed. Postwerk says why."


async def sign_in_by_browser(
    oauth: OAuth,
    client_secret: SecretStr | None,
    show: Callable[[str], None],
    clock: Clock,
    account: str,
    *,
    user: str | None = None,
    port: int = 0,
) -> Token:
    """The token that the person has agreed to; `show` is told the address that the browser must open.

    Raises:
        SignInError: the person said no, or nothing at all, or the server refuses this program.
        TokenServerError: the token server can't be asked.
    """
    server = TokenServer(oauth, client_secret)
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    landing = _Landing(state)
    async with await asyncio.start_server(landing.serve, "127.0.0.1", port, limit=MAX_HEAD) as listening:
        redirect = f"http://{oauth.redirect_host}:{listening.sockets[0].getsockname()[1]}{PATH}"
        show(server.browser_url(state, verifier, redirect, user))
        try:
            async with asyncio.timeout(SECONDS):
                answer = await landing.answer
        except TimeoutError:
            raise SignInError(f"Nobody signed in. Try again: postwerk account sign-in {account}") from None
    try:
        return await server.of_code(_code(answer), verifier, redirect, clock.now())
    except TokenRefusedError as error:
        raise SignInError(_told(error, account)) from error


def _code(answer: Mapping[str, str]) -> str:
    if "code" in answer:
        return answer["code"]
    words = "".join(one if one.isprintable() else " " for one in answer.get("error_description", ""))
    raise TokenRefusedError(answer.get("error", "no code")[:100], words[:500])


def _told(error: TokenRefusedError, account: str) -> str:
    if error.error == "access_denied":
        return f"The sign-in was declined ({error.words}). Try again: postwerk account sign-in {account}"
    return error.told(account)


class _Landing:
    """A web server for one request: the one that knows the state (RFC 6749, 10.12)."""

    def __init__(self, state: str) -> None:
        self._state = state
        self.answer: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            writer.write(self._reply(head))
            await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # not a browser, or one that has gone
        finally:
            writer.close()

    def _reply(self, head: bytes) -> bytes:
        method, target, *_ = [*head.split(b"\r\n", 1)[0].decode("latin-1").split(" "), "", ""]
        parts = urlsplit(target)
        answer = dict(parse_qsl(parts.query))
        if method != "GET" or parts.path != PATH or not secrets.compare_digest(answer.get("state", ""), self._state):
            return _page("404 Not Found", "There is nothing here.")
        if not self.answer.done():
            self.answer.set_result(answer)
        return _page("200 OK", DONE if "code" in answer else FAILED)


def _page(status: str, words: str) -> bytes:
    body = f"<!doctype html><meta charset=utf-8><title>Postwerk</title><p>{words}".encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
