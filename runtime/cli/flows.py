"""`postwerk check`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ...engine.problem import Problem
from ..runs.starting import check_flow
from ..workspace import Workspace
from .terminal import HERE, JsonOption, WorkspaceOption, err, in_workspace, out, say_json

FlowArgument = Annotated[str, typer.Argument(metavar="FLOW", help="A flow's file, or its id in the workspace.")]


def add_to(app: typer.Typer) -> None:
    app.command("check")(check)


def check(flow: FlowArgument, workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Tell all problems of a flow. Exits with 1 if there is an error."""

    async def find(opened: Workspace) -> list[Problem]:
        document, folder = opened.find_flow(flow)
        problems, _ = await check_flow(opened, document, folder, {})
        return problems

    problems = in_workspace(Path(workspace), find)
    if as_json:
        say_json({"problems": [problem.model_dump() for problem in problems]})
    else:
        say_problems(problems)
        if not problems:
            out.print("The flow is in order.")
    raise typer.Exit(1 if any(problem.severity == "error" for problem in problems) else 0)


def say_problems(problems: Sequence[Problem]) -> None:
    for problem in problems:
        colour = "red" if problem.severity == "error" else "yellow"
        err.print(f"[{colour}]{problem.severity}[/] ", end="")
        err.print(str(problem), markup=False, soft_wrap=True)
