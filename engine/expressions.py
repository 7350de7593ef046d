"""Expressions: Jinja2 in a sandbox with strict undefined, and bounded work.

A field of type `PerItem[T]` may hold an expression; the runtime evaluates it for each item.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, NoReturn, TypeVar

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_currency, format_decimal
from jinja2 import StrictUndefined, TemplateSyntaxError, nodes, pass_context
from jinja2.environment import Template, TemplateExpression
from jinja2.exceptions import SecurityError, TemplateError, UndefinedError
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context as NameContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from .errors import ConfigError, Refused, suggestion

T = TypeVar("T")

MAX_STEPS = 100_000
"""Loop turns and calls of one rendering; a newsletter of 500 lines needs about 2,000."""
MAX_LENGTH = 10_000_000
"""Characters of a result; the largest mail that servers commonly take is 10 to 50 MB."""
UNBOUNDED = ("center", "format", "indent", "pprint", "random", "wordwrap", "xmlattr")
"""Filters of Jinja2 left out: their result's size is not bounded by their input, or it is left to chance."""


class Facet(Enum):
    """What is built from a field, for the sensitivity check. A field without one builds content."""

    CONTENT = "content"
    LABEL = "label"
    """A subject or file name: readable outside, whatever is locked."""
    ADDRESS = "address"
    """Where a mail goes: never secret from the servers that carry it."""
    KEY = "key"
    """What locks."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A field's value that is not known before the item is: `{{ first_name }} {{ last_name }}`."""

    source: str
    expected: Any
    """The type that the result must have."""

    def __str__(self) -> str:
        return self.source

    def accept(self, result: object) -> object:
        """The result as the field's type. Raises pydantic.ValidationError."""
        return _adapter(self.expected).validate_python(result)


@lru_cache(maxsize=1024)
def _adapter(expected: Any) -> TypeAdapter[Any]:
    return TypeAdapter(expected)


def is_expression(text: str) -> bool:
    """Whether it holds anything for Jinja2 to fill in."""
    return "{{" in text or "{%" in text or "{#" in text


class PerItemMark:
    """What `PerItem` adds to a field's type."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def parse(value: object, proceed: core_schema.ValidatorFunctionWrapHandler) -> object:
            if isinstance(value, Expression):
                return value
            if isinstance(value, str) and is_expression(value):
                return Expression(value, source)
            return proceed(value)

        return core_schema.no_info_wrap_validator_function(
            parse,
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: value.source if isinstance(value, Expression) else value
            ),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema["schema"]), "per_item": True}


PerItem = Annotated[T, PerItemMark()]


class _MissingNameError(UndefinedError):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Undefined(StrictUndefined):
    def _fail_with_undefined_error(self, *_: Any, **__: Any) -> NoReturn:
        raise _MissingNameError(str(self._undefined_name))

    __add__ = __radd__ = __sub__ = __rsub__ = _fail_with_undefined_error
    __iter__ = __str__ = __len__ = __eq__ = __ne__ = __bool__ = __hash__ = _fail_with_undefined_error
    __contains__ = __lt__ = __le__ = __gt__ = __ge__ = __call__ = __getitem__ = _fail_with_undefined_error


class _Budget:
    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_STEPS

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise SecurityError(f"it takes more than {MAX_STEPS:,} steps; is there an endless loop?")


@pass_context
def _bounded(context: NameContext, values: Iterable[Any]) -> Iterator[Any]:
    budget = context["_budget"]
    for value in values:
        budget.spend()
        yield value


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["*", "**", "+"])

    def __init__(self, formats: Formats, *, autoescape: bool) -> None:
        super().__init__(
            undefined=_Undefined, autoescape=autoescape, finalize=formats.shown, keep_trailing_newline=True
        )
        for name in UNBOUNDED:
            del self.filters[name]
        for name in ("lipsum", "cycler", "joiner", "namespace"):
            del self.globals[name]
        self.filters.update(
            money=formats.money,
            number=formats.number,
            date=formats.date,
            time=formats.time,
            _bounded=_bounded,
        )

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            if loop.recursive:
                raise TemplateSyntaxError("recursive loops are not allowed", loop.lineno)
            loop.iter = nodes.Filter(loop.iter, "_bounded", [], [], None, None, lineno=loop.lineno)
        return tree

    def call(__self, __context: NameContext, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # as Jinja2 calls it
        __context["_budget"].spend()
        return super().call(__context, __obj, *args, **kwargs)

    def is_safe_callable(self, obj: Any) -> bool:
        return not isinstance(getattr(obj, "__self__", None), BaseModel) and super().is_safe_callable(obj)

    def call_binop(self, context: NameContext, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and abs(right) > 64:
            raise SecurityError("the exponent is larger than 64")
        if operator == "*" and (hasattr(left, "__len__") or hasattr(right, "__len__")):
            raise SecurityError("texts and lists can't be multiplied")
        if operator == "+" and hasattr(left, "__len__") and len(left) > MAX_LENGTH:
            raise SecurityError(f"the text is longer than {MAX_LENGTH:,} characters")
        return super().call_binop(context, operator, left, right)


class Formats:
    """How values are written in a locale."""

    def __init__(self, locale: str = "de_DE", timezone: str = "Europe/Berlin") -> None:
        self.locale = Locale.parse(locale)
        self.timezone = timezone

    def shown(self, value: object) -> object:
        """A value as running text shows it: an empty cell is nothing, a date is the locale's."""
        if value is None:
            return ""
        if isinstance(value, float | Decimal):
            return format_decimal(value, "0.##########", locale=self.locale)
        if isinstance(value, datetime):
            return format_datetime(value, "short", locale=self.locale)
        if isinstance(value, date):
            return self.date(value)
        if isinstance(value, time):
            return self.time(value)
        return value

    def money(self, value: float | Decimal, currency: str = "EUR") -> str:
        """1234.5 as `1.234,50 €`."""
        return format_currency(Decimal(str(value)), currency, locale=self.locale)

    def number(self, value: float | Decimal, digits: int = 2) -> str:
        """1234.5 as `1.234,50`."""
        if not 0 <= digits <= 20:
            raise SecurityError("digits must be 0 to 20")
        return format_decimal(Decimal(str(value)), "#,##0." + "0" * digits, locale=self.locale)

    def date(self, value: date, pattern: str = "medium") -> str:
        """A date by `short`, `medium`, `long`, `full`, or a pattern such as `d. MMMM y`."""
        return format_date(value, pattern, locale=self.locale)

    def time(self, value: time | datetime, pattern: str = "short") -> str:
        return format_time(value, pattern, locale=self.locale)


SINGLE = re.compile(r"\s*\{\{(?![-+])(.*)(?<![-+])\}\}\s*", re.DOTALL)

Names = Mapping[str, Any]


class Templates:
    """Compiles and renders in one locale; what was compiled is kept."""

    def __init__(self, locale: str = "de_DE", timezone: str = "Europe/Berlin") -> None:
        formats = Formats(locale, timezone)
        self._text = _Environment(formats, autoescape=False)
        self._html = _Environment(formats, autoescape=True)
        self._compiled: dict[tuple[str, bool], Template] = {}
        self._evaluators: dict[str, TemplateExpression | Template] = {}

    def render(self, source: str, names: Names, *, html: bool = False) -> str:
        """The template's text.

        Raises:
            ConfigError: it can't be parsed.
            Refused: a name is unknown, or it fails on these values.
        """
        template = self._compiled.get((source, html)) or self._compile(source, html)
        return str(_watched(source, names, lambda known: template.render(known)))

    def evaluate(self, source: str, names: Names) -> object:
        """The value of a field: what the expression gives when it is one alone, else the rendered text.

        Raises: as `render`.
        """
        evaluator = self._evaluators.get(source) or self._compile_field(source)
        if isinstance(evaluator, Template):
            return _watched(source, names, lambda known: evaluator.render(known))
        return _watched(source, names, lambda known: _defined(evaluator(known)))

    def _compile(self, source: str, html: bool) -> Template:
        with _Parsing(source):
            template = (self._html if html else self._text).from_string(source)
        self._compiled[source, html] = template
        return template

    def _compile_field(self, source: str) -> TemplateExpression | Template:
        evaluator: TemplateExpression | Template
        match = SINGLE.fullmatch(source)
        with _Parsing(source):
            body = self._text.parse(source).body
            is_single = len(body) == 1 and isinstance(body[0], nodes.Output) and len(body[0].nodes) == 1
            if match and is_single:
                evaluator = self._text.compile_expression(match[1].strip(), undefined_to_none=False)
            else:
                evaluator = self._compile(source, html=False)
        self._evaluators[source] = evaluator
        return evaluator


class _Parsing:
    """Turns a syntax error into a ConfigError that says where."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, TemplateSyntaxError):
            raise ConfigError(f"{_excerpt(self.source)}, line {error.lineno}: {error.message}.") from error
        if isinstance(error, TemplateError | RecursionError):
            raise ConfigError(f"{_excerpt(self.source)} can't be read: {error}.") from error


def _watched(source: str, names: Names, render: Callable[[dict[str, Any]], Any]) -> Any:
    try:
        result = render({**names, "_budget": _Budget()})
    except _MissingNameError as error:
        raise _unknown_name(source, error.name, names) from error
    except Refused:
        raise
    except RecursionError as error:
        raise Refused(f"{_excerpt(source)} calls itself without end.") from error
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise Refused(f"{_excerpt(source)} fails: {error}.") from error
    if isinstance(result, str) and len(result) > MAX_LENGTH:
        raise Refused(f"{_excerpt(source)} gives more than {MAX_LENGTH:,} characters.")
    return result


def _defined(value: Any) -> Any:
    if isinstance(value, _Undefined):
        value._fail_with_undefined_error()
    return value


def _unknown_name(source: str, name: str, names: Names) -> Refused:
    known = [one for one in names if not one.startswith("_")]
    return Refused(f"{_excerpt(source)}: there is no {name!r} here. {suggestion(name, known)}", column=name)


def _excerpt(source: str) -> str:
    line = " ".join(source.split())
    return f"'{line}'" if len(line) <= 60 else f"'{line[:57]}…'"


@dataclass(frozen=True, slots=True)
class Uses:
    """The names that an expression takes from its surroundings."""

    names: frozenset[str] = frozenset()
    """Columns by name, `inputs`, `run`, and input ports."""
    columns: frozenset[str] = frozenset()
    """Columns by `record["…"]`."""
    is_open: bool = False
    """It uses `record` as a whole, so any column."""

    def __or__(self, other: Uses) -> Uses:
        return Uses(self.names | other.names, self.columns | other.columns, self.is_open or other.is_open)


_ANALYST = _Environment(Formats(), autoescape=False)
BUILT_IN = frozenset(_ANALYST.globals) | {"_budget"}


@lru_cache(maxsize=4096)
def uses(source: str) -> Uses:
    """What a template uses. Raises ConfigError when it can't be parsed."""
    with _Parsing(source):
        tree = _ANALYST.parse(source)
        names = find_undeclared_variables(tree) - BUILT_IN
    by_name, is_open = _record_columns(tree)
    return Uses(frozenset(names - {"record"}), by_name, is_open)


def _record_columns(tree: nodes.Template) -> tuple[frozenset[str], bool]:
    found: set[str] = set()
    whole = sum(1 for one in tree.find_all(nodes.Name) if one.name == "record")
    for attribute in tree.find_all(nodes.Getattr):
        whole -= _is_record(attribute.node) and attribute.attr in ("key", "source")
    for access in tree.find_all(nodes.Getitem):
        if _is_record(access.node) and isinstance(access.arg, nodes.Const):
            found.add(str(access.arg.value))
            whole -= 1
    return frozenset(found), whole > 0


def _is_record(expression: nodes.Expr) -> bool:
    return isinstance(expression, nodes.Name) and expression.name == "record"
