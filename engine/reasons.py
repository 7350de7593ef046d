"""Why an expression failed, in words that name the columns."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .formats import kind_of
from .values import Scalar

Cells = Mapping[str, Scalar]

_COMPARED = re.compile(r"('.+') not supported between instances of '(.+)' and '(.+)'")
_CALCULATED = re.compile(r"unsupported operand type\(s\) for (\S+?):? '(.+)' and '(.+)'")
_TYPES = {
    "NoneType": "an empty cell", "str": "text", "bool": "true or false", "int": "a number", "float": "a number",
    "Decimal": "a number", "datetime": "a date with a time", "date": "a date", "time": "a time of day",
    "timedelta": "a span of time", "list": "a list", "dict": "a table",
}  # fmt: skip


def in_words(error: Exception) -> str:
    """The error's message; what Python says of operands that do not go together is put into our words."""
    message = str(error) or type(error).__name__
    found = _COMPARED.fullmatch(message) or _CALCULATED.fullmatch(message)
    if not found:
        return sentence(message)
    left, right = (_TYPES.get(one, one) for one in (found[2].rpartition(".")[2], found[3].rpartition(".")[2]))
    operator = found[1].strip("'")
    return f"'{operator}' can't take {left} and {right}."


def sentence(text: str) -> str:
    """The text with a full stop, unless it ends like a sentence already."""
    return text if text.endswith((".", "?", "!", "…")) else f"{text}."


def what_they_hold(cells: Cells) -> str:
    """A sentence on the cells that an expression uses, the empty ones alone when there are any."""
    if empty := _empty(cells):
        verb = "is" if len(empty) == 1 else "are"
        return f" {' and '.join(map(repr, empty))} {verb} empty here. Ask first: '{empty[0]} is not none and …'."
    if not cells:
        return ""
    return f" Here {' and '.join(f'{name!r} is {kind_of(value)}' for name, value in cells.items())}."


def guilty(cells: Cells) -> str | None:
    """The column that is at fault, where it can be told."""
    suspects = _empty(cells) or list(cells)
    return suspects[0] if len(suspects) == 1 else None


def _empty(cells: Cells) -> list[str]:
    return [name for name, value in cells.items() if value is None]
