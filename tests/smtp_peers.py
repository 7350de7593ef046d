"""SMTP servers for tests: one that does as it is told, however rude, and a fast one in a process of its own.

`python -m tests.smtp_peers LOG [SECONDS]` starts the fast one; it prints its port, and for each mail that it takes it
appends a line to LOG: Message-ID, tab, recipients with spaces between. The line is written before the 250, and it
survives the death of whoever sent the mail.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

DROP = "drop"
"""The answer of a server that closes the connection instead."""
SILENCE = "silence"
FEATURES = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 10000000")


@dataclass
class Rule:
    """What is answered to commands that begin so; `times` None: always."""

    command: str
    answer: str | bytes
    times: int | None = None
    after: int = 0
    """So many are answered as usual before."""


@dataclass
class Received:
    """A mail that the server took."""

    sender: str
    recipients: list[str]
    content: bytes


@dataclass
class Peer:
    """A server that follows its rules, and RFC 5321 where it has none."""

    features: tuple[str, ...] = FEATURES
    greeting: str = "220 peer.example ESMTP"
    login: tuple[str, str] | None = None
    tls: ssl.SSLContext | None = None
    is_tls_from_the_start: bool = False
    most_connections: int = 1000
    rules: list[Rule] = field(default_factory=list)
    mails: list[Received] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    before_answer: Callable[[str], Awaitable[None]] | None = None
    """Awaited before each answer: holds the server still."""
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    port: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def answer(self, command: str, answer: str | bytes, *, times: int | None = None, after: int = 0) -> None:
        """From now on: to commands that begin like this, this answer. The end of a mail's bytes is `.`."""
        self.rules.insert(0, Rule(command.upper(), answer, times, after))

    @property
    def recipients(self) -> list[str]:
        """Of all mails taken, sorted."""
        return sorted(one for mail in self.mails for one in mail.recipients)

    async def hang_up(self) -> None:
        """Ends all sessions, as servers do that find them idle for too long."""
        for writer in list(self.writers):
            writer.write(b"421 4.4.2 Idle for too long\r\n")
            writer.close()
        async with asyncio.timeout(10):
            while self.open_now:  # noqa: ASYNC110  the sessions send no event
                await asyncio.sleep(0.005)

    def ruled(self, command: str) -> str | bytes | None:
        for rule in self.rules:
            if command.upper().startswith(rule.command) and rule.times != 0:
                if rule.after > 0:
                    rule.after -= 1
                    continue
                rule.times = None if rule.times is None else rule.times - 1
                return rule.answer
        return None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        self.writers.add(writer)
        self.most_open = max(self.most_open, self.open_now)
        try:
            if self.open_now > self.most_connections:
                writer.write(b"421 4.7.0 Too many connections\r\n")
                await writer.drain()
                return
            await _Visit(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_now -= 1
            self.writers.discard(writer)
            writer.close()


class _GoneError(ConnectionError):
    """The server hung up."""


class _Visit:
    def __init__(self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.peer, self.reader, self.writer = peer, reader, writer
        self.sender: str | None = None
        self.recipients: list[str] = []

    async def run(self) -> None:
        await self.say("GREETING", self.peer.greeting)
        while line := await self.reader.readline():
            command = line.decode("utf-8", "replace").rstrip("\r\n")
            self.peer.commands.append(command)
            verb = command[:4].upper().strip()
            await getattr(self, f"on_{verb.lower()}", self.on_unknown)(command)

    async def say(self, command: str, usual: str) -> bool:
        """Answers by the rules, else as usual; whether that was good."""
        if self.peer.before_answer:
            await self.peer.before_answer(command)
        answer = self.peer.ruled(command)
        answer = usual if answer is None else answer
        if answer == DROP:
            self.writer.transport.abort()
            raise _GoneError
        if answer == SILENCE:
            await self.reader.read()
            raise _GoneError
        data = answer if isinstance(answer, bytes) else answer.encode() + b"\r\n"
        self.writer.write(data)
        await self.writer.drain()
        if data.startswith(b"421"):
            raise _GoneError
        return data[:1] == (b"3" if command.upper() == "DATA" else b"2")

    async def on_ehlo(self, command: str) -> None:
        features = [*self.peer.features, *(["AUTH PLAIN LOGIN"] if self.peer.login else [])]
        if self.peer.tls and not self.peer.is_tls_from_the_start and not self.writer.get_extra_info("sslcontext"):
            features.append("STARTTLS")
        lines = ["peer.example", *features]
        await self.say(command, "\r\n".join(f"250{' ' if one is lines[-1] else '-'}{one}" for one in lines))

    async def on_helo(self, command: str) -> None:
        await self.say(command, "250 peer.example")

    async def on_star(self, command: str) -> None:
        if await self.say(command, "220 2.0.0 Ready" if self.peer.tls else "502 5.5.1 No TLS"):
            await self.writer.start_tls(self.peer.tls)

    async def on_auth(self, command: str) -> None:
        user, password = self.peer.login or ("", "")
        given = base64.b64decode(command.split()[-1]).split(b"\0")[1:]
        good = given == [user.encode(), password.encode()]
        await self.say(command, "235 2.7.0 Welcome" if good else "535 5.7.8 Wrong password")

    async def on_mail(self, command: str) -> None:
        if await self.say(command, "250 2.1.0 Ok"):
            self.sender, self.recipients = _address(command), []

    async def on_rcpt(self, command: str) -> None:
        if await self.say(command, "250 2.1.5 Ok" if self.sender is not None else "503 5.5.1 Need MAIL"):
            self.recipients.append(_address(command))

    async def on_data(self, command: str) -> None:
        if not await self.say(command, "354 Go on" if self.recipients else "554 5.5.1 No valid recipients"):
            return
        content = bytearray()
        while (line := await self.reader.readuntil(b"\n")) != b".\r\n":
            content += line.removeprefix(b".")
            if self.peer.rules and (answer := self.peer.ruled("BODY")) is not None:
                self.peer.answer("BODY-NOW", answer, times=1)
                await self.say("BODY-NOW", "")
        if await self.say(".", "250 2.0.0 Ok: queued as 4711") and self.recipients:
            self.peer.mails.append(Received(self.sender or "", self.recipients, bytes(content)))
        self.sender, self.recipients = None, []

    async def on_rset(self, command: str) -> None:
        self.sender, self.recipients = None, []
        await self.say(command, "250 2.0.0 Ok")

    async def on_quit(self, command: str) -> None:
        await self.say(command, "221 2.0.0 Bye")
        raise _GoneError

    async def on_unknown(self, command: str) -> None:
        await self.say(command, "502 5.5.2 What?")


def _address(command: str) -> str:
    return command[command.index("<") + 1 : command.index(">")]


@asynccontextmanager
async def listening(peer: Peer) -> AsyncIterator[Peer]:
    """Runs a peer on a free port of 127.0.0.1."""
    tls = peer.tls if peer.is_tls_from_the_start else None
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()


class _Sink(asyncio.Protocol):
    """Takes every mail as fast as it can."""

    def __init__(self, log: int, seconds: float) -> None:
        self.log, self.seconds = log, seconds
        self.buffer = bytearray()
        self.recipients: list[bytes] = []
        self.is_in_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self.is_in_mail or b"\n" in self.buffer:
            if not (self.take_mail() if self.is_in_mail else self.take_command()):
                return

    def take_command(self) -> bool:
        line, _, rest = bytes(self.buffer).partition(b"\r\n")
        self.buffer = bytearray(rest)
        verb = line[:4].upper()
        if verb == b"MAIL":
            self.recipients = []
        elif verb == b"RCPT":
            self.recipients.append(line[line.index(b"<") + 1 : line.index(b">")])
        self.is_in_mail = verb == b"DATA"
        known = {b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME", b"DATA": b"354 Go on", b"QUIT": b"221 Bye"}
        self.transport.write(known.get(verb, b"250 Ok") + b"\r\n")
        if verb == b"QUIT":
            self.transport.close()
        return verb != b"QUIT"

    def take_mail(self) -> bool:
        end = self.buffer.find(b"\r\n.\r\n")
        if end < 0:
            return False
        found = re.search(rb"^Message-ID: *(\S+)", bytes(self.buffer[:end]), re.M | re.I)
        os.write(self.log, (found[1] if found else b"") + b"\t" + b" ".join(self.recipients) + b"\n")
        del self.buffer[: end + 5]
        self.is_in_mail = False
        if self.seconds:
            asyncio.get_running_loop().call_later(self.seconds, self.say_taken)
        else:
            self.say_taken()
        return True

    def say_taken(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"250 2.0.0 Ok: taken\r\n")


async def _sink(log: Path, seconds: float) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    server = await asyncio.get_running_loop().create_server(lambda: _Sink(descriptor, seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def counting_sink(log: Path, seconds: float = 0) -> Iterator[int]:
    """The fast server in a process of its own; gives its port."""
    command = [sys.executable, "-m", "tests.smtp_peers", str(log), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def taken(log: Path) -> list[tuple[str, list[str]]]:
    """What the sink wrote: Message-ID and recipients of each mail."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [(line.split("\t")[0], line.split("\t")[1].split()) for line in lines]


if __name__ == "__main__":
    import uvloop

    uvloop.run(_sink(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0))
