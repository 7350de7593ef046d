"""From a step's parameters to a node, and from a node with expressions to the node of one item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from .errors import ConfigError, PostwerkError, Refused, suggestion
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
    render = _Rendering(names, templates)
    params = {name: render.parameter(name, value, node_class) for name, value in step.params.items()}
    broken = {flaw.field for flaw in render.flaws}
    try:
        node = node_class.model_validate({name: value for name, value in params.items() if name not in broken})
    except ValidationError as error:
        further = [flaw for flaw in _flaws(error, node_class) if flaw.field not in broken]
        raise BadParameters([*render.flaws, *further]) from error
    if render.flaws:
        raise BadParameters(render.flaws)
    return node


class _Rendering:
    """Fills in what is known before the run. What is filled in later stays as it is: the types tell which."""

    def __init__(self, names: Names, templates: Templates) -> None:
        self.names, self.templates = names, templates
        self.flaws: list[Flaw] = []

    def parameter(self, name: str, value: Any, node_class: type[Node]) -> Any:
        field = node_class.model_fields.get(name)
        try:
            return self._rendered(value, _hint(field) if field else None)
        except PostwerkError as error:
            self.flaws.append(Flaw(message=f"{name}: {error.message}", field=name))
            return None

    def _rendered(self, value: Any, hint: Any) -> Any:
        if isinstance(value, str):
            return value if not is_expression(value) or _is_deferred(hint) else self._value(value, hint)
        if isinstance(value, list):
            return [self._rendered(one, _part(hint)) for one in value]
        if isinstance(value, dict):
            return {key: self._rendered(one, _entry(hint, key)) for key, one in value.items()}
        return value

    def _value(self, source: str, hint: Any) -> Any:
        """A number in a field for text becomes text, written as in the flow's locale."""
        value = self.templates.evaluate(source, self.names)
        kinds = [one for one in _alternatives(hint) if isinstance(one, type)]
        is_text = value is None or str not in kinds or isinstance(value, tuple(kinds))
        return value if is_text else self.templates.render(source, self.names)


def _hint(field: FieldInfo) -> Any:
    """The field's type with its markers, as it was written."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _is_deferred(hint: Any) -> bool:
    """Whether a text here is filled in later: for each item, or by the node itself."""
    if get_origin(hint) is Annotated and any(isinstance(one, PerItemMark | TemplateMark) for one in hint.__metadata__):
        return True
    return any(_is_deferred(one) for one in _alternatives(hint) if one is not hint)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The members of a union; without markers."""
    if get_origin(hint) is Annotated:
        return _alternatives(get_args(hint)[0])
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _part(hint: Any) -> Any:
    """The type of a list's parts."""
    parts = [one for each in _alternatives(hint) if not _is_mapping(each) for one in get_args(each) if one is not ...]
    return Union[tuple(parts)] if parts else None


def _entry(hint: Any, key: str) -> Any:
    """The type of a mapping's value or of a nested model's field."""
    models = [one for one in _alternatives(hint) if isinstance(one, type) and issubclass(one, BaseModel)]
    fields = [_hint(model.model_fields[key]) for model in models if key in model.model_fields]
    fields += [get_args(one)[1] for one in _alternatives(hint) if _is_mapping(one)]
    return Union[tuple(fields)] if fields else None


def _is_mapping(hint: Any) -> bool:
    origin = get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _flaws(error: ValidationError, node_class: type[Node]) -> Iterator[Flaw]:
    for one in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in one["loc"] if not str(part).startswith("function-"))
        if one["type"] == "extra_forbidden":
            hint = suggestion(place, node_class.model_fields)
            text = f"{node_class.__name__} has no parameter {place!r}. {hint}"
        elif one["type"] == "missing":
            text = f"The parameter {place!r} is missing."
        else:
            text = f"{place}: {_wording(one)}."
        yield Flaw(message=text, field=place.split(".")[0] or None)


def _wording(error: ErrorDetails) -> str:
    return error["msg"].removeprefix("Value error, ").removesuffix(".")


@lru_cache(maxsize=4096)
def facet_of(model: type[BaseModel], field: str) -> Facet:
    """What the field builds, for the sensitivity check."""
    return next(_facets(_hint(model.model_fields[field])), Facet.CONTENT)


def _facets(hint: Any) -> Iterator[Facet]:
    """The markers at a type and at its members; a nested model has its own."""
    if get_origin(hint) is Annotated:
        yield from (one for one in hint.__metadata__ if isinstance(one, Facet))
    if not isinstance(hint, type):
        for one in get_args(hint):
            yield from _facets(one)


def expressions_of(node: Node) -> Iterator[tuple[str, Expression]]:
    """Each expression in the node's fields, with the field's name."""
    return ((field, expression) for field, expression, _ in facets_of(node))


def facets_of(node: Node) -> Iterator[tuple[str, Expression, Facet]]:
    """Each expression in the node's fields, with the field's name and what it builds."""
    for field, value in node.__dict__.items():
        for expression, facet in _found(value, facet_of(type(node), field)):
            yield field, expression, facet


def _found(value: object, facet: Facet = Facet.CONTENT) -> Iterator[tuple[Expression, Facet]]:
    if isinstance(value, Expression):
        yield value, facet
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _found(one, facet)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _found(one, facet)
    elif isinstance(value, BaseModel):
        for field, one in value.__dict__.items():
            yield from _found(one, facet_of(type(value), field))


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
            raise Refused(f"{field}{cell}: {_wording(error.errors()[0])}.", field=field, column=column) from error
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
