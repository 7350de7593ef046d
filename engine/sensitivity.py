"""Sensitivity: what is built from something sensitive must be locked before it leaves."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from jinja2 import Environment, nodes

from .columns import ColumnCheck, Used
from .expressions import Facet
from .flow import Endpoint
from .graph import Graph
from .node import Node
from .ports import Arity, Port
from .problem import Problem
from .values import Record, Value


@dataclass(frozen=True, slots=True)
class Way:
    """How something sensitive came here: the last place, and the way before."""

    place: str
    before: Way | None = None

    def to(self, step: str) -> Way:
        return self if self.place == step else Way(step, self)

    def __str__(self) -> str:
        places, way = [self.place], self
        while way.before:
            way = way.before
            places.append(way.place)
        places.reverse()
        return " -> ".join(places if len(places) <= 12 else [*places[:6], "…", *places[-5:]])


@dataclass(slots=True)
class Marks:
    """What of an output is sensitive, each with the way that it came."""

    content: Way | None = None
    """What a lock covers."""
    label: Way | None = None
    """What stays readable outside of a lock: a subject, a file name."""

    def add(self, content: Way | None, label: Way | None) -> None:
        self.content, self.label = self.content or content, self.label or label


@dataclass
class _Walk:
    graph: Graph
    nodes: Mapping[str, Node]
    columns: ColumnCheck
    marks: dict[Endpoint, Marks] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def sensitive_problems(graph: Graph, nodes: Mapping[str, Node], columns: ColumnCheck) -> list[Problem]:
    """A problem for each way on which something sensitive can leave in clear."""
    walk = _Walk(graph, nodes, columns)
    for step in graph.order:
        if step in nodes:
            _pass(walk, step, nodes[step])
    return walk.problems


def _pass(walk: _Walk, step: str, node: Node) -> None:
    built = _built_from_columns(walk, step, node)
    if node.leaves:
        for _, marks in _arriving(walk, step):
            built.add(marks.content, marks.label)
        if way := built.label or built.content:
            walk.problems.append(_problem(step, way.to(step), is_label=built.label is not None))
        return  # told once
    for name, port in walk.graph.ports(step).outputs.items():
        marks = _made(walk, step, node, port, built)
        walk.marks[Endpoint.model_construct(step=step, port=name)] = Marks(
            marks.content and marks.content.to(step), marks.label and marks.label.to(step)
        )


def _arriving(walk: _Walk, step: str) -> Iterator[tuple[Port, Marks]]:
    for name, sources in walk.graph.feeds.get(step, {}).items():
        for source in sources:
            yield walk.graph.ports(step).inputs[name], walk.marks.get(source, Marks())


def _made(walk: _Walk, step: str, node: Node, port: Port, built: Marks) -> Marks:
    """What is sensitive of one output. The columns of records carry their marks themselves."""
    is_record = Record in port.types
    made = Marks() if is_record else Marks(built.content, built.label)
    for taken, marks in _arriving(walk, step):
        if _kinds(taken) & _kinds(port):
            made.add(marks.content, marks.label)
        else:  # the file name of a document is content of the mail that it is attached to
            made.add(marks.content or marks.label, None)
    output = Endpoint.model_construct(step=step, port=port.name)
    if node.makes_sensitive() and not (is_record and walk.columns.delivered.get(output)):
        made.add(Way(f"'{step}' is marked sensitive"), None)
    if node.locks and (is_record or not port.is_reject):
        made.content = None
    return made


def _kinds(port: Port) -> set[str]:
    return {str(getattr(one, "port_name", one.__name__)) for one in port.types if issubclass(one, Value)}


def _built_from_columns(walk: _Walk, step: str, node: Node) -> Marks:
    built = Marks()
    own, reaching = walk.columns.sensitive_at(step, own_stream=True), walk.columns.sensitive_at(step)
    is_veiled = any(walk.columns.delivered.get(source) is None for source in walk.graph.sources(step))
    for need in walk.columns.needs[step]:
        _add(built, Facet(need.facet), _column(reaching, reaching if is_veiled else {need.column}))
    for used in walk.columns.expressions[step]:
        if used.uses.is_open:
            _add(built, used.facet, _column(own, own))
        _add_inputs(walk, step, used, built)
    if node.uses_any_column() and _can_see_columns(walk, step):
        _add(built, Facet.CONTENT, _column(reaching, reaching))
    return built


def _add(built: Marks, facet: Facet, way: Way | None) -> None:
    built.add(way if facet is Facet.CONTENT else None, way if facet is Facet.LABEL else None)


def _column(origins: Mapping[str, str], names: Collection[str]) -> Way | None:
    name = next((one for one in origins if one in names), None)
    return None if name is None else Way(f"column '{name}' of '{origins[name]}'")


def _can_see_columns(walk: _Walk, step: str) -> bool:
    """Records whole, items with their records, or the context, which lends the record."""
    ports = walk.graph.ports(step)
    is_seen = any(
        port.arity is Arity.STREAM or any(issubclass(Record, one) or issubclass(one, Record) for one in port.types)
        for port in ports.inputs.values()
    )
    return is_seen or ports.takes_context


def _add_inputs(walk: _Walk, step: str, used: Used, built: Marks) -> None:
    """What an expression takes from the step's own inputs: `{{ document.name }}`."""
    feeds = walk.graph.feeds.get(step, {})
    for name in sorted(used.uses.names & feeds.keys()):
        is_name_only = _parts(used.expression.source, name) <= {"name", "media_type"}
        for source in feeds[name]:
            marks, origins = walk.marks.get(source, Marks()), walk.columns.sensitive.get(source, {})
            is_record = Record in walk.graph.ports(source.step).outputs[source.port].types
            if is_record:
                _add(built, used.facet, _column(origins, origins))
            _add(built, used.facet, marks.label if is_name_only and not is_record else marks.content or marks.label)


_PARSER = Environment(autoescape=True)


def _parts(source: str, name: str) -> set[str]:
    """The attributes of an input that an expression uses; '' is the whole."""
    tree = _PARSER.parse(source)
    whole = sum(1 for one in tree.find_all(nodes.Name) if one.name == name)
    parts = [one.attr for one in tree.find_all(nodes.Getattr) if _is_name(one.node, name)]
    return {*parts, *([""] if whole > len(parts) else [])}


def _is_name(expression: nodes.Expr, name: str) -> bool:
    """Of an input, or of one of the items that it collects: `attachments[0]`."""
    if isinstance(expression, nodes.Getitem):
        expression = expression.node
    return isinstance(expression, nodes.Name) and expression.name == name


def _problem(step: str, way: Way, *, is_label: bool) -> Problem:
    what = "as a subject or file name, which no lock covers" if is_label else "in clear"
    move = "Leave it out of the name or subject" if is_label else "Put EncryptPDF or EncryptSMIME before it"
    text = f"Something sensitive could leave at step {step!r} {what}: {way}. {move}, or take the mark away."
    return Problem(code="sensitive-in-clear", step=step, message=text)
