"""What stands before all routes: numbers each request, bounds it, finds out who asks, and says how it ended."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...engine import Transient
from ..logs import about
from ..metrics import Meters
from ..triggers.webhooks import PATH as HOOKS
from .problems import answer, bug, not_now
from .routes import CHALLENGE, PREFIX, SMALL, Route
from .services import Services, Visitor

log = logging.getLogger(__name__)

MOST_HEADERS = 32_000
"""Bytes of all headers together."""
PIECE_SECONDS = 30
"""How long the next piece of a body may take."""
QUIET = frozenset({"/health", "/ready", "/metrics"})
"""Asked every few seconds by machines: told in the log only when something is wrong."""
ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
FOR_API = {"cache-control": "no-store", "content-security-policy": POLICY}
BEARER = "bearer "


class Bound(NamedTuple):
    """How large the body of some requests may be."""

    method: str
    begin: str
    most: int


class Gate:
    """The first and the last to see a request."""

    def __init__(self, app: ASGIApp, services: Services, meters: Meters, routes: Sequence[Route]) -> None:
        self._app = app
        self._services = services
        self._meters = meters
        self._open = {(one.method, one.path) for one in routes if one.needs is None}
        self._bounds = [
            Bound(one.method, one.path.partition("{")[0], one.most) for one in routes if one.most != SMALL
        ]  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = secrets.token_hex(6)
        scope.setdefault("state", {})["request"] = number
        with about(request=number):
            await self._pass(scope, receive, _Sending(scope, send, number))

    async def _pass(self, scope: Scope, receive: Receive, send: _Sending) -> None:
        began = time.perf_counter()
        try:
            refusal = await self._refusal(scope)
            if refusal is not None:
                await refusal(scope, receive, send)
            else:
                await self._app(scope, _bounded(receive, self._most(scope)), send)
        except Transient as error:  # the store is away when it is asked for the token
            log.warning("%s", error.message)
            if send.status is not None:
                raise
            await not_now()(scope, receive, send)
        except Exception as error:
            log.error("The request could not be answered.", exc_info=error)
            if send.status is not None:
                raise
            await bug(scope["state"]["request"])(scope, receive, send)
        finally:
            self._tell(scope, send.status or 499, time.perf_counter() - began)

    async def _refusal(self, scope: Scope) -> Response | None:
        """Why the request goes no further, if it does not; else the visitor is known where there is one."""
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADERS:
            return answer(431, f"The headers have more than {MOST_HEADERS:,} bytes.", kind="too-large")
        headers, most = Headers(scope=scope), self._most(scope)
        if (length := headers.get("content-length", "")).isdigit() and int(length) > most:
            return too_large(most)
        refusal = await self._ask_who(scope, headers)
        needs_login = scope["path"].startswith(f"{PREFIX}/") and (scope["method"], scope["path"]) not in self._open
        if refusal is None and needs_login and "visitor" not in scope["state"]:
            return answer(401, "A token is needed: 'Authorization: Bearer pw_…'.", headers=CHALLENGE, kind="login")
        return refusal

    async def _ask_who(self, scope: Scope, headers: Headers) -> Response | None:
        given = headers.get("authorization")
        is_ours = scope["path"].startswith(f"{PREFIX}/") or scope["path"] in QUIET
        if given is None or not is_ours:
            return None
        address = address_of(scope)
        text = given[len(BEARER) :].strip() if given.lower().startswith(BEARER) else ""
        bearer = await self._services.tokens.find(text)
        if bearer is not None:
            scope["state"]["visitor"] = Visitor(bearer, address)
            return None
        wait = self._services.by_address.wait(address)
        self._services.by_address.fail(address)
        self._meters.refused_logins.inc()
        log.warning("A token from %s does not hold.", address, extra={"address": address})
        if wait:
            return too_often(wait)
        return answer(
            401, "This token does not hold: it is mistyped, revoked or has expired.", headers=CHALLENGE, kind="login"
        )

    def _most(self, scope: Scope) -> int:
        path, method = scope["path"], scope["method"]
        return next((one.most for one in self._bounds if one.method == method and path.startswith(one.begin)), SMALL)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = str(getattr(scope.get("route"), "path", None) or "none")
        self._meters.requests.labels(scope["method"] if route != "none" else "any", route, str(status)).observe(seconds)
        is_quiet = scope["path"] in QUIET and status < 500
        path = f"{HOOKS}***" if scope["path"].startswith(HOOKS) else scope["path"]  # the path is the secret
        visitor: Visitor | None = scope["state"].get("visitor")
        extra = {
            "method": scope["method"], "path": path, "status": status, "ms": round(seconds * 1000, 1),
            "person": visitor.name if visitor else None, "address": address_of(scope),
        }  # fmt: skip
        words = "%s %s: %d", scope["method"], path, status
        log.log(logging.DEBUG if is_quiet else logging.INFO, *words, extra=extra)


class _Sending:
    """Puts on each answer what all answers have, and keeps its status."""

    def __init__(self, scope: Scope, send: Send, number: str) -> None:
        self._scope, self._send, self._number = scope, send, number
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._number
            is_api = self._scope["path"].startswith(f"{PREFIX}/") or self._scope["path"] in QUIET
            for name, value in {**ALWAYS, **(FOR_API if is_api else {})}.items():
                headers.setdefault(name, value)
        await self._send(message)


def _bounded(receive: Receive, most: int) -> Receive:
    """The same, as long as the body is not larger and its pieces do not take too long."""
    size, is_whole = 0, False

    async def bounded() -> Message:
        nonlocal size, is_whole
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout(PIECE_SECONDS):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(408, "The rest of the request did not come.") from error
        size += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if size > most:
            raise HTTPException(413, f"The body may have {most:,} bytes.")
        return message

    return bounded


def too_large(most: int) -> Response:
    return answer(413, f"The body may have {most:,} bytes.", kind="too-large")


def too_often(wait: int) -> Response:
    detail = f"Too many attempts have failed. Wait {wait:,} seconds."
    return answer(429, detail, kind="too-often", headers={"Retry-After": str(wait)})


def address_of(scope: Scope) -> str:
    """From where a request came, as far as the server knows: behind a proxy that it trusts, what the proxy says."""
    client: Sequence[Any] | None = scope.get("client")
    return str(client[0]) if client else "unknown"


def is_local(scope: Scope) -> bool:
    """Whether a program on this machine asks, and no proxy for somebody else."""
    headers = Headers(scope=scope)
    if any(name in headers for name in ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")):
        return False
    host = headers.get("host", "").rpartition(":")[0].strip("[]") or headers.get("host", "")
    return _is_loopback(address_of(scope)) and (host == "localhost" or _is_loopback(host))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
