"""Tables of phrases, matched all at once in linear time.

A table has one pattern a line (RE2, lower case); a line that ends with a backslash goes on in the next. Texts have one
blank between words. All patterns of a table are one automaton, so hundreds of phrases cost about as much as one.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import Any, Generic, TypeVar

import re2  # type: ignore[import-untyped]  # it comes without stubs

K = TypeVar("K", bound=Hashable)
_CONTINUED = re.compile(r"\\\n\s*")
_MEMORY = 256 << 20
"""Bytes that the automaton may take; it is built as far as texts need it and stays far below."""
LONGEST = 20_000
"""Characters of a text that are looked at; the longest notice that we know has 8,000."""


class Phrases(Generic[K]):
    """Lines of patterns under keys; the order of the rows is their rank."""

    def __init__(self, table: Iterable[tuple[K, str]]) -> None:
        options = re2.Options()
        options.max_mem = _MEMORY
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        self._keys: list[tuple[K, str]] = []
        for key, lines in table:
            for line in filter(None, map(str.strip, _CONTINUED.sub("", lines).splitlines())):
                self._set.Add(line)
                self._keys.append((key, line))
        self._set.Compile()

    def found(self, text: str) -> list[tuple[K, str]]:
        """Every key with a phrase in the text and that phrase, by rank."""
        numbers = self._set.Match(" ".join(text[:LONGEST].split()).lower()) or ()
        return [self._keys[number] for number in sorted(numbers)]

    def first(self, text: str) -> tuple[K, str] | None:
        """The first of them."""
        return next(iter(self.found(text)), None)


def matching(pattern: str, text: str) -> str:
    """The words of a text that a pattern of a table is about; empty when it is none."""
    try:
        found = _compiled(pattern).search(" ".join(text[:LONGEST].split()))
    except re2.error:
        return ""
    return str(found[0]).strip() if found else ""


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return re2.compile(pattern, options=options)
