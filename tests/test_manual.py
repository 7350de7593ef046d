"""Every built-in node is documented, its examples hold, and the pages in docs/nodes are what is generated."""

from __future__ import annotations

from pathlib import Path

import pytest
from postwerk.engine import Node, Templates
from postwerk.engine.binding import make_node
from postwerk.engine.flow import Step
from postwerk.runtime.manual import page
from postwerk.runtime.plugins import node_classes

PAGES = Path(__file__).parent.parent / "docs" / "nodes"
BUILT_IN = {name: node for name, node in node_classes().items() if node.__module__.startswith("postwerk.nodes.")}


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_the_page_of_a_node_is_the_one_that_its_class_gives(name: str) -> None:
    written = (PAGES / f"{name}.md").read_text("utf-8")

    assert written == page(name, BUILT_IN[name]), "make manual writes it anew"


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_node_has_a_docstring_and_an_example_that_makes_a_node(name: str) -> None:
    node = BUILT_IN[name]

    assert len(node.__doc__ or "") > 80
    assert node.examples
    for params in node.examples:
        made = make_node(Step(node=name, params=dict(params)), node, {"inputs": {}, "run": None}, Templates())
        assert isinstance(made, Node)


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_parameter_of_a_node_is_explained(name: str) -> None:
    schema = BUILT_IN[name].model_json_schema()

    unexplained = [field for field, one in schema.get("properties", {}).items() if not one.get("description")]

    assert unexplained == []


def test_no_page_is_left_of_a_node_that_is_gone() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} - {"README"} == set(BUILT_IN)
