"""`postwerk run` and `postwerk runs`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Annotated, Any

import typer

from ..disk import DiskFullError
from ..members import hosts
from ..runs import rows, service
from ..runs.again import again as do_again
from ..runs.again import retry_failed
from ..runs.progress import Progress
from ..runs.report import report_of, summary_of
from ..runs.starting import FlowRefused, start_run
from ..runs.states import RunState
from ..runs.watching import watch
from ..workspace import Workspace
from .flows import FlowArgument, say_problems
from .progress import ProgressBar
from .terminal import HERE, JsonOption, WorkspaceOption, err, in_workspace, out, say_error, say_json, say_table

FAILED, FINISHED_WITH_FAILURES = 1, 3
SHOWN_FAILURES = 20

app = typer.Typer(no_args_is_help=True, help="Runs and how they ended.")


def add_to(parent: typer.Typer) -> None:
    parent.command("run")(run)
    parent.add_typer(app, name="runs")


def run(
    flow: FlowArgument,
    workspace: WorkspaceOption = HERE,
    inputs: Annotated[list[str] | None, typer.Option("--input", metavar="NAME=VALUE", help="Set an input.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Catch all mails; nothing leaves.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many rows.")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Queue the mails; do not send them.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a flow to the end. Exits with 0 all good, 1 failed or refused, 3 finished with failed items."""

    given = _pairs(inputs or [])

    async def go(opened: Workspace) -> dict[str, Any]:
        document, folder = opened.find_flow(flow)

        def start() -> Awaitable[rows.Run]:
            return start_run(opened, document, folder, given, is_dry=dry_run, limit=limit)

        return await _taken_forward(opened, start, f"postwerk run {flow}", is_waiting=not no_wait, is_quiet=as_json)

    try:
        report = in_workspace(workspace, go)
    except FlowRefused as refused:
        if as_json:
            say_json({"state": "refused", "problems": [one.model_dump() for one in refused.problems]})
        else:
            say_problems(refused.problems)
            say_error("The flow was not started.")
        raise typer.Exit(FAILED) from refused
    _tell(report, as_json=as_json)


def _pairs(inputs: Sequence[str]) -> dict[str, str]:
    for one in inputs:
        if "=" not in one:
            raise typer.BadParameter(f"{one!r} is no NAME=VALUE.", param_hint="--input")
    return dict(one.split("=", 1) for one in inputs)


async def _taken_forward(
    workspace: Workspace, ready: Callable[[], Awaitable[rows.Run]], purpose: str, *, is_waiting: bool = True,
    is_quiet: bool,
) -> dict[str, Any]:  # fmt: skip
    """The report of the run that `ready` gives: by a host, if one is at work, else by this program."""
    if await workspace.store.read(hosts):
        return await _followed(workspace, (await ready()).id, is_waiting=is_waiting, is_quiet=is_quiet)
    with workspace.alone(purpose):
        return await _watched(workspace, await ready(), is_sending=is_waiting, is_quiet=is_quiet)


async def _watched(workspace: Workspace, started: rows.Run, *, is_sending: bool, is_quiet: bool) -> dict[str, Any]:
    progress = Progress()
    try:
        with ProgressBar(progress, is_quiet=is_quiet):
            await service.execute(workspace, started, progress, is_sending=is_sending)
    except (asyncio.CancelledError, DiskFullError):
        say_error(f"The run is interrupted, and what was done is kept. Go on with: postwerk runs resume {started.id}")
        raise
    return await report_of(workspace, started.id)


async def _followed(workspace: Workspace, run_id: str, *, is_waiting: bool, is_quiet: bool) -> dict[str, Any]:
    """Looks on while a host takes the run forward. Who stops looking stops nothing."""
    progress = Progress()
    with ProgressBar(progress, is_quiet=is_quiet):
        async with aclosing(watch(workspace, run_id, {}, lambda: not is_waiting)) as told:
            async for one in told:
                progress.become(one)
    return await report_of(workspace, run_id)


def _tell(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(report)
    else:
        say_report(report)
    raise typer.Exit(exit_code(report))


def exit_code(report: dict[str, Any]) -> int:
    """0 all good or still under way, 1 failed or cancelled, 3 finished with failed items."""
    if report["state"] in (RunState.FAILED.value, RunState.CANCELLED.value):
        return FAILED
    return FINISHED_WITH_FAILURES if report["failed_items"] else 0


def say_report(report: dict[str, Any]) -> None:
    """What became of a run, for people."""
    colour = "green" if exit_code(report) == 0 else "yellow" if exit_code(report) == 3 else "red"
    dry = " (dry run)" if report["dry_run"] else ""
    out.print(f"[bold]{report['flow']}[/]{dry}: [{colour}]{report['state']}[/], run {report['id']}")
    if report["message"]:
        out.print(report["message"], markup=False, soft_wrap=True)
    ends = report["totals"].get("endings", {})
    rows_told = ", ".join(f"{number:,} {ending.replace('_', ' ')}" for ending, number in ends.items() if number)
    out.print(f"rows:  {rows_told or 'none'}")
    mails = ", ".join(f"{number:,} {state.replace('_', ' ')}" for state, number in report["mails"].items())
    out.print(f"mails: {mails or 'none'}")
    for failure in report["failures"][:SHOWN_FAILURES]:
        err.print(f"  {failure['text']}", style="red", markup=False, soft_wrap=True)
    if (more := len(report["failures"]) - SHOWN_FAILURES) > 0:
        err.print(f"  and {more:,} more: postwerk runs show {report['id']} --json")


@app.command("list")
def list_(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """List the newest runs."""
    found = in_workspace(workspace, lambda opened: opened.store.read(rows.list_runs))
    told = [summary_of(one) for one in found]
    if as_json:
        say_json({"runs": told})
        return
    cells = [(one["id"], one["flow"], one["state"], "dry" if one["dry_run"] else "", one["message"]) for one in told]
    say_table(("run", "flow", "state", "", "message"), cells, empty="Nothing has run yet.")


@app.command("show")
def show(
    run_id: Annotated[str, typer.Argument(metavar="ID")], workspace: WorkspaceOption = HERE, as_json: JsonOption = False
) -> None:
    """Show how a run went."""
    report = in_workspace(workspace, lambda opened: report_of(opened, run_id))
    say_json(report) if as_json else say_report(report)


@app.command("cancel")
def cancel(run_id: Annotated[str, typer.Argument(metavar="ID")], workspace: WorkspaceOption = HERE) -> None:
    """Cancel a run and all its mails that have not left."""
    number = in_workspace(workspace, lambda opened: service.cancel(opened, run_id))
    out.print(f"The run is cancelled; {number:,} mails will not leave.")


@app.command("pause")
def pause(run_id: Annotated[str, typer.Argument(metavar="ID")], workspace: WorkspaceOption = HERE) -> None:
    """Let a run rest, and hold its mails, until it is resumed."""
    number = in_workspace(workspace, lambda opened: service.pause(opened, run_id))
    out.print(f"The run is paused; {number:,} mails are held. Go on with: postwerk runs resume {run_id}")


@app.command("again")
def again(
    run_id: Annotated[str, typer.Argument(metavar="ID")],
    from_step: Annotated[
        str | None, typer.Option("--from", metavar="STEP", help="Only this step and all behind.")
    ] = None,
    only_failed: Annotated[bool, typer.Option("--only-failed", help="Only the rows that failed, read anew.")] = False,
    is_now: Annotated[bool, typer.Option("--now", help="With the flow as it is now, not as it was then.")] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Do a run again: as a new one; or from a step on, in the same run. What has left is not sent twice."""
    if from_step and only_failed:
        raise typer.BadParameter("Give either a step or --only-failed.", param_hint="--from")

    async def prepare(opened: Workspace) -> rows.Run:
        if only_failed:
            wanted = await retry_failed(opened, run_id, is_now=is_now)
        else:
            wanted = await do_again(opened, run_id, from_step, is_now=is_now)
        return await opened.store.read(lambda connection: rows.get_run(connection, wanted))

    async def go(opened: Workspace) -> dict[str, Any]:
        return await _taken_forward(opened, lambda: prepare(opened), f"postwerk runs again {run_id}", is_quiet=as_json)

    _tell(in_workspace(workspace, go), as_json=as_json)


@app.command("resume")
def resume(
    run_id: Annotated[str, typer.Argument(metavar="ID")], workspace: WorkspaceOption = HERE, as_json: JsonOption = False
) -> None:
    """Let a run go on that was paused, interrupted, failed or cancelled."""

    async def go(opened: Workspace) -> dict[str, Any]:
        return await _taken_forward(
            opened, lambda: service.reopen(opened, run_id), f"postwerk runs resume {run_id}", is_quiet=as_json
        )

    _tell(in_workspace(workspace, go), as_json=as_json)
