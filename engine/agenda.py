"""In which order a plan is done: each root and stage after what it needs, a stream's first stage while it is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .plan import Plan, Root, Stage


@dataclass(frozen=True, slots=True)
class Entry:
    """What is done next: a root is read, a stage is worked through, or both at once."""

    root: Root | None
    stage: Stage | None


def agenda(plan: Plan, *, is_behind_suspension: bool) -> Iterator[Entry]:
    """What is done before the first mail may leave, or those after."""
    units: list[Root | Stage] = [*plan.roots, *plan.stages]
    waiting = [unit for unit in units if unit.is_behind_suspension == is_behind_suspension]
    while waiting:
        unit = min((one for one in waiting if _is_ready(one, waiting)), key=lambda one: _is_early(plan, one, waiting))
        waiting.remove(unit)
        if isinstance(unit, Stage):
            yield Entry(None, unit)
            continue
        together = _first_stage(plan, unit, waiting)
        if together:
            waiting.remove(together)
        yield Entry(unit, together)


def _is_ready(unit: Root | Stage, waiting: list[Root | Stage]) -> bool:
    others = [other for other in waiting if other is not unit]
    if isinstance(unit, Root):
        feeding = {output.step for output in unit.takes}
        return not any(_makes(other, feeding) for other in others)
    before = (one for one in others if isinstance(one, Stage) and one.root == unit.root and one.level < unit.level)
    needed = {*unit.after, unit.root}
    return not any(before) and not any(_name(other) in needed for other in others)


def _is_early(plan: Plan, unit: Root | Stage, waiting: list[Root | Stage]) -> int:
    """0 is first: stages, then roots that can be worked while they are read, then other roots."""
    if isinstance(unit, Stage):
        return 0
    has_stage = any(one.level == 0 for one in plan.stages_of(unit.step))
    return 2 if has_stage and not _first_stage(plan, unit, waiting) else 1


def _first_stage(plan: Plan, root: Root, waiting: list[Root | Stage]) -> Stage | None:
    """The stage that can be worked through while the root is read."""
    for stage in plan.stages_of(root.step):
        if stage.level == 0 and stage in waiting and not any(_name(other) in stage.after for other in waiting):
            return stage
    return None


def _name(unit: Root | Stage) -> str | int:
    return unit.step if isinstance(unit, Root) else unit.number


def _makes(unit: Root | Stage, steps: set[str]) -> bool:
    return unit.step in steps if isinstance(unit, Root) else bool(steps & set(unit.steps))
