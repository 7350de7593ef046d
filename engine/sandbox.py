"""The sandbox of expressions: what a template may reach, and how much it may build.

Whatever makes something (loops, calls, operators, filters, lists) spends from one budget, so work and memory are
bounded before they are used. What is not known to be bounded is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import islice
from math import isfinite
from typing import Any, NoReturn

from jinja2 import TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import BlockReference, Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer
from pydantic import BaseModel

from .budget import BUDGET, MAX_BITS, MAX_LENGTH, MAX_PIECES, MAX_WIDTH, Budget, budget_of
from .errors import suggestion
from .filters import filters_of, pay_replace
from .formats import Formats, kind_of
from .missing import Missing
from .values import Record

METHODS: tuple[tuple[type, frozenset[str]], ...] = (
    (str, frozenset({
        "capitalize", "casefold", "center", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdecimal",
        "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper", "ljust", "lower", "lstrip", "partition",
        "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip",
        "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper", "zfill",
    })),
    (date, frozenset({
        "date", "isocalendar", "isoformat", "isoweekday", "replace", "strftime", "time", "timestamp", "weekday",
    })),
    (time, frozenset({"isoformat", "replace", "strftime"})),
    (timedelta, frozenset({"total_seconds"})),
    (Mapping, frozenset({"get", "items", "keys", "values"})),
    (list, frozenset({"count", "index"})),
    (tuple, frozenset({"count", "index"})),
    (LoopContext, frozenset({"changed", "cycle"})),
)  # fmt: skip
"""Methods that may be called, by the type they belong to."""


class _Bounding(NodeTransformer):
    """Puts the budget into a parsed template, and refuses what a template may not hold."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise TemplateSyntaxError("recursive loops are not allowed", node.lineno)
        outputs = sum(len(one.nodes) for one in node.find_all(nodes.Output))
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "_turns", nodes.Const(1 + outputs))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "_joined")

    def visit_List(self, node: nodes.List) -> nodes.Node:
        self.generic_visit(node)
        is_constant = all(isinstance(one, nodes.Const) for one in node.items)
        return node if is_constant else _filtered(node, "_weighed")

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        is_constant = all(isinstance(one, nodes.Const) for one in node.items)
        return node if is_constant or node.ctx != "load" else _filtered(node, "_weighed")

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, "_weighed")

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, "_weighed") if isinstance(node.arg, nodes.Slice) else node

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.Node:
        self.generic_visit(node)
        node.filter = _filtered(node.filter, "_weighed", lineno=node.lineno)
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        _check_known("filter", node, self.environment.filters)
        return self.generic_visit(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:
        _check_known("test", node, self.environment.tests)
        return self.generic_visit(node)

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        if node.name in (BUDGET, "varargs", "kwargs"):
            raise TemplateSyntaxError(f"the name {node.name!r} is not for templates", node.lineno)
        return node

    def visit_Const(self, node: nodes.Const) -> nodes.Node:
        if isinstance(node.value, float) and not isfinite(node.value):
            raise TemplateSyntaxError("a number is too large", node.lineno)
        return node

    def _alone(self, node: nodes.Node) -> NoReturn:
        word = {"Include": "include", "Extends": "extends"}.get(type(node).__name__, "import")
        raise TemplateSyntaxError(f"a template stands alone: '{word}' can't be used", node.lineno)

    visit_Include = visit_Import = visit_FromImport = visit_Extends = _alone


def _check_known(kind: str, node: nodes.Filter | nodes.Test, known: Mapping[str, Any]) -> None:
    if node.name not in known or node.name.startswith("_"):
        move = suggestion(node.name, (one for one in known if one[0].isalpha()))
        raise TemplateSyntaxError(f"there is no {kind} {node.name!r}. {move}", node.lineno)


def _filtered(node: Any, name: str, *arguments: nodes.Expr, lineno: int | None = None) -> nodes.Filter:
    return nodes.Filter(node, name, list(arguments), [], None, None, lineno=lineno or node.lineno)


class Environment(ImmutableSandboxedEnvironment):
    """Jinja2 as expressions and templates know it."""

    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])

    def __init__(self, formats: Formats, *, autoescape: bool) -> None:
        super().__init__(undefined=Missing, autoescape=autoescape, finalize=formats.shown, keep_trailing_newline=True)
        self.globals = {"range": self.globals["range"]}
        self.filters = filters_of(formats)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        _Bounding(self).visit(tree)
        return tree

    @staticmethod
    def concat(pieces: Iterable[str]) -> str:
        """Joins what a template, block or macro gives, up to the bounds."""
        pieces = list(islice(pieces, MAX_PIECES + 1))
        if len(pieces) > MAX_PIECES or sum(map(len, pieces)) > MAX_LENGTH:
            raise SecurityError(f"it gives more than {MAX_LENGTH:,} characters")
        return "".join(pieces)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Record):
            return obj.values[argument] if argument in obj.values else self.undefined(obj=obj, name=argument)
        return super().getitem(obj, argument)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, BaseModel):
            return self._part(obj, attribute)
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def _part(self, value: BaseModel, name: str) -> Any:
        """A field or property of a value, or the column of a record."""
        if self.is_safe_attribute(value, name, None):
            return getattr(value, name)
        if hasattr(type(value), name) or name.startswith("_"):
            return self.unsafe_undefined(value, name)
        return self.getitem(value, name)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Missing:
        text = f"{attribute!r} of {kind_of(obj)} is not for templates"
        return Missing(text, name=attribute, obj=obj, exc=SecurityError)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, BaseModel):
            kind = type(obj)
            is_property = isinstance(getattr(kind, attr, None), property) and not attr.startswith(("_", "model_"))
            return is_property or attr in kind.model_fields
        return super().is_safe_attribute(obj, attr, value)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # as Jinja2 calls it
        budget = budget_of(__context)
        budget.spend()
        if not __self.is_safe_callable(__obj):
            raise SecurityError(f"{_callable_name(__obj)} can't be called in a template")
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str | date | time):
            _check_arguments(owner, __obj.__name__, args, budget)
        return budget.weigh(__context.call(__obj, *args, **kwargs))

    def is_safe_callable(self, obj: Any) -> bool:
        if isinstance(obj, Macro | BlockReference | Missing) or obj is self.globals["range"]:
            return True
        owner = getattr(obj, "__self__", None)
        return any(isinstance(owner, kind) and obj.__name__ in names for kind, names in METHODS)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, Missing) or isinstance(right, Missing):
            return super().call_binop(context, operator, left, right)
        left, right = _exact(left, right), _exact(right, left)
        _check_operands(operator, left, right)
        result = super().call_binop(context, operator, left, right)
        return budget_of(context).weigh(result) if isinstance(result, str | list | tuple) else result


def _exact(number: Any, other: Any) -> Any:
    """A float as a decimal where it meets one: Python would not calculate with the two."""
    return Decimal(repr(number)) if isinstance(number, float) and isinstance(other, Decimal) else number


def _check_operands(operator: str, left: Any, right: Any) -> None:
    if operator == "+" and isinstance(left, str) != isinstance(right, str):
        raise TypeError("'+' adds numbers; '~' joins texts")
    if operator in ("*", "**", "%") and (_is_sized(left) or _is_sized(right)):
        raise TypeError(f"'{operator}' takes numbers, and found {kind_of(left)} and {kind_of(right)}")
    if operator == "**" and isinstance(right, int | float | Decimal) and not -64 <= right <= 64:
        raise SecurityError("an exponent is a number up to 64")
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length() * right if operator == "**" else left.bit_length() + right.bit_length()
        if operator in ("*", "**") and bits > MAX_BITS:
            raise SecurityError("a number gets too large")


def _is_sized(value: Any) -> bool:
    return isinstance(value, str | bytes | list | tuple | dict)


def _check_arguments(owner: object, method: str, arguments: tuple[Any, ...], budget: Budget) -> None:
    if any(isinstance(one, int) and abs(one) > MAX_WIDTH for one in arguments) and not isinstance(owner, date):
        raise SecurityError(f"'{method}' takes numbers up to {MAX_WIDTH:,} here")
    if method == "strftime" and any(len(one) > MAX_WIDTH for one in arguments if isinstance(one, str)):
        raise SecurityError(f"'{method}' takes a pattern of at most {MAX_WIDTH:,} characters")
    if isinstance(owner, str) and method == "replace":
        pay_replace(owner, arguments, budget)


def _callable_name(obj: Any) -> str:
    owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", None)
    if name is None:
        return kind_of(obj)
    return f"'{name}'" if owner is None else f"'{name}' of {kind_of(owner)}"
