"""The check tells all problems of a flow at once, each with its step and a remedy, and none for what another caused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from postwerk.engine import ConfigError, Flaw, Mailbox, Resources, Sender
from postwerk.engine.check import check
from postwerk.engine.flow import Flow, Input, Settings
from postwerk.engine.problem import Problem

from tests.surroundings import Surroundings

from .office_nodes import OFFICE, Read
from .small_flows import flow_of

OFFICE_ACCOUNT = Sender(name="office", mailbox=Mailbox(address="o@example.com"), envelope_sender="o@example.com")
Steps = dict[str, tuple[str, dict[str, Any]]]


def problems_of(flow: Flow, **inputs: Any) -> list[Problem]:
    return check(flow, OFFICE, Surroundings(Path(), accounts={"office": OFFICE_ACCOUNT}), inputs)


def told(steps: Steps, *wires: str, **inputs: Any) -> list[tuple[str, str | None, str]]:
    return [(one.code, one.step, one.message) for one in problems_of(flow_of(steps, list(wires)), **inputs)]


def test_a_flow_in_order_has_no_problems() -> None:
    steps: Steps = {
        "read": ("Read", {}), "form": ("Form", {"fields": {"Name": "{{ name }}"}, "name": "{{ no }}.pdf"}),
        "lock": ("Lock", {"password": "{{ password }}"}), "mail": ("Fill", {"to": "{{ email }}"}),
        "send": ("Send", {}), "table": ("Write", {"only": ["no", "recipient"]}),
    }  # fmt: skip

    assert (
        told(
            steps,
            "read.records -> form.record", "form.document -> lock.document", "lock.document -> mail.attachments",
            "read.records -> mail.record", "mail.message -> send.message", "send.sent -> table.records",
        )
        == []
    )  # fmt: skip


def test_everything_that_is_wrong_is_told_at_once_with_step_and_remedy() -> None:
    steps: Steps = {
        "read": ("Read", {}),
        "others": ("Read", {}),
        "mail": ("Fill", {"text": "Guten Tag {{ nmae }}", "to": "{{ email }}"}),
        "joined": ("Fill", {}),
        "form": ("Form", {"fields": {"Nmae": "{{ name }}"}}),
        "sign": ("Sign", {"identity": "old"}),
        "wrong": ("Sign", {}),
        "lock": ("Lock", {"password": "{{ password }}"}),
        "again": ("Lock", {"password": "{{ password }}"}),
        "novel": ("EncryptPdf", {}),
        "alone": ("Fill", {}),
        "odd": ("Form", {"nmae": "x", "name": 5}),
        "send": ("Send", {"account": "offcie"}),
        "file": ("Form", {"name": "{{ inputs.file }}"}),
        "syntax": ("Fill", {"text": "{{ name"}),
        "lost": ("Read", {"file": "missing"}),
        "table": ("Write", {}),
    }
    wires = [
        "read.records -> mail.record", "others.records -> joined.record", "form.document -> joined.attachments",
        "read.records -> form.record", "mail.message -> sign.message", "read.records -> wrong.message",
        "lock.document -> again.document", "again.document -> lock.document", "form.document -> novel.document",
        "read.records -> odd.record", "sign.message -> send.message", "read.records -> file.record",
        "read.recrods -> syntax.record", "lost.records -> table.records", "mail.message -> nowhere.message",
    ]  # fmt: skip

    found = {(code, step, text) for code, step, text in told(steps, *wires)}

    assert {(code, step) for code, step, _ in found} == {(code, step) for code, step, _ in EXPECTED}
    for code, step, text in EXPECTED:
        assert any((code, step) == one[:2] and one[2].startswith(text) for one in found), (code, step, text)
    assert len(found) == len(EXPECTED)


EXPECTED = [
    (
        "missing-column", "mail",
        "Step 'mail' needs the column 'nmae' (text 'Guten Tag {{ nmae }}'), which does not reach it. "
        "Did you mean 'name'?",
    ),
    (
        "no-common-origin", "joined",
        "Step 'joined' can't join its inputs: 'record' descends from 'others', 'attachments' from 'read'. "
        "Items are joined by their common origin; wire both from the same source.",
    ),
    ("flaw", "form", "The form has no field 'Nmae'. Did you mean 'Name'?"),
    ("flaw", "sign", "The certificate of 'old' expired on 1 March 2024. Add a new one."),
    (
        "type-mismatch", "wrong",
        "Wire 'read.records -> wrong.message' carries Record, but 'message' takes Message or SealedMessage. "
        "Put a node between.",
    ),
    (
        "cycle", "again",
        "The wires go round in a circle: again -> lock -> again. Items can't come back: remove one of these wires.",
    ),
    ("unknown-node", "novel", "There is no node 'EncryptPdf'. There are: "),
    (
        "unwired-input", "alone",
        "The input 'record' of step 'alone' is not wired. Connect an output that carries Record.",
    ),
    ("bad-parameter", "odd", "Form has no parameter 'nmae'. Did you mean 'name'?"),
    ("bad-parameter", "odd", "name: Input should be a valid string."),
    ("flaw", "send", "There is no account 'offcie'."),
    ("unknown-input", "file", "The flow has no input 'file'. There are none."),
    ("bad-parameter", "syntax", "'{{ name', line 1: "),
    (
        "unknown-port", "read",
        "Wire 'read.recrods -> syntax.record': step 'read' has no output 'recrods'. Did you mean 'records'?",
    ),
    ("flaw", "lost", "There is no file 'missing'."),
    ("unknown-step", None, "Wire 'mail.message -> nowhere.message': there is no step 'nowhere'. "),
]  # fmt: skip


def test_what_lies_below_a_broken_step_is_not_told_as_well() -> None:
    found = told(
        {
            "read": ("Read", {"file": "missing"}), "valid": ("Validate", {}), "mail": ("Fill", {"text": "{{ nmae }}"}),
            "odd": ("NoNode", {}), "form": ("Form", {"name": "{{ nmae }}"}), "bad": ("Form", {"name": 5}),
            "page": ("Pages", {}), "letter": ("Letter", {"text": "{{ nmae }}"}), "send": ("Send", {}),
        },
        "read.records -> valid.record", "valid.good -> mail.record", "mail.message -> send.message",
        "read.records -> odd.record", "odd.records -> form.record", "read.records -> bad.record",
        "bad.document -> page.document", "page.documents -> letter.document", "odd.records -> letter.record",
    )  # fmt: skip

    assert sorted((code, step) for code, step, _ in found) == [
        ("bad-parameter", "bad"), ("flaw", "read"), ("unknown-node", "odd"),
    ]  # fmt: skip


def test_a_column_is_told_once_for_a_step() -> None:
    found = told(
        {"read": ("Read", {}), "mail": ("Fill", {"text": "{{ nmae }} {{ plz }}", "subject": "{{ nmae }}"})},
        "read.records -> mail.record",
    )

    assert [text.split(" (")[0] for _, _, text in found] == [
        "Step 'mail' needs the column 'nmae'", "Step 'mail' needs the column 'plz'",
    ]  # fmt: skip


def test_a_union_of_branches_has_the_columns_that_all_have() -> None:
    steps: Steps = {
        "read": ("Read", {}), "some": ("Filter", {}), "add": ("Add", {"column": "salutation"}),
        "mail": ("Fill", {"text": "{{ salutation }} {{ name }}"}),
    }  # fmt: skip
    wires = ["read.records -> some.record", "some.kept -> add.record", "add.record -> mail.record"]

    assert told(steps, *wires) == []
    [(code, step, text)] = told(steps, *wires, "some.rest -> mail.record")
    assert (code, step) == ("missing-column", "mail")
    assert "'salutation'" in text


def test_of_two_records_expressions_see_the_first() -> None:
    steps: Steps = {
        "read": ("Read", {}), "add": ("Add", {"column": "extra"}), "form": ("Form", {}),
        "pair": ("Letter", {"text": "{{ extra }}"}),
    }  # fmt: skip
    wires = ["read.records -> add.record", "add.record -> form.record", "form.document -> pair.document"]

    assert told(steps, *wires, "add.record -> pair.record") == []
    assert [code for code, _, _ in told(steps, *wires, "read.records -> pair.record")] == ["missing-column"]


def test_of_two_records_that_may_lack_expressions_see_what_both_have() -> None:
    def missing(node: str, text: str) -> bool:
        found = told(
            {"read": ("Read", {}), "add": ("Add", {"column": "extra"}), "x": (node, {"text": text})},
            "read.records -> add.record", "add.record -> x.first", "read.records -> x.second",
        )  # fmt: skip
        return [code for code, _, _ in found] == ["missing-column"]

    assert missing("Maybe", "{{ extra }}")
    assert not missing("Maybe", "{{ name }}")
    assert missing("Either", "{{ extra }}")


def test_what_is_collected_has_the_columns_of_its_origin_and_none_of_its_parts() -> None:
    def missing(text: str, *wires: str) -> list[str]:
        found = told(
            {
                "read": ("Read", {}), "form": ("Form", {}), "pages": ("Pages", {}), "lines": ("Lines", {}),
                "line": ("Form", {}), "zip": ("Zip", {"name": text}),
            },
            "read.records -> form.record", "form.document -> pages.document", "form.document -> lines.document",
            "lines.records -> line.record", *wires,
        )  # fmt: skip
        return [text.split("'")[3] for _, _, text in found]

    pages, lines = "pages.documents -> zip.documents", "line.document -> zip.documents"
    assert missing("{{ name }} {{ amount }}", pages) == ["amount"]
    assert missing("{{ name }} {{ amount }}", lines) == ["amount", "name"]
    assert missing("{{ name }} {{ amount }}", pages, lines) == ["amount"]


def test_nothing_is_missing_where_nobody_can_tell_the_columns() -> None:
    steps: Steps = {
        "file": ("ReadFile", {}), "read": ("Extract", {}), "mail": ("Fill", {"text": "{{ anything }}"}),
        "list": ("Read", {}), "add": ("Add", {"column": "extra"}), "both": ("Lookup", {}),
        "other": ("Fill", {"text": "{{ extra }}"}), "sort": ("Sort", {}), "more": ("Fill", {"text": "{{ anything }}"}),
    }  # fmt: skip

    assert (
        told(
            steps,
            "file.document -> read.document", "read.record -> mail.record", "list.records -> add.record",
            "list.records -> both.record", "add.record -> both.other", "both.record -> other.record",
            "list.records -> sort.records", "sort.records -> more.record",
        )
        == []
    )  # fmt: skip


def test_a_table_may_show_columns_of_what_it_gathers_and_no_others() -> None:
    def columns(*only: str) -> list[str]:
        found = told(
            {"read": ("Read", {}), "form": ("Filter", {}), "table": ("Write", {"only": only})},
            "read.records -> form.record", "form.kept -> table.records", "form.rest -> table.records",
        )  # fmt: skip
        return [text for _, _, text in found]

    assert columns("no", "name") == []
    assert columns("nmae") == [
        "Step 'table' needs the column 'nmae' (only), which does not reach it. Did you mean 'name'?"
    ]


def test_a_single_document_brings_no_columns() -> None:
    [(code, _, text)] = told(
        {"file": ("ReadFile", {}), "lock": ("Lock", {"password": "{{ password }}"})}, "file.document -> lock.document"
    )

    assert code == "missing-column"
    assert text.endswith("which does not reach it. There are none.")


def flow_with_input(value: str | None, **inputs: Any) -> list[tuple[str, str | None, str]]:
    flow = flow_of({"read": ("Read", {"file": "{{ inputs.list }}"}), "t": ("Write", {})}, ["read.records -> t.records"])
    flow = flow.model_copy(update={"inputs": {"list": Input(type="file", default=value)}})
    return [(one.code, one.step, one.message) for one in problems_of(flow, **inputs)]


def test_an_input_gives_its_default_and_what_is_given_goes_before_it() -> None:
    assert flow_with_input("list.xlsx") == []
    assert flow_with_input("missing") == [("flaw", "read", "There is no file 'missing'.")]
    assert flow_with_input("list.xlsx", list="missing") == [("flaw", "read", "There is no file 'missing'.")]


def test_an_input_without_a_value_is_no_mistake_of_the_flow() -> None:
    assert flow_with_input(None) == []


def test_an_input_with_a_wrong_name_is_told_once_with_the_nearest() -> None:
    flow = flow_of({"read": ("Read", {"file": "{{ inputs.lst }}"}), "t": ("Write", {})}, ["read.records -> t.records"])
    flow = flow.model_copy(update={"inputs": {"list": Input(default="x")}})

    assert [(one.code, one.step, one.field, one.message) for one in problems_of(flow)] == [
        ("unknown-input", "read", "file", "The flow has no input 'lst'. Did you mean 'list'?")
    ]


def test_a_disabled_step_may_name_anything() -> None:
    flow = flow_of(
        {"read": ("Read", {}), "t": ("Write", {}), "off": ("Read", {"file": "{{ inputs.lst }}", "odd": 1})},
        ["read.records -> t.records"],
    )
    off = flow.steps["off"].model_copy(update={"disabled": True})

    assert problems_of(flow.model_copy(update={"steps": {**flow.steps, "off": off}})) == []


def test_parameters_are_filled_in_as_in_the_flows_locale() -> None:
    class Odd(Read):
        title = "Odd"

        def flaws(self, resources: Resources) -> Iterable[Flaw]:
            raise ConfigError(self.file)

    flow = flow_of({"read": ("Odd", {"file": "{{ 1.5 }} {{ run.id }}"})}, [])
    flow = flow.model_copy(update={"settings": Settings(locale="en_GB")})

    problems = check(flow, {"Odd": Odd}, Surroundings(Path()))

    assert problems[0].message == "1.5 check"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"timezone": "Europe/Bärlin"}, "There is no time zone 'Europe/Bärlin'. Write 'Europe/Berlin', say."),
        ({"timezone": "../../etc/passwd"}, "There is no time zone '../../etc/passwd'."),
        ({"timezone": ""}, "There is no time zone ''."),
        ({"locale": "deutsch"}, "There is no locale 'deutsch'. Write 'de_DE' or 'en_GB', say."),
        ({"locale": "xx_YY"}, "There is no locale 'xx_YY'."),
    ],
)
def test_a_wrong_setting_is_told_once(settings: dict[str, str], message: str) -> None:
    flow = flow_of({"read": ("Read", {}), "t": ("Write", {})}, ["read.records -> t.records"])

    [problem] = problems_of(flow.model_copy(update={"settings": Settings(**settings)}))

    assert problem.code == "bad-setting"
    assert problem.message.startswith(message)


def test_an_empty_flow_and_one_that_is_all_disabled_are_refused() -> None:
    flow = flow_of({"read": ("Read", {}), "t": ("Write", {})}, ["read.records -> t.records"])
    off = {name: step.model_copy(update={"disabled": True}) for name, step in flow.steps.items()}

    assert [one.code for one in problems_of(flow_of({}, []))] == ["empty-flow"]
    assert [one.code for one in problems_of(flow.model_copy(update={"steps": off}))] == ["empty-flow"]


def test_a_source_that_nothing_takes_from_is_a_warning() -> None:
    [problem] = problems_of(flow_of({"read": ("Read", {})}, []))

    assert (problem.severity, str(problem)) == (
        "warning", "Nothing takes what step 'read' reads. Wire 'read.records' to a step.",
    )  # fmt: skip


def test_errors_stand_before_warnings() -> None:
    problems = problems_of(flow_of({"idle": ("Read", {}), "odd": ("NoNode", {})}, []))

    assert [one.severity for one in problems] == ["error", "warning"]


MANY = 5_000


def chain(node: tuple[str, dict[str, Any]], output: str, port: str) -> Flow:
    steps: Steps = {"read": ("Read", {"sensitive": ["iban"]}), "s0": ("Form", {"fields": {"IBAN": "{{ iban }}"}})}
    wires = ["read.records -> s0.record"]
    for number in range(1, MANY):
        steps[f"s{number}"] = node
        wires.append(f"s{number - 1}.{'document' if number == 1 else output} -> s{number}.{port}")
    return flow_of(steps, wires)


def side_by_side() -> Flow:
    steps: Steps = {f"s{number}": ("Form", {"name": f"{{{{ column{number} }}}}"}) for number in range(MANY)}
    wires = [f"read.records -> s{number}.record" for number in range(MANY)]
    wires += [f"s{number}.document -> zip.documents" for number in range(MANY)]
    return flow_of({"read": ("Read", {}), **steps, "zip": ("Zip", {})}, wires)


def many_sources() -> Flow:
    steps: Steps = {f"r{number}": ("Read", {}) for number in range(MANY // 2)}
    steps |= {f"w{number}": ("Filter", {}) for number in range(MANY // 2)}
    return flow_of(steps, [f"r{number}.records -> w{number}.record" for number in range(MANY // 2)])


def ring() -> Flow:
    steps: Steps = {f"s{number}": ("Lock", {"password": "{{ x }}"}) for number in range(MANY)}
    return flow_of(steps, [f"s{number}.document -> s{(number + 1) % MANY}.document" for number in range(MANY)])


def all_disabled_but_one() -> Flow:
    flow = chain(("Lock", {"password": "{{ password }}"}), "document", "document")
    return flow.model_copy(
        update={"steps": {**flow.steps, "s0": flow.steps["s0"].model_copy(update={"disabled": True})}}
    )


def all_unknown() -> Flow:
    steps: Steps = {f"s{number}": (f"Node{number}", {"x": f"{{{{ inputs.y{number} }}}}"}) for number in range(MANY)}
    return flow_of(steps, [f"s{number}.a -> t{number}.b" for number in range(MANY)])


@pytest.mark.parametrize(
    ("make", "least"),
    [
        (lambda: chain(("Lock", {"password": "{{ password }}"}), "document", "document"), 0),
        (lambda: chain(("Lender", {}), "document", "document"), 0),
        (lambda: chain(("Pages", {}), "documents", "document"), 0),
        (side_by_side, MANY),
        (many_sources, 0),
        (ring, 1),
        (all_disabled_but_one, 0),
        (all_unknown, 3 * MANY),
    ],
    ids=["chain", "sensitive-chain", "splits", "side-by-side", "sources", "ring", "disabled", "unknown"],
)
def test_thousands_of_steps_are_checked_in_seconds(make: Callable[[], Flow], least: int) -> None:
    flow = make()
    start = time.perf_counter()

    problems = problems_of(flow)

    assert len(problems) >= least
    assert time.perf_counter() - start < 20  # about 2 s on one free core
