"""`postwerk serve` and `postwerk worker`: programs that stay."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Annotated, Any

import typer
import uvicorn

from ...engine import ConfigError
from .. import logs
from ..api import create_app
from ..host import Host
from ..members import Kind, MembershipLostError
from ..workspace import Workspace
from .terminal import HERE, WorkspaceOption, err, in_workspace

log = logging.getLogger(__name__)

GRACE_SECONDS = 10
"""How long a stop waits for requests that are being answered."""
LogsOption = Annotated[bool, typer.Option("--json-logs", help="Write the log as JSON, one object a line.")]


def add_to(parent: typer.Typer) -> None:
    parent.command("serve")(serve)
    parent.command("worker")(worker)


def serve(
    workspace: WorkspaceOption = HERE,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8080,
    json_logs: LogsOption = False,
) -> None:
    """Serve the API, let triggers fire, take runs forward and deliver mails, until it is stopped."""
    logs.configure("json" if json_logs else "plain", logging.INFO)

    async def go(opened: Workspace) -> None:
        with opened.alone("postwerk serve"):
            await _as_a_member(lambda: _serve(opened, host, port))

    in_workspace(workspace, go)


def worker(workspace: WorkspaceOption = HERE, json_logs: LogsOption = False) -> None:
    """Work with others on the same PostgreSQL: do chunks, take runs forward and deliver mails, until it is stopped."""
    logs.configure("json" if json_logs else "plain", logging.INFO)

    async def go(opened: Workspace) -> None:
        if not opened.store.is_shared:
            raise ConfigError(
                f"The store is {opened.store.place!r}, which one program has to itself. A worker helps others on a "
                "PostgreSQL: set POSTWERK_DATABASE_URL, for 'postwerk serve' as well."
            )
        with opened.alone("postwerk worker"):
            await _as_a_member(lambda: _work(opened))

    in_workspace(workspace, go)


async def _as_a_member(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Does the work; again as somebody new, when the others have taken this program for dead."""
    while True:
        try:
            return await work()
        except MembershipLostError as error:
            log.warning("%s It begins anew.", error.message)


async def _serve(workspace: Workspace, host: str, port: int) -> None:
    async with Host(workspace, Kind.SERVE) as running:
        server = _Server(_configuration(workspace, running, host, port))
        _on_stop(lambda: setattr(server, "should_exit", True))
        await server.serve()


async def _work(workspace: Workspace) -> None:
    stopped = asyncio.Event()
    async with Host(workspace, Kind.WORKER):
        _on_stop(stopped.set)
        err.print("This worker is ready.")
        await stopped.wait()


class _Server(uvicorn.Server):
    """Leaves signals to us, and says when it is ready."""

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            err.print(f"Postwerk is ready on http://{f'[{host}]' if ':' in host else host}:{port} (the API: /api/v1).")


def _configuration(workspace: Workspace, running: Host, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(workspace, running), host=host, port=port, log_config=None, access_log=False, lifespan="off",
        server_header=False, timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip


def _on_stop(stop: Callable[[], None]) -> None:
    """Ctrl-C, and what stops services, end the program in order, which is no failure."""
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(one, stop)
