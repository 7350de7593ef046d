"""The plan: stages that work item by item without waiting, cut at barriers (gather, send, wait)."""

from __future__ import annotations

from dataclasses import dataclass

from .flow import Endpoint
from .graph import Graph


@dataclass(frozen=True, slots=True)
class Stage:
    """The steps of one stream between two barriers. Its unit of work is a source item with all its descendants."""

    number: int
    root: str
    """The source or gather step whose items it works on."""
    level: int
    """How many suspensions its items have behind them."""
    steps: tuple[str, ...]
    """Each after what feeds it."""
    enters: frozenset[Endpoint]
    """Outputs of the root and of earlier stages of this stream that are used here."""
    shared: frozenset[Endpoint]
    """Single items of other streams that go to all."""
    leaves: frozenset[Endpoint]
    """Outputs made here that a later stage, a gather or another stream uses."""
    suspends: frozenset[str]
    """Steps that leave their items with the runtime."""
    after: frozenset[str | int]
    """Roots and numbers of stages that must be complete before it begins, for what it shares."""
    is_behind_suspension: bool
    """Something must have been sent or waited for before its items exist."""


@dataclass(frozen=True, slots=True)
class Root:
    """Where a stream begins."""

    step: str
    is_gather: bool
    is_single: bool
    takes: frozenset[Endpoint]
    """What a gather reads; empty for a source."""
    is_behind_suspension: bool


@dataclass(frozen=True, slots=True)
class Plan:
    roots: tuple[Root, ...]
    stages: tuple[Stage, ...]

    def stage_of(self, step: str) -> Stage:
        return next(stage for stage in self.stages if step in stage.steps)

    def stages_of(self, root: str) -> tuple[Stage, ...]:
        """The stages of one stream, in order."""
        return tuple(stage for stage in self.stages if stage.root == root)


def make_plan(graph: Graph) -> Plan:
    """The plan of a graph without problems."""
    levels = _levels(graph)
    groups: dict[tuple[str, int], list[str]] = {}
    for step in graph.order:
        if not _is_root(graph, step):
            groups.setdefault((graph.joins[step].root, levels[step]), []).append(step)
    rank = {step: place for place, step in enumerate(graph.order)}
    ordered = sorted(groups, key=lambda group: (rank[group[0]], group[1]))
    home = {step: number for number, group in enumerate(ordered) for step in groups[group]}
    stages = tuple(
        _stage(graph, number, root, level, tuple(groups[root, level]), home)
        for number, (root, level) in enumerate(ordered)
    )
    return Plan(tuple(_root(graph, step) for step in graph.order if _is_root(graph, step)), stages)


def _is_root(graph: Graph, step: str) -> bool:
    return graph.ports(step).is_source or graph.ports(step).is_gather


def _levels(graph: Graph) -> dict[str, int]:
    """How many earlier stages of its own stream each step needs."""
    levels: dict[str, int] = {}
    for step in graph.order:
        needed = () if _is_root(graph, step) else _sources(graph, step)
        levels[step] = max((_level_after(graph, step, source, levels) for source in needed), default=0)
    return levels


def _level_after(graph: Graph, step: str, source: Endpoint, levels: dict[str, int]) -> int:
    own = graph.joins[step]
    if graph.lineage(source).root == own.root:
        return levels[source.step] + graph.ports(source.step).is_suspension
    if own.is_single:  # two single streams may use each other's items: cut at each crossing
        return levels[source.step] + 1
    before = (one for one in graph.ancestors(source.step) if not _is_root(graph, one))
    return max((levels[one] + 1 for one in before if graph.joins[one].root == own.root), default=0)


def _sources(graph: Graph, step: str) -> list[Endpoint]:
    return [source for sources in graph.feeds.get(step, {}).values() for source in sources]


def _root(graph: Graph, step: str) -> Root:
    ports = graph.ports(step)
    takes = frozenset(_sources(graph, step))
    return Root(step, ports.is_gather, not ports.is_iterator, takes, _is_behind_suspension(graph, (step,)))


def _is_behind_suspension(graph: Graph, steps: tuple[str, ...]) -> bool:
    return any(graph.ports(one).is_suspension for step in steps for one in graph.ancestors(step))


def _stage(graph: Graph, number: int, root: str, level: int, steps: tuple[str, ...], home: dict[str, int]) -> Stage:
    used = {source for step in steps for source in _sources(graph, step)}
    own = {source for source in used if graph.lineage(source).root == root}
    here = {source for source in own if source.step in steps and not graph.ports(source.step).is_suspension}
    return Stage(
        number, root, level, steps,
        enters=frozenset(own - here),
        shared=frozenset(used - own),
        leaves=frozenset(_leaving(graph, steps, number, home)),
        suspends=frozenset(step for step in steps if graph.ports(step).is_suspension),
        after=frozenset(home.get(source.step, source.step) for source in used - own),
        is_behind_suspension=_is_behind_suspension(graph, steps),
    )  # fmt: skip


def _leaving(graph: Graph, steps: tuple[str, ...], number: int, home: dict[str, int]) -> list[Endpoint]:
    return [
        output
        for output, targets in graph.takers.items()
        if output.step in steps and not graph.ports(output.step).is_suspension
        and any(home.get(target.step) != number for target in targets)
    ]  # fmt: skip
