"""The plan: stages that work item by item without waiting, cut at barriers (gather, send, wait)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import networkx as nx

from .flow import Endpoint
from .graph import Graph


@dataclass(frozen=True, slots=True)
class Stage:
    """The steps of one stream between two barriers. Its unit of work is a source item with all its descendants."""

    number: int
    root: str
    """The source or gather step whose items it works on."""
    level: int
    """Its place among the stages of its stream; 0 is the first."""
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
    """Roots and numbers of stages that must be complete, with all that they suspend, before it begins: for what it
    shares. Their numbers are lower than its own."""
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
    """The plan of a graph without problems. Done in the order of their numbers, stages find all that they need."""
    circles, behind = _circles(graph), _behind_suspension(graph)
    groups: dict[tuple[int, bool, int, int], list[str]] = {}
    rank = {step: place for place, step in enumerate(graph.order)}
    for step, level in _levels(graph, circles).items():
        if not _is_root(graph, step):
            root = graph.joins[step].root
            groups.setdefault((circles[root], step in behind, level, rank[root]), []).append(step)
    ordered = [groups[place] for place in sorted(groups)]
    return Plan(tuple(_roots(graph, behind)), tuple(_stages(graph, ordered, behind)))


def _is_root(graph: Graph, step: str) -> bool:
    return graph.ports(step).is_source or graph.ports(step).is_gather


def _circles(graph: Graph) -> dict[str, int]:
    """For each stream the number of its circle: streams that use each other's items. Circles are numbered in order."""
    network: nx.DiGraph[str] = nx.DiGraph()
    network.add_nodes_from(step for step in graph.order if _is_root(graph, step))
    for step in graph.order:
        stream = graph.joins[step].root
        network.add_edges_from((graph.lineage(source).root, stream) for source in graph.sources(step))
    rank = {root: place for place, root in enumerate(network)}
    circles = nx.condensation(network)
    first = {number: min(rank[root] for root in circles.nodes[number]["members"]) for number in circles}
    order = nx.lexicographical_topological_sort(circles, key=first.__getitem__)
    return {root: place for place, number in enumerate(order) for root in circles.nodes[number]["members"]}


def _levels(graph: Graph, circles: dict[str, int]) -> dict[str, int]:
    """Within a circle a wire never leads to a lower level, and to a higher one where it crosses from stream to stream.

    So no two stages wait for each other.
    """
    levels: dict[str, int] = {}
    for step in graph.order:
        stream = graph.joins[step].root
        levels[step] = max(
            (
                levels[source.step] + _rises(graph, step, source)
                for source in graph.sources(step)
                if circles[graph.lineage(source).root] == circles[stream]
            ),
            default=0,
        )
    return levels


def _rises(graph: Graph, step: str, source: Endpoint) -> bool:
    if graph.lineage(source).root == graph.joins[step].root:
        return graph.ports(source.step).is_suspension
    return not _is_root(graph, step)


def _roots(graph: Graph, behind: set[str]) -> Iterator[Root]:
    for step in graph.order:
        if _is_root(graph, step):
            ports = graph.ports(step)
            takes = frozenset(graph.sources(step))
            yield Root(step, ports.is_gather, not ports.is_iterator, takes, step in behind)


def _behind_suspension(graph: Graph) -> set[str]:
    """Such steps never share a stage with others, or these could not be done before the first mail leaves."""
    behind: set[str] = set()
    for step in graph.order:
        if any(one.step in behind or graph.ports(one.step).is_suspension for one in graph.sources(step)):
            behind.add(step)
    return behind


def _stages(graph: Graph, groups: list[list[str]], behind: set[str]) -> Iterator[Stage]:
    home = {step: number for number, steps in enumerate(groups) for step in steps}
    levels = Counter[str]()
    for number, steps in enumerate(groups):
        root = graph.joins[steps[0]].root
        used = {source for step in steps for source in graph.sources(step)}
        own = {source for source in used if graph.lineage(source).root == root}
        yield Stage(
            number, root, levels[root], tuple(steps),
            enters=frozenset(source for source in own if home.get(source.step) != number),
            shared=frozenset(used - own),
            leaves=frozenset(_leaving(graph, steps, home)),
            suspends=frozenset(step for step in steps if graph.ports(step).is_suspension),
            after=frozenset(home.get(source.step, source.step) for source in used - own),
            is_behind_suspension=steps[0] in behind,
        )  # fmt: skip
        levels[root] += 1


def _leaving(graph: Graph, steps: list[str], home: dict[str, int]) -> Iterator[Endpoint]:
    for step in steps:
        for name in graph.ports(step).outputs if not graph.ports(step).is_suspension else ():
            output = Endpoint.model_construct(step=step, port=name)
            if any(home.get(target.step) != home[step] for target in graph.takers.get(output, ())):
                yield output
