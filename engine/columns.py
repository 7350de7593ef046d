"""Column typing: which columns travel on each wire, and whether a step finds those that it needs."""

from __future__ import annotations

from collections.abc import Iterator

from .binding import expressions_of, facet_of
from .context import Resources
from .errors import ConfigError, PostwerkError, suggestion
from .expressions import Uses, uses
from .flow import Endpoint
from .graph import Graph
from .node import Column, Columns, Need, Node
from .ports import Arity
from .problem import Problem
from .values import Record

ALWAYS = frozenset({"inputs", "run", "record"})
"""Names that an expression finds beside the columns and the step's own inputs."""


class ColumnCheck:
    """Carries columns along the wires. None stands for 'can't be told': then nothing is refused."""

    def __init__(self, graph: Graph, nodes: dict[str, Node], resources: Resources) -> None:
        self.graph, self.nodes, self.resources = graph, nodes, resources
        self.delivered: dict[Endpoint, Columns | None] = {}
        """output -> the columns of the records that its items descend from."""
        self.seen: dict[str, Columns | None] = {}
        """step -> the columns that its expressions see."""
        self.needs: dict[str, tuple[Need, ...]] = {}
        self.problems: list[Problem] = []
        for step in graph.order:
            self._pass(step)

    def _pass(self, step: str) -> None:
        incoming = self.seen[step] = self._incoming(step)
        node = self.nodes.get(step)
        if node is None:
            self.delivered.update(dict.fromkeys(self._outputs(step)))
            return
        self.needs[step] = tuple(self._needs(step, node))
        if incoming is not None:
            self.problems += self._missing(step, incoming)
        self._deliver(step, node, incoming)

    def _outputs(self, step: str) -> Iterator[Endpoint]:
        return (Endpoint(step=step, port=name) for name in self.graph.ports(step).outputs)

    def _incoming(self, step: str) -> Columns | None:
        """The record that expressions see: that of the first record port, else of the first own input."""
        ports = self.graph.ports(step)
        if ports.is_source or ports.is_gather:
            return {}
        root = self.graph.joins[step].root
        feeds = self.graph.feeds.get(step, {})
        candidates = [
            (port, source)
            for name, port in ports.inputs.items()
            for source in feeds.get(name, ())
            if port.arity is Arity.ONE and self.graph.lineage(source).root == root
        ]
        records = [source for port, source in candidates if port.types == (Record,)]
        first = [source for _, source in candidates][:1]
        return self._common([self.delivered.get(source) for source in records or first])

    @staticmethod
    def _common(streams: list[Columns | None]) -> Columns | None:
        """What all streams that meet at one port deliver."""
        known = [one for one in streams if one is not None]
        if len(known) < len(streams):
            return None
        if not known:
            return {}
        shared = set(known[0]).intersection(*known[1:])
        return {name: _merged([one[name] for one in known]) for name in known[0] if name in shared}

    def _needs(self, step: str, node: Node) -> Iterator[Need]:
        for field, expression in expressions_of(node):
            try:
                facet = facet_of(type(node), field)
                where = f"{field} '{expression.source}'" if len(expression.source) <= 60 else field
                yield from _column_needs(uses(expression.source), where, facet.value, self._inputs(step))
            except ConfigError as error:
                self.problems.append(Problem(code="bad-parameter", step=step, field=field, message=error.message))
        try:
            yield from node.needs(self.resources)
        except PostwerkError as error:
            self.problems.append(Problem(code="flaw", step=step, field=error.field, message=error.message))

    def _inputs(self, step: str) -> frozenset[str]:
        return ALWAYS | self.graph.ports(step).inputs.keys()

    def _missing(self, step: str, incoming: Columns) -> Iterator[Problem]:
        for need in dict.fromkeys(self.needs[step]):
            if need.column not in incoming and need.column not in self._inputs(step):
                text = (
                    f"Step {step!r} needs the column {need.column!r} ({need.where}), "
                    f"which does not reach it. {suggestion(need.column, incoming)}"
                )
                yield Problem(code="missing-column", step=step, message=text)

    def _deliver(self, step: str, node: Node, incoming: Columns | None) -> None:
        try:
            changed = {} if incoming is None else node.columns(self.resources, incoming)
        except PostwerkError as error:
            self.problems.append(Problem(code="flaw", step=step, field=error.field, message=error.message))
            self.delivered.update(dict.fromkeys(self._outputs(step)))
            return
        for output in self._outputs(step):
            self.delivered[output] = (
                changed[output.port] if output.port in changed else self._kept(step, output, incoming)
            )

    def _kept(self, step: str, output: Endpoint, incoming: Columns | None) -> Columns | None:
        """A source of records that names no columns could deliver any."""
        ports = self.graph.ports(step)
        is_new = ports.is_source or ports.is_gather or ports.is_iterator
        return None if is_new and Record in ports.outputs[output.port].types else incoming


def _merged(columns: list[Column]) -> Column:
    return columns[0].changed(is_sensitive=any(one.is_sensitive for one in columns))


def _column_needs(used: Uses, where: str, facet: str, inputs: frozenset[str]) -> Iterator[Need]:
    for name in sorted((used.names - inputs) | used.columns):
        yield Need.model_validate({"column": name, "where": where, "facet": facet})
