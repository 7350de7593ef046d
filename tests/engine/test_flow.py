"""The flow format: what is loaded is dumped byte for byte, and what is no flow is refused with a sentence."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postwerk.engine import ConfigError
from postwerk.engine.flow import MAX_DEPTH, MAX_FLOW, Endpoint, Flow, Wire, dump_flow, load_flow

MINIMAL = {"postwerk": 1, "id": "f", "name": "F"}

NAMES = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=8).map(lambda text: f"s{text}")
TRICKY = st.sampled_from(
    [
        '{\n  "from": "a.b",\n  "to": "c.d"\n}', '{"from": "a.b", "to": "c.d"}', "[\n  1,\n  2\n]", "[1, 2]", '"', "\\",
        "\\n", "\u2028", "\x00", "{{ name }}", "Straße, Äpfel €", "😀", "", " ", "1e5", "null",
    ]
)  # fmt: skip
TEXTS = st.text(max_size=20) | TRICKY
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXTS | st.sampled_from(["from", "to"]), inner, max_size=3)
        | st.fixed_dictionaries({"from": inner, "to": inner})
    ),
    max_leaves=12,
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    steps = draw(st.lists(NAMES, unique=True, max_size=5))
    ends = st.builds(
        "{}.{}".format, st.sampled_from(steps or ["gone"]), st.sampled_from(["records", "größe", "x_1", "{}", '"'])
    )
    wires = draw(st.lists(st.tuples(ends, ends), unique=True, max_size=6))
    return {
        **MINIMAL,
        "name": draw(TEXTS),
        "description": draw(TEXTS),
        "inputs": draw(st.dictionaries(TEXTS, st.fixed_dictionaries({"type": st.just("text"), "default": TEXTS}))),
        "steps": {step: draw(steps_of()) for step in steps},
        "wires": [{"from": source, "to": target} for source, target in wires],
        "layout": {step: draw(st.lists(NUMBERS, min_size=2, max_size=2)) for step in steps},
    }


def steps_of() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"node": TEXTS, "params": st.dictionaries(TEXTS, VALUES, max_size=4)},
        optional={
            "title": TEXTS, "note": TEXTS, "disabled": st.booleans(), "on_error": st.sampled_from(["fail", "stop"]),
            "retry": st.fixed_dictionaries({"attempts": st.integers(1, 20)}),
        },
    )  # fmt: skip


def a_flow(**entries: Any) -> str:
    return json.dumps({**MINIMAL, **entries})


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_flow(text)
    return str(caught.value)


@given(documents())
def test_a_flow_is_saved_byte_for_byte_as_it_was_loaded(document: dict[str, Any]) -> None:
    text = dump_flow(load_flow(json.dumps(document)))

    assert dump_flow(load_flow(text)) == text
    assert json.loads(text) == document
    text.encode()


@given(documents())
def test_each_wire_and_each_position_has_a_line_of_its_own(document: dict[str, Any]) -> None:
    lines = dump_flow(load_flow(json.dumps(document))).splitlines()

    written = [json.loads(line.strip().removesuffix(",")) for line in lines if line.startswith('    {"from"')]
    assert [wire for wire in written if wire in document["wires"]] == document["wires"]
    for step, (x, y) in document["layout"].items():
        assert f'    "{step}": [{json.dumps(x)}, {json.dumps(y)}]' in [line.removesuffix(",") for line in lines]


def test_a_saved_flow_reads_like_this() -> None:
    text = a_flow(
        steps={"read": {"node": "ReadExcel", "params": {"file": "Kunden.xlsx"}}, "mail": {"node": "FillTemplate"}},
        wires=[{"to": "mail.record", "from": "read.records"}], layout={"read": [0, 0.5]}, name="Größe",
    )  # fmt: skip

    assert dump_flow(load_flow(text)) == (
        '{\n  "id": "f",\n  "layout": {\n    "read": [0, 0.5]\n  },\n  "name": "Größe",\n  "postwerk": 1,\n'
        '  "steps": {\n    "mail": {\n      "node": "FillTemplate"\n    },\n    "read": {\n'
        '      "node": "ReadExcel",\n      "params": {\n        "file": "Kunden.xlsx"\n      }\n    }\n  },\n'
        '  "wires": [\n    {"from": "read.records", "to": "mail.record"}\n  ]\n}\n'
    )


def test_a_step_with_an_unknown_node_keeps_its_parameters() -> None:
    params = {"secret_sauce": [1, {"a": None}], "text": "{{ x }}"}

    flow = load_flow(a_flow(steps={"odd": {"node": "OfAPluginThatIsGone", "params": params}}))

    assert json.loads(dump_flow(flow))["steps"]["odd"] == {"node": "OfAPluginThatIsGone", "params": params}


def test_a_newer_format_is_refused() -> None:
    assert refusal(json.dumps({**MINIMAL, "postwerk": 2})) == (
        "This flow is of format 2; this program knows up to 1. Update Postwerk."
    )


def test_an_older_format_is_migrated_step_by_step() -> None:
    def to_two(document: dict[str, Any]) -> dict[str, Any]:
        return {"name" if name == "label" else name: value for name, value in document.items()}

    def to_three(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "description": document["name"].upper()}

    text = '{"postwerk": 1, "id": "f", "label": "mailing"}'

    flow = load_flow(text, migrations={1: to_two, 2: to_three}, newest=3)

    assert (flow.postwerk, flow.name, flow.description) == (3, "mailing", "MAILING")
    assert json.loads(dump_flow(flow))["postwerk"] == 3


def test_a_format_that_nothing_migrates_is_refused() -> None:
    assert refusal('{"postwerk": 0}') == "This flow is of format 0, which can't be migrated."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "This flow is no JSON: Expecting value: line 1 column 1 (char 0)."),
        ("[1]", "This is no flow: a flow is a JSON object."),
        ("{}", "This is no flow: it has no 'postwerk' with the number of its format."),
        ('{"postwerk": true}', "This is no flow: it has no 'postwerk' with the number of its format."),
        ('{"postwerk": "1"}', "This is no flow: it has no 'postwerk' with the number of its format."),
        ('{"a": 1, "a": 2}', "This flow is no JSON: 'a' is there twice in one object."),
        ('{"x": [{"b": {"a": 1, "a": 2}}]}', "This flow is no JSON: 'a' is there twice in one object."),
        ('{"a": NaN}', "This flow is no JSON: NaN is no number."),
        ('{"a": -Infinity}', "This flow is no JSON: -Infinity is no number."),
        ('{"a": 1e999}', "This flow is no JSON: 1e999 is too large a number."),
        ('{"a": "\\ud83d"}', "This flow is damaged: a text holds '\\ud83d', half of a character (a surrogate)."),
        ('{"\\udc00": 1}', "This flow is damaged: a text holds '\\udc00', half of a character (a surrogate)."),
        ('{"postwerk": 1}', "This flow is damaged: id: it is missing. name: it is missing."),
        (" " * (MAX_FLOW + 1), "This flow has 5,000,001 characters; it may have at most 5,000,000."),
        ('{"a": ' + "9" * 5000 + "}", "This flow is no JSON: Exceeds the limit (4300 digits)"),
    ],
)  # fmt: skip
def test_what_is_no_flow_is_refused_with_a_sentence(text: str, message: str) -> None:
    assert refusal(text).startswith(message)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"id": "Ä"}, "id: String should match pattern '^[a-z0-9][a-z0-9_-]{0,63}$'."),
        ({"steps": []}, "steps: Input should be a valid dictionary."),
        ({"steps": {"a b": {"node": "X"}}}, "steps.a b: a step's id begins with a letter, and has letters, digits"),
        ({"steps": {"a\n": {"node": "X"}}}, "steps.a\n: a step's id begins with a letter"),
        ({"steps": {"a": {"node": 1}}}, "steps.a.node: Input should be a valid string."),
        ({"steps": {"a": {"node": "X", "nod": 1}}}, "steps.a.nod: there is no such entry."),
        ({"steps": {"a": {"node": "X", "on_error": "go"}}}, "steps.a.on_error: Input should be 'fail' or 'stop'."),
        ({"steps": {"a": {"node": "X", "retry": {"first_wait": -1}}}}, "steps.a.retry.first_wait: "),
        ({"wires": [5]}, "wires.0: Input should be a valid dictionary"),
        ({"wires": [{"from": "a.b"}]}, "wires.0.to: it is missing."),
        ({"wires": [{"from": 5, "to": "a.b"}]}, "wires.0.from: 5 is no end of a wire; write 'step.port'."),
        ({"wires": [{"from": "a", "to": "a.b.c"}]}, "wires.0.from: 'a' is no end of a wire; write 'step.port'."),
        ({"wires": [{"from": {"step": "a", "port": "b"}, "to": "a.b"}]}, "wires.0.from: {'step': 'a', 'port': 'b'} is"),
        ({"wires": [{"from": "a.", "to": "a.b c"}]}, "wires.0.from.port: "),
        ({"wires": [{"from": "a.b", "to": "c.d"}] * 2}, "It: wire 'a.b -> c.d' is there twice."),
        ({"settings": {"bad_rows": "ignore"}}, "settings.bad_rows: Input should be 'stop' or 'skip'."),
        ({"inputs": {"x": {"type": "blob"}}}, "inputs.x.type: Input should be 'file', 'text', 'number'"),
        ({"password": "x"}, "password: there is no such entry."),
    ],
)  # fmt: skip
def test_an_entry_that_does_not_fit_is_named(entries: dict[str, Any], message: str) -> None:
    assert refusal(a_flow(**entries)).startswith(f"This flow is damaged: {message}")


@pytest.mark.parametrize("depth", [MAX_DEPTH - 3, MAX_DEPTH - 2, 900, 100_000])
def test_deep_nesting_is_refused_and_what_is_loaded_can_be_dumped(depth: int) -> None:
    text = '{"postwerk": 1, "id": "f", "name": "F", "layout": {"x": %s}}' % ("[" * depth + "]" * depth)

    if depth <= MAX_DEPTH - 2:
        assert json.loads(dump_flow(load_flow(text))) == json.loads(text)
    else:
        assert refusal(text) == "This flow is nested deeper than 100 levels."


def test_a_flow_that_would_be_too_long_to_load_is_not_dumped() -> None:
    flow = Flow(id="f", name="F", description="x" * MAX_FLOW)

    with pytest.raises(ConfigError, match="it may have at most"):
        dump_flow(flow)


def test_ends_of_wires_are_equal_when_step_and_port_are() -> None:
    end = Endpoint(step="read", port="records")

    assert {end: 1}[Wire.model_validate({"from": "read.records", "to": "a.b"}).source] == 1
    assert end != Endpoint(step="read", port="rest")
    assert end != "read.records"
