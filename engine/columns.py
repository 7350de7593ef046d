"""Column typing: which columns travel on each wire, and whether a step finds those that it needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .binding import facets_of
from .context import Resources
from .errors import ConfigError, PostwerkError
from .expressions import Expression, Facet, Uses, uses
from .flow import Endpoint
from .graph import Graph
from .node import Column, Columns, ColumnType, Need, Node
from .ports import Arity
from .problem import Hints, Problem
from .values import Record

ALWAYS = frozenset({"inputs", "run", "record"})
"""Names that an expression finds beside the columns and the step's own inputs."""

Origins = Mapping[str, str]
"""Sensitive columns that records may hold, each with the step that it comes from."""


@dataclass(frozen=True, slots=True)
class Used:
    """An expression in a step's field."""

    field: str
    expression: Expression
    facet: Facet
    uses: Uses


class ColumnCheck:
    """Carries columns along the wires. None stands for 'can't be told': then nothing is refused as missing."""

    def __init__(self, graph: Graph, nodes: dict[str, Node], resources: Resources) -> None:
        self.graph, self.nodes, self.resources = graph, nodes, resources
        self.delivered: dict[Endpoint, Columns | None] = {}
        """output -> the columns of the records that its items descend from."""
        self.sensitive: dict[Endpoint, Origins] = {}
        """output -> what of them is sensitive, and columns beyond them that may be there as well."""
        self.seen: dict[str, Columns | None] = {}
        """step -> the columns that its expressions see."""
        self.expressions: dict[str, tuple[Used, ...]] = {}
        self.needs: dict[str, tuple[Need, ...]] = {}
        """step -> columns that its expressions and the node itself need."""
        self.problems: list[Problem] = []
        self.hints = Hints()
        for step in graph.order:
            self._pass(step)

    def _pass(self, step: str) -> None:
        incoming = self.seen[step] = self._incoming(step)
        node = self.nodes.get(step)
        if node is None:
            for output in self._outputs(step):
                self.delivered[output], self.sensitive[output] = None, {}
            return
        used = self.expressions[step] = tuple(self._read(step, node))
        by_expressions = [need for one in used for need in _column_needs(one, self._inputs(step))]
        by_node = list(self._own_needs(step, node))
        self.needs[step] = (*by_expressions, *by_node)
        taken = self._gathered(step) if self.graph.ports(step).is_gather else incoming
        self.problems += self._missing(step, by_expressions, incoming)
        self.problems += self._missing(step, by_node, taken)
        self._deliver(step, node, incoming, taken)

    def _outputs(self, step: str) -> Iterator[Endpoint]:
        return (Endpoint.model_construct(step=step, port=name) for name in self.graph.ports(step).outputs)

    def _inputs(self, step: str) -> frozenset[str]:
        return ALWAYS | self.graph.ports(step).inputs.keys()

    def sensitive_at(self, step: str, *, own_stream: bool = False) -> Origins:
        """The sensitive columns of all records that reach a step, or of those of its own stream."""
        root = self.graph.joins[step].root
        found: dict[str, str] = {}
        for source in self.graph.sources(step):
            if not own_stream or self.graph.lineage(source).root == root:
                found |= self.sensitive.get(source, {})
        return found

    def _incoming(self, step: str) -> Columns | None:
        """Of the record that expressions see: that of the first input that is a record, else of the first input."""
        ports = self.graph.ports(step)
        if ports.is_source or ports.is_gather:
            return {}
        return None if step in self.graph.partial else _common(self.delivered[one] for one in self._givers(step))

    def _givers(self, step: str) -> Iterator[Endpoint]:
        """The outputs whose items may give the record: as many as it takes until one surely does."""
        ports, feeds, root = self.graph.ports(step).inputs, self.graph.feeds.get(step, {}), self.graph.joins[step].root
        own = {
            name: [source for source in feeds.get(name, ()) if self.graph.lineage(source).root == root]
            for name in ports
        }  # fmt: skip
        ones = [name for name in ports if own[name] and ports[name].arity is Arity.ONE]
        for name in ones:
            kinds = [self._types(source) for source in own[name]]
            if any(Record in each for each in kinds):
                yield from own[name]
                if ports[name].is_required and all(each == {Record} for each in kinds):
                    return
        for name in ones:
            yield from own[name]
            if ports[name].is_required:
                return
        depth = len(self.graph.joins[step].path)
        parts = (source for name in ports if name not in ones for source in own[name])
        yield from (source for source in parts if self.graph.record_depth(source) <= depth)

    def _types(self, output: Endpoint) -> set[type]:
        kinds = self.graph.ports(output.step).outputs[output.port].types
        return {Record if issubclass(one, Record) else one for one in kinds}

    def _gathered(self, step: str) -> Columns | None:
        """What all that it takes has in common; None when a value that is no record may show columns of its own."""
        sources = self.graph.sources(step)
        if step in self.graph.partial or any(self._types(source) != {Record} for source in sources):
            return None
        return _common(self.delivered[source] for source in sources)

    def _read(self, step: str, node: Node) -> Iterator[Used]:
        for field, expression, facet in facets_of(node):
            try:
                yield Used(field, expression, facet, uses(expression.source))
            except ConfigError as error:
                self.problems.append(Problem(code="bad-parameter", step=step, field=field, message=error.message))

    def _own_needs(self, step: str, node: Node) -> Iterator[Need]:
        try:
            yield from node.needs(self.resources)
        except PostwerkError as error:
            self.problems.append(Problem(code="flaw", step=step, field=error.field, message=error.message))

    def _missing(self, step: str, needs: Iterable[Need], known: Columns | None) -> Iterator[Problem]:
        if known is None:
            return
        found = {*known, *self._inputs(step)}
        for need in needs:
            if need.column not in found:
                found.add(need.column)  # told once
                text = (
                    f"Step {step!r} needs the column {need.column!r} ({need.where}), "
                    f"which does not reach it.{self.hints.of(need.column, known)}"
                )
                yield Problem(code="missing-column", step=step, message=text)

    def _deliver(self, step: str, node: Node, incoming: Columns | None, taken: Columns | None) -> None:
        changed: Mapping[str, Columns | None]
        try:
            changed = {} if taken is None else node.columns(self.resources, taken)
        except PostwerkError as error:
            self.problems.append(Problem(code="flaw", step=step, field=error.field, message=error.message))
            changed = dict.fromkeys(self.graph.ports(step).outputs)
        for output in self._outputs(step):
            columns = changed[output.port] if output.port in changed else self._kept(step, output, incoming)
            if Record in self._types(output):
                self._deliver_records(step, node, output, columns)
            else:
                self.delivered[output] = columns
                self.sensitive[output] = self.sensitive_at(step, own_stream=True)

    def _kept(self, step: str, output: Endpoint, incoming: Columns | None) -> Columns | None:
        """Records that are new, or made of several, could have any columns when the node names none."""
        ports = self.graph.ports(step)
        if Record not in self._types(output):
            return incoming
        records = [one for one in self.graph.sources(step) if Record in self._types(one)]
        is_new = ports.is_source or ports.is_gather or ports.is_iterator or len(self.graph.feeds.get(step, {})) > 1
        return None if is_new or not records else incoming

    def _deliver_records(self, step: str, node: Node, output: Endpoint, columns: Columns | None) -> None:
        """What was sensitive stays so under its name; what is built from it is sensitive too."""
        reaching = self.sensitive_at(step)
        if columns is None:
            self.delivered[output], self.sensitive[output] = None, reaching
            return
        is_built = self._reads_sensitive(step, node, reaching)
        before = {name for source in self.graph.sources(step) for name in self.delivered[source] or ()}
        marked = {
            name: reaching.get(name, step)
            for name, column in columns.items()
            if column.is_sensitive or name in reaching or (is_built and name not in before) or node.makes_sensitive()
        }
        self.sensitive[output] = marked
        self.delivered[output] = columns if not marked else _marked(columns, marked)

    def _reads_sensitive(self, step: str, node: Node, reaching: Origins) -> bool:
        if not reaching:
            return False
        built = [one for one in self.expressions[step] if one.facet not in (Facet.NOTHING, Facet.KEY)]
        names = {need.column for need in self.needs[step] if need.facet not in ("nothing", "key")}
        is_open = any(one.uses.is_open or one.uses.names & self.graph.ports(step).inputs.keys() for one in built)
        return is_open or node.uses_any_column() or not names.isdisjoint(reaching)


def _common(streams: Iterable[Columns | None]) -> Columns | None:
    """The columns that all streams deliver."""
    known: list[Columns] = []
    for one in streams:
        if one is None:
            return None
        if not any(one is each for each in known):
            known.append(one)
    if len(known) < 2:
        return known[0] if known else {}
    shared = set(known[0]).intersection(*known[1:])
    return {name: _merged([one[name] for one in known]) for name in known[0] if name in shared}


def _merged(columns: list[Column]) -> Column:
    first = columns[0]
    kind = first.type if all(one.type is first.type for one in columns) else ColumnType.ANY
    return first.changed(type=kind, is_sensitive=any(one.is_sensitive for one in columns))


def _marked(columns: Columns, sensitive: Origins) -> Columns:
    return {
        name: column.changed(is_sensitive=True) if name in sensitive and not column.is_sensitive else column
        for name, column in columns.items()
    }


def _column_needs(used: Used, inputs: frozenset[str]) -> Iterator[Need]:
    source = used.expression.source
    where = f"{used.field} '{source}'" if len(source) <= 60 else used.field
    for name in sorted((used.uses.names - inputs) | used.uses.columns):
        yield Need.model_validate({"column": name, "where": where, "facet": used.facet.value})
