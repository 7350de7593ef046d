"""Flows of small nodes, made at random; `build_graph` finds no problem in them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from postwerk.engine import Arity, Port
from postwerk.engine.flow import Endpoint, Flow, Step, Wire
from postwerk.engine.graph import Graph, build_graph

from .small_nodes import CLASSES, STEPS

COMMON = ["Change", "Choose", "Judge", "Split", "Pair", "Complete", "Bundle", "Attach", "Send"]
NODES = st.sampled_from([*COMMON, *COMMON, *sorted(STEPS)])


def flow_of(steps: dict[str, tuple[str, dict[str, Any]]], wires: list[str]) -> Flow:
    """Steps as id -> (node, params); wires as 'a.b -> c.d'."""
    ends = [wire.split(" -> ") for wire in wires]
    return Flow(
        id="f", name="F",
        steps={step: Step(node=node, params=params) for step, (node, params) in steps.items()},
        wires=tuple(Wire.model_validate({"from": source, "to": target}) for source, target in ends),
    )  # fmt: skip


@st.composite
def flows(draw: st.DrawFn, *, most_steps: int = 16) -> Flow:
    steps: dict[str, tuple[str, dict[str, Any]]] = {}
    salt = draw(st.integers(0, 1000))
    fails = draw(st.sampled_from([0, 5, 11]))
    for number in range(draw(st.sampled_from([1, 1, 1, 2]))):
        steps[f"rows{number}"] = ("Rows", {"count": draw(st.sampled_from([3, 5, 1, 0, 9])), "salt": salt})
    for number in range(draw(st.sampled_from([0, 1, 0, 2]))):
        steps[f"lone{number}"] = ("Lone", {"salt": salt, "fails": draw(st.sampled_from([0, 0, 2]))})
    wires: list[str] = []
    if "lone0" in steps and draw(st.booleans()):  # what all share may be known only when a letter has come
        steps["first"] = ("Send", {"salt": salt, "fails": 0})
        wires.append("lone0.thing -> first.thing")
    graph = build_graph(flow_of(steps, wires), CLASSES)
    for number in range(draw(st.integers(1, most_steps))):
        step, node = f"s{number}", draw(NODES)
        further = draw(wires_to(graph, step, node))
        grown = flow_of({**steps, step: (node, {"salt": salt, "fails": fails})}, [*wires, *further])
        if further and not (found := build_graph(grown, CLASSES)).problems:
            steps[step], wires, graph = (node, {"salt": salt, "fails": fails}), [*wires, *further], found
    return graph.flow


@st.composite
def wires_to(draw: st.DrawFn, graph: Graph, step: str, node: str) -> list[str]:
    """Wires to each input, most of them from streams that can be joined."""
    outputs = [Endpoint(step=one, port=name) for one in graph.order for name in graph.ports(one).outputs]
    many = [one for one in outputs if not graph.lineage(one).is_single]
    home = graph.lineage(draw(st.sampled_from(many) | st.sampled_from(outputs)))
    near = [one for one in outputs if graph.lineage(one).joins(home) or graph.lineage(one).is_single]
    wires: list[str] = []
    for name, port in STEPS[node].ports.inputs.items():
        fitting = [one for one in near if port.accepts(_output(graph, one))]
        if fitting:
            most = 2 if port.arity is Arity.ONE else 3
            drawn = draw(st.lists(st.sampled_from(fitting), unique=True, min_size=port.is_required, max_size=most))
            wires += (f"{source} -> {step}.{name}" for source in drawn)
    return wires


def _output(graph: Graph, end: Endpoint) -> Port:
    return graph.ports(end.step).outputs[end.port]
