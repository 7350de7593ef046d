"""The check: all problems of a flow at once, the same on the canvas and on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError

from .binding import BadParameters, make_node
from .columns import ColumnCheck
from .context import Resources, RunInfo
from .errors import ConfigError, PostwerkError
from .expressions import Templates, is_expression, templates_of, uses
from .flow import Flow
from .graph import Graph, NodeClasses, build_graph
from .node import Node
from .problem import Hints, Problem
from .sensitivity import sensitive_problems
from .values import Scalar


def check(
    flow: Flow, classes: NodeClasses, resources: Resources, inputs: dict[str, Scalar] | None = None
) -> list[Problem]:
    """All problems, errors first, each naming its step and a remedy.

    An input without a value is no problem of the flow: whoever starts it must give one.
    """
    graph = build_graph(flow, classes)
    problems = [*_setting_problems(flow), *graph.problems]
    given = {**input_defaults(flow), **(inputs or {})}
    unknown = list(_unknown_inputs(flow))
    problems += unknown
    making = _Making(flow, {"inputs": given, "run": _example_run(flow, resources)}, _excused(flow, given, unknown))
    nodes = {step: node for step, kind in graph.classes.items() if (node := making.node(step, kind))}
    problems += making.problems
    for step_id, node in nodes.items():
        problems += _own_flaws(step_id, node, resources)
    columns = ColumnCheck(graph, nodes, resources)
    problems += columns.problems
    problems += sensitive_problems(graph, nodes, columns)
    problems += _unused(graph)
    return sorted(_each_once(problems), key=lambda one: one.severity)


class _Making:
    """Makes the nodes of a flow, and keeps what is wrong with their parameters."""

    def __init__(self, flow: Flow, names: Mapping[str, Any], excused: Set[tuple[str, str]]) -> None:
        self.flow, self.names, self.excused = flow, names, excused
        self.templates = _templates(flow)
        self.problems: list[Problem] = []

    def node(self, step: str, node_class: type[Node]) -> Node | None:
        try:
            return make_node(self.flow.steps[step], node_class, self.names, self.templates)
        except BadParameters as error:
            told = (one for one in error.flaws if (step, one.field) not in self.excused)
            self.problems += (_flaw(step, "bad-parameter", one.message, one.field) for one in told)
            return None


def _templates(flow: Flow) -> Templates:
    """In the flow's locale; in ours when that is wrong, which is told elsewhere."""
    settings = flow.settings
    return Templates() if any(_bad_settings(flow)) else templates_of(settings.locale, settings.timezone)


def _excused(flow: Flow, given: Mapping[str, Scalar], unknown: list[Problem]) -> set[tuple[str, str]]:
    """Parameters that can't be told yet: they use an input that has no value, or one that is told to be missing."""
    unset = {name for name, value in given.items() if value is None}
    excused = {(one.step, one.field) for one in unknown if one.step and one.field}
    for step_id, step in flow.steps.items() if unset else ():
        excused |= {(step_id, name) for name, value in step.params.items() if unset & _inputs_of(value)}
    return excused


def input_defaults(flow: Flow) -> dict[str, Scalar]:
    return {name: one.default for name, one in flow.inputs.items()}


def _example_run(flow: Flow, resources: Resources) -> RunInfo:
    return RunInfo(id="check", flow=flow.id, started=resources.now, is_dry=True)


def _flaw(step: str, code: str, message: str, field: str | None) -> Problem:
    return Problem.model_validate({"code": code, "step": step, "message": message, "field": field})


def _setting_problems(flow: Flow) -> Iterator[Problem]:
    if not flow.steps:
        yield Problem(code="empty-flow", message="The flow has no steps. Add a source such as ReadExcel.")
    elif all(step.disabled for step in flow.steps.values()):
        yield Problem(code="empty-flow", message="All steps of the flow are disabled. Enable those that should run.")
    yield from _bad_settings(flow)


def _bad_settings(flow: Flow) -> Iterator[Problem]:
    try:
        ZoneInfo(flow.settings.timezone)
    except (ValueError, KeyError, OSError):  # what zoneinfo raises for odd names
        text = f"There is no time zone {flow.settings.timezone!r}. Write 'Europe/Berlin', say."
        yield Problem(code="bad-setting", field="timezone", message=text)
    try:
        Locale.parse(flow.settings.locale)
    except (ValueError, UnknownLocaleError):
        text = f"There is no locale {flow.settings.locale!r}. Write 'de_DE' or 'en_GB', say."
        yield Problem(code="bad-setting", field="locale", message=text)


def _unknown_inputs(flow: Flow) -> Iterator[Problem]:
    hints = Hints()
    for step_id, step in flow.steps.items():
        for field, value in step.params.items() if not step.disabled else ():
            for name in sorted(_inputs_of(value) - flow.inputs.keys()):
                message = f"The flow has no input {name!r}.{hints.of(name, flow.inputs)}"
                yield Problem(code="unknown-input", step=step_id, field=field, message=message)


def _inputs_of(value: object) -> set[str]:
    return {name for text in _texts(value) if is_expression(text) for name in _inputs_used(text)}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def _inputs_used(text: str) -> frozenset[str]:
    try:
        return uses(text).inputs
    except ConfigError:
        return frozenset()  # told with the parameter itself


def _own_flaws(step: str, node: Node, resources: Resources) -> Iterator[Problem]:
    try:
        for flaw in node.flaws(resources):
            yield _flaw(step, "flaw", flaw.message, flaw.field)
    except PostwerkError as error:
        yield _flaw(step, "flaw", error.message, error.field)


def _unused(graph: Graph) -> Iterator[Problem]:
    wired = {wire.source.step for wire in graph.flow.wires}
    for step in graph.order:
        ports = graph.ports(step)
        if ports.is_source and ports.outputs and step not in wired:
            names = " or ".join(f"'{step}.{one}'" for one in ports.outputs)
            text = f"Nothing takes what step {step!r} reads. Wire {names} to a step."
            yield Problem(code="unused-output", step=step, message=text, severity="warning")


def _each_once(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
