"""What the wires mean: lineages, and everything that does not fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from postwerk.engine.flow import Flow
from postwerk.engine.graph import Graph, Lineage, build_graph

from .small_flows import flow_of, flows
from .small_nodes import CLASSES


def graph_of(steps: dict[str, str], *wires: str) -> Graph:
    return build_graph(flow_of({step: (node, {}) for step, node in steps.items()}, list(wires)), CLASSES)


def problems_of(steps: dict[str, str], *wires: str) -> list[tuple[str, str]]:
    return [(one.code, one.message) for one in graph_of(steps, *wires).problems]


def switched_off(flow: Flow, *steps: str) -> Flow:
    off = {name: step.model_copy(update={"disabled": name in steps}) for name, step in flow.steps.items()}
    return flow.model_copy(update={"steps": off})


def test_each_step_comes_after_what_feeds_it() -> None:
    graph = graph_of(
        {"c": "Change", "a": "Rows", "b": "Change"}, "a.records -> b.thing", "b.thing -> c.thing"
    )  # fmt: skip

    assert graph.order == ["a", "b", "c"]
    assert graph.problems == []


def test_a_lineage_grows_at_a_split_and_ends_at_a_gather() -> None:
    graph = graph_of(
        {"rows": "Rows", "split": "Split", "part": "Change", "merge": "Merge", "total": "Total"},
        "rows.records -> split.thing", "split.things -> part.thing", "part.thing -> merge.parts",
        "merge.thing -> total.things",
    )  # fmt: skip

    assert graph.lineages == {
        "rows": Lineage(("rows",)),
        "split": Lineage(("rows", "split")),
        "part": Lineage(("rows", "split")),
        "merge": Lineage(("rows",)),
        "total": Lineage(("total",), is_single=True),
    }


def test_the_parts_of_a_single_item_collected_are_a_single_item_again() -> None:
    graph = graph_of(
        {"lone": "Lone", "split": "Split", "merge": "Bundle", "rows": "Rows", "pair": "Pair"},
        "lone.thing -> split.thing", "split.things -> merge.parts", "lone.thing -> merge.head",
        "rows.records -> pair.left", "merge.thing -> pair.right",
    )  # fmt: skip

    assert graph.problems == []
    assert graph.lineages["merge"] == Lineage(("lone",), is_single=True)


def test_parts_of_two_splits_can_be_collected_by_their_record() -> None:
    graph = graph_of(
        {"rows": "Rows", "one": "Split", "two": "Split", "mail": "Bundle"},
        "rows.records -> one.thing", "rows.records -> two.thing", "rows.records -> mail.head",
        "one.things -> mail.parts", "two.things -> mail.parts",
    )  # fmt: skip

    assert graph.problems == []
    assert graph.lineages["mail"] == Lineage(("rows",))


def test_the_parts_of_two_splits_are_no_pairs_even_beside_their_record() -> None:
    [(code, text)] = problems_of(
        {"rows": "Rows", "one": "Split", "two": "Split", "pair": "Pair", "join": "Bundle"},
        "rows.records -> one.thing", "rows.records -> two.thing", "one.things -> pair.left",
        "two.things -> pair.right", "rows.records -> join.head", "rows.records -> join.parts",
    )  # fmt: skip

    assert code == "no-common-origin"
    assert text == (
        "Step 'pair' can't join its inputs: 'left' descends from 'rows > one', 'right' from 'rows > two'. "
        "Items are joined by their common origin; wire both from the same source."
    )


def test_two_streams_without_a_common_origin_are_refused_once() -> None:
    [(code, text)] = problems_of(
        {"a": "Rows", "b": "Rows", "pair": "Pair", "after": "Change"},
        "a.records -> pair.left", "b.records -> pair.right", "pair.thing -> after.thing",
    )  # fmt: skip

    assert (code, text[:78]) == (
        "no-common-origin", "Step 'pair' can't join its inputs: 'left' descends from 'a', 'right' from 'b'.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "wires", "origins"),
    [
        ({"b": "Rows"}, ["a.records -> step.thing", "b.records -> step.thing"], "'a', 'b.records' from 'b'"),
        ({"b": "Lone"}, ["a.records -> step.thing", "b.thing -> step.thing"], "'a', 'b.thing' from 'b'"),
        (
            {"b": "Split"},
            ["a.records -> b.thing", "a.records -> step.thing", "b.things -> step.thing"],
            "'a', 'b.things' from 'a > b'",
        ),
    ],
)
def test_only_branches_of_one_stream_can_meet_at_a_port_for_one_item(
    steps: dict[str, str], wires: list[str], origins: str
) -> None:
    [(code, text)] = problems_of({"a": "Rows", "step": "Change", **steps}, *wires)

    assert code == "no-common-origin"
    assert text == (
        f"At the input 'thing' of step 'step' two streams meet: 'a.records' descends from {origins}. "
        f"It takes branches of one stream; wire both from the same source."
    )


def test_one_single_item_goes_to_every_stream() -> None:
    graph = graph_of(
        {"prices": "Lone", "a": "Rows", "b": "Rows", "one": "Pair", "two": "Pair"},
        "a.records -> one.left", "prices.thing -> one.right", "b.records -> two.left", "prices.thing -> two.right",
    )  # fmt: skip

    assert graph.problems == []
    assert (graph.joins["one"].root, graph.joins["two"].root) == ("a", "b")


@pytest.mark.parametrize(
    ("steps", "wires", "expected"),
    [
        ({"x": "Chnage"}, [], ("unknown-node", "There is no node 'Chnage'. Did you mean 'Change'? Is its package")),
        (
            {"a": "Rows"}, ["a.records -> mial.thing"],
            ("unknown-step", "Wire 'a.records -> mial.thing': there is no step 'mial'. There are: 'a'."),
        ),
        (
            {"a": "Rows", "mail": "Change"}, ["a.records -> mail.thing", "a.records -> mial.thing"],
            ("unknown-step", "Wire 'a.records -> mial.thing': there is no step 'mial'. Did you mean 'mail'?"),
        ),
        (
            {"a": "Rows", "x": "Change"}, ["a.record -> x.thing"],
            ("unknown-port", "Wire 'a.record -> x.thing': step 'a' has no output 'record'. Did you mean 'records'?"),
        ),
        (
            {"a": "Rows", "x": "Change"}, ["a.records -> x.tings"],
            ("unknown-port", "Wire 'a.records -> x.tings': step 'x' has no input 'tings'. Did you mean 'thing'?"),
        ),
        (
            {"a": "Rows", "x": "Change", "y": "Enrich"}, ["a.records -> x.thing", "x.thing -> y.row"],
            ("type-mismatch", "Wire 'x.thing -> y.row' carries Thing, but 'row' takes Row. Put a node between."),
        ),
        (
            {"a": "Rows", "x": "Pair"}, ["a.records -> x.left"],
            ("unwired-input", "The input 'right' of step 'x' is not wired. Connect an output that carries Thing or"),
        ),
        (
            {"a": "Rows", "x": "Tell", "y": "Enrich"}, ["a.records -> x.row", "x.thing -> y.row"],
            ("type-mismatch", "Wire 'x.thing -> y.row' carries Thing, but 'row' takes Row. Connect 'x.row', or put a"),
        ),
        (
            {"a": "Rows", "x": "Idle"}, [],
            ("unwired-input", "Nothing is wired to step 'x', so it never runs. Connect an output to 'one' (Thing or"),
        ),
        (
            {"a": "Rows", "x": "Change", "y": "Change"}, ["x.thing -> y.thing", "y.thing -> x.thing"],
            ("cycle", "The wires go round in a circle: x -> y -> x. Items can't come back: remove one of these wires."),
        ),
        ({"x": "Change"}, ["x.thing -> x.thing"], ("cycle", "The wires go round in a circle: x -> x. Items can't")),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_what_to_do(
    steps: dict[str, str], wires: list[str], expected: tuple[str, str]
) -> None:
    found = problems_of(steps, *wires)

    assert [(code, text[: len(expected[1])]) for code, text in found] == [expected]


def test_what_lies_below_a_mistake_is_not_told_as_further_mistakes() -> None:
    problems = problems_of(
        {
            "a": "Rows", "b": "Rows", "gone": "NoSuchNode", "below": "Change", "split": "Split", "pair": "Pair",
            "deep": "Pair", "all": "Report", "union": "Change",
        },
        "a.records -> gone.thing", "gone.thing -> below.thing", "below.thing -> split.thing",
        "a.records -> union.thing", "split.things -> union.thing",
        "split.things -> pair.left", "a.records -> pair.right", "pair.thing -> deep.left", "b.records -> deep.right",
        "deep.thing -> all.things",
    )  # fmt: skip

    assert [code for code, _ in problems] == ["unknown-node", "no-common-origin"]
    assert "'deep'" in problems[1][1]


def test_a_disabled_step_takes_all_that_needs_it_out() -> None:
    steps = {"a": "Rows", "lock": "Change", "mail": "Attach", "send": "Send", "other": "Change", "all": "Report"}
    flow = flow_of(
        {step: (node, {}) for step, node in steps.items()},
        [
            "a.records -> lock.thing", "a.records -> mail.head", "lock.thing -> mail.parts", "mail.thing -> send.thing",
            "a.records -> other.thing", "other.thing -> all.things", "send.sent -> all.things",
        ],
    )  # fmt: skip

    graph = build_graph(switched_off(flow, "lock"), CLASSES)

    assert graph.order == ["a", "other", "all"]
    assert graph.problems == []


def test_a_problem_of_a_disabled_step_is_none() -> None:
    flow = flow_of({"a": ("Rows", {}), "x": ("NoSuchNode", {})}, ["a.records -> x.thing"])

    assert build_graph(switched_off(flow, "x"), CLASSES).problems == []


@given(flows())
def test_a_valid_flow_has_a_lineage_for_every_step_and_no_order_against_a_wire(flow: Flow) -> None:
    graph = build_graph(flow, CLASSES)

    place = {step: number for number, step in enumerate(graph.order)}
    assert place.keys() == graph.lineages.keys() == flow.steps.keys()
    assert all(place[wire.source.step] < place[wire.target.step] for wire in flow.wires)
    for step, feeds in graph.feeds.items():
        own = [graph.lineage(one) for sources in feeds.values() for one in sources]
        if not graph.ports(step).is_gather:
            assert all(one.is_single or one.root == graph.joins[step].root for one in own)
