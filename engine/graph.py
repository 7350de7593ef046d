"""The flow as a graph: which step feeds which, and from which stream each output descends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import networkx as nx

from .flow import Endpoint, Flow, Wire
from .node import Node
from .ports import Arity, Port, Ports
from .problem import Hints, Problem
from .values import Record

NodeClasses = Mapping[str, type[Node]]


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a stream comes from: its source or gather, then each 1:n step on the way.

    Two streams join when the path of one begins with the path of the other.
    """

    path: tuple[str, ...]
    is_single: bool = False
    """One single item, which goes to all."""
    is_known: bool = True
    """False below a mistake that is told already: such a stream is compared with none, so that a cause is told once."""

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
    record_depths: dict[str, int] = field(default_factory=dict)
    """step -> the length of the key of the record that its calls have at hand, at most."""
    partial: set[str] = field(default_factory=set)
    """Steps with an input that gets nothing because of a problem."""
    problems: list[Problem] = field(default_factory=list)
    network: nx.DiGraph[str] = field(default_factory=nx.DiGraph)

    def ports(self, step: str) -> Ports:
        return self.classes[step].ports

    def sources(self, step: str) -> list[Endpoint]:
        """All outputs that feed it."""
        return [source for sources in self.feeds.get(step, {}).values() for source in sources]

    def lineage(self, output: Endpoint) -> Lineage:
        return self.lineages[output.step]

    def record_depth(self, output: Endpoint) -> int:
        """The length of the key of the record that an output's items descend from, at most: 0 is none."""
        if any(issubclass(one, Record) for one in self.ports(output.step).outputs[output.port].types):
            return len(self.lineage(output).path)
        return self.record_depths[output.step]

    def is_wired(self, step: str, port: str) -> bool:
        """Whether anything takes from this output."""
        return bool(self.takers.get(Endpoint(step=step, port=port)))


def build_graph(flow: Flow, classes: NodeClasses) -> Graph:
    """The graph of all steps that are on; what does not fit is left out and told in `problems`."""
    graph = Graph(flow)
    off = _steps_off(flow)
    hints = Hints()
    for step_id, step in flow.steps.items():
        if step_id in off:
            continue
        if step.node in classes:
            graph.classes[step_id] = classes[step.node]
        else:
            graph.problems.append(_unknown_node(step_id, step.node, hints.of(step.node, classes)))
    _connect(graph, off, hints)
    _find_unwired(graph)
    _sort(graph)
    for step_id in graph.order:
        _trace(graph, step_id)
    return graph


def _steps_off(flow: Flow) -> set[str]:
    """Disabled steps, and those that get nothing because all that feeds one of their ports is off."""
    targets: dict[str, list[Endpoint]] = {}
    for wire in flow.wires:
        targets.setdefault(wire.source.step, []).append(wire.target)
    left = Counter(wire.target for wire in flow.wires)
    waiting = [step_id for step_id, step in flow.steps.items() if step.disabled]
    off = set(waiting)
    while waiting:
        for target in targets.get(waiting.pop(), ()):
            left[target] -= 1
            if left[target] == 0 and target.step not in off:
                off.add(target.step)
                waiting.append(target.step)
    return off


def _unknown_node(step_id: str, node: str, hint: str) -> Problem:
    return Problem(
        code="unknown-node", step=step_id, field="node",
        message=f"There is no node {node!r}.{hint} Is its package installed?",
    )  # fmt: skip


def _connect(graph: Graph, off: set[str], hints: Hints) -> None:
    told: set[str] = set()
    for wire in graph.flow.wires:
        ends = {wire.source.step, wire.target.step}
        if ends & off:
            continue
        problem = (
            _unknown_step(graph, wire, told, hints) or _port_problem(graph, wire, hints) or _type_problem(graph, wire)
        )
        if problem:
            graph.problems.append(problem)
        if problem or not ends <= graph.classes.keys():
            graph.partial.add(wire.target.step)
        else:
            graph.feeds.setdefault(wire.target.step, {}).setdefault(wire.target.port, []).append(wire.source)
            graph.takers.setdefault(wire.source, []).append(wire.target)


def _unknown_step(graph: Graph, wire: Wire, told: set[str], hints: Hints) -> Problem | None:
    """A step that is missing is told with the first of its wires."""
    for end in (wire.source, wire.target):
        if end.step not in graph.flow.steps and end.step not in told:
            told.add(end.step)
            text = f"Wire '{wire}': there is no step {end.step!r}.{hints.of(end.step, graph.flow.steps)}"
            return Problem(code="unknown-step", wire=str(wire), message=text)
    return None


def _port_problem(graph: Graph, wire: Wire, hints: Hints) -> Problem | None:
    for end, kind in ((wire.source, "output"), (wire.target, "input")):
        if end.step not in graph.classes:
            continue
        ports = graph.ports(end.step).outputs if kind == "output" else graph.ports(end.step).inputs
        if end.port not in ports:
            text = f"Wire '{wire}': step {end.step!r} has no {kind} {end.port!r}.{hints.of(end.port, ports)}"
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


def _find_unwired(graph: Graph) -> None:
    wired = {wire.target for wire in graph.flow.wires}
    astray = Counter(end.step for end in wired if not _has_input(graph, end))
    for step, node in graph.classes.items():
        inputs = node.ports.inputs
        ends = {name: Endpoint.model_construct(step=step, port=name) for name in inputs}
        loose = [port for name, port in inputs.items() if ends[name] not in wired]
        needed = [port for port in loose if port.is_required]
        if len(needed) > astray[step]:  # else a wire to a wrong name is the cause, and told
            graph.problems += (_unwired(step, port) for port in needed)
        elif loose and len(loose) == len(inputs) and not astray[step]:
            graph.problems.append(_nothing_wired(step, loose))
        else:
            continue
        graph.partial.add(step)


def _has_input(graph: Graph, end: Endpoint) -> bool:
    return end.step not in graph.classes or end.port in graph.ports(end.step).inputs


def _unwired(step: str, port: Port) -> Problem:
    text = f"The input {port.name!r} of step {step!r} is not wired. Connect an output that carries {port.type_text}."
    return Problem(code="unwired-input", step=step, message=text)


def _nothing_wired(step: str, ports: list[Port]) -> Problem:
    names = " or ".join(f"{port.name!r} ({port.type_text})" for port in ports)
    text = f"Nothing is wired to step {step!r}, so it never runs. Connect an output to {names}."
    return Problem(code="unwired-input", step=step, message=text)


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
    network.remove_nodes_from([step for layer in nx.bfs_layers(network, in_cycles) for step in layer])
    graph.order = list(nx.lexicographical_topological_sort(network))


def _cycle_problem(network: nx.DiGraph[str], component: set[str]) -> Problem:
    steps = [source for source, _ in nx.find_cycle(network.subgraph(sorted(component)), min(component))]
    shown = steps if len(steps) <= 12 else [*steps[:6], "…", *steps[-5:]]
    way = " -> ".join([*shown, steps[0]])
    return Problem(
        code="cycle", step=steps[0],
        message=f"The wires go round in a circle: {way}. Items can't come back: remove one of these wires.",
    )  # fmt: skip


def _trace(graph: Graph, step: str) -> None:
    ports = graph.ports(step)
    if ports.is_source or ports.is_gather:
        graph.joins[step] = graph.lineages[step] = Lineage((step,), is_single=not ports.is_iterator)
        graph.record_depths[step] = 0
        return
    joined = graph.joins[step] = _joined(graph, step)
    is_longer = ports.is_iterator and joined.is_known
    graph.lineages[step] = Lineage((*joined.path, step)) if is_longer else joined
    known = (source for source in graph.sources(step) if source.step in graph.lineages)
    depths = [graph.record_depth(source) for source in known if graph.lineage(source).root == joined.root]
    graph.record_depths[step] = max((one for one in depths if one <= len(joined.path)), default=0)


def _joined(graph: Graph, step: str) -> Lineage:
    """Where its inputs meet: at the longest lineage of its one-item ports, else at the record that it collects."""
    streams = list(_streams(graph, step))
    if not streams:
        return Lineage((step,), is_single=True, is_known=False)
    inputs = graph.ports(step).inputs
    many = [(port, lineage) for port, lineage in streams if not lineage.is_single]
    ones = [(port, lineage) for port, lineage in many if inputs[port].arity is Arity.ONE]
    if not many:
        return next((lineage for port, lineage in streams if inputs[port].arity is Arity.ONE), streams[0][1])
    where, joined = max(ones or many, key=lambda one: len(one[1].path))
    for port, lineage in many:
        if lineage.root != joined.root or (ones and not lineage.joins(joined)):
            graph.problems.append(_no_common_origin(step, where, joined, port, lineage))
    return joined if ones else graph.lineages[joined.root]


def _streams(graph: Graph, step: str) -> Iterator[tuple[str, Lineage]]:
    """What arrives at each port. At a port that takes one item, all that arrives must be of one lineage."""
    feeds = graph.feeds.get(step, {})
    for name, port in graph.ports(step).inputs.items():
        first: Endpoint | None = None
        for source in feeds.get(name, ()):
            lineage = graph.lineage(source)
            if not lineage.is_known:
                continue
            if first and port.arity is Arity.ONE and lineage != graph.lineage(first):
                graph.problems.append(_no_union(graph, step, name, first, source))
                break
            first = source
            yield name, lineage


def _no_common_origin(step: str, one: str, first: Lineage, other: str, second: Lineage) -> Problem:
    text = (
        f"Step {step!r} can't join its inputs: {one!r} descends from '{first}', {other!r} from '{second}'. "
        f"Items are joined by their common origin; wire both from the same source."
    )
    return Problem(code="no-common-origin", step=step, message=text)


def _no_union(graph: Graph, step: str, port: str, one: Endpoint, other: Endpoint) -> Problem:
    text = (
        f"At the input {port!r} of step {step!r} two streams meet: '{one}' descends from '{graph.lineage(one)}', "
        f"'{other}' from '{graph.lineage(other)}'. It takes branches of one stream; wire both from the same source."
    )
    return Problem(code="no-common-origin", step=step, message=text)
