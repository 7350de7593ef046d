"""Flows of small nodes, made at random; `build_graph` finds no problem in them."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import strategies as st
from postwerk.engine import Arity
from postwerk.engine.flow import Endpoint, Flow, Step, Wire
from postwerk.engine.graph import Graph, build_graph

from .small_nodes import CLASSES, STEPS

Steps = dict[str, tuple[str, dict[str, Any]]]

COMMON = ["Change", "Choose", "Judge", "Split", "Pair", "Complete", "Bundle", "Attach", "Send"]
NODES = [*COMMON, *COMMON, *sorted(STEPS)]


def flow_of(steps: Steps, wires: list[str]) -> Flow:
    """Steps as id -> (node, params); wires as 'a.b -> c.d'."""
    ends = [wire.split(" -> ") for wire in wires]
    return Flow(
        id="f", name="F",
        steps={step: Step(node=node, params=params) for step, (node, params) in steps.items()},
        wires=tuple(Wire.model_validate({"from": source, "to": target}) for source, target in ends),
    )  # fmt: skip


def flows() -> st.SearchStrategy[Flow]:
    """By a seed: hypothesis' own choices are too much alike for what only some of many flows show."""
    return st.integers(0, 2**64 - 1).map(lambda seed: random_flow(Random(seed)))


def random_flow(random: Random) -> Flow:
    facts = {"salt": random.randrange(1000), "fails": random.choice([0, 0, 0, 5, 11, 23])}
    steps: Steps = {}
    wires: list[str] = []
    for number in range(random.choice([1, 1, 1, 2])):
        steps[f"rows{number}"] = ("Rows", {"count": random.choice([0, 1, 3, 5, 9])})
    for number in range(random.choice([0, 0, 1, 2])):
        steps[f"lone{number}"] = ("Lone", {**facts, "fails": random.choice([0, 0, 2])})
    if "lone0" in steps and random.random() < 0.3:  # what all share may be known only when a letter has come
        steps["first"] = ("Send", {**facts, "fails": 0})
        wires.append("lone0.thing -> first.thing")
    graph = build_graph(flow_of(steps, wires), CLASSES)
    for number in range(random.randint(1, random.choice([8, 16, 30]))):
        step, node = f"s{number}", random.choice(NODES)
        further = _wires_to(random, graph, step, node)
        grown = flow_of({**steps, step: (node, facts)}, [*wires, *further])
        if further and not (found := build_graph(grown, CLASSES)).problems:
            steps[step], wires, graph = (node, facts), [*wires, *further], found
    return graph.flow


def _wires_to(random: Random, graph: Graph, step: str, node: str) -> list[str]:
    """Wires to each input, most of them from streams that can be joined, and rather from the last steps."""
    outputs = [Endpoint(step=one, port=name) for one in graph.flow.steps for name in graph.ports(one).outputs]
    many = [one for one in outputs if not graph.lineage(one).is_single]
    home = graph.lineage(random.choice(random.choice([many, many, many[-5:], outputs])))
    near = [one for one in outputs if graph.lineage(one).joins(home) or graph.lineage(one).is_single]
    wires: list[str] = []
    for name, port in STEPS[node].ports.inputs.items():
        fitting = [one for one in near if port.accepts(graph.ports(one.step).outputs[one.port])]
        most = random.choice([1, 1, 1, 2]) if port.arity is Arity.ONE else random.choice([1, 1, 2, 3])
        if fitting and (port.is_required or random.random() < 0.8):
            chosen = dict.fromkeys(random.choice([*fitting, *fitting[-3:]]) for _ in range(most))
            wires += (f"{source} -> {step}.{name}" for source in chosen)
    return wires
