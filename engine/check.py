"""The check: all problems of a flow at once, the same on the canvas and on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError

from .binding import BadParameters, make_node
from .columns import ColumnCheck
from .context import Resources, RunInfo
from .errors import ConfigError, PostwerkError, suggestion
from .expressions import Templates, uses
from .flow import Flow, Step
from .graph import Graph, NodeClasses, build_graph
from .node import Node
from .problem import Problem
from .sensitivity import sensitive_problems
from .values import Scalar


def check(
    flow: Flow, classes: NodeClasses, resources: Resources, inputs: dict[str, Scalar] | None = None
) -> list[Problem]:
    """All problems, errors first, each naming its step and a remedy."""
    graph = build_graph(flow, classes)
    problems = [*_setting_problems(flow), *graph.problems]
    names = {"inputs": {**input_defaults(flow), **(inputs or {})}, "run": _example_run(flow, resources)}
    nodes: dict[str, Node] = {}
    for step_id, node_class in graph.classes.items():
        try:
            nodes[step_id] = make_node(flow.steps[step_id], node_class, names, Templates())
        except BadParameters as error:
            problems += (_flaw(step_id, "bad-parameter", one.message, one.field) for one in error.flaws)
    for step_id, node in nodes.items():
        problems += _own_flaws(step_id, node, resources)
    columns = ColumnCheck(graph, nodes, resources)
    problems += columns.problems
    problems += sensitive_problems(graph, nodes, columns)
    problems += _unused(graph)
    return sorted(_each_once(problems), key=lambda one: one.severity)


def input_defaults(flow: Flow) -> dict[str, Scalar]:
    return {name: one.default for name, one in flow.inputs.items()}


def _example_run(flow: Flow, resources: Resources) -> RunInfo:
    return RunInfo(id="check", flow=flow.id, started=resources.now, is_dry=True)


def _flaw(step: str, code: str, message: str, field: str | None) -> Problem:
    return Problem.model_validate({"code": code, "step": step, "message": message, "field": field})


def _setting_problems(flow: Flow) -> Iterator[Problem]:
    if not flow.steps:
        yield Problem(code="empty-flow", message="The flow has no steps. Add a source such as ReadExcel.")
    try:
        ZoneInfo(flow.settings.timezone)
    except (ValueError, OSError):
        text = f"There is no time zone {flow.settings.timezone!r}. Write 'Europe/Berlin', say."
        yield Problem(code="bad-setting", field="timezone", message=text)
    try:
        Locale.parse(flow.settings.locale)
    except (ValueError, UnknownLocaleError):
        text = f"There is no locale {flow.settings.locale!r}. Write 'de_DE' or 'en_GB', say."
        yield Problem(code="bad-setting", field="locale", message=text)
    for step_id, step in flow.steps.items():
        yield from _input_problems(flow, step_id, step)


def _input_problems(flow: Flow, step_id: str, step: Step) -> Iterator[Problem]:
    for text in _texts(step.params):
        for name in _inputs_used(text):
            if name not in flow.inputs:
                message = f"The flow has no input {name!r}. {suggestion(name, flow.inputs)}"
                yield Problem(code="unknown-input", step=step_id, message=message)


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
    for step in graph.order:
        ports = graph.ports(step)
        is_loose = ports.is_source and ports.outputs and not any(graph.is_wired(step, one) for one in ports.outputs)
        if is_loose:
            names = ", ".join(f"'{step}.{one}'" for one in ports.outputs)
            text = f"Nothing takes what step {step!r} reads. Wire {names} to a step."
            yield Problem(code="unused-output", step=step, message=text, severity="warning")


def _each_once(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
