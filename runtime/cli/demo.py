"""`postwerk demo`."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from ...engine import PostwerkError
from ..demo import FLOWS, furnish, open_demo
from ..runs import service
from ..runs.progress import Progress
from ..runs.report import report_of
from ..runs.starting import start_run
from ..runs.states import RunState
from ..sandbox import Sandbox
from ..workspace import Workspace
from .progress import ProgressBar
from .terminal import err, out, say_error, say_table

FAILED = 1
FOLDER = Path("postwerk-demo")


class Shown(NamedTuple):
    """What one flow came to."""

    flow: str
    seconds: float
    rows: int = 0
    sent: int = 0
    failed: int = 0
    run: str = ""
    objections: tuple[str, ...] = ()
    """What is not as it should be."""

    @property
    def set_aside(self) -> int:
        """Rows that were to get no mail: not in order, or without consent."""
        return self.rows - self.sent - self.failed

    @property
    def cells(self) -> tuple[str | int, ...]:
        return self.flow, self.rows, self.sent, self.set_aside, self.failed, f"{self.seconds:.1f} s", self.run


def add_to(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    workspace: Annotated[
        Path, typer.Option("--workspace", "-w", envvar="POSTWERK_WORKSPACE", help="A new folder, or that of a demo.")
    ] = FOLDER,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Open no browser. This version has no app to open yet.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Run the flows and exit.")] = False,
) -> None:
    """Make a workspace with three example flows, and run them against a mail server that sends nothing on."""
    del no_browser
    with open_demo(workspace) as opened:
        is_good = asyncio.run(_play(opened, workspace, is_once=once))
    raise typer.Exit(0 if is_good else FAILED)


async def _play(workspace: Workspace, folder: Path, *, is_once: bool) -> bool:
    async with Sandbox(workspace.folder / "mails") as sandbox:
        await furnish(workspace, sandbox.port)
        shown = [await _show(workspace, sandbox, flow) for flow in FLOWS]
        _tell(shown, folder)
        if not is_once:
            await _stay_open(sandbox)
    return not any(one.objections for one in shown)


async def _show(workspace: Workspace, sandbox: Sandbox, flow: str) -> Shown:
    """Runs one flow."""
    began, before = time.monotonic(), sandbox.count
    try:
        report = await _report(workspace, flow)
    except PostwerkError as error:
        return Shown(flow, time.monotonic() - began, objections=(f"{flow}: {error.message}",))
    sent = int(report["mails"].get("sent", 0))
    return Shown(
        flow, time.monotonic() - began, int(report["totals"].get("read", 0)), sent, int(report["failed_items"]),
        str(report["id"]), tuple(_objections(report, sent, sandbox.count - before)),
    )  # fmt: skip


async def _report(workspace: Workspace, flow: str) -> dict[str, Any]:
    progress = Progress()
    document, folder = workspace.find_flow(flow)
    with workspace.alone("postwerk demo"), ProgressBar(progress, is_quiet=False):
        run = await start_run(workspace, document, folder, {})
        await service.execute(workspace, run, progress)
    return await report_of(workspace, run.id)


def _objections(report: dict[str, Any], sent: int, kept: int) -> Iterator[str]:
    flow = report["flow"]
    if report["state"] != RunState.FINISHED.value:
        yield f"{flow}: the run is {report['state']}. {report['message'] or ''}".strip()
    yield from (f"{flow}: {failure['text']}" for failure in report["failures"])
    if sent != kept:
        yield f"{flow}: {sent:,} mails count as sent, and the sandbox has got {kept:,}."


def _tell(shown: Sequence[Shown], folder: Path) -> None:
    columns = ("flow", "rows", "sent", "set aside", "failed", "time", "run")
    say_table(columns, [one.cells for one in shown], empty="")
    out.print(
        PLACES.format(folder=folder, program="postwerk" if shutil.which("postwerk") else sys.argv[0]),
        markup=False,
        soft_wrap=True,
    )
    for one in shown:
        for objection in one.objections:
            say_error(objection)


PLACES = """
Look into {folder}/
  mails/    as the mail server got them: .eml files, which every mail program opens
  output/   what each run wrote, by its id: who got a mail, who was set aside and why
  people/   keys of the invented employees, to open their encrypted payslips; the passphrase of .p12 is 'demo'
  flows/    the flows with their lists, templates and forms: change something, and run it again

Try next
  {program} outbox list --limit 10 -w {folder}
  {program} runs list -w {folder}
  {program} check payslips -w {folder}
  {program} run newsletter --dry-run -w {folder}"""


async def _stay_open(sandbox: Sandbox) -> None:
    """Until somebody ends the program."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: there Ctrl-C cancels the task
            loop.add_signal_handler(one, ended.set)
    err.print(f"\nThe mail sandbox is open on 127.0.0.1:{sandbox.port}. Press Ctrl-C to end it.", markup=False)
    await ended.wait()
