"""A token server (OAuth 2.0) for tests: it signs in whoever it is told to, and does as it is told, however rude.

It answers in threads of its own, so that a program in a process of its own can ask it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

Answer = tuple[int, Mapping[str, Any] | bytes]


@dataclass
class TokenServer:
    """RFC 6749 with RFC 7636, RFC 7662 and RFC 8628, as far as programs that send mail need it."""

    user: str = "ann@example.com"
    client_id: str = "postwerk"
    client_secret: str | None = None
    lifetime: int | None = 3600
    is_rotating: bool = False
    """Each refresh token counts once."""
    port: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)
    """The forms that came to /token, one after the other, with the header `authorization` where there was one."""
    introspected: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    """What is answered next, whatever is asked for."""
    is_approved: bool = False
    """A person has entered the code."""
    decline: str = ""
    """The error with which the browser comes back."""
    reached: Event = field(default_factory=Event)
    may_answer: Event = field(default_factory=Event)
    live: dict[str, str] = field(default_factory=dict)
    """Access tokens that count, with their users."""
    refreshes: set[str] = field(default_factory=set)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By code: the challenge and the redirect address."""
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.may_answer.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def grants(self) -> list[str]:
        return [form["grant_type"] for form in self.asked]

    def settings(self, sign_in: str = "browser", **more: Any) -> dict[str, Any]:
        """What an account says of it."""
        return {
            "client_id": self.client_id, "sign_in": sign_in, "scope": "mail.send offline", "client_auth": "post",
            "token_url": f"{self.url}/token", "authorize_url": f"{self.url}/authorize",
            "device_url": f"{self.url}/device", **more,
        }  # fmt: skip

    def refuse(self, error: str, description: str = "", *, status: int = 400) -> None:
        """Answers the next request so."""
        self.answers.append((status, {"error": error, "error_description": description}))

    def revoke(self) -> None:
        """No access token counts any longer, though none has expired."""
        self.live.clear()

    def issue(self) -> dict[str, Any]:
        access, refresh = f"access-{secrets.token_hex(8)}", f"refresh-{secrets.token_hex(8)}"
        self.live[access] = self.user
        self.refreshes.add(refresh)
        told = {"token_type": "Bearer", "access_token": access, "refresh_token": refresh}
        return told if self.lifetime is None else told | {"expires_in": self.lifetime}

    def token(self, form: dict[str, str]) -> Answer:
        self.asked.append(form)
        self.reached.set()
        if self.answers:
            return self.answers.pop(0)
        told = (form.get("client_id"), form.get("client_secret"))
        if "authorization" in form:
            told = tuple(map(unquote, base64.b64decode(form["authorization"].split()[1]).decode().split(":")))
        if told != (self.client_id, self.client_secret):
            return 401, {"error": "invalid_client", "error_description": "Unknown client or wrong secret"}
        with self.lock:
            return getattr(self, f"_of_{form['grant_type'].rpartition(':')[2]}")(form)  # type: ignore[no-any-return]

    def _of_client_credentials(self, form: dict[str, str]) -> Answer:
        return 200, {name: value for name, value in self.issue().items() if name != "refresh_token"}

    def _of_refresh_token(self, form: dict[str, str]) -> Answer:
        if form["refresh_token"] not in self.refreshes:
            return 400, {"error": "invalid_grant", "error_description": "The refresh token was used or revoked"}
        if not self.is_rotating:
            return 200, {name: value for name, value in self.issue().items() if name != "refresh_token"}
        self.refreshes.discard(form["refresh_token"])
        return 200, self.issue()

    def _of_authorization_code(self, form: dict[str, str]) -> Answer:
        challenge, redirect = self.codes.pop(form["code"], ("", ""))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        is_same = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
        if not is_same or form.get("redirect_uri") != redirect:
            return 400, {"error": "invalid_grant", "error_description": "The code is not for you"}
        return 200, self.issue()

    def _of_device_code(self, form: dict[str, str]) -> Answer:
        if form["device_code"] != "device-4711":
            return 400, {"error": "expired_token"}
        return (200, self.issue()) if self.is_approved else (400, {"error": "authorization_pending"})

    def device(self, form: dict[str, str]) -> Answer:
        if self.answers:
            return self.answers.pop(0)
        return 200, {
            "device_code": "device-4711", "user_code": "WDJB-MJHT", "verification_uri": f"{self.url}/enter",
            "expires_in": 900, "interval": 5,
        }  # fmt: skip

    def introspect(self, token: str) -> Answer:
        self.introspected.append(token)
        user = self.live.get(token)
        return 200, {"active": True, "username": user} if user else {"active": False}

    def landing(self, query: Mapping[str, str]) -> str:
        """Where the browser goes next, once the person has said yes or no."""
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_hex(8)
        self.codes[code] = (query["code_challenge"], query["redirect_uri"])
        said = {"error": self.decline, "error_description": "No, thank you"} if self.decline else {"code": code}
        return f"{query['redirect_uri']}?{urlencode(said | {'state': query['state']})}"


class _Handler(BaseHTTPRequestHandler):
    server_of_tokens: ClassVar[TokenServer]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if parts.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self.server_of_tokens.landing(query))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif parts.path.startswith("/introspect"):  # Dovecot 2.3 appends the token to the address
            self._answer(*self.server_of_tokens.introspect(unquote(parts.path.removeprefix("/introspect/"))))
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        if authorization := self.headers["Authorization"]:
            form["authorization"] = authorization
        if self.path == "/introspect":
            self._answer(*self.server_of_tokens.introspect(form["token"]))
            return
        answer = {"/token": self.server_of_tokens.token, "/device": self.server_of_tokens.device}[self.path](form)
        self.server_of_tokens.may_answer.wait(30)
        self._answer(*answer)

    def _answer(self, status: int, content: Mapping[str, Any] | bytes) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """A test reads what it needs."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # joined at the end

    def handle_error(self, *_: Any) -> None:
        """A client that went away is the test's business."""


@contextmanager
def serving(server: TokenServer) -> Iterator[TokenServer]:
    """Runs a token server on a free port of 127.0.0.1."""
    handler = type("Handler", (_Handler,), {"server_of_tokens": server})
    with _Server(("127.0.0.1", server.port), handler) as listening:
        server.port = listening.server_address[1]
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.may_answer.set()
            listening.shutdown()
            thread.join()
