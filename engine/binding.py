"""From a step's parameters to a node, and from a node with expressions to the node of one item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, SecretStr, ValidationError

from .errors import ConfigError, PostwerkError, Refused
from .expressions import Expression, Facet, PerItemMark, Templates, is_expression, uses
from .flow import Step
from .node import Flaw, Node
from .templates import TemplateMark
from .values import Record

Names = Mapping[str, Any]
TEXTS = (str, SecretStr)


class BadParameters(ConfigError):
    """A step's parameters do not fit its node."""

    def __init__(self, flaws: list[Flaw]) -> None:
        super().__init__(" ".join(flaw.message for flaw in flaws))
        self.flaws = flaws


def make_node(step: Step, node_class: type[Node], names: Names, templates: Templates) -> Node:
    """The step's node. `names` are `inputs` and `run`: all that a field which is not per item may use.

    Raises:
        BadParameters: with a flaw for each parameter that does not fit.
    """
    deferred = deferred_fields(node_class)
    flaws: list[Flaw] = []
    params: dict[str, Any] = {}
    for name, value in step.params.items():
        try:
            params[name] = value if name in deferred else _rendered(value, names, templates)
        except PostwerkError as error:
            flaws.append(Flaw(message=f"{name}: {error.message}", field=name))
    if flaws:
        raise BadParameters(flaws)
    try:
        return node_class.model_validate(params)
    except ValidationError as error:
        raise BadParameters(list(_flaws(error, node_class))) from error


def _rendered(value: Any, names: Names, templates: Templates) -> Any:
    if isinstance(value, str):
        return templates.evaluate(value, names) if is_expression(value) else value
    if isinstance(value, list):
        return [_rendered(one, names, templates) for one in value]
    if isinstance(value, dict):
        return {key: _rendered(one, names, templates) for key, one in value.items()}
    return value


def _flaws(error: ValidationError, node_class: type[Node]) -> Iterator[Flaw]:
    for one in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in one["loc"] if not str(part).startswith("function-"))
        if one["type"] == "extra_forbidden":
            text = f"{node_class.__name__} has no parameter {place!r}. It has: {', '.join(node_class.model_fields)}."
        elif one["type"] == "missing":
            text = f"The parameter {place!r} is missing."
        else:
            text = f"{place}: {one['msg'].removeprefix('Value error, ')}."
        yield Flaw(message=text, field=place.split(".")[0] or None)


@lru_cache(maxsize=512)
def deferred_fields(node_class: type[Node]) -> frozenset[str]:
    """The fields whose text is filled in later: for each item, or by the node itself."""
    return frozenset(name for name, hint in _hints(node_class) if _is_deferred(hint))


def _hints(model: type[BaseModel]) -> list[tuple[str, Any]]:
    hints = get_type_hints(model, include_extras=True)
    return [(name, hints[name]) for name in model.model_fields if name in hints]


def _is_deferred(hint: Any) -> bool:
    if get_origin(hint) is Annotated and any(isinstance(one, PerItemMark | TemplateMark) for one in hint.__metadata__):
        return True
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return any(_is_deferred(inner) for _, inner in _hints(hint))
    return any(_is_deferred(inner) for inner in get_args(hint))


@lru_cache(maxsize=512)
def facet_of(node_class: type[Node], field: str) -> Facet:
    """What the field builds, for the sensitivity check."""
    for name, hint in _hints(node_class):
        if name == field and get_origin(hint) is Annotated:
            return next((one for one in hint.__metadata__ if isinstance(one, Facet)), Facet.CONTENT)
    return Facet.CONTENT


def expressions_of(node: Node) -> Iterator[tuple[str, Expression]]:
    """Each expression in the node's fields, with the field's name."""
    for field, value in node.__dict__.items():
        for expression in _found(value):
            yield field, expression


def _found(value: object) -> Iterator[Expression]:
    if isinstance(value, Expression):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _found(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _found(one)
    elif isinstance(value, BaseModel):
        yield from _found(value.__dict__)


Resolver = Callable[[Names], Any]


@dataclass(frozen=True)
class Binder:
    """Makes the node of one item: every expression replaced by its value."""

    node: Node
    resolvers: tuple[tuple[str, Resolver], ...]

    @classmethod
    def of(cls, node: Node, templates: Templates) -> Binder:
        dynamic = {field for field, _ in expressions_of(node)}
        return cls(
            node,
            tuple(
                (field, _resolver(field, node.__dict__[field], templates))
                for field in node.__dict__
                if field in dynamic
            ),
        )

    def bind(self, names: Names) -> Node:
        """Raises Refused, with field and column, when an expression fails or its value does not fit."""
        if not self.resolvers:
            return self.node
        return self.node.model_copy(update={field: resolve(names) for field, resolve in self.resolvers})


def _resolver(field: str, value: Any, templates: Templates) -> Resolver:
    if isinstance(value, Expression):
        return _expression_resolver(field, value, templates)
    if isinstance(value, Mapping):
        inner = {key: _resolver(field, one, templates) for key, one in value.items()}
        return lambda names: {key: resolve(names) for key, resolve in inner.items()}
    if isinstance(value, list | tuple):
        parts, kind = [_resolver(field, one, templates) for one in value], type(value)
        return lambda names: kind(resolve(names) for resolve in parts)
    if isinstance(value, BaseModel) and next(_found(value), None):
        fields = {key: _resolver(field, one, templates) for key, one in value.__dict__.items()}
        return lambda names: value.model_copy(update={key: resolve(names) for key, resolve in fields.items()})
    return lambda _: value


def _expression_resolver(field: str, expression: Expression, templates: Templates) -> Resolver:
    source = expression.source
    if expression.expected is str:
        accept: Callable[[Names], Any] = lambda names: templates.render(source, names)  # noqa: E731
    elif _is_text(expression.expected):
        accept = lambda names: expression.accept(templates.render(source, names))  # noqa: E731
    else:
        accept = lambda names: expression.accept(templates.evaluate(source, names))  # noqa: E731

    def resolve(names: Names) -> Any:
        try:
            return accept(names)
        except ValidationError as error:
            column = guilty_column(source, names)
            cell = f" (column {column!r})" if column else ""
            raise Refused(f"{field}{cell}: {error.errors()[0]['msg']}.", field=field, column=column) from error
        except Refused as error:
            error.field = error.field or field
            error.column = error.column or guilty_column(source, names)
            raise

    return resolve


def _is_text(expected: Any) -> bool:
    if get_origin(expected) is Annotated:
        expected = get_args(expected)[0]
    return expected in TEXTS


def guilty_column(source: str, names: Names) -> str | None:
    """The column that an expression most likely fails for: an empty one first, else the only one."""
    record = names.get("record")
    if not isinstance(record, Record):
        return None
    used = uses(source)
    columns = [name for name in sorted(used.names | used.columns) if name in record.values]
    empty = [name for name in columns if record.values[name] in (None, "")]
    if empty:
        return empty[0]
    return columns[0] if len(columns) == 1 else None
