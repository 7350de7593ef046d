"""Doing a run again: all of it, only what has failed, or from a step on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, delete, update

from ...engine import Refused, suggestion
from ...engine.diff import diff
from ...engine.flow import Endpoint, Flow, dump_flow, load_flow
from ...engine.graph import Graph, build_graph
from ...engine.plan import Plan, make_plan
from ..blobs import BlobRef
from ..outbox import outbox as mails
from ..plugins import node_classes
from ..store import chunks, failures, outbox, runs, waits
from ..workspace import Workspace
from . import rows
from .outcomes import root_stage
from .starting import FlowRefused, check_flow, keep_files, read_inputs, start_run
from .states import ACTIVE, RunState


async def again(workspace: Workspace, run_id: str, from_step: str | None, *, is_now: bool) -> str:
    """Does a run again, from its beginning as a new run; or, from a step on, as itself. Returns the run's id.

    From the beginning the sources are read anew. From a step on, everything behind that step is done again with the
    rows as they were read; what has left is not sent again. `is_now`: with the flow as it is now.

    Raises:
        Refused: the run is on, or it can't be done again so.
        FlowRefused, ConfigError: the flow is not in order any more.
    """
    before = await _ended(workspace, run_id)
    version = await _version(workspace, before, is_now=is_now)
    if from_step is None:
        return (await _start(workspace, before, version, parent=None)).id
    problems, lent = await check_flow(
        workspace, version.flow, version.folder, read_inputs(version.flow, before.inputs), version.kept
    )
    if any(problem.severity == "error" for problem in problems):
        raise FlowRefused(problems)
    forgotten = Forgotten(before, version.flow, from_step)
    files = keep_files(workspace, lent.shelf)
    await workspace.store.write(lambda connection: forgotten.forget(connection, files))
    return run_id


async def retry_failed(workspace: Workspace, run_id: str, *, is_now: bool) -> str:
    """Does the failed items of a run again, in a new run that reads the mended data; returns its id.

    A mail that one of these items has sent already is not sent again.

    Raises:
        Refused: the run is on, or nothing of it has failed.
        FlowRefused, ConfigError: the flow is not in order any more.
    """
    before = await _ended(workspace, run_id)
    if not await workspace.store.read(lambda connection: rows.failed_items(connection, run_id)):
        raise Refused(f"Nothing of run {run_id} has failed, so there is nothing to do again.")
    return (await _start(workspace, before, await _version(workspace, before, is_now=is_now), parent=run_id)).id


@dataclass(frozen=True, slots=True)
class _Version:
    """A flow with the small files that were kept with it."""

    flow: Flow
    folder: Path | None
    kept: Mapping[str, bytes]


async def _ended(workspace: Workspace, run_id: str) -> rows.Run:
    run = await workspace.store.read(lambda connection: rows.get_run(connection, run_id))
    if run.state in {*ACTIVE, RunState.PAUSED}:
        raise Refused(f"Run {run_id} is {run.state}. Wait until it has ended, or cancel it.")
    return run


async def _version(workspace: Workspace, run: rows.Run, *, is_now: bool) -> _Version:
    if is_now:
        flow, folder = workspace.stored_flow(run.flow_id)
        return _Version(flow, folder, {})
    kept = {name: workspace.blobs.read(ref) for name, ref in run.files.items()}
    return _Version(load_flow(run.flow), Path(run.folder) if run.folder else None, kept)


async def _start(workspace: Workspace, before: rows.Run, version: _Version, parent: str | None) -> rows.Run:
    inputs = {name: str(value) for name, value in before.inputs.items() if name in version.flow.inputs}
    return await start_run(
        workspace, version.flow, version.folder, inputs, is_dry=before.is_dry, limit=before.row_limit,
        kept=version.kept, parent=parent,
    )  # fmt: skip


class Forgotten:
    """What of a run is forgotten, so that it is done again: everything in and behind the stage of a step."""

    def __init__(self, run: rows.Run, flow: Flow, step: str) -> None:
        self.run, self.flow = run, flow
        graph = build_graph(flow, node_classes())
        if step not in graph.classes:
            raise Refused(f"There is no step {step!r} in the flow. {suggestion(step, graph.classes)}")
        if graph.ports(step).is_source:
            raise Refused(f"Step {step!r} reads the data. Do the whole run again to read them anew.")
        plan = make_plan(graph)
        self.stages = _stages_behind(graph, plan, step)
        self.steps = frozenset(one for stage in plan.stages if stage.number in self.stages for one in stage.steps)
        roots = [one.step for one in plan.roots if one.step in _behind(graph, self.steps | {step})]
        self.stages |= {root_stage(plan, root) for root in roots}
        self.steps |= set(roots)
        self.triggers = _triggers(graph, plan, self.stages)
        self.is_early = any(not stage.is_behind_suspension for stage in plan.stages if stage.number in self.stages)
        _must_fit(load_flow(run.flow), flow, self.steps, plan)

    def forget(self, connection: Connection, files: Mapping[str, BlobRef]) -> None:
        """Removes it, and opens the run again."""
        run_id = self.run.id
        rows.move_run(
            connection, run_id, RunState.BUILDING if self.is_early else RunState.SENDING, message=None, finished_at=None
        )
        connection.execute(delete(chunks).where(chunks.c.run == run_id, chunks.c.stage.in_(sorted(self.stages))))
        connection.execute(delete(failures).where(failures.c.run == run_id, failures.c.step.in_(sorted(self.steps))))
        connection.execute(delete(waits).where(waits.c.run == run_id, waits.c.step.in_(sorted(self.steps))))
        mails.forget_unsent(connection, run_id, self.steps)
        for table in (outbox, waits):
            untaken = update(table).where(table.c.run == run_id, table.c.step.in_(sorted(self.triggers)))
            connection.execute(untaken.values(taken=False))
        kept = {name: [ref.pack, ref.offset, ref.size, ref.digest] for name, ref in files.items()}
        connection.execute(update(runs).where(runs.c.id == run_id).values(flow=dump_flow(self.flow), files=kept))
        rows.wake(connection, run_id)


def _behind(graph: Graph, steps: Iterable[str]) -> frozenset[str]:
    """These steps and all that they feed."""
    found = set(steps)
    for step in graph.order:
        if any(source.step in found for source in graph.sources(step)):
            found.add(step)
    return frozenset(found)


def _stages_behind(graph: Graph, plan: Plan, step: str) -> set[int]:
    """The stages of a step and of all behind it; a stage is done again as a whole, with what its other steps feed."""
    found: set[int] = set()
    steps = _behind(graph, [step])
    while new := {stage.number for stage in plan.stages if steps & set(stage.steps)} - found:
        found |= new
        steps = _behind(graph, (one for stage in plan.stages if stage.number in found for one in stage.steps)) | steps
    return found


def _triggers(graph: Graph, plan: Plan, stages: Collection[int]) -> frozenset[str]:
    entering: Iterator[Endpoint] = (
        output for stage in plan.stages if stage.number in stages for output in stage.enters
    )
    return frozenset(output.step for output in entering if graph.ports(output.step).is_suspension)


def _must_fit(then: Flow, now: Flow, forgotten: Collection[str], plan: Plan) -> None:
    """What is kept must be of the same flow: raises Refused when something has changed before the step."""
    kept = then.steps.keys() - forgotten
    for change in diff(then, now):
        place = change.path.split(".")
        if place[0] == "steps" and place[1] in kept and not _is_words(place):
            raise Refused(
                f"Step {place[1]!r} has changed too, and lies before. Begin there, or do the whole run again."
            )
    before = make_plan(build_graph(then, node_classes()))
    mine = [(one.number, one.steps) for one in plan.stages if not set(one.steps) & set(forgotten)]
    theirs = [(one.number, one.steps) for one in before.stages if not set(one.steps) & set(forgotten)]
    if mine != theirs or [one.step for one in before.roots] != [one.step for one in plan.roots]:
        raise Refused("The flow is wired in another way now. Do the whole run again.")


def _is_words(place: list[str]) -> bool:
    return len(place) > 2 and place[2] in ("title", "note")
