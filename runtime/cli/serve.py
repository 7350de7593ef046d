"""`postwerk serve` and `postwerk worker`: programs that stay."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer

from ...engine import ConfigError
from .. import logs
from ..api import create_app
from ..api.serving import listen, serving
from ..host import Host
from ..members import Kind, MembershipLostError
from ..workspace import Workspace
from .terminal import HERE, WorkspaceOption, err, in_workspace

log = logging.getLogger(__name__)

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
    stopped = asyncio.Event()
    async with (
        Host(workspace, Kind.SERVE) as running,
        serving(create_app(workspace, running), listen(host, port)) as url,
    ):
        _on_stop(stopped.set)
        err.print(f"Postwerk is ready on {url} (the API: /api/v1).")
        await stopped.wait()


async def _work(workspace: Workspace) -> None:
    stopped = asyncio.Event()
    async with Host(workspace, Kind.WORKER):
        _on_stop(stopped.set)
        err.print("This worker is ready.")
        await stopped.wait()


def _on_stop(stop: Callable[[], None]) -> None:
    """Ctrl-C, and what stops services, end the program in order, which is no failure."""
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(one, stop)
