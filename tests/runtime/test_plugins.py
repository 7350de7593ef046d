"""Nodes of installed packages: found like ours, and no danger to them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..acceptance.flow_document import save_flow
from ..acceptance.program import Program
from ..nodes.workbooks import workbook

PACKAGE = Path(__file__).parents[1] / "plugin_package"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the foreign package."""
    source = shutil.copytree(PACKAGE, tmp_path_factory.mktemp("package") / "source")
    target = tmp_path_factory.mktemp("packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--disable-pip-version-check", "--target", target, source], check=True, timeout=120)
    return target


def program(folder: Path, *packages: Path) -> Program:
    found = os.pathsep.join([*map(str, packages), os.environ.get("PYTHONPATH", "")])
    made = Program(folder / "workspace", {"PYTHONPATH": found})
    assert made("init", made.workspace).code == 0
    return made


def package(folder: Path, module: str, *entries: str) -> Path:
    """An installed package of one module."""
    info = folder / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(["[postwerk.nodes]", *entries]))
    (folder / "acme.py").write_text(module)
    return folder


NODE = """
from postwerk.engine import Node, Record
class Shout(Node):
    title = "Shout"
    def run(self, record: Record) -> Record:
        return record
number = 4711
"""


def test_a_flow_runs_with_the_node_of_a_foreign_package(tmp_path: Path, installed: Path) -> None:
    postwerk = program(tmp_path, installed)
    people: list[list[str | None]] = [
        ["no", "gender", "last_name"],
        ["1", "f", "Müller"],
        ["2", "m", "Maier"],
        ["3", None, "Schmitz & Co."],
    ]
    flow = save_flow(
        tmp_path / "flow",
        {
            "read": ("ReadExcel", {"file": "list.xlsx", "key": "no"}),
            "greet": ("AddSalutation", {}),
            "mail": ("FillTemplate", {"to": "a@example.com", "subject": "{{ no }}", "text": "{{ salutation }}!"}),
            "save": ("SaveMail", {"folder": "mails"}),
        },
        """read.records > greet.record
           greet.record > mail.record
           mail.message > save.message""",
    )
    workbook(flow.parent / "list.xlsx", people)

    report = postwerk("run", flow, "--json").json

    mails = sorted((Path(report["output"]) / "mails").iterdir())
    assert [next(line for line in mail.read_text().splitlines() if line.endswith("!")) for mail in mails] == [
        "Sehr geehrte Frau M=C3=BCller!", "Sehr geehrter Herr Maier!", "Guten Tag Schmitz & Co.!",
    ]  # fmt: skip


def test_a_foreign_node_stands_in_the_list_beside_ours(tmp_path: Path, installed: Path) -> None:
    nodes = program(tmp_path, installed)("nodes", "--json").json["nodes"]

    assert nodes["AddSalutation"]["title"] == "Add salutation"
    assert nodes["AddSalutation"]["inputs"] == {"record": {"types": ["Record"], "arity": "one", "required": True}}
    assert {"ReadExcel", "SendSMTP"} <= nodes.keys()


def test_a_node_whose_package_is_broken_is_missing_and_the_others_are_there(tmp_path: Path) -> None:
    broken = package(tmp_path / "packages", "import nothing_like_this", "Shout = acme:Shout")

    with program(tmp_path, broken).started("nodes", "--json") as process:
        out, err = process.communicate(timeout=60)

    nodes = json.loads(out)["nodes"]
    assert ("Shout" in nodes, "ReadExcel" in nodes) == (False, True)
    assert "The node Shout can't be imported from acme:Shout." in err
    assert "No module named 'nothing_like_this'" in err


def test_an_entry_point_that_leads_to_no_node_is_told(tmp_path: Path) -> None:
    wrong = package(tmp_path / "packages", NODE, "Shout = acme:number")

    ended = program(tmp_path, wrong)("nodes", "--json")

    assert "Shout" not in ended.json["nodes"]
    assert "The entry point Shout leads to acme:number, which is no node. Let it lead to a Node class." in ended.words


def test_nobody_takes_the_name_of_a_built_in_node(tmp_path: Path) -> None:
    greedy = package(tmp_path / "packages", NODE, "ReadExcel = acme:Shout", "Shout = acme:Shout")

    ended = program(tmp_path, greedy)("nodes", "--json")

    assert (ended.json["nodes"]["ReadExcel"]["title"], ended.json["nodes"]["Shout"]["title"]) == ("Read Excel", "Shout")
    assert "The node ReadExcel of acme:Shout is left out: that name is taken." in ended.words


def test_a_flow_whose_node_is_not_installed_is_refused_with_a_hint(tmp_path: Path) -> None:
    flow = save_flow(tmp_path / "flow", {"read": ("AddSalutation", {})}, [])

    ended = program(tmp_path)("check", flow)

    assert ended.code == 1
    assert "There is no node 'AddSalutation'." in ended.words
    assert "Is its package installed?" in ended.words
