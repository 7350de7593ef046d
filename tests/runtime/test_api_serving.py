"""The server itself: ports, stopping, and clients who misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from pathlib import Path

import pytest
from postwerk.engine import ConfigError
from postwerk.runtime.api import create_app
from postwerk.runtime.api.serving import listen, serving
from postwerk.runtime.workspace import Workspace

from .plain_engine import PlainEngine


def test_a_port_that_is_taken_is_told() -> None:
    with contextlib.closing(listen("127.0.0.1", 0)) as taken:
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(ConfigError, match=rf"at 127\.0\.0\.1, port {port}: Address already in use\. Name another"):
            listen("127.0.0.1", port)


async def test_signals_stay_with_whoever_serves(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Workspace.make(tmp_path / "workspace") as workspace:
        app = create_app(workspace, PlainEngine(workspace))
        async with serving(app, listen("127.0.0.1", 0)):
            assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_an_ipv6_address_is_served_and_written_as_a_url(tmp_path: Path) -> None:
    with Workspace.make(tmp_path / "workspace") as workspace:
        async with serving(create_app(workspace, PlainEngine(workspace)), listen("::1", 0)) as url:
            port = int(url.rpartition(":")[2])
            assert url == f"http://[::1]:{port}"
            assert (await said("::1", port, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "words",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 1000,
        b"GET /api/v1/\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\n"
        b"Content-Length: -1\r\n\r\n", b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\nA: \x00\r\n\r\n",
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)  # fmt: skip
async def test_who_speaks_no_http_harms_nobody(tmp_path: Path, words: bytes) -> None:
    with Workspace.make(tmp_path / "workspace") as workspace:
        async with serving(create_app(workspace, PlainEngine(workspace)), listen("127.0.0.1", 0)) as url:
            port = int(url.rpartition(":")[2])

            odd = await said("127.0.0.1", port, words)
            fine = await said("127.0.0.1", port, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")

    assert b" 500 " not in odd
    assert fine.startswith(b"HTTP/1.1 200 OK")


async def said(host: str, port: int, words: bytes) -> bytes:
    """What comes back before the connection rests."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(words)
        writer.write_eof()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()
