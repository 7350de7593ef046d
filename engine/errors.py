"""Errors, by who must act. A message is a sentence that names what was found, what was expected, and what to do."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class PostwerkError(Exception):
    """What we raise on purpose.

    Attributes:
        field: the node's field that is at fault, if it is one.
        column: the record's column that is at fault, if it is one.
    """

    def __init__(self, message: str, *, field: str | None = None, column: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.column = column

    def __reduce__(self) -> tuple[object, ...]:  # attributes survive the way between processes
        return (type(self)._rebuilt, (self.message, self.__dict__))

    @classmethod
    def _rebuilt(cls, message: str, attributes: dict[str, object]) -> PostwerkError:
        error = cls.__new__(cls)
        Exception.__init__(error, message)
        error.__dict__.update(attributes)
        return error


class ConfigError(PostwerkError):
    """The flow's author must act, before the run starts."""


class Transient(PostwerkError):
    """Nobody must act yet: the runtime tries again."""


class Refused(PostwerkError):
    """Somebody outside, or the data, said no and will say it again."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one, or None when none is."""
    by_folded = {one.casefold(): one for one in known}
    found = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """The last sentence of a message about an unknown name: the nearest one, or all there are."""
    names = sorted(known)
    if found := nearest(name, names):
        return f"Did you mean {found!r}?"
    if not names:
        return "There are none."
    shown = ", ".join(repr(one) for one in names[:12])
    return f"There are: {shown}{', …' if len(names) > 12 else ''}."
