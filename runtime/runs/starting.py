"""Starts a run: checks the flow, keeps the files as they are, writes the row."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from ...engine import ConfigError, RunInfo, Scalar, suggestion
from ...engine.check import check, input_defaults
from ...engine.flow import Flow, Input, dump_flow, load_flow
from ...engine.problem import Problem
from ..blobs import BlobRef
from ..context import Lent
from ..files import Shelf
from ..plugins import node_classes
from ..work import Setup
from ..workspace import Workspace
from . import rows
from .states import RunState


class FlowRefused(ConfigError):
    """The check found errors, so nothing was started."""

    def __init__(self, problems: list[Problem]) -> None:
        errors = [problem for problem in problems if problem.severity == "error"]
        super().__init__("\n".join(str(problem) for problem in errors))
        self.problems = problems


async def check_flow(
    workspace: Workspace,
    flow: Flow,
    folder: Path | None,
    inputs: Mapping[str, Scalar],
    kept: Mapping[str, bytes] | None = None,
) -> tuple[list[Problem], Lent]:
    """All problems, and the resources that were looked at; `kept`: files that are not looked for."""
    shelf = Shelf(workspace.shelf_folders(folder), dict(kept or {}))
    lent = Lent(shelf, await workspace.keyring(), flow.settings.locale, flow.settings.timezone)
    return check(flow, node_classes(), lent, dict(inputs)), lent


async def start_run(
    workspace: Workspace,
    flow: Flow,
    folder: Path | None,
    inputs: Mapping[str, str],
    *,
    is_dry: bool = False,
    limit: int | None = None,
    run_id: str | None = None,
    kept: Mapping[str, bytes] | None = None,
    parent: str | None = None,
    holder: str | None = None,
) -> rows.Run:
    """A new run, ready to go. Its templates and forms are kept as they are now, but for those that were `kept`.

    With a `parent` it does only the items that have failed there. With a `holder` that member has taken it up.

    Whoever must not start twice gives the run's id: a second run of the same id is an IntegrityError.

    Raises:
        FlowRefused: the flow has errors.
        ConfigError: an input is unknown or does not fit.
    """
    given = read_inputs(flow, inputs)
    problems, lent = await check_flow(workspace, flow, folder, given, kept)
    if any(problem.severity == "error" for problem in problems):
        raise FlowRefused(problems)
    now = datetime.now(UTC)
    run = rows.Run(
        id=run_id or f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        flow_id=flow.id,
        flow=dump_flow(flow),
        folder=str(folder) if folder else None,
        files=keep_files(workspace, lent.shelf),
        inputs={name: _kept(value) for name, value in given.items()},
        state=RunState.BUILDING,
        is_dry=is_dry,
        row_limit=limit,
        created_at=now,
        parent=parent,
        default_account=lent.keyring.default,
    )
    await workspace.store.write(lambda connection: rows.add_run(connection, run, holder))
    return run


def keep_files(workspace: Workspace, shelf: Shelf) -> dict[str, BlobRef]:
    """The small files that the check has read, as they are now."""
    with workspace.blobs.pack() as pack:
        kept = {name: pack.add(content) for name, content in shelf.kept.items()}
        pack.close()
    return kept


async def setup_of(workspace: Workspace, run: rows.Run) -> Setup:
    """Everything that a run's work needs."""
    folder = Path(run.folder) if run.folder else None
    return Setup(
        flow=run.flow,
        run=RunInfo(id=run.id, flow=run.flow_id, started=run.created_at, is_dry=run.is_dry),
        inputs=read_inputs(load_flow(run.flow), run.inputs),
        folders=workspace.shelf_folders(folder),
        files={name: workspace.blobs.read(ref) for name, ref in run.files.items()},
        output=workspace.folder / "output" / run.id,
        blobs=workspace.blobs.place,
        keyring=replace(await workspace.keyring(), default=run.default_account),
    )


def read_inputs(flow: Flow, given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The flow's inputs: what was given, else their defaults."""
    for name in given:
        if name not in flow.inputs:
            raise ConfigError(f"The flow {flow.id!r} has no input {name!r}. {suggestion(name, flow.inputs)}")
    raw = {**input_defaults(flow), **given}
    values = {name: _read_input(name, flow.inputs[name], value) for name, value in raw.items()}
    missing = sorted(name for name, value in values.items() if value is None)
    if missing:
        raise ConfigError(f"The input {missing[0]!r} of flow {flow.id!r} is missing. Write --input {missing[0]}=…")
    return values


def _read_input(name: str, wanted: Input, text: Scalar) -> Scalar:
    if not isinstance(text, str):
        return text
    try:
        match wanted.type:
            case "number":
                return float(text) if "." in text else int(text)
            case "date":
                return date.fromisoformat(text)
            case "boolean":
                return {"true": True, "false": False, "yes": True, "no": False}[text.lower()]
            case _:
                return text
    except (ValueError, KeyError):
        raise ConfigError(f"The input {name!r} is {text!r}; a {wanted.type} is expected.") from None


def _kept(value: Scalar) -> str | int | float | bool | None:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
