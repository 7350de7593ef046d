"""What is built from something sensitive is refused where it could leave in clear, with the way that it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postwerk.engine import Mailbox, Sender
from postwerk.engine.check import check

from tests.surroundings import Surroundings

from .office_nodes import OFFICE
from .small_flows import flow_of

OFFICE_ACCOUNT = Sender(name="office", mailbox=Mailbox(address="o@example.com"), envelope_sender="o@example.com")
READ = ("Read", {"sensitive": ["iban"]})
PASSWORD = {"password": "{{ password }}"}
IN_CLEAR = "Put EncryptPDF or EncryptSMIME before it, or take the mark away."


def refusals(steps: dict[str, tuple[str, dict[str, Any]]], *wires: str, off: tuple[str, ...] = ()) -> list[str]:
    """What the check says of sensitive things; nothing else may be wrong."""
    flow = flow_of(steps, list(wires))
    disabled = {name: step.model_copy(update={"disabled": name in off}) for name, step in flow.steps.items()}
    problems = check(
        flow.model_copy(update={"steps": disabled}), OFFICE, Surroundings(Path(), accounts={"office": OFFICE_ACCOUNT})
    )
    assert {one.code for one in problems} <= {"sensitive-in-clear"}, problems
    return [one.message for one in problems]


def mail(*, read: tuple[str, dict[str, Any]] = READ, **params: Any) -> list[str]:
    """A flow that reads, fills a mail and sends it."""
    return refusals(
        {"read": read, "mail": ("Fill", params), "send": ("Send", {})},
        "read.records -> mail.record", "mail.message -> send.message",
    )  # fmt: skip


def test_a_sensitive_column_in_a_mail_in_clear_is_refused_with_its_way() -> None:
    assert mail(text="Ihr Konto: {{ iban }}") == [
        "Something sensitive could leave at step 'send' in clear: column 'iban' of 'read' -> mail -> send. " + IN_CLEAR
    ]


@pytest.mark.parametrize("text", ["{{ name }}", '{{ record["name"] }}', "{{ record.key }}", "{{ inputs }}"])
def test_other_columns_may_leave(text: str) -> None:
    assert mail(text=text) == []


@pytest.mark.parametrize(
    "text", ['{{ record["iban"] }}', "{{ record.values }}", "{% for c in record.values %}{{ c }}{% endfor %}"]
)
def test_a_record_that_is_used_openly_counts_as_all_its_columns(text: str) -> None:
    assert len(mail(text=text)) == 1


def test_an_address_may_be_a_sensitive_column() -> None:
    assert mail(read=("Read", {"sensitive": ["email"]}), to="{{ email }}") == []


def test_a_subject_is_readable_whatever_is_locked() -> None:
    [text] = refusals(
        {"read": READ, "mail": ("Fill", {"subject": "{{ iban }}"}), "seal": ("Seal", {}), "send": ("Send", {})},
        "read.records -> mail.record", "mail.message -> seal.message", "seal.message -> send.message",
    )  # fmt: skip

    assert text == (
        "Something sensitive could leave at step 'send' as a subject or file name, which no lock covers: "
        "column 'iban' of 'read' -> mail -> seal -> send. Leave it out of the name or subject, or take the mark away."
    )


def test_an_open_record_in_a_subject_is_not_covered_by_a_lock_either() -> None:
    [text] = refusals(
        {"read": READ, "mail": ("Fill", {"subject": "{{ record }}"}), "seal": ("Seal", {}), "send": ("Send", {})},
        "read.records -> mail.record", "mail.message -> seal.message", "seal.message -> send.message",
    )  # fmt: skip

    assert "which no lock covers" in text


def test_an_encrypted_mail_may_hold_it() -> None:
    assert (
        refusals(
            {"read": READ, "mail": ("Fill", {"text": "{{ iban }}"}), "seal": ("Seal", {}), "send": ("Send", {})},
            "read.records -> mail.record", "mail.message -> seal.message", "seal.message -> send.message",
        )
        == []
    )  # fmt: skip


def test_a_signature_is_no_lock() -> None:
    [text] = refusals(
        {"read": READ, "mail": ("Fill", {"text": "{{ iban }}"}), "sign": ("Sign", {}), "send": ("Send", {})},
        "read.records -> mail.record", "mail.message -> sign.message", "sign.message -> send.message",
    )  # fmt: skip

    assert "column 'iban' of 'read' -> mail -> sign -> send" in text


def attached(form: dict[str, Any], lock: dict[str, Any] | None = None, *, sealed: bool = False) -> list[str]:
    """A form, locked or not, that is attached to a mail, encrypted or not."""
    steps: dict[str, tuple[str, dict[str, Any]]] = {"read": READ, "form": ("Form", form), "mail": ("Fill", {})}
    steps |= {"lock": ("Lock", lock)} if lock is not None else {}
    steps |= {"seal": ("Seal", {}), "send": ("Send", {})} if sealed else {"send": ("Send", {})}
    wires = ["read.records -> form.record", "read.records -> mail.record"]
    wires += ["form.document -> lock.document"] if lock is not None else []
    wires += [f"{'form' if lock is None else 'lock'}.document -> mail.attachments"]
    wires += ["mail.message -> seal.message", "seal.message -> send.message"] if sealed else []
    return refusals(steps, *(wires if sealed else [*wires, "mail.message -> send.message"]))


FORM = {"fields": {"IBAN": "{{ iban }}"}}


def test_a_form_with_a_sensitive_column_must_be_locked() -> None:
    [text] = attached(FORM)

    assert "in clear: column 'iban' of 'read' -> form -> mail -> send." in text
    assert attached(FORM, PASSWORD) == []
    assert attached(FORM, sealed=True) == []


def test_a_column_that_only_a_template_file_names_counts_too() -> None:
    assert len(attached({"template": ["iban"]})) == 1


def test_a_password_from_a_sensitive_column_gives_nothing_away() -> None:
    assert attached(FORM, {"password": "{{ iban }}"}) == []


def test_the_file_name_of_a_locked_document_is_readable_in_a_mail_and_hidden_in_an_encrypted_one() -> None:
    named = {"name": "{{ iban }}.pdf"}

    assert "in clear: column 'iban' of 'read' -> form -> lock -> mail -> send" in attached(named, PASSWORD)[0]
    assert attached(named, PASSWORD, sealed=True) == []


def test_the_file_name_of_a_saved_document_is_readable_though_it_is_locked() -> None:
    [text] = refusals(
        {"read": READ, "form": ("Form", {"name": "{{ iban }}"}), "lock": ("Lock", PASSWORD), "save": ("Save", {})},
        "read.records -> form.record", "form.document -> lock.document", "lock.document -> save.document",
    )  # fmt: skip

    assert "which no lock covers: column 'iban' of 'read' -> form -> lock -> save." in text


def test_a_document_that_is_marked_sensitive_must_be_locked_and_its_name_may_be_shown() -> None:
    assert "in clear: 'form' is marked sensitive -> form -> mail -> send." in attached({"sensitive": True})[0]
    assert attached({"sensitive": True}, {**PASSWORD, "name": "locked-{{ document.name }}"}) == []
    assert len(attached({"sensitive": True}, {**PASSWORD, "name": "{{ document.content }}"})) == 1


def test_a_name_made_of_a_sensitive_name_stays_readable() -> None:
    named = {"name": "{{ iban }}.pdf"}

    assert len(attached(named, {**PASSWORD, "name": "locked-{{ document.name }}"})) == 1


def test_a_template_that_is_marked_sensitive_must_be_encrypted() -> None:
    assert mail(sensitive=True) == [
        "Something sensitive could leave at step 'send' in clear: 'mail' is marked sensitive -> mail -> send. "
        + IN_CLEAR
    ]


def test_a_file_that_is_marked_sensitive_is_sensitive_for_all_that_get_it() -> None:
    [text] = refusals(
        {"read": READ, "terms": ("ReadFile", {"sensitive": True}), "mail": ("Fill", {}), "send": ("Send", {})},
        "read.records -> mail.record", "terms.document -> mail.attachments", "mail.message -> send.message",
    )  # fmt: skip

    assert "'terms' is marked sensitive -> terms -> mail -> send" in text


def test_what_was_validated_or_filtered_is_as_sensitive_as_before() -> None:
    [text] = refusals(
        {
            "read": READ, "valid": ("Validate", {"where": "{{ iban }}"}), "some": ("Filter", {}),
            "mail": ("Fill", {"text": "{{ iban }}"}), "send": ("Send", {}),
        },
        "read.records -> valid.record", "valid.good -> some.record", "some.kept -> mail.record",
        "mail.message -> send.message",
    )  # fmt: skip

    assert "column 'iban' of 'read' -> mail -> send" in text


def test_a_column_that_is_looked_at_is_not_built_in() -> None:
    assert (
        refusals(
            {
                "read": READ, "valid": ("Validate", {"where": "{{ iban }}"}),
                "mail": ("Fill", {"text": "{{ problem }}"}), "send": ("Send", {}),
            },
            "read.records -> valid.record", "valid.bad -> mail.record", "mail.message -> send.message",
        )
        == []
    )  # fmt: skip


@pytest.mark.parametrize(("value", "count"), [("{{ iban }}", 1), ("{{ name }}", 0), ("{{ record.values }}", 1)])
def test_a_column_built_from_a_sensitive_one_is_sensitive(value: str, count: int) -> None:
    found = refusals(
        {
            "read": READ, "add": ("Add", {"value": value}), "mail": ("Fill", {"text": "{{ added }}"}),
            "send": ("Send", {}),
        },
        "read.records -> add.record", "add.record -> mail.record", "mail.message -> send.message",
    )  # fmt: skip

    assert len(found) == count


def test_a_branch_that_is_not_locked_is_refused_though_the_other_is() -> None:
    steps: dict[str, tuple[str, dict[str, Any]]] = {
        "read": READ, "some": ("Filter", {}), "one": ("Form", FORM), "two": ("Form", FORM), "lock": ("Lock", PASSWORD),
        "mail": ("Fill", {}), "send": ("Send", {}),
    }  # fmt: skip
    wires = [
        "read.records -> some.record", "some.kept -> one.record", "some.rest -> two.record",
        "one.document -> lock.document", "lock.document -> mail.attachments", "read.records -> mail.record",
        "mail.message -> send.message",
    ]  # fmt: skip

    [text] = refusals(steps, *wires, "two.document -> mail.attachments")

    assert "column 'iban' of 'read' -> two -> mail -> send" in text
    assert refusals({**steps, "save": ("Zip", {})}, *wires, "two.document -> save.documents") == []


def test_a_lock_that_is_disabled_takes_the_mail_out_and_a_way_round_it_is_refused() -> None:
    steps: dict[str, tuple[str, dict[str, Any]]] = {
        "read": READ, "form": ("Form", FORM), "lock": ("Lock", PASSWORD), "mail": ("Fill", {}), "send": ("Send", {}),
    }  # fmt: skip
    wires = [
        "read.records -> form.record", "form.document -> lock.document", "lock.document -> mail.attachments",
        "read.records -> mail.record", "mail.message -> send.message",
    ]  # fmt: skip

    assert refusals(steps, *wires, off=("lock",)) == []
    assert len(refusals(steps, *wires, "form.document -> mail.attachments", off=("lock",))) == 1


def test_what_could_not_be_encrypted_is_still_in_clear() -> None:
    steps: dict[str, tuple[str, dict[str, Any]]] = {
        "read": READ, "mail": ("Fill", {"text": "{{ iban }}"}), "seal": ("Seal", {}), "send": ("Send", {}),
        "plain": ("Send", {}), "letter": ("Fill", {"text": "{{ name }}"}), "other": ("Send", {}),
    }  # fmt: skip

    [text] = refusals(
        steps,
        "read.records -> mail.record", "mail.message -> seal.message", "seal.message -> send.message",
        "seal.clear -> plain.message", "seal.uncertified -> letter.record", "letter.message -> other.message",
    )  # fmt: skip

    assert "at step 'plain' in clear: column 'iban' of 'read' -> mail -> seal -> plain" in text


def test_the_record_of_what_could_not_be_encrypted_keeps_its_sensitive_columns() -> None:
    [text] = refusals(
        {
            "read": READ, "mail": ("Fill", {"text": "{{ iban }}"}), "seal": ("Seal", {}),
            "letter": ("Fill", {"text": "{{ iban }}"}), "other": ("Send", {}),
        },
        "read.records -> mail.record", "mail.message -> seal.message", "seal.uncertified -> letter.record",
        "letter.message -> other.message",
    )  # fmt: skip

    assert "column 'iban' of 'read' -> letter -> other" in text


@pytest.mark.parametrize(
    ("node", "wire", "count"),
    [("Plugin", "read.records -> odd.record", 1), ("Lender", "file.document -> odd.document", 0)],
)
def test_a_node_that_says_nothing_of_its_needs_may_use_all_columns(node: str, wire: str, count: int) -> None:
    found = refusals(
        {"read": READ, "file": ("ReadFile", {}), "odd": (node, {}), "mail": ("Fill", {}), "send": ("Send", {})},
        wire, "read.records -> mail.record", "odd.document -> mail.attachments", "mail.message -> send.message",
        "file.document -> mail.attachments",
    )  # fmt: skip

    assert len(found) == count


@pytest.mark.parametrize(("node", "count"), [("Lender", 1), ("Stamp", 0)])
def test_a_node_that_is_lent_the_context_may_use_the_record_of_its_item(node: str, count: int) -> None:
    found = refusals(
        {"read": READ, "form": ("Form", {}), "odd": (node, {}), "save": ("Save", {})},
        "read.records -> form.record", "form.document -> odd.document", "odd.document -> save.document",
    )  # fmt: skip

    assert len(found) == count


@pytest.mark.parametrize(
    ("only", "count"), [(None, 1), (("no", "iban"), 1), (("no", "name"), 0), (("no", "recipient", "reply"), 0)]
)
@pytest.mark.parametrize("port", ["sent", "refused"])
def test_a_table_of_what_was_sent_shows_the_columns_of_its_records(
    only: tuple[str, ...] | None, count: int, port: str
) -> None:
    found = refusals(
        {"read": READ, "mail": ("Fill", {}), "send": ("Send", {}), "table": ("Write", {"only": only})},
        "read.records -> mail.record", "mail.message -> send.message", f"send.{port} -> table.records",
    )  # fmt: skip

    assert len(found) == count
    assert all("at step 'table' in clear: column 'iban' of 'read' -> table." in text for text in found)


@pytest.mark.parametrize(("only", "count"), [(None, 1), (("iban",), 1), (("name",), 0)])
def test_a_table_of_records_shows_the_columns_that_are_chosen(only: tuple[str, ...] | None, count: int) -> None:
    found = refusals({"read": READ, "table": ("Write", {"only": only})}, "read.records -> table.records")

    assert len(found) == count


def test_a_column_that_only_one_branch_has_is_sensitive_in_what_shows_all() -> None:
    steps: dict[str, tuple[str, dict[str, Any]]] = {
        "read": ("Read", {}), "some": ("Filter", {}), "add": ("Add", {"value": "{{ salary }}"}),
        "mail": ("Fill", {"text": "{{ record.values }}"}), "send": ("Send", {}),
    }  # fmt: skip
    steps["read"] = ("Read", {"columns_read": ["no", "salary"], "sensitive": ["salary"]})

    found = refusals(
        steps,
        "read.records -> some.record", "some.kept -> add.record", "add.record -> mail.record",
        "some.rest -> mail.record", "mail.message -> send.message",
    )  # fmt: skip

    assert len(found) == 1


@pytest.mark.parametrize(("text", "count"), [("{{ iban }}", 1), ("{{ renamed }}", 1), ("nothing", 0)])
def test_behind_a_node_that_names_no_columns_any_column_may_be_the_sensitive_one(text: str, count: int) -> None:
    found = refusals(
        {"read": READ, "sort": ("Sort", {}), "mail": ("Fill", {"text": text}), "send": ("Send", {})},
        "read.records -> sort.records", "sort.records -> mail.record", "mail.message -> send.message",
    )  # fmt: skip

    assert len(found) == count
    assert all("column 'iban' of 'read' -> mail -> send" in one for one in found)


def test_what_a_second_record_brings_in_is_sensitive_too() -> None:
    def found(text: str, sensitive: list[str]) -> list[str]:
        return refusals(
            {
                "read": ("Read", {"sensitive": sensitive}), "some": ("Filter", {}), "add": ("Add", {"value": "x"}),
                "both": ("Lookup", {}), "mail": ("Fill", {"text": text}), "send": ("Send", {}),
            },
            "read.records -> some.record", "some.kept -> add.record", "add.record -> both.record",
            "read.records -> both.other", "both.record -> mail.record", "mail.message -> send.message",
        )  # fmt: skip

    assert len(found("{{ iban }}", ["iban"])) == 1
    assert found("{{ iban }}", []) == []


def test_an_expression_that_names_another_input_uses_what_is_sensitive_there() -> None:
    def found(**params: Any) -> list[str]:
        return refusals(
            {
                "read": READ, "form": ("Form", FORM), "letter": ("Letter", params), "lock": ("Lock", PASSWORD),
                "save": ("Save", {}),
            },
            "read.records -> form.record", "read.records -> letter.record", "form.document -> letter.document",
            "letter.document -> lock.document", "lock.document -> save.document",
        )  # fmt: skip

    assert found(text="{{ document.content }}") == []
    assert found(name="{{ document.name }}") == []
    assert len(found(name="{{ document.content }}")) == 1
    assert len(found(name="{{ document }}")) == 1
    assert len(found(name="{{ record }}")) == 1


@pytest.mark.parametrize(("name", "count"), [("{{ documents[0].name }}", 0), ("{{ documents[0] }}", 1)])
def test_the_name_of_one_of_several_inputs_is_not_its_content(name: str, count: int) -> None:
    found = refusals(
        {
            "read": READ, "form": ("Form", FORM), "zip": ("Zip", {"name": name}), "lock": ("Lock", PASSWORD),
            "save": ("Save", {}),
        },
        "read.records -> form.record", "form.document -> zip.documents", "zip.document -> lock.document",
        "lock.document -> save.document",
    )  # fmt: skip

    assert len(found) == count


def test_whoever_gathers_items_gets_their_records_with_them() -> None:
    def found(*wires: str) -> list[str]:
        return refusals(
            {"read": READ, "form": ("Form", {}), "all": ("Archive", {})}, "read.records -> form.record", *wires
        )

    assert len(found("form.document -> all.documents")) == 1


@pytest.mark.parametrize(("text", "count"), [("{{ name }}", 1), ("Hello", 0)])
def test_of_a_list_that_is_sensitive_as_a_whole_every_column_is(text: str, count: int) -> None:
    assert len(mail(read=("ReadAll", {"sensitive": True}), text=text, to="{{ email }}")) == count
    assert mail(read=("ReadAll", {}), text=text) == []


def test_an_open_record_is_that_of_the_item_and_not_another_input() -> None:
    def found(text: str) -> list[str]:
        return refusals(
            {"read": ("Read", {}), "one": ("ReadOne", {}), "both": ("Either", {"text": text}), "save": ("Save", {})},
            "read.records -> both.second", "one.record -> both.first", "both.document -> save.document",
        )  # fmt: skip

    assert found("{{ record.values }}") == []
    assert len(found("{{ first.values }}")) == 1


def test_each_way_out_is_told_once() -> None:
    found = refusals(
        {
            "read": READ, "mail": ("Fill", {"text": "{{ iban }}"}), "send": ("Send", {}), "again": ("Send", {}),
            "table": ("Write", {"only": ["no"]}),
        },
        "read.records -> mail.record", "mail.message -> send.message", "mail.message -> again.message",
        "send.sent -> table.records",
    )  # fmt: skip

    assert len(found) == 2


@dataclass(frozen=True)
class Facts:
    """What a chain of steps has made so far: the model."""

    is_content: bool = False
    is_label: bool = False


LINKS = ("form", "form of iban", "name of iban", "lock", "pages", "zip", "letter", "letter of content", "mark")
PARAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "form": ("Form", {}),
    "form of iban": ("Form", FORM),
    "name of iban": ("Letter", {"name": "{{ iban }}"}),
    "lock": ("Lock", PASSWORD),
    "pages": ("Pages", {}),
    "zip": ("Zip", {}),
    "letter": ("Letter", {}),
    "letter of content": ("Letter", {"name": "{{ document.content }}"}),
    "mark": ("Form", {"sensitive": True}),
}


def after(facts: Facts, link: str) -> Facts:
    if link in ("form", "form of iban", "mark"):
        return Facts(is_content=link != "form")
    if link == "name of iban":
        return replace(facts, is_label=True)
    if link == "letter of content":
        return replace(facts, is_label=facts.is_label or facts.is_content)
    return replace(facts, is_content=False) if link == "lock" else facts


@given(st.lists(st.sampled_from(LINKS), max_size=12), st.sampled_from(["save", "mail", "sealed"]))
def test_whatever_the_chain_what_is_sensitive_at_its_end_is_refused(links: list[str], end: str) -> None:
    steps: dict[str, tuple[str, dict[str, Any]]] = {"read": READ, "s0": ("Form", {})}
    wires, facts = ["read.records -> s0.record"], Facts()
    for number, link in enumerate(links, start=1):
        step, node = f"s{number}", PARAMS[link][0]
        steps[step], facts = PARAMS[link], after(facts, link)
        port = {"Zip": "documents"}.get(node, "document")
        if node in ("Form", "Letter"):
            wires.append(f"read.records -> {step}.record")
        if node != "Form":
            wires.append(f"s{number - 1}.{_output(steps, number - 1)} -> {step}.{port}")
    last = f"s{len(links)}.{_output(steps, len(links))}"
    if end == "save":
        found = refusals({**steps, "save": ("Save", {})}, *wires, f"{last} -> save.document")
        expected = facts.is_content or facts.is_label
    else:
        steps |= {"mail": ("Fill", {}), "seal": ("Seal", {}), "send": ("Send", {})}
        way = ["mail.message -> send.message"]
        if end == "sealed":
            way = ["mail.message -> seal.message", "seal.message -> send.message"]
        else:
            del steps["seal"]
        found = refusals(steps, *wires, "read.records -> mail.record", f"{last} -> mail.attachments", *way)
        expected = end == "mail" and (facts.is_content or facts.is_label)

    assert bool(found) == expected


def _output(steps: dict[str, tuple[str, dict[str, Any]]], number: int) -> str:
    return "documents" if steps[f"s{number}"][0] == "Pages" else "document"
