"""Sensitivity: what is built from something sensitive must be locked before it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .binding import expressions_of
from .columns import ColumnCheck
from .expressions import uses
from .flow import Endpoint
from .graph import Graph
from .node import Column, Columns, Node
from .problem import Problem
from .values import Record, Value

Path = tuple[str, ...]


@dataclass
class Marks:
    """What of an output is sensitive, each with the way that it came, from its origin on."""

    content: Path | None = None
    """What a lock covers."""
    label: Path | None = None
    """What stays readable outside of a lock: a subject, a file name."""

    def worst(self) -> Path | None:
        return self.label or self.content


@dataclass
class _Walk:
    graph: Graph
    nodes: dict[str, Node]
    columns: ColumnCheck
    marks: dict[Endpoint, Marks] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def sensitive_problems(graph: Graph, nodes: dict[str, Node], columns: ColumnCheck) -> list[Problem]:
    """A problem for each way on which something sensitive can leave in clear."""
    walk = _Walk(graph, nodes, columns)
    for step in graph.order:
        if step in nodes:
            _pass(walk, step, nodes[step])
    return walk.problems


def _pass(walk: _Walk, step: str, node: Node) -> None:
    built = _built(walk, step, node)
    if node.leaves and (path := built.worst()):
        walk.problems.append(_problem(step, (*path, step), is_label=built.label is not None))
        built = Marks()  # told once
    if node.makes_sensitive():
        built.content = built.content or (f"'{step}' is marked sensitive",)
    if node.locks:
        built.content = None
    for output in walk.graph.ports(step).outputs:
        walk.marks[Endpoint(step=step, port=output)] = Marks(_on(built.content, step), _on(built.label, step))


def _on(path: Path | None, step: str) -> Path | None:
    return (*path, step) if path and step not in path else path


def _built(walk: _Walk, step: str, node: Node) -> Marks:
    """The marks of what the step makes, before it locks."""
    built = Marks()
    names = {_port_name(one) for port in walk.graph.ports(step).outputs.values() for one in port.types}
    for port, sources in walk.graph.feeds.get(step, {}).items():
        for source in sources:
            types = walk.graph.ports(step).inputs[port].types
            stays = node.leaves or any(issubclass(one, Value) and _port_name(one) in names for one in types)
            _take(built, walk.marks.get(source, Marks()), label_stays=stays)
    seen = walk.columns.seen.get(step) or {}
    for need in walk.columns.needs.get(step, ()):
        column = seen.get(need.column)
        if column and column.is_sensitive and need.facet in ("content", "label"):
            path = _origin(walk.graph.joins[step].root, column)
            built.content = built.content or (path if need.facet == "content" else None)
            built.label = built.label or (path if need.facet == "label" else None)
    if _uses_all(walk, step, node):
        for root, column in _all_columns(walk, step, seen):
            if column.is_sensitive:
                built.content = built.content or _origin(root, column)
    return built


def _take(built: Marks, marks: Marks, *, label_stays: bool) -> None:
    """A document's file name becomes content of the mail that it is attached to; among equals, and where it leaves,
    it stays a label."""
    built.content = built.content or marks.content or (None if label_stays else marks.label)
    built.label = built.label or (marks.label if label_stays else None)


def _port_name(value: type) -> str:
    return str(getattr(value, "port_name", value.__name__))


def _uses_all(walk: _Walk, step: str, node: Node) -> bool:
    """Whether any column may be in what it makes: it takes records whole, or says `record` in an expression."""
    if any(uses(one.source).is_open for _, one in expressions_of(node)):
        return True
    if not node.uses_any_column():
        return False
    ports = walk.graph.ports(step)
    takes = any(Record in port.types for port in ports.inputs.values())
    gives = any(Record in port.types for port in ports.outputs.values())
    return takes and (node.leaves or not gives)


def _all_columns(walk: _Walk, step: str, seen: Columns) -> Iterator[tuple[str, Column]]:
    """Those of the expressions' record, and of everything that a gather takes, each with its source."""
    yield from ((walk.graph.joins[step].root, column) for column in seen.values())
    for sources in walk.graph.feeds.get(step, {}).values():
        for source in sources:
            delivered = walk.columns.delivered.get(source) or {}
            yield from ((walk.graph.lineage(source).root, column) for column in delivered.values())


def _origin(root: str, column: Column) -> Path:
    return (f"column '{column.name}' of '{root}'",)


def _problem(step: str, path: Path, *, is_label: bool) -> Problem:
    what = "as a subject or file name, which no lock covers" if is_label else "in clear"
    move = "Leave it out of the name or subject" if is_label else "Put EncryptPDF or EncryptSMIME before it"
    text = (
        f"Something sensitive could leave at step {step!r} {what}: {' -> '.join(path)}. {move}, or take the mark away."
    )
    return Problem(code="sensitive-in-clear", step=step, message=text)
