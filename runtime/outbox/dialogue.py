"""Asking an SMTP server: lines out, replies in, bounded in size and time.

aiosmtplib opens the session (TLS, EHLO, login); then this takes over its transport, because aiosmtplib can't pipeline
(RFC 2920), which halves the round trips of a mail, and can't stop between the answer to DATA and the first byte.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

MAX_REPLY = 65_536
"""Bytes of the replies to one group of commands; the longest in the wild are a few kilobytes."""
MAX_WORDS = 1_000
"""Characters of a reply that are kept."""
_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server said."""

    code: int
    text: str

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code (RFC 3463), if it said one."""
        found = _ENHANCED.match(self.text)
        return found[1] if found else None

    @property
    def is_good(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_passing(self) -> bool:
        """It may be otherwise later (4yz)."""
        return 400 <= self.code < 500

    @property
    def shown(self) -> str:
        """For the middle of a sentence."""
        return str(self).rstrip(".")

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip()


class SessionLostError(Exception):
    """The session can't go on.

    Attributes:
        has_left: whether the commands were handed to the network; the server may have heard them.
    """

    def __init__(self, reason: str, *, has_left: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.has_left = has_left


class Dialogue(asyncio.Protocol):
    """The client's side of one session."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._buffer = bytearray()
        self._replies: list[Reply] = []
        self._wanted = 0
        self._answered: asyncio.Future[None] | None = None
        self._loss: str | None = None
        transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether the server may still hear us."""
        return self._loss is None and not self._transport.is_closing()

    async def ask(self, commands: bytes, replies: int, seconds: float) -> list[Reply]:
        """Sends commands and returns as many replies, each as it came.

        Raises:
            SessionLostError: the connection ended, the server was silent for too long, or what it says is no SMTP.
        """
        self._check_quiet()
        self._replies, self._wanted = [], replies
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(commands)
        try:
            async with asyncio.timeout(seconds):
                await self._answered
        except TimeoutError:
            self._lose(f"The server was silent for {seconds:g} seconds.")
        finally:
            self._answered = None
        if len(self._replies) < replies:
            raise self._lost(has_left=True)
        return self._replies

    def close(self) -> None:
        """Ends the connection; nothing that is still unsent is sent."""
        self._loss = self._loss or "The connection was closed."
        self._transport.abort()

    def _lost(self, *, has_left: bool) -> SessionLostError:
        """A 421 may come at any time, and says why the server closes (RFC 5321, 3.8)."""
        closing = [str(reply) for reply in self._replies if reply.code == 421]
        return SessionLostError(closing[0] if closing else self._loss or "", has_left=has_left)

    def _check_quiet(self) -> None:
        """A reply that nobody asked for would be taken for the next one's."""
        if self._buffer:
            self._replies, self._wanted = [], 1
            self._read_replies()
            said = self._replies[0] if self._replies else self._shown()
            self._lose(f"The server spoke unasked: {said}.")
            raise self._lost(has_left=False)
        if not self.is_open:
            self._replies = []
            raise self._lost(has_left=False)

    def data_received(self, data: bytes) -> None:
        if self._loss is not None:
            return
        self._buffer += data
        if self._answered is not None:
            self._read_replies()
        if len(self._buffer) > MAX_REPLY:
            self._lose(f"The server's reply has no end: {self._shown()}.")

    def eof_received(self) -> bool:
        self._lose("The server closed the connection.")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(f"The connection was lost: {exc}." if exc else "The server closed the connection.")

    def _read_replies(self) -> None:
        while len(self._replies) < self._wanted:
            try:
                reply, length = read_reply(bytes(self._buffer))
            except ValueError:
                self._lose(f"The server answered what is no SMTP: {self._shown()}.")
                return
            if reply is None:
                return
            del self._buffer[:length]
            self._replies.append(reply)
        self._wake()

    def _lose(self, reason: str) -> None:
        if self._loss is None:
            self._loss = reason
            self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def _shown(self) -> str:
        return repr(printable(bytes(self._buffer[:80]).decode("utf-8", "replace")))


def read_reply(data: bytes) -> tuple[Reply | None, int]:
    """The first reply in the data and its length; None when it is not complete yet.

    Raises:
        ValueError: it is none.
    """
    lines: list[re.Match[bytes]] = []
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        found = _LINE.fullmatch(data[start:end].rstrip(b"\r"))
        if found is None or (lines and lines[0][1] != found[1]):
            raise ValueError("no reply")
        lines.append(found)
        start = end + 1
        if found[2] != b"-":
            return _reply(lines), start
    if start == 0 and not b"2" <= data[:1] <= b"5" and data:
        raise ValueError("no reply")
    return None, 0


def _reply(lines: list[re.Match[bytes]]) -> Reply:
    texts = [(line[3] or b"").decode("utf-8", "replace").strip() for line in lines]
    enhanced = _ENHANCED.match(texts[0])
    if enhanced:  # each line repeats it
        texts[1:] = [text.removeprefix(enhanced[1]).strip() for text in texts[1:]]
    return Reply(int(lines[0][1]), printable(" ".join(filter(None, texts))))


def printable(text: str) -> str:
    """Words from outside, in one line and of bounded length."""
    text = _UNPRINTABLE.sub(" ", text).strip()
    return text if len(text) <= MAX_WORDS else f"{text[: MAX_WORDS - 1]}…"
