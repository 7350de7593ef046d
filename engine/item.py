"""An item: one value on a wire, with its key and the record that it descends from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Generic, TypeVar

from .values import Record

T = TypeVar("T", covariant=True)

Key = tuple[str, ...]
"""The source item's key first; each 1:n step appends one part."""


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One value on a wire. Its lineage is its key: an item joins only items whose keys begin alike."""

    key: Key
    value: T
    record: Record | None = None

    def __str__(self) -> str:
        return key_text(self.key)


def key_text(key: Key) -> str:
    """The key as logs, tables and the outbox write it: `4711`, or `4711/2` below a 1:n step."""
    return "/".join(part.replace("/", "//") for part in key)


def source_key(text: str) -> str:
    """The source item's key in what `key_text` wrote; behind it stand only the numbers of parts."""
    found = _SOURCE.match(text)
    return (found[0] if found else text).replace("//", "/")


_SOURCE = re.compile(r"(?:[^/]|//)*")
