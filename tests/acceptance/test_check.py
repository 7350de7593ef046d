"""`postwerk check`: everything that is wrong with a flow, at once, each with the step and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ..certificates import Authority
from ..nodes.pdf_forms import FormMaker
from ..nodes.workbooks import workbook
from .flow_document import merge, save_flow
from .program import Program

READ = ("ReadExcel", {"file": "list.xlsx", "key": "no"})
MAIL: Mapping[str, Any] = {"to": "{{ email }}", "subject": "Ihr Beleg", "text": "Guten Tag {{ first_name }}"}


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    """A folder with a list and a form."""
    folder = tmp_path / "flow"
    folder.mkdir()
    workbook(folder / "list.xlsx", [["no", "first_name", "email", "net"], ["007", "Jörg", "j@example.com", 4711]])
    form = FormMaker()
    form.text_field("Name", (50, 700, 300, 720))
    form.text_field("Net", (50, 670, 300, 690))
    (folder / "payslip.pdf").write_bytes(form.content())
    return folder


def add_expired_identity(postwerk: Program, folder: Path) -> None:
    expired = Authority().issue("buero@mueller.example", not_after=datetime(2024, 2, 29, tzinfo=UTC))
    (folder / "old.p12").write_bytes(expired.as_p12("geheim"))
    assert postwerk("identity", "add", "old", folder / "old.p12", secret="geheim").code == 0


def broken_in_eight_ways(folder: Path) -> Path:
    return save_flow(
        folder,
        {
            "read": READ,
            "others": ("ReadExcel", {"file": "list.xlsx"}),
            "nearly": ("FillTemplate", {**MAIL, "text": "Guten Tag {{ frist_name }}"}),
            "form": ("FillPDF", {"form": "payslip.pdf", "fields": {"Nmae": "{{ first_name }}"}, "name": "Beleg"}),
            "joined": ("FillTemplate", MAIL),
            "wrong": ("SignSMIME", {"identity": "old"}),
            "lock": ("EncryptPDF", {"password": "{{ net }}"}),
            "again": ("EncryptPDF", {"password": "{{ net }}"}),
            "novel": ("EncryptPdf", {}),
            "send": ("SendSMTP", {"account": "offcie"}),
        },
        """read.records > nearly.record
           read.records > form.record
           others.records > joined.record
           form.document > joined.attachments
           read.records > wrong.message
           lock.document > again.document
           again.document > lock.document
           nearly.message > send.message
           form.document > novel.document""",
    )


EXPECTED = {
    "missing-column": ("nearly", "needs the column 'frist_name'", "Did you mean 'first_name'?"),
    "no-common-origin": (
        "joined",
        "'record' descends from 'others', 'attachments' from 'read'",
        "wire both from the same source",
    ),
    "type-mismatch": ("wrong", "carries Record, but 'message' takes Message or SealedMessage", "Put a node between"),
    "cycle": ("again", "again -> lock -> again", "remove one of these wires"),
    "unknown-node": ("novel", "There is no node 'EncryptPdf'", "Did you mean 'EncryptPDF'?"),
}
"""code: step, what was found, what to do."""
FLAWS = {
    "form": ("The form has no field 'Nmae'", "Did you mean 'Name'?"),
    "send": ("There is no account 'offcie' in this workspace", "Did you mean 'office'?"),
    "wrong": ("The identity 'old' can't sign: its certificate", "expired on 2024-02-29 00:00 UTC. Choose another one."),
}
"""step: what was found, what to do."""


def test_eight_mistakes_are_told_at_once_each_with_its_step_and_a_remedy(postwerk: Program, flow: Path) -> None:
    add_expired_identity(postwerk, flow)

    ended = postwerk("check", broken_in_eight_ways(flow), "--json")

    problems = ended.json["problems"]
    found = {one["code"]: one for one in problems if one["code"] != "flaw"}
    for code, (step, what, move) in EXPECTED.items():
        assert found[code]["step"] == step
        assert what in found[code]["message"]
        assert move in found[code]["message"]
    flaws = {one["step"]: one["message"] for one in problems if one["code"] == "flaw"}
    for step, (what, move) in FLAWS.items():
        assert what in flaws[step]
        assert move in flaws[step]
    assert len(problems) == 8, "a mistake that follows from another is not told"
    assert {one["severity"] for one in problems} == {"error"}
    assert ended.code == 1
    assert ended.err == ""


def test_a_person_reads_the_same_eight_sentences(postwerk: Program, flow: Path) -> None:
    add_expired_identity(postwerk, flow)

    ended = postwerk("check", broken_in_eight_ways(flow))

    lines = ended.err.splitlines()
    assert len(lines) == 8
    for step, what, move in (*EXPECTED.values(), *((step, *flaw) for step, flaw in FLAWS.items())):
        assert [line for line in lines if f"'{step}" in line and what in line and move in line], step
    assert ended.code == 1
    assert ended.out == ""


def test_a_flow_in_order_is_told_as_such(postwerk: Program, flow: Path) -> None:
    plain, as_json = (postwerk("check", merge(flow, "list.xlsx", mail=MAIL), *words) for words in ((), ("--json",)))

    assert (plain.code, plain.out, plain.err) == (0, "The flow is in order.\n", "")
    assert (as_json.code, as_json.json, as_json.err) == (0, {"problems": []}, "")


def test_a_flow_that_is_refused_by_the_check_does_not_run(postwerk: Program, flow: Path) -> None:
    path = merge(flow, "list.xlsx", mail={**MAIL, "subject": "{{ frist_name }}"})

    told, as_json = postwerk("run", path), postwerk("run", path, "--json")

    assert told.code == as_json.code == 1
    assert "Did you mean 'first_name'?" in told.err
    assert told.err.endswith("The flow was not started.\n")
    assert as_json.json["state"] == "refused"
    assert as_json.json["problems"][0]["code"] == "missing-column"
    assert postwerk("runs", "list", "--json").json == {"runs": []}


class TestSensitive:
    """A column that must not leave in clear."""

    def payslips(self, folder: Path, *between: str, **mail: str) -> Path:
        """Payslips by mail, the document passing through further steps."""
        steps: dict[str, tuple[str, Mapping[str, Any]]] = {
            "read": ("ReadExcel", {"file": "list.xlsx", "key": "no", "sensitive": ["net"]}),
            "form": ("FillPDF", {"form": "payslip.pdf", "fields": {"Net": "{{ net }}"}, "name": "Lohn-{{ no }}"}),
            "lock": ("EncryptPDF", {"password": "{{ email }}"}),
            "mail": ("FillTemplate", {**MAIL, **mail}),
            "send": ("SendSMTP", {"account": "office"}),
        }
        way = ("form", *between, "mail")
        attached = pairwise(way)
        wires = [f"{one}.document > {next}.{'attachments' if next == 'mail' else 'document'}" for one, next in attached]
        kept = {id: step for id, step in steps.items() if id != "lock" or id in between}
        records = ["read.records > form.record", "read.records > mail.record", "mail.message > send.message"]
        return save_flow(folder, kept, [*records, *wires])

    def test_what_is_built_from_it_is_refused_with_the_way_that_it_took(self, postwerk: Program, flow: Path) -> None:
        ended = postwerk("check", self.payslips(flow), "--json")

        (problem,) = ended.json["problems"]
        assert problem["code"] == "sensitive-in-clear"
        assert "column 'net' of 'read' -> form -> mail -> send" in problem["message"]
        assert "Put EncryptPDF or EncryptSMIME before it" in problem["message"]
        assert ended.code == 1

    def test_a_locked_document_may_leave(self, postwerk: Program, flow: Path) -> None:
        assert postwerk("check", self.payslips(flow, "lock"), "--json").json == {"problems": []}

    def test_no_lock_covers_a_subject(self, postwerk: Program, flow: Path) -> None:
        ended = postwerk("check", self.payslips(flow, "lock", subject="Ihr Netto: {{ net }}"), "--json")

        (problem,) = ended.json["problems"]
        assert "column 'net' of 'read' -> mail -> send" in problem["message"]
        assert "as a subject or file name, which no lock covers" in problem["message"]
        assert "Leave it out of the name or subject" in problem["message"]
        assert ended.code == 1
