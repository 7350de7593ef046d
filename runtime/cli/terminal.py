"""What the commands print: for people on a terminal, or one JSON object for a script."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from ...engine import ConfigError
from ..loop import run
from ..workspace import Workspace

T = TypeVar("T")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", envvar="POSTWERK_WORKSPACE", help="The workspace's folder.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
HERE = Path()
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
"""Exit codes, as shells know them."""


def say_json(content: Any) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False, default=str) + "\n")


def say_error(message: str) -> None:
    err.print(message, style="red", markup=False, soft_wrap=True)


def say_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """A table, or a sentence when there is nothing in it."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    if table.row_count:
        out.print(table)
    else:
        out.print(empty, markup=False)


def ask_secret(question: str, *, is_optional: bool = False) -> str | None:
    """A password: from POSTWERK_SECRET, else asked on the terminal without showing it.

    Raises:
        ConfigError: there is no terminal to ask on.
    """
    given = os.environ.get("POSTWERK_SECRET")
    if given is not None:
        return given or None
    if not sys.stdin.isatty():
        if is_optional:
            return None
        raise ConfigError(f"{question} is needed, and there is no terminal to ask on. Set POSTWERK_SECRET.")
    answer: str = typer.prompt(question, hide_input=True, default="" if is_optional else None, show_default=False)
    return answer or None


def in_workspace(folder: Path, work: Callable[[Workspace], Awaitable[T]]) -> T:
    """What an async function makes of an open workspace.

    Ctrl-C, and what stops services and closes terminals, end it in order: what is on its way is finished first.
    What nodes print goes to standard error, so that standard output holds only what the command says.
    """

    async def whole() -> T:
        _end_in_order()
        with Workspace(folder) as workspace:
            return await work(workspace)

    try:
        with _printing_on_standard_error():
            return run(whole())
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except asyncio.CancelledError:
        raise typer.Exit(TERMINATED) from None


@contextmanager
def _printing_on_standard_error() -> Iterator[None]:
    """Also what a library in C writes."""
    sys.stdout.flush()
    kept = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, sys.stdout.fileno())
        os.close(kept)


def _end_in_order() -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for one in (signal.SIGTERM, signal.SIGHUP):
        if task and signal.getsignal(one) is signal.SIG_DFL:  # with nohup it is ignored
            loop.add_signal_handler(one, task.cancel)
