"""An app behind uvicorn, in the loop that is there: bounded, and without a word of uvicorn's own."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from ...engine import ConfigError

STOP_SECONDS = 10
"""How long a stop waits for requests that are on."""
KEEP_SECONDS = 30
"""How long an idle connection is kept: longer than most clients pause between two requests."""
MOST_AT_ONCE = 1000
"""Connections; further ones are answered with 503."""
POLL_SECONDS = 0.005


class Server(uvicorn.Server):
    """Leaves signals to whoever has started it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: FastAPI, listener: socket.socket) -> AsyncIterator[str]:
    """Answers until the end of the block, and finishes what is on then; gives the URL.

    What a proxy on this machine says of its clients (X-Forwarded-For) is believed, as uvicorn does by default.
    """
    config = uvicorn.Config(
        app, log_config=None, log_level=logging.WARNING, access_log=False, server_header=False,
        timeout_keep_alive=KEEP_SECONDS, timeout_graceful_shutdown=STOP_SECONDS, limit_concurrency=MOST_AT_ONCE,
    )  # fmt: skip
    server = Server(config)
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(server.serve([listener]))
        while not server.started and not work.done():  # noqa: ASYNC110  uvicorn sets no event
            await asyncio.sleep(POLL_SECONDS)
        try:
            yield _url(listener)
        finally:
            server.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A socket to serve on; port 0: a free one.

    Raises:
        ConfigError: it can't be had; says why.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"Nothing can be served at {host}, port {port}: {error.strerror}. Name another: --host, --port.",
            field="port",
        ) from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
