"""The example flows: in order, canonical, and unable to let anything sensitive out in clear."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
from postwerk.engine.check import check
from postwerk.engine.flow import Flow, Wire, dump_flow, load_flow
from postwerk.engine.problem import Problem
from postwerk.runtime.context import Keyring, Lent
from postwerk.runtime.demo import FLOWS, furnish, open_demo
from postwerk.runtime.files import Shelf
from postwerk.runtime.plugins import node_classes
from postwerk.runtime.runs.starting import check_flow
from postwerk.runtime.workspace import Workspace
from python_calamine import CalamineWorkbook
from stdnum import iban

from flows.lists import make_lists
from flows.pictures import make_pictures

HERE = Path(__file__).parent.parent / "flows"
STEP_SIZE = (220, 60)
"""About what a step needs on a canvas."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A furnished workspace; nothing is sent from it."""
    with open_demo(tmp_path_factory.mktemp("demo")) as made:
        asyncio.run(furnish(made, port=9))
        yield made


def problems_of(workspace: Workspace, flow: Flow) -> list[Problem]:
    found, _ = asyncio.run(check_flow(workspace, flow, workspace.folder / "flows" / flow.id, {}))
    return found


def rewired(flow: Flow, target: str, before: str, now: str) -> Flow:
    """The flow with another output wired to an input."""
    wires = [now_from(wire, now) if str(wire) == f"{before} -> {target}" else wire for wire in flow.wires]
    assert wires != list(flow.wires)
    return flow.model_copy(update={"wires": tuple(wires)})


def now_from(wire: Wire, output: str) -> Wire:
    return Wire.model_validate({"from": output, "to": str(wire.target)})


@pytest.mark.parametrize("flow_id", FLOWS)
def test_an_example_flow_passes_the_check_without_a_warning(workspace: Workspace, flow_id: str) -> None:
    flow, _ = workspace.find_flow(flow_id)

    assert problems_of(workspace, flow) == []


@pytest.mark.parametrize("flow_id", FLOWS)
def test_an_example_flow_is_kept_in_its_canonical_form(flow_id: str) -> None:
    text = (HERE / flow_id / "flow.json").read_text("utf-8")

    assert dump_flow(load_flow(text)) == text
    assert load_flow(text).id == flow_id


@pytest.mark.parametrize("flow_id", FLOWS)
def test_the_steps_of_an_example_flow_lie_apart_from_each_other_and_from_left_to_right(flow_id: str) -> None:
    flow = load_flow((HERE / flow_id / "flow.json").read_text("utf-8"))

    assert flow.layout.keys() == flow.steps.keys()
    for (x, y), (other_x, other_y) in combinations(flow.layout.values(), 2):
        assert abs(x - other_x) >= STEP_SIZE[0] or abs(y - other_y) >= STEP_SIZE[1]
    for wire in flow.wires:
        assert flow.layout[wire.source.step][0] < flow.layout[wire.target.step][0], str(wire)


@pytest.mark.parametrize(
    ("flow_id", "target", "before", "now", "step"),
    [
        ("invoice-mailing", "mail.attachments", "lock.document", "form.document", "send"),
        ("payslips", "send_encrypted.message", "encrypt.message", "sign.message", "send_encrypted"),
        ("payslips", "locked_mail.attachments", "lock.document", "slip.document", "send_locked"),
    ],
)
def test_the_check_refuses_an_example_flow_that_goes_round_its_lock(
    workspace: Workspace, flow_id: str, target: str, before: str, now: str, step: str
) -> None:
    flow, _ = workspace.find_flow(flow_id)

    found = problems_of(workspace, rewired(flow, target, before, now))

    assert [(one.code, one.step) for one in found] == [("sensitive-in-clear", step)]


@pytest.mark.parametrize(
    ("flow_id", "step", "column"),
    [
        ("invoice-mailing", "rejected", "iban"),
        ("invoice-mailing", "sent", "pdf_password"),
        ("payslips", "without_certificate", "Netto"),
    ],
)
def test_the_check_refuses_a_report_with_a_sensitive_column(
    workspace: Workspace, flow_id: str, step: str, column: str
) -> None:
    flow, _ = workspace.find_flow(flow_id)
    report = flow.steps[step]
    wider = report.model_copy(update={"params": {**report.params, "only": [*report.params["only"], column]}})

    found = problems_of(workspace, flow.model_copy(update={"steps": {**flow.steps, step: wider}}))

    assert [(one.code, one.step) for one in found] == [("sensitive-in-clear", step)]
    assert f"'{column}'" in found[0].message


def test_without_an_account_and_an_identity_the_check_names_both(workspace: Workspace) -> None:
    flow, folder = workspace.find_flow("invoice-mailing")
    shelf = Shelf(workspace.shelf_folders(folder))

    found = check(flow, node_classes(), Lent(shelf, Keyring(), flow.settings.locale, flow.settings.timezone))

    assert sorted(one.step or "" for one in found) == ["send", "sign"]


@pytest.mark.parametrize(
    ("file", "table"),
    [("invoice-mailing/invoices.xlsx", make_lists.invoices()), ("payslips/payslips.xlsx", make_lists.payslips())],
)
def test_the_lists_are_those_that_the_code_makes(file: str, table: make_lists.Table) -> None:
    sheet = CalamineWorkbook.from_path(str(HERE / file)).get_sheet_by_index(0)

    rows = [tuple("" if cell is None else cell for cell in row) for row in (table.header, *table.rows)]

    assert [tuple(row) for row in sheet.to_python()] == rows


def test_the_subscribers_are_those_that_the_code_makes() -> None:
    assert (HERE / "newsletter" / "subscribers.csv").read_bytes() == make_lists.csv_bytes(make_lists.subscribers())


def test_the_logo_is_the_one_that_the_code_draws() -> None:
    assert (HERE / "newsletter" / "logo.png").read_bytes() == make_pictures.png_bytes(make_pictures.logo())


def test_every_account_number_is_a_valid_iban_except_the_one_with_a_slip() -> None:
    numbers = [
        str(row[table.header.index(column)])
        for table, column in ((make_lists.invoices(), "iban"), (make_lists.payslips(), "IBAN"))
        for row in table.rows
    ]

    assert len(set(numbers)) == len(numbers) == 52 + 44
    assert sum(not iban.is_valid(number) for number in numbers) == 1


def test_nobody_real_can_get_a_mail() -> None:
    tables = ((make_lists.invoices(), "email"), (make_lists.subscribers(), "E-Mail"), (make_lists.payslips(), "E-Mail"))
    addresses = [str(row[table.header.index(column)]) for table, column in tables for row in table.rows]

    assert all(address.strip().casefold().endswith(".example") for address in addresses)
