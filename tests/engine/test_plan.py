"""Stages: cut at gathers and suspensions, and never waiting for each other in a circle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import networkx as nx
from hypothesis import given, settings
from postwerk.engine.agenda import agenda
from postwerk.engine.flow import Endpoint, Flow
from postwerk.engine.graph import build_graph
from postwerk.engine.plan import Plan, Root, Stage, make_plan

from .small_flows import flow_of, flows
from .small_nodes import CLASSES


def plan_of(steps: dict[str, str], *wires: str) -> Plan:
    graph = build_graph(flow_of({step: (node, {}) for step, node in steps.items()}, list(wires)), CLASSES)
    assert graph.problems == []
    return make_plan(graph)


def ends(*texts: str) -> set[Endpoint]:
    return {Endpoint(step=step, port=port) for step, port in (text.split(".") for text in texts)}


def test_steps_between_two_sends_are_one_stage() -> None:
    plan = plan_of(
        {"a": "Rows", "b": "Change", "send": "Send", "c": "Pair", "again": "Send", "all": "Report"},
        "a.records -> b.thing", "b.thing -> send.thing", "send.sent -> c.left", "b.thing -> c.right",
        "c.thing -> again.thing", "again.sent -> all.things", "b.thing -> all.things",
    )  # fmt: skip

    first, second = plan.stages
    assert plan.roots == (
        Root("a", is_gather=False, is_single=False, takes=frozenset(), is_behind_suspension=False),
        Root("all", is_gather=True, is_single=True, takes=frozenset(ends("again.sent", "b.thing")),
             is_behind_suspension=True),
    )  # fmt: skip
    assert first == Stage(
        0, "a", 0, ("b", "send"), enters=frozenset(ends("a.records")), shared=frozenset(),
        leaves=frozenset(ends("b.thing")), suspends=frozenset({"send"}), after=frozenset(), is_behind_suspension=False,
    )  # fmt: skip
    assert second == Stage(
        1, "a", 1, ("c", "again"), enters=frozenset(ends("send.sent", "b.thing")), shared=frozenset(),
        leaves=frozenset(), suspends=frozenset({"again"}), after=frozenset(), is_behind_suspension=True,
    )  # fmt: skip


def test_what_a_stream_gathers_and_takes_back_cuts_it() -> None:
    plan = plan_of(
        {"a": "Rows", "b": "Change", "total": "Total", "c": "Pair"},
        "a.records -> b.thing", "b.thing -> total.things", "b.thing -> c.left", "total.thing -> c.right",
    )  # fmt: skip

    first, second = plan.stages
    assert (first.steps, second.steps) == (("b",), ("c",))
    assert (set(second.after), set(second.shared), second.level) == ({"total"}, ends("total.thing"), 1)


def test_a_price_list_cuts_no_stage() -> None:
    plan = plan_of(
        {"a": "Rows", "prices": "Lone", "b": "Change", "c": "Pair", "d": "Change"},
        "a.records -> b.thing", "prices.thing -> d.thing", "b.thing -> c.left", "d.thing -> c.right",
    )  # fmt: skip

    assert [(stage.root, stage.steps, set(stage.after)) for stage in plan.stages] == [
        ("prices", ("d",), set()),
        ("a", ("b", "c"), {0}),
    ]


def test_two_single_streams_may_use_each_others_items_in_turn() -> None:
    plan = plan_of(
        {"p": "Lone", "q": "Lone", "p1": "Change", "q1": "Pair", "p2": "Pair", "q2": "Pair"},
        "p.thing -> p1.thing", "q.thing -> q1.left", "p1.thing -> q1.right", "p1.thing -> p2.left",
        "q1.thing -> p2.right", "q1.thing -> q2.left", "p2.thing -> q2.right",
    )  # fmt: skip

    assert [stage.steps for stage in plan.stages] == [("p1",), ("q1",), ("p2",), ("q2",)]
    assert [stage.after for stage in plan.stages] == [set(), {0}, {1}, {2}]


def test_two_streams_that_use_each_others_totals_do_not_wait_for_each_other() -> None:
    plan = plan_of(
        {
            "r": "Rows", "r1": "Change", "r2": "Pair", "s": "Rows", "s1": "Change", "s2": "Pair",
            "of_r": "Total", "of_s": "Total",
        },
        "r.records -> r1.thing", "r1.thing -> of_r.things", "s.records -> s1.thing", "s1.thing -> of_s.things",
        "r.records -> r2.left", "of_s.thing -> r2.right", "s.records -> s2.left", "of_r.thing -> s2.right",
    )  # fmt: skip

    assert {stage.steps: stage.after for stage in plan.stages} == {
        ("r1",): set(), ("s1",): set(), ("r2",): {"of_s"}, ("s2",): {"of_r"},
    }  # fmt: skip


def test_what_needs_a_letters_fate_is_behind_a_suspension_even_in_another_stream() -> None:
    plan = plan_of(
        {"p": "Lone", "send": "Send", "a": "Rows", "b": "Change", "c": "Pair", "all": "Sort", "d": "Change"},
        "p.thing -> send.thing", "a.records -> b.thing", "b.thing -> c.left", "send.sent -> c.right",
        "c.thing -> all.things", "all.records -> d.thing",
    )  # fmt: skip

    behind = {stage.steps: stage.is_behind_suspension for stage in plan.stages}
    assert behind == {("send",): False, ("b",): False, ("c",): True, ("d",): True}
    assert {root.step: root.is_behind_suspension for root in plan.roots} == {"p": False, "a": False, "all": True}


@settings(max_examples=200, deadline=None)
@given(flows())
def test_every_step_is_in_one_stage_and_stages_can_be_done_in_the_order_of_their_numbers(flow: Flow) -> None:
    graph = build_graph(flow, CLASSES)
    plan = make_plan(graph)

    roots = [root.step for root in plan.roots]
    assert sorted([*roots, *(step for stage in plan.stages for step in stage.steps)]) == sorted(flow.steps)
    assert [stage.number for stage in plan.stages] == list(range(len(plan.stages)))
    home = {step: stage.number for stage in plan.stages for step in stage.steps}
    begun, done = set[str](), set[str]()
    for stage in plan.stages:
        while ready := [root for root in plan.roots if root.step not in begun and _is_done(root.takes, done)]:
            begun |= {root.step for root in ready}
            done |= begun
        assert stage.root in begun
        assert all(one in begun if isinstance(one, str) else one < stage.number for one in stage.after)
        assert _is_done(stage.enters | stage.shared, done)
        assert stage.level == len([one for one in plan.stages_of(stage.root) if one.number < stage.number])
        assert all(home.get(source.step) != stage.number for source in stage.enters)
        done |= set(stage.steps)


def _is_done(outputs: frozenset[Endpoint], done: set[str]) -> bool:
    return all(output.step in done for output in outputs)


def test_a_step_that_waits_for_a_letter_does_not_hold_up_those_beside_it() -> None:
    plan = plan_of(
        {"p": "Lone", "send": "Send", "a": "Rows", "b": "Change", "c": "Pair", "total": "Total", "d": "Pair"},
        "p.thing -> send.thing", "a.records -> b.thing", "a.records -> c.left", "send.sent -> c.right",
        "b.thing -> total.things", "a.records -> d.left", "total.thing -> d.right",
    )  # fmt: skip

    assert [stage.steps for stage in plan.stages] == [("send",), ("b",), ("d",), ("c",)]
    assert [stage.is_behind_suspension for stage in plan.stages] == [False, False, False, True]


@settings(max_examples=200, deadline=None)
@given(flows())
def test_the_agenda_does_all_before_the_first_mail_and_all_after_it_in_turn(flow: Flow) -> None:
    graph = build_graph(flow, CLASSES)
    plan = make_plan(graph)
    done = set[str]()

    turns = [turn for is_behind in (False, True) for turn in agenda(plan, is_behind_suspension=is_behind)]

    for turn in turns:
        if turn.root:
            assert _is_done(turn.root.takes, done)
            done.add(turn.root.step)
        if turn.stage:
            assert _is_done(turn.stage.enters | turn.stage.shared, done)
            done |= {turn.stage.root, *turn.stage.steps}
    assert [turn.root for turn in turns if turn.root] != [] or not plan.roots
    assert sorted(turn.stage.number for turn in turns if turn.stage) == list(range(len(plan.stages)))
    assert done == flow.steps.keys()


@settings(max_examples=200, deadline=None)
@given(flows())
def test_what_a_stage_lets_in_and_out_is_what_its_wires_cross(flow: Flow) -> None:
    graph = build_graph(flow, CLASSES)
    plan = make_plan(graph)
    home = {step: stage.number for stage in plan.stages for step in stage.steps}
    network = nx.DiGraph((wire.source.step, wire.target.step) for wire in flow.wires)
    suspending = {step for step in graph.order if graph.ports(step).is_suspension}

    for stage in plan.stages:
        crossing_in = {wire.source for wire in flow.wires if home.get(wire.target.step) == stage.number}
        crossing_in -= {source for source in crossing_in if home.get(source.step) == stage.number}
        assert stage.enters | stage.shared == crossing_in
        assert not stage.enters & stage.shared
        crossing_out = {wire.source for wire in flow.wires if home.get(wire.target.step) != stage.number}
        made = {source for source in crossing_out if source.step in stage.steps and source.step not in suspending}
        assert stage.leaves == made
        assert stage.suspends == suspending & set(stage.steps)
        for step in stage.steps:
            assert stage.is_behind_suspension == bool(nx.ancestors(network, step) & suspending)
        for step in stage.steps:
            within = nx.ancestors(network.subgraph(stage.steps), step) if step in network else set()
            assert not within & suspending, "a stage works without waiting"


CIRCLE = (
    {"r": "Rows", "s": "Rows", "of_r": "Total", "of_s": "Total", "x": "Pair", "y": "Pair", "p": "Lone", "z": "Attach"},
    "r.records -> of_r.things", "s.records -> of_s.things", "r.records -> x.left", "of_s.thing -> x.right",
    "s.records -> y.left", "of_r.thing -> y.right", "p.thing -> z.head", "of_s.thing -> z.parts",
)  # fmt: skip


def test_every_process_makes_the_same_plan() -> None:
    """Workers agree on the numbers of stages, though each hashes texts in its own way."""
    script = f"from {__name__} import *\nprint([(s.number, s.steps) for s in plan_of(*CIRCLE).stages])"

    told = {
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, cwd=Path(__file__).parents[2],
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip

    assert told == {str([(stage.number, stage.steps) for stage in plan_of(*CIRCLE).stages]) + "\n"}
