"""Filters of expressions: those of Jinja2 that are let in, each with a budget, and our own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jinja2 import pass_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context, markup_join, str_join

from .budget import MAX_DIGITS, MAX_WIDTH, Budget, budget_of
from .formats import Formats, kind_of
from .missing import Missing

PLAIN_FILTERS = (
    "abs", "attr", "batch", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "filesizeformat",
    "first", "float", "forceescape", "groupby", "int", "items", "join", "last", "length", "list", "lower", "map",
    "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr", "slice",
    "sort", "string", "striptags", "sum", "title", "tojson", "trim", "truncate", "unique", "upper", "urlencode",
    "wordcount",
)  # fmt: skip
"""Filters of Jinja2 that are let in. The others' work is not bounded by what they take, or is left to chance."""
OF_TEXT = frozenset({
    "capitalize", "e", "escape", "forceescape", "lower", "replace", "safe", "string", "striptags", "title", "trim",
    "truncate", "upper", "urlencode", "wordcount",
})  # fmt: skip
"""Filters that would write an empty cell as 'None'."""

Filter = Callable[..., Any]


def filters_of(formats: Formats) -> dict[str, Filter]:
    """Every filter by its name. Those that begin with `_` are for the sandbox alone."""
    ours = {name: getattr(formats, name) for name in ("money", "number", "date", "time")}
    plain = {name: FILTERS[name] for name in PLAIN_FILTERS}
    guarded = {name: _guarded(name, one, formats) for name, one in (plain | ours).items()}
    return guarded | {"_turns": _turns, "_weighed": _weighed, "_joined": _joining(formats)}


@pass_context
def _turns(context: Context, values: Iterable[Any], steps: int) -> Iterator[Any]:
    return budget_of(context).metered(values, steps)


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    return budget_of(context).weigh(value)


def pay_replace(text: Any, arguments: tuple[Any, ...], budget: Budget) -> None:
    """Pays beforehand for what replacing builds."""
    if len(arguments) >= 2:
        text, old, new = str(text), str(arguments[0]), str(arguments[1])
        budget.build(len(text) + text.count(old) * len(new))


@dataclass(frozen=True, slots=True)
class _Use:
    """One use of a filter in a template."""

    name: str
    value: Any
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]
    budget: Budget
    formats: Formats

    @property
    def numbers(self) -> Iterator[int]:
        return (abs(one) for one in (*self.arguments, *self.named.values()) if isinstance(one, int))


def _check_replace(use: _Use) -> Any:
    words = (*use.arguments, *(use.named[one] for one in ("old", "new") if one in use.named))
    pay_replace(use.value, words, use.budget)
    return use.value


def _check_width(use: _Use) -> Any:
    if any(one > MAX_WIDTH for one in use.numbers):
        raise SecurityError(f"{use.name!r} takes numbers up to {MAX_WIDTH:,} here")
    return use.value


def _check_precision(use: _Use) -> Any:
    if any(one > MAX_DIGITS for one in use.numbers):
        raise SecurityError(f"{use.name!r} takes up to {MAX_DIGITS} digits")
    return use.value


def _check_plain(use: _Use) -> Any:
    if use.arguments or use.named:
        raise SecurityError(f"{use.name!r} takes no settings here")
    return use.value


def _check_readable(use: _Use) -> Any:
    """Jinja2 makes 0 of text that is no number, unless another default is given."""
    if not use.arguments and "default" not in use.named and FILTERS[use.name](use.value, None) is None:
        raise ValueError(f"{use.name!r} finds no number in {kind_of(use.value)}")
    return use.value


def _addable(use: _Use) -> Any:
    if any(not isinstance(one, int | float | Decimal) for one in (*use.arguments[1:], use.named.get("start", 0))):
        raise SecurityError("'sum' adds numbers")
    listed = list(use.value)
    if any(isinstance(one, Decimal) for one in listed):
        return [Decimal(repr(one)) if isinstance(one, float) else one for one in listed]
    return listed


def _joinable(use: _Use) -> Any:
    """The values shown as in running text, and paid for together with what comes between them."""
    listed = list(use.value)
    if len(use.arguments) < 2 and "attribute" not in use.named:
        listed = [use.formats.shown(one) for one in listed]
    between = str(use.named.get("d", use.arguments[0] if use.arguments else ""))
    use.budget.build(len(between) * len(listed) + sum(len(one) for one in listed if isinstance(one, str)))
    return listed


PREPARED: Mapping[str, Callable[[_Use], Any]] = {
    "batch": _check_width,
    "float": _check_readable,
    "int": _check_readable,
    "join": _joinable,
    "replace": _check_replace,
    "round": _check_precision,
    "slice": _check_width,
    "sum": _addable,
    "tojson": _check_plain,
}
"""What is checked, paid or put right before a filter of Jinja2 gets its value."""


def _guarded(name: str, plain: Filter, formats: Formats) -> Filter:
    """The filter with a budget: it pays for what it takes and for what it gives."""
    lead, prepared, is_of_text = _lead(plain), PREPARED.get(name), name in OF_TEXT
    may_be_missing = name in ("d", "default")

    @pass_context
    def filtered(context: Context, value: Any, /, *arguments: Any, **named: Any) -> Any:
        if isinstance(value, Missing) and not may_be_missing:
            value._fail_with_undefined_error()
        budget = budget_of(context)
        budget.spend()
        taken = "" if value is None and is_of_text else budget.weigh(value)
        if prepared:
            taken = prepared(_Use(name, taken, arguments, named, budget, formats))
        return budget.weigh(plain(*lead(context), taken, *arguments, **named))

    return filtered


def _lead(plain: Callable[..., Any]) -> Callable[[Context], tuple[Any, ...]]:
    """What a filter of Jinja2 wants before its value."""
    wanted = getattr(getattr(plain, "jinja_pass_arg", None), "name", None)
    if wanted == "context":
        return lambda context: (context,)
    if wanted == "eval_context":
        return lambda context: (context.eval_ctx,)
    if wanted == "environment":
        return lambda context: (context.environment,)
    return lambda _: ()


def _joining(formats: Formats) -> Callable[..., Any]:
    """The operator `~`."""

    @pass_context
    def joined(context: Context, values: list[Any]) -> str:
        parts = [formats.shown(one) for one in values]
        budget_of(context).build(sum(len(one) for one in parts if isinstance(one, str)))
        return markup_join(parts) if context.eval_ctx.autoescape else str_join(parts)

    return joined
