"""`postwerk init` and `postwerk doctor`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..doctor import Finding, examine
from ..workspace import Workspace
from .terminal import HERE, JsonOption, WorkspaceOption, in_workspace, out, say_json


def add_to(app: typer.Typer) -> None:
    app.command("init")(init)
    app.command("doctor")(doctor)


def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Empty, or not there yet.")]) -> None:
    """Make an empty workspace."""
    Workspace.make(folder).close()
    out.print(f"The workspace is ready: {folder.resolve()}", markup=False, soft_wrap=True)


def doctor(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Say whether everything is in place and reachable."""
    findings = in_workspace(workspace, examine)
    if as_json:
        say_json({"findings": [asdict(finding) for finding in findings], "ok": all(one.is_good for one in findings)})
    else:
        for finding in findings:
            _say(finding)
    raise typer.Exit(0 if all(finding.is_good for finding in findings) else 1)


def _say(finding: Finding) -> None:
    mark = "[green]ok  [/]" if finding.is_good else "[red]bad [/]"
    out.print(mark, end="")
    out.print(f"{finding.what}: {finding.words}", markup=False, soft_wrap=True)
