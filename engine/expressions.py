"""Expressions: Jinja2 in a sandbox with strict undefined, and bounded work.

A field of type `PerItem[T]` may hold an expression; the runtime evaluates it for each item.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, TypeVar

from jinja2 import Undefined, nodes
from jinja2.environment import Template
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, SchemaError, SchemaValidator, core_schema

from .budget import BUDGET, MAX_LENGTH, Budget
from .errors import ConfigError, Refused, suggestion
from .formats import Formats, kind_of
from .missing import Missing, MissingNameError
from .reasons import guilty, in_words, sentence, what_they_hold
from .sandbox import Environment
from .values import Record, Scalar

T = TypeVar("T")

MOST_COMPILED = 2000
"""Templates and expressions that are kept compiled."""


class Facet(Enum):
    """What is built from a field, for the sensitivity check. A field without one builds content."""

    CONTENT = "content"
    LABEL = "label"
    """A subject or file name: readable outside, whatever is locked."""
    ADDRESS = "address"
    """Where a mail goes: never secret from the servers that carry it."""
    KEY = "key"
    """What locks."""
    NOTHING = "nothing"
    """It is only looked at, as a condition is."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A field's value that is not known before the item is: `{{ first_name }} {{ last_name }}`."""

    source: str
    expected: Any
    """The type that the result must have."""
    validator: SchemaValidator | None = field(default=None, compare=False, repr=False)
    """Knows the type with its constraints, such as `gt=0`."""

    def __str__(self) -> str:
        return self.source

    def accept(self, result: object) -> object:
        """The result as the field's type. Raises pydantic.ValidationError."""
        return (self.validator or _adapter(self.expected)).validate_python(result)


@lru_cache(maxsize=1024)
def _adapter(expected: Any) -> TypeAdapter[Any]:
    return TypeAdapter(expected)


def is_expression(text: str) -> bool:
    """Whether it holds anything for Jinja2 to fill in."""
    return "{{" in text or "{%" in text or "{#" in text


class PerItemMark:
    """What `PerItem` adds to a field's type."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = handler(source)
        validator = _validator(inner)
        expected = Annotated[str, "constrained"] if source is str and inner != core_schema.str_schema() else source

        def parse(value: object, proceed: core_schema.ValidatorFunctionWrapHandler) -> object:
            if isinstance(value, Expression):
                return value
            if isinstance(value, str) and is_expression(value):
                return Expression(value, expected, validator)
            return proceed(value)

        return core_schema.no_info_wrap_validator_function(
            parse,
            inner,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: value.source if isinstance(value, Expression) else value
            ),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema["schema"]), "per_item": True}


def _validator(schema: CoreSchema) -> SchemaValidator | None:
    try:
        return SchemaValidator(schema)
    except SchemaError:  # it refers to definitions of the model around it
        return None


PerItem = Annotated[T, PerItemMark()]


SINGLE = re.compile(r"\{\{(?![-+])(.*)(?<![-+])\}\}", re.DOTALL)

Names = Mapping[str, Any]
Evaluator = Callable[[Names], Any]
RESULT = "result"
FAILURES = (
    TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError,
)  # fmt: skip
"""What the values of one item can make of a sound template."""


class Templates:
    """Compiles and renders in one locale; what was compiled is kept."""

    def __init__(self, locale: str = "de_DE", timezone: str = "Europe/Berlin") -> None:
        formats = Formats(locale, timezone)
        self._text = Environment(formats, autoescape=False)
        self._html = Environment(formats, autoescape=True)
        self._compiled: dict[tuple[str, bool], Evaluator] = {}
        self._evaluators: dict[str, Evaluator] = {}

    def render(self, source: str, names: Names, *, html: bool = False) -> str:
        """The template's text.

        Raises:
            ConfigError: it can't be parsed.
            Refused: a name is unknown, or it fails on these values.
        """
        template = self._compiled.get((source, html)) or self._compile(source, html)
        return str(_watched(source, names, template))

    def evaluate(self, source: str, names: Names) -> object:
        """The value of a field: what the expression gives when it is one alone, else the rendered text.

        Raises: as `render`.
        """
        evaluator = self._evaluators.get(source) or self._compile_field(source)
        return _watched(source, names, evaluator)

    def _compile(self, source: str, html: bool) -> Evaluator:
        environment = self._html if html else self._text
        with _Parsing(source):
            evaluator = _Rendering(environment.from_string(source))
        _make_room(self._compiled)
        self._compiled[source, html] = evaluator
        return evaluator

    def _compile_field(self, source: str) -> Evaluator:
        with _Parsing(source):
            expression = self._single(source)
        evaluator: Evaluator
        if expression is None:
            evaluator = self._compiled.get((source, False)) or self._compile(source, html=False)
        elif isinstance(expression, nodes.Name):
            evaluator = _Naming(expression.name)
        else:
            with _Parsing(source):
                evaluator = _Valuing(self._text.from_string(_assigning(expression)))
        _make_room(self._evaluators)
        self._evaluators[source] = evaluator
        return evaluator

    def _single(self, source: str) -> nodes.Expr | None:
        """The expression, when the source is one alone: its value keeps its type."""
        source = source.strip()
        if not SINGLE.fullmatch(source):
            return None
        body = self._text.parse(source).body
        if len(body) == 1 and isinstance(body[0], nodes.Output) and len(body[0].nodes) == 1:
            return body[0].nodes[0]
        return None


@lru_cache(maxsize=8)
def templates_of(locale: str, timezone: str) -> Templates:
    """The templates that all flows of a locale and time zone share: what one has compiled, the next one finds."""
    return Templates(locale, timezone)


def _make_room(compiled: dict[Any, Evaluator]) -> None:
    if len(compiled) >= MOST_COMPILED:
        compiled.clear()


def _assigning(expression: nodes.Expr) -> nodes.Template:
    target = nodes.Name(RESULT, "store", lineno=expression.lineno)
    return nodes.Template([nodes.Assign(target, expression, lineno=expression.lineno)], lineno=1)


class _Parsing:
    """Turns a syntax error into a ConfigError that says where."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, TemplateSyntaxError):
            message = sentence(error.message or "it is no template")
            raise ConfigError(f"{_excerpt(self.source)}, line {error.lineno}: {message}") from error
        if isinstance(error, RecursionError | MemoryError | SyntaxError):
            raise ConfigError(f"{_excerpt(self.source)} can't be read: it is nested too deeply.") from error
        if isinstance(error, TemplateError | ValueError):
            raise ConfigError(f"{_excerpt(self.source)} can't be read: {sentence(str(error))}") from error


class _Compiled:
    def __init__(self, template: Template) -> None:
        self.template = template

    def context(self, names: Names) -> Context:
        environment = self.template.environment
        known = {**environment.globals, **names, BUDGET: Budget()}
        return environment.context_class(environment, known, self.template.name, self.template.blocks)


class _Rendering(_Compiled):
    def __call__(self, names: Names) -> str:
        return Environment.concat(self.template.root_render_func(self.context(names)))


class _Valuing(_Compiled):
    def __call__(self, names: Names) -> object:
        context = self.context(names)
        for _ in self.template.root_render_func(context):
            pass
        value = context.vars[RESULT]
        if isinstance(value, Missing):
            value._fail_with_undefined_error()
        if isinstance(value, Undefined):  # an 'if' without 'else': running text shows nothing
            return None
        return list(value) if isinstance(value, Iterator) else value


class _Naming:
    """`{{ name }}`, which most fields hold: no template is needed for it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, names: Names) -> object:
        try:
            return names[self.name]
        except KeyError:
            raise MissingNameError(self.name) from None


def _watched(source: str, names: Names, evaluator: Evaluator) -> Any:
    try:
        result = evaluator(names)
    except MissingNameError as error:
        raise _unknown_name(source, error.name, names) from error
    except FAILURES as error:
        raise _failed(source, error, names) from error
    if isinstance(result, str):
        if len(result) > MAX_LENGTH:
            raise Refused(f"{_excerpt(source)} gives more than {MAX_LENGTH:,} characters.")
    elif callable(result):
        raise Refused(f"{_excerpt(source)} gives {kind_of(result)} and no value. Write () after its name.")
    return result


def _unknown_name(source: str, name: str, names: Names) -> Refused:
    known = [one for one in names if not one.startswith("_")]
    return Refused(f"{_excerpt(source)}: there is no {name!r} here. {suggestion(name, known)}", column=name)


def _failed(source: str, error: Exception, names: Names) -> Refused:
    if isinstance(error, RecursionError):
        return Refused(f"{_excerpt(source)} calls itself without end.")
    if isinstance(error, MemoryError):
        return Refused(f"{_excerpt(source)} builds more than memory holds.")
    text = f"{_excerpt(source)} fails: {in_words(error)}"
    if isinstance(error, SecurityError):
        return Refused(text)
    cells = _cells(source, names)
    return Refused(text + what_they_hold(cells), column=guilty(cells))


def _cells(source: str, names: Names) -> dict[str, Scalar]:
    """The cells that an expression uses."""
    used, record = uses(source), names.get("record")
    values = {**(record.values if isinstance(record, Record) else {}), **names}
    found = {name: values[name] for name in sorted(used.names | used.columns) if name in values}
    return {name: value for name, value in found.items() if isinstance(value, Scalar)}


def _excerpt(source: str) -> str:
    line = " ".join(source.split())
    return f"'{line}'" if len(line) <= 60 else f"'{line[:57]}…'"


@dataclass(frozen=True, slots=True)
class Uses:
    """The names that an expression takes from its surroundings."""

    names: frozenset[str] = frozenset()
    """Columns by name, `inputs`, `run`, and input ports."""
    columns: frozenset[str] = frozenset()
    """Columns by `record["…"]` or `record.name`."""
    is_open: bool = False
    """It uses `record` as a whole, so any column."""
    inputs: frozenset[str] = frozenset()
    """Inputs of the flow by `inputs.name`."""

    def __or__(self, other: Uses) -> Uses:
        return Uses(
            self.names | other.names,
            self.columns | other.columns,
            self.is_open or other.is_open,
            self.inputs | other.inputs,
        )


_ANALYST = Environment(Formats(), autoescape=False)
BUILT_IN = frozenset(_ANALYST.globals)


@lru_cache(maxsize=4096)
def uses(source: str) -> Uses:
    """What a template uses. Raises ConfigError when it can't be parsed."""
    with _Parsing(source):
        tree = _ANALYST.parse(source)
        names = find_undeclared_variables(tree) - BUILT_IN
    by_name, is_open = _record_columns(tree)
    return Uses(frozenset(names - {"record"}), by_name, is_open, _inputs_named(tree))


def _inputs_named(tree: nodes.Template) -> frozenset[str]:
    by_attribute = {one.attr for one in tree.find_all(nodes.Getattr) if _is_name(one.node, "inputs")}
    by_item = {
        str(one.arg.value)
        for one in tree.find_all(nodes.Getitem)
        if _is_name(one.node, "inputs") and isinstance(one.arg, nodes.Const)
    }
    return frozenset(by_attribute | by_item)


def _record_columns(tree: nodes.Template) -> tuple[frozenset[str], bool]:
    found: set[str] = set()
    whole = sum(1 for one in tree.find_all(nodes.Name) if one.name == "record")
    for attribute in tree.find_all(nodes.Getattr):
        if _is_name(attribute.node, "record") and attribute.attr in ("key", "source"):
            whole -= 1
        elif _is_name(attribute.node, "record") and not _is_part(attribute.attr):
            found.add(attribute.attr)
            whole -= 1
    for access in tree.find_all(nodes.Getitem):
        if _is_name(access.node, "record") and isinstance(access.arg, nodes.Const):
            found.add(str(access.arg.value))
            whole -= 1
    return frozenset(found), whole > 0


def _is_part(name: str) -> bool:
    """Whether `record.name` is a part of every record, and no column."""
    return name in Record.model_fields or hasattr(Record, name)


def _is_name(expression: nodes.Expr, name: str) -> bool:
    return isinstance(expression, nodes.Name) and expression.name == name
