"""Items on their way: whatever the flow, no item meets one of another record, and each source item has one ending."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postwerk.engine import Item, Key, Outputs, Refused, Unreadable, key_text
from postwerk.engine.flow import Endpoint, Flow
from postwerk.engine.graph import build_graph
from postwerk.engine.passage import Call, Ending, Given, Passage, Seed, Trail
from postwerk.engine.plan import make_plan
from postwerk.engine.values import Source

from .reference import AtOneStroke, Stagewise
from .small_flows import flow_of, flows
from .small_nodes import CLASSES, Letter, Row, Sent, Sifted, Thing

EXAMPLES = 400


@settings(max_examples=EXAMPLES, deadline=None)
@given(flows(), st.integers(0, 10**6))
def test_a_flow_gives_what_its_wires_say_whatever_the_order(flow: Flow, seed: int) -> None:
    """That no item meets one of another record, and that nothing is called twice, `Stagewise` asserts at every call."""
    expected = AtOneStroke(flow).run()

    for number in range(2):
        outcome = Stagewise(flow, seed + number).run()

        assert outcome.calls == expected.calls
        assert outcome.failures == expected.failures
        assert outcome.suspended == expected.suspended
        assert outcome.endings == expected.endings


Answer = Callable[[Call], Given | Exception]


class Way:
    """Drives one source item, whose key is `k`, through the stages of a flow; each answer is written into the test."""

    def __init__(self, steps: dict[str, str], *wires: str, **answers: Any) -> None:
        self.graph = build_graph(flow_of({step: (node, {}) for step, node in steps.items()}, list(wires)), CLASSES)
        assert self.graph.problems == []
        self.stages = make_plan(self.graph).stages
        self.answers = answers
        self.calls: dict[tuple[str, Key], Call] = {}

    def walk(
        self, number: int, seed: Seed, shared: dict[Endpoint, list[Item[Any]]] | None = None, **lost: Any
    ) -> Trail:
        walk = Passage(self.graph, self.stages[number]).walk(seed, shared or {}, **lost)
        try:
            call = next(walk)
            while True:
                assert (call.step, call.item.key) not in self.calls
                self.calls[call.step, call.item.key] = call
                call = walk.send(self.answer(call))
        except StopIteration as end:
            trail: Trail = end.value
            return trail

    def answer(self, call: Call) -> Given | Exception:
        answer = self.answers.get(call.step, THING)
        answer = answer(call) if callable(answer) else answer
        if isinstance(answer, Exception | list):
            return answer
        return [(next(iter(self.graph.ports(call.step).outputs)), answer)]

    def inputs(self, step: str, *key: str) -> dict[str, Any]:
        return dict(self.calls[step, key].inputs)


THING = Thing(stream="", key=(), text="thing")
ROW = Row(key="k", values={}, stream="", path=("k",), text="row")
REFUSED = Refused("no")
TERMS = Endpoint(step="terms", port="thing")


def thing(text: str) -> Thing:
    return Thing(stream="", key=(), text=text)


def parts(*values: Any) -> list[tuple[str, Any]]:
    return [("things", value) for value in values]


def seed(key: str = "k") -> Seed:
    row = ROW.changed(key=key)
    return Seed(key, {Endpoint(step="rows", port="records"): [Item((key,), row, row)]})


def after(trail: Trail, *others: Trail) -> Seed:
    """What the next stage gets of a source item."""
    merged = seed(trail.key)
    for one in (trail, *others):
        for output, items in one.items.items():
            merged.items.setdefault(output, []).extend(items)
        for output, keys in one.lost.items():
            merged.lost.setdefault(output, set()).update(keys)
    return merged


MAIL = (
    {"rows": "Rows", "form": "Change", "mail": "Attach", "send": "Send"},
    "rows.records -> form.thing", "rows.records -> mail.head", "form.thing -> mail.parts", "mail.thing -> send.thing",
)  # fmt: skip


def test_an_item_goes_the_whole_way() -> None:
    way = Way(*MAIL, form=thing("form"), mail=thing("mail"), send=Letter(text="", fate=0))

    trail = way.walk(0, seed())

    assert way.inputs("mail", "k") == {"head": ROW, "parts": [thing("form")]}
    assert [(one.step, one.key, one.record) for one in trail.suspended] == [("send", ("k",), ROW)]
    assert {step: (tally.taken, tally.failed, tally.given) for step, tally in trail.tallies.items()} == {
        "form": (1, 0, {"thing": 1}), "mail": (1, 0, {"thing": 1}), "send": (1, 0, {}),
    }  # fmt: skip
    assert trail.ending is Ending.DONE


def test_a_mail_is_not_made_without_its_attachment() -> None:
    way = Way(*MAIL, form=REFUSED)

    trail = way.walk(0, seed())

    assert way.calls.keys() == {("form", ("k",))}
    assert [(one.step, one.key, one.record, one.error) for one in trail.failures] == [("form", ("k",), ROW, REFUSED)]
    assert trail.ending is Ending.FAILED


def test_a_mail_is_not_made_without_one_of_several_parts() -> None:
    way = Way(
        {"rows": "Rows", "split": "Split", "lock": "Change", "mail": "Attach"},
        "rows.records -> split.thing", "split.things -> lock.thing", "rows.records -> mail.head",
        "lock.thing -> mail.parts",
        split=parts(THING, THING, THING), lock=lambda call: REFUSED if call.item.key[1] == "1" else THING,
    )  # fmt: skip

    trail = way.walk(0, seed())

    assert [step for step, _ in way.calls] == ["split", "lock", "lock", "lock"]
    assert [(one.step, one.key) for one in trail.failures] == [("lock", ("k", "1"))]


def test_a_part_goes_on_where_it_is_needed_alone() -> None:
    way = Way(
        {"rows": "Rows", "split": "Split", "lock": "Change", "save": "Pair"},
        "rows.records -> split.thing", "split.things -> lock.thing", "rows.records -> save.left",
        "lock.thing -> save.right",
        split=parts(THING, Unreadable(key="1", source=Source(file="x"), message="broken", column="c"), THING),
    )  # fmt: skip

    trail = way.walk(0, seed())

    assert [key for step, key in way.calls if step == "save"] == [("k", "0"), ("k", "2")]
    [failure] = trail.failures
    assert (failure.key, str(failure.error), getattr(failure.error, "column", None)) == (("k", "1"), "broken", "c")
    assert trail.tallies["split"].failed == 1


@pytest.mark.parametrize("outcome", [Refused("lost"), Sent(refused=THING)])
def test_what_failed_before_the_mail_was_sent_is_missed_behind_it(outcome: Outputs | Exception) -> None:
    way = Way(
        {"rows": "Rows", "form": "Change", "note": "Change", "send": "Send", "after": "Attach"},
        "rows.records -> form.thing", "rows.records -> send.thing", "send.sent -> after.head",
        "form.thing -> after.parts", "rows.records -> note.thing", "note.thing -> after.parts",
        form=REFUSED, send=Letter(text="", fate=0),
    )  # fmt: skip
    first = way.walk(0, seed())
    [suspended] = first.suspended

    settled = Passage(way.graph, way.stages[0]).settle(suspended, Sent(sent=THING))
    way.walk(1, after(first, settled))
    assert ("after", ("k",)) not in way.calls

    way.answers["form"] = THING
    way.calls.clear()
    good = way.walk(0, seed())
    failed = Passage(way.graph, way.stages[0]).settle(suspended, outcome)
    trail = way.walk(1, after(good, failed))
    assert ("after", ("k",)) not in way.calls
    assert [(one.step, one.key) for one in failed.failures] == [("send", ("k",))]
    assert Ending.of(one.ending for one in (good, failed, trail)) is Ending.FAILED


def test_the_outcome_of_a_letter_goes_on_as_its_item() -> None:
    way = Way(
        {"rows": "Rows", "send": "Send", "after": "Change", "all": "Report"},
        "rows.records -> send.thing", "send.sent -> after.thing", "send.refused -> all.things",
        send=Letter(text="", fate=0),
    )  # fmt: skip
    passage = Passage(way.graph, way.stages[0])
    [suspended] = way.walk(0, seed()).suspended

    sent, refused = passage.settle(suspended, Sent(sent=THING)), passage.settle(suspended, Sent(refused=THING))

    assert sent.items == {Endpoint(step="send", port="sent"): [Item(("k",), THING, ROW)]}
    assert (sent.failures, refused.failures, refused.ending) == ([], [], Ending.DONE)
    assert refused.tallies["send"].given == {"refused": 1}


SHARING = (
    {"rows": "Rows", "terms": "Lone", "mail": "Attach", "other": "Change"},
    "rows.records -> mail.head", "terms.thing -> mail.parts", "rows.records -> other.thing",
)  # fmt: skip


def test_a_single_item_goes_to_all() -> None:
    way = Way(*SHARING)
    terms = Item(("terms",), thing("terms"))

    for key in ("a", "b"):
        way.walk(0, seed(key), {TERMS: [terms]})

    assert [way.inputs("mail", key)["parts"] for key in ("a", "b")] == [[terms.value], [terms.value]]


def test_no_mail_is_made_without_a_single_item_that_a_failure_kept_away() -> None:
    way = Way(*SHARING)

    trail = way.walk(0, seed(), lost={TERMS})

    assert way.calls.keys() == {("other", ("k",))}
    assert trail.is_joined_away
    assert trail.failures == []


def test_a_single_item_that_was_filtered_is_not_missed_where_it_is_optional() -> None:
    way = Way(*SHARING)

    way.walk(0, seed())

    assert way.inputs("mail", "k") == {"head": ROW, "parts": []}


def test_an_input_that_is_not_wired_is_not_given_at_all() -> None:
    way = Way({"rows": "Rows", "mail": "Attach"}, "rows.records -> mail.head")

    way.walk(0, seed())

    assert way.inputs("mail", "k") == {"head": ROW}


def test_parts_are_collected_in_the_order_in_which_they_were_made() -> None:
    way = Way(
        {"rows": "Rows", "split": "Split", "odd": "Choose", "lock": "Change", "merge": "Merge"},
        "rows.records -> split.thing", "split.things -> odd.thing", "odd.rest -> lock.thing", "odd.kept -> merge.parts",
        "lock.thing -> merge.parts",
        split=parts(*(thing(str(number)) for number in range(12))),
        odd=lambda call: [("kept" if int(call.item.key[1]) % 2 else "rest", call.item.value)],
        lock=lambda call: call.item.value,
    )  # fmt: skip

    way.walk(0, seed())

    assert [one.text for one in way.inputs("merge", "k")["parts"]] == [str(number) for number in range(12)]


def test_what_a_split_gives_together_stays_together() -> None:
    way = Way(
        {"rows": "Rows", "split": "SplitAndSift", "pair": "Pair"},
        "rows.records -> split.thing", "split.kept -> pair.left", "split.rest -> pair.right",
        split=[
            ("", Sifted(kept=thing("a"))),
            ("", Sifted(kept=thing("b"), rest=thing("c"))),
            ("", Sifted(rest=thing("d"))),
        ],
    )  # fmt: skip

    trail = way.walk(0, seed())

    assert [key for step, key in way.calls if step == "pair"] == [("k", "1")]
    assert {name: one.text for name, one in way.inputs("pair", "k", "1").items()} == {"left": "b", "right": "c"}
    assert trail.is_joined_away
    assert trail.ending is Ending.DONE


def test_an_item_of_the_record_goes_to_each_of_its_parts_at_a_port_that_collects_both() -> None:
    way = Way(
        {"rows": "Rows", "split": "Split", "form": "Change", "mail": "Attach"},
        "rows.records -> split.thing", "rows.records -> form.thing", "split.things -> mail.head",
        "form.thing -> mail.parts", "split.things -> mail.parts",
        split=parts(thing("0"), thing("1")), form=thing("form"),
    )  # fmt: skip

    way.walk(0, seed())

    for part in ("0", "1"):
        assert [one.text for one in way.inputs("mail", "k", part)["parts"]] == ["form", part]


def test_two_items_at_a_port_for_one_fail_with_what_to_do() -> None:
    way = Way(
        {"rows": "Rows", "sift": "Sift", "next": "Change"},
        "rows.records -> sift.thing", "sift.kept -> next.thing", "sift.rest -> next.thing",
        sift=[("kept", THING), ("rest", THING)],
    )  # fmt: skip

    trail = way.walk(0, seed("a/b"))

    [failure] = trail.failures
    assert str(failure.error) == (
        "2 items of 'a//b' arrive at the input 'thing', which takes one. "
        "Wire branches that exclude each other, or filter before."
    )
    assert ("next", ("a/b",)) not in way.calls


def test_the_record_at_hand_is_that_of_the_first_input_that_is_a_record() -> None:
    part = Row(key="part", values={}, stream="", path=("k", "0"), text="part")
    way = Way(
        {"rows": "Rows", "split": "SplitRows", "form": "Change", "pair": "Pair", "merge": "Merge"},
        "rows.records -> split.thing", "rows.records -> form.thing", "form.thing -> pair.left",
        "split.records -> pair.right", "form.thing -> merge.parts",
        split=[("records", part)],
    )  # fmt: skip

    way.walk(0, seed())

    assert way.calls["form", ("k",)].item == Item(("k",), ROW, ROW)
    assert way.calls["pair", ("k", "0")].item == Item(("k", "0"), THING, part)
    assert way.calls["merge", ("k",)].item == Item(("k",), None, ROW)


def test_what_is_collected_has_the_record_of_its_origin_and_none_of_one_part() -> None:
    part = Row(key="part", values={}, stream="", path=("k", "0"), text="part")
    way = Way(
        {"rows": "Rows", "split": "SplitRows", "line": "Change", "pages": "Split", "lines": "Merge", "all": "Merge"},
        "rows.records -> split.thing", "split.records -> line.thing", "rows.records -> pages.thing",
        "line.thing -> lines.parts", "line.thing -> all.parts", "pages.things -> all.parts",
        split=[("records", part)], pages=parts(THING),
    )  # fmt: skip

    way.walk(0, seed())

    assert way.calls["line", ("k", "0")].item.record is part
    assert way.calls["lines", ("k",)].item.record is None
    assert way.calls["all", ("k",)].item.record == ROW


def ending(answers: dict[str, Any], *wires: str, **steps: str) -> Ending:
    way = Way({"rows": "Rows", **steps}, *wires, **answers)
    return way.walk(0, seed()).ending


def test_each_source_item_has_one_of_four_endings() -> None:
    wires = ["rows.records -> sift.thing", "sift.kept -> next.thing"]
    steps = {"sift": "Sift", "next": "Change"}
    joined = ["rows.records -> sift.thing", "sift.kept -> pair.left", "rows.records -> pair.right"]

    assert ending({"sift": [("kept", THING)]}, *wires, **steps) is Ending.DONE
    assert ending({"sift": [("kept", THING)], "next": REFUSED}, *wires, **steps) is Ending.FAILED
    assert ending({"sift": [("rest", THING)]}, *wires, **steps) is Ending.FILTERED
    assert ending({"sift": []}, *wires, **steps) is Ending.FILTERED
    assert ending({"sift": [("rest", THING)]}, *joined, sift="Sift", pair="Pair") is Ending.JOINED_AWAY


def test_a_record_that_met_all_its_parts_is_not_joined_away_when_they_are_filtered() -> None:
    wires = ["rows.records -> split.thing", "rows.records -> pair.left", "split.things -> pair.right"]
    wires += ["pair.thing -> sift.thing", "sift.kept -> next.thing"]
    steps = {"split": "Split", "pair": "Pair", "sift": "Sift", "next": "Change"}

    assert ending({"split": parts(THING, THING), "sift": [("rest", THING)]}, *wires, **steps) is Ending.FILTERED
    assert ending({"split": []}, *wires, **steps) is Ending.JOINED_AWAY


def test_a_step_that_needs_parts_is_not_called_without_any() -> None:
    wires = ["rows.records -> split.thing", "rows.records -> step.head", "split.things -> step.parts"]
    needed, wanted = ({"rows": "Rows", "split": "Split", "step": node} for node in ("Bundle", "Attach"))

    way = Way(needed, *wires, split=[])
    assert way.walk(0, seed()).ending is Ending.JOINED_AWAY
    assert way.calls.keys() == {("split", ("k",))}

    way = Way(wanted, *wires, split=[])
    assert way.walk(0, seed()).ending is Ending.DONE
    assert way.inputs("step", "k") == {"head": ROW, "parts": []}


def test_what_a_gather_or_another_stream_takes_has_arrived() -> None:
    gathered = ["rows.records -> next.thing", "next.thing -> all.things"]
    at_once = ["rows.records -> all.things", "rows.records -> sift.thing", "sift.kept -> next.thing"]

    assert ending({}, *gathered, next="Change", all="Report") is Ending.DONE
    assert ending({"sift": []}, *at_once, sift="Sift", next="Change", all="Report") is Ending.DONE

    way = Way(
        {"terms": "Lone", "lock": "Change", "rows": "Rows", "mail": "Attach"},
        "terms.thing -> lock.thing", "rows.records -> mail.head", "lock.thing -> mail.parts",
    )  # fmt: skip
    assert way.walk(0, Seed("terms", {TERMS: [Item(("terms",), THING)]})).ending is Ending.DONE


def test_an_item_that_is_not_in_order_fails_where_nobody_takes_it_up() -> None:
    bad = [("bad", thing("x"))]
    wires = ["rows.records -> judge.thing", "judge.good -> next.thing"]

    assert ending({"judge": bad}, *wires, judge="Judge", next="Change") is Ending.FAILED
    assert (
        ending({"judge": bad}, *wires, "judge.bad -> all.things", judge="Judge", next="Change", all="Report")
        is Ending.DONE
    )


def test_what_a_record_of_several_stages_became_is_the_worst_of_them_and_else_the_best() -> None:
    assert Ending.of([Ending.FILTERED, Ending.DONE]) is Ending.DONE
    assert Ending.of([Ending.DONE, Ending.FAILED]) is Ending.FAILED
    assert Ending.of([Ending.FILTERED, Ending.JOINED_AWAY]) is Ending.JOINED_AWAY
    assert Ending.of([]) is Ending.FILTERED


def test_a_stage_leaves_only_what_is_used_behind_it_and_leaves_its_seed_as_it_was() -> None:
    way = Way(
        {"rows": "Rows", "a": "Change", "b": "Change", "send": "Send", "c": "Pair"},
        "rows.records -> a.thing", "a.thing -> b.thing", "b.thing -> send.thing", "a.thing -> c.left",
        "send.sent -> c.right", send=Letter(text="", fate=0),
    )  # fmt: skip
    first = seed()

    trail = way.walk(0, first)

    assert list(trail.items) == [Endpoint(step="a", port="thing")]
    assert (first.items, first.lost) == (seed().items, {})


@given(st.lists(st.tuples(st.text("ab/0", max_size=6), st.integers(0, 12), st.integers(0, 12)), max_size=50))
def test_every_key_has_a_text_of_its_own(keys: list[tuple[str, int, int]]) -> None:
    made = {(first, *map(str, numbers[:length])) for first, *numbers in keys for length in range(3)}

    assert max(Counter(map(key_text, made)).values(), default=1) == 1
