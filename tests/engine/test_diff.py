"""What changed between two versions of a flow, in words. Moving a step changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postwerk.engine.diff import diff
from postwerk.engine.flow import Flow, load_flow

from .test_flow import documents

MAILING: dict[str, Any] = {
    "postwerk": 1,
    "id": "f",
    "name": "F",
    "steps": {
        "read": {"node": "ReadExcel", "params": {"file": "a.xlsx", "header": 1}},
        "mail": {"node": "FillTemplate", "params": {"subject": "Hallo", "headers": {"X-A": "1"}}},
    },
    "wires": [{"from": "read.records", "to": "mail.record"}],
}


def flow_of(document: dict[str, Any]) -> Flow:
    return load_flow(json.dumps(document))


def changed(**entries: Any) -> list[str]:
    """What the diff says of the mailing with these entries."""
    return [str(change) for change in diff(flow_of(MAILING), flow_of({**MAILING, **entries}))]


def with_step(step: str, **entries: Any) -> dict[str, Any]:
    return {**MAILING["steps"], step: {**MAILING["steps"].get(step, {}), **entries}}


@given(documents(), st.dictionaries(st.text(max_size=5), st.lists(st.integers(), max_size=3)))
def test_positions_do_not_count(document: dict[str, Any], layout: dict[str, Any]) -> None:
    assert diff(flow_of(document), flow_of({**document, "layout": layout})) == []


@given(documents(), documents())
def test_a_diff_is_empty_when_the_meaning_is_the_same_and_turns_round(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    there, back = diff(flow_of(one), flow_of(other)), diff(flow_of(other), flow_of(one))

    assert sorted(change.path for change in there) == sorted(change.path for change in back)
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert sorted((c.path, turned[c.kind]) for c in there) == sorted((c.path, c.kind) for c in back)
    is_same = all(_meaning(one, name) == _meaning(other, name) for name in ("name", "description", "inputs", "steps"))
    is_wired_alike = {str(wire) for wire in one["wires"]} == {str(wire) for wire in other["wires"]}
    assert (there == []) == (is_same and is_wired_alike)


def _meaning(document: dict[str, Any], name: str) -> str:
    return str(flow_of(document).model_dump_json(include={name}))


@pytest.mark.parametrize(
    ("entries", "changes"),
    [
        ({"name": "G"}, ["name: 'F' became 'G'"]),
        ({"id": "g"}, ["id: 'f' became 'g'"]),
        ({"settings": {"bad_rows": "skip"}}, ["settings.bad_rows: 'stop' became 'skip'"]),
        ({"settings": {"bad_rows": "stop"}}, []),
        ({"inputs": {"list": {"type": "file"}}}, ["inputs.list was added"]),
        (
            {"steps": with_step("mail", params={"subject": "Hallo!", "headers": {}})},
            ["steps.mail.params.headers.X-A was removed", "steps.mail.params.subject: 'Hallo' became 'Hallo!'"],
        ),
        (
            {"steps": with_step("read", params={"file": "a.xlsx", "header": True})},
            ["steps.read.params.header: 1 became True"],
        ),
        (
            {"steps": with_step("read", params={"file": "a.xlsx", "header": [1, 1.0]})},
            ["steps.read.params.header: 1 became [1, 1.0]"],
        ),
        ({"steps": with_step("mail", disabled=True)}, ["steps.mail.disabled: False became True"]),
        ({"steps": with_step("mail", note="neu")}, ["steps.mail.note: None became 'neu'"]),
        ({"steps": with_step("new", node="SendSMTP")}, ["steps.new was added"]),
        ({"wires": []}, ["wires.read.records -> mail.record was removed"]),
        (
            {"wires": [{"from": "read.records", "to": "mail.row"}]},
            ["wires.read.records -> mail.record was removed", "wires.read.records -> mail.row was added"],
        ),
    ],
)
def test_a_change_is_told_with_the_path_that_leads_to_it(entries: dict[str, Any], changes: list[str]) -> None:
    assert changed(**entries) == changes


def test_numbers_of_different_kinds_differ_within_a_list() -> None:
    def header(value: Any) -> Flow:
        return flow_of({**MAILING, "steps": with_step("read", params={"header": value})})

    assert len(diff(header([1]), header([True]))) == 1
    assert len(diff(header([{"a": 1}]), header([{"a": 1.0}]))) == 1


def test_the_order_of_wires_and_steps_does_not_count() -> None:
    wires = [*MAILING["wires"], {"from": "a.b", "to": "c.d"}]
    steps = dict(reversed(MAILING["steps"].items()))

    assert diff(flow_of({**MAILING, "wires": wires}), flow_of({**MAILING, "wires": wires[::-1], "steps": steps})) == []
