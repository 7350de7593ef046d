"""What is public is documented, and the page that says how to write a node is right."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import postwerk.engine
import pytest
from postwerk.engine import Node
from postwerk.engine.binding import make_node
from postwerk.engine.check import check
from postwerk.engine.expressions import Templates
from postwerk.engine.flow import Step
from postwerk.runtime.plugins import GROUP

from .engine.office_nodes import OFFICE
from .engine.small_flows import flow_of
from .surroundings import Surroundings

PAGE = (Path(__file__).parent.parent / "docs" / "writing-a-node.md").read_text("utf-8")


def blocks(language: str) -> dict[str, str]:
    """The page's blocks of code, by the file that their first line names."""
    found = re.findall(rf"```{language}\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
    return dict(found)


def documented() -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", PAGE.split("## Public names")[1], re.MULTILINE)


@pytest.fixture
def letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The page's module, and its tests beside it."""
    for name, code in blocks("python").items():
        (tmp_path / name).write_text(code, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("letters")
    for name in ("letters", "test_letters"):
        sys.modules.pop(name, None)


def test_the_public_names_are_those_that_the_page_documents() -> None:
    assert sorted(documented()) == sorted(postwerk.engine.__all__)


def test_every_public_name_is_there() -> None:
    assert [name for name in postwerk.engine.__all__ if not hasattr(postwerk.engine, name)] == []


def test_the_pages_example_is_a_node_whose_own_example_holds(letters: ModuleType) -> None:
    node_class = letters.WriteLetter
    [example] = node_class.examples

    node = make_node(Step(node="WriteLetter", params=dict(example)), node_class, {}, Templates())

    assert isinstance(node, Node)
    assert len(blocks("python")["letters.py"].strip().splitlines()) < 30


def test_the_pages_own_tests_pass(letters: ModuleType) -> None:
    tests = import_module("test_letters")

    ran = [one() for name, one in vars(tests).items() if name.startswith("test_")]

    assert len(ran) == 2


def test_the_pages_example_takes_part_in_a_flow(letters: ModuleType, tmp_path: Path) -> None:
    classes = {**OFFICE, "WriteLetter": letters.WriteLetter}
    wires = ["read.records -> letter.record", "letter.document -> save.document"]

    def problems(text: str, file_name: str) -> list[str]:
        flow = flow_of(
            {
                "read": ("Read", {"sensitive": ["iban"]}), "save": ("Save", {}),
                "letter": ("WriteLetter", {"text": text, "file_name": file_name}),
            },
            wires,
        )  # fmt: skip
        return [one.code for one in check(flow, classes, Surroundings(tmp_path))]

    assert problems("Dear {{ name }}", "{{ no }}.txt") == []
    assert problems("Dear {{ nmae }}", "{{ no }}.txt") == ["missing-column"]
    assert problems("{{ iban }}", "{{ no }}.txt") == ["sensitive-in-clear"]


def test_the_entry_point_of_the_page_is_the_one_that_is_looked_for() -> None:
    assert f'[project.entry-points."{GROUP}"]' in blocks("toml")["pyproject.toml"]
