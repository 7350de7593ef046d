"""The flow as a graph: which step feeds which, and from which stream each output descends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import networkx as nx

from .errors import suggestion
from .flow import Endpoint, Flow, Wire
from .node import Node
from .ports import Arity, Ports
from .problem import Problem

NodeClasses = Mapping[str, type[Node]]


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a stream comes from: its source or gather, then each 1:n step on the way.

    Two streams join when the path of one begins with the path of the other.
    """

    path: tuple[str, ...]
    is_single: bool = False
    """One single item, which goes to all."""

    @property
    def root(self) -> str:
        return self.path[0]

    def joins(self, other: Lineage) -> bool:
        shorter = min(len(self.path), len(other.path))
        return self.path[:shorter] == other.path[:shorter]

    def __str__(self) -> str:
        return " > ".join(self.path)


@dataclass
class Graph:
    """What the wires mean. Problems are gathered, never raised: the check tells all of them at once."""

    flow: Flow
    classes: dict[str, type[Node]] = field(default_factory=dict)
    """Steps that are on and whose node is known."""
    order: list[str] = field(default_factory=list)
    """Those steps, each after what feeds it."""
    feeds: dict[str, dict[str, list[Endpoint]]] = field(default_factory=dict)
    """step -> input port -> the outputs wired to it."""
    takers: dict[Endpoint, list[Endpoint]] = field(default_factory=dict)
    """output -> the inputs that it is wired to."""
    lineages: dict[str, Lineage] = field(default_factory=dict)
    """step -> the lineage of its outputs."""
    joins: dict[str, Lineage] = field(default_factory=dict)
    """step -> the lineage at which its inputs are joined; its outputs' own where it is no 1:n step."""
    problems: list[Problem] = field(default_factory=list)
    network: nx.DiGraph[str] = field(default_factory=nx.DiGraph)

    def ancestors(self, step: str) -> set[str]:
        """All steps that feed it, directly or not."""
        return set(nx.ancestors(self.network, step))

    def ports(self, step: str) -> Ports:
        return self.classes[step].ports

    def lineage(self, output: Endpoint) -> Lineage:
        return self.lineages[output.step]

    def is_wired(self, step: str, port: str) -> bool:
        """Whether anything takes from this output."""
        return bool(self.takers.get(Endpoint(step=step, port=port)))


def build_graph(flow: Flow, classes: NodeClasses) -> Graph:
    """The graph of all steps that are on; what does not fit is left out and told in `problems`."""
    graph = Graph(flow)
    off = _steps_off(flow)
    for step_id, step in flow.steps.items():
        if step_id in off:
            continue
        if step.node in classes:
            graph.classes[step_id] = classes[step.node]
        else:
            graph.problems.append(_unknown_node(step_id, step.node, classes))
    _connect(graph, off)
    _sort(graph)
    for step_id in graph.order:
        _trace(graph, step_id)
    return graph


def _steps_off(flow: Flow) -> set[str]:
    """Disabled steps, and those that get nothing because all that feeds one of their ports is off."""
    off = {step_id for step_id, step in flow.steps.items() if step.disabled}
    while True:
        further = {
            step_id
            for step_id in flow.steps.keys() - off
            for wires in _wires_by_port(flow, step_id).values()
            if all(wire.source.step in off for wire in wires)
        }
        if not further:
            return off
        off |= further


def _wires_by_port(flow: Flow, step_id: str) -> dict[str, list[Wire]]:
    found: dict[str, list[Wire]] = {}
    for wire in flow.wires:
        if wire.target.step == step_id:
            found.setdefault(wire.target.port, []).append(wire)
    return found


def _unknown_node(step_id: str, node: str, classes: NodeClasses) -> Problem:
    return Problem(
        code="unknown-node", step=step_id, field="node",
        message=f"There is no node {node!r}. {suggestion(node, classes)} Is its package installed?",
    )  # fmt: skip


def _connect(graph: Graph, off: set[str]) -> None:
    for wire in graph.flow.wires:
        if {wire.source.step, wire.target.step} & off:
            continue
        problem = _wire_problem(graph, wire)
        if problem:
            graph.problems.append(problem)
        elif {wire.source.step, wire.target.step} <= graph.classes.keys():
            graph.feeds.setdefault(wire.target.step, {}).setdefault(wire.target.port, []).append(wire.source)
            graph.takers.setdefault(wire.source, []).append(wire.target)


def _wire_problem(graph: Graph, wire: Wire) -> Problem | None:
    for end in (wire.source, wire.target):
        if end.step not in graph.flow.steps:
            hint = suggestion(end.step, graph.flow.steps)
            return Problem(
                code="unknown-step", wire=str(wire), message=f"Wire '{wire}': there is no step {end.step!r}. {hint}"
            )
    return _port_problem(graph, wire) or _type_problem(graph, wire)


def _port_problem(graph: Graph, wire: Wire) -> Problem | None:
    for end, kind in ((wire.source, "output"), (wire.target, "input")):
        if end.step not in graph.classes:
            continue
        ports = graph.ports(end.step).outputs if kind == "output" else graph.ports(end.step).inputs
        if end.port not in ports:
            text = f"Wire '{wire}': step {end.step!r} has no {kind} {end.port!r}. {suggestion(end.port, ports)}"
            return Problem(code="unknown-port", step=end.step, wire=str(wire), message=text)
    return None


def _type_problem(graph: Graph, wire: Wire) -> Problem | None:
    if not {wire.source.step, wire.target.step} <= graph.classes.keys():
        return None
    output = graph.ports(wire.source.step).outputs[wire.source.port]
    target = graph.ports(wire.target.step).inputs[wire.target.port]
    if target.accepts(output):
        return None
    fitting = [one for one in graph.ports(wire.source.step).outputs.values() if target.accepts(one)]
    others = " or ".join(f"'{wire.source.step}.{one.name}'" for one in fitting)
    move = f"Connect {others}, or put a node between." if others else "Put a node between."
    text = f"Wire '{wire}' carries {output.type_text}, but '{target.name}' takes {target.type_text}. {move}"
    return Problem(code="type-mismatch", step=wire.target.step, wire=str(wire), message=text)


def _sort(graph: Graph) -> None:
    network = graph.network
    network.add_nodes_from(sorted(graph.classes))
    network.add_edges_from((source.step, target.step) for source, targets in graph.takers.items() for target in targets)
    in_cycles = set[str]()
    for component in nx.strongly_connected_components(network):
        step = min(component)
        if len(component) > 1 or network.has_edge(step, step):
            graph.problems.append(_cycle_problem(network, component))
            in_cycles |= component
    for step in in_cycles:
        in_cycles = in_cycles | nx.descendants(network, step)
    network.remove_nodes_from(in_cycles)
    graph.order = list(nx.lexicographical_topological_sort(network))


def _cycle_problem(network: nx.DiGraph[str], component: set[str]) -> Problem:
    steps = [source for source, _ in nx.find_cycle(network.subgraph(sorted(component)), min(component))]
    way = " -> ".join([*steps, steps[0]])
    return Problem(
        code="cycle", step=steps[0],
        message=f"The wires go round in a circle: {way}. Items can't come back: remove one of these wires.",
    )  # fmt: skip


def _trace(graph: Graph, step: str) -> None:
    ports, feeds = graph.ports(step), graph.feeds.get(step, {})
    for name, port in ports.inputs.items():
        if port.is_required and name not in feeds and name not in _wires_by_port(graph.flow, step):
            graph.problems.append(_unwired(step, name, port.type_text))
    if ports.is_source or ports.is_gather:
        graph.joins[step] = graph.lineages[step] = Lineage((step,), is_single=not ports.is_iterator)
        return
    joined = _joined(graph, step)
    graph.joins[step] = joined
    graph.lineages[step] = Lineage((*joined.path, step)) if ports.is_iterator else joined


def _unwired(step: str, port: str, type_text: str) -> Problem:
    text = f"The input {port!r} of step {step!r} is not wired. Connect an output that carries {type_text}."
    return Problem(code="unwired-input", step=step, message=text)


def _joined(graph: Graph, step: str) -> Lineage:
    """The lineage at which the step's inputs meet: the longest of its one-item ports."""
    streams = list(_streams(graph, step))
    many = [(port, lineage) for port, lineage in streams if not lineage.is_single]
    for (one, first), (other, second) in pairwise(many):
        if not first.joins(second):
            graph.problems.append(_no_common_origin(step, one, first, other, second))
    _check_unions(graph, step, many)
    ones = [lineage for port, lineage in many if graph.ports(step).inputs[port].arity is Arity.ONE]
    if ones:
        return max(ones, key=lambda lineage: len(lineage.path))
    if many:
        return Lineage(many[0][1].path[:1])
    return streams[0][1] if streams else Lineage((step,), is_single=True)


def _streams(graph: Graph, step: str) -> Iterator[tuple[str, Lineage]]:
    for port, sources in graph.feeds.get(step, {}).items():
        for source in sources:
            if source.step in graph.lineages:
                yield port, graph.lineage(source)


def _check_unions(graph: Graph, step: str, many: list[tuple[str, Lineage]]) -> None:
    seen: dict[str, Lineage] = {}
    for port, lineage in many:
        if graph.ports(step).inputs[port].arity is Arity.ONE and seen.setdefault(port, lineage) != lineage:
            graph.problems.append(_no_common_origin(step, port, seen[port], port, lineage))


def _no_common_origin(step: str, one: str, first: Lineage, other: str, second: Lineage) -> Problem:
    text = (
        f"Step {step!r} can't join its inputs: {one!r} descends from '{first}', {other!r} from '{second}'. "
        f"Items are joined by their common origin; wire both from the same source."
    )
    return Problem(code="no-common-origin", step=step, message=text)
