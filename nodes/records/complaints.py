"""What is wrong with a cell, and how much of the cell may be quoted."""

from __future__ import annotations

from datetime import date, datetime, time
from enum import Enum

MAX_QUOTED = 40
"""Characters; a mail address or a number is rarely longer."""


class Quote(Enum):
    """How much of a cell a message quotes."""

    WHOLE = "whole"
    START = "start"
    """A third, three characters at most, and the length: it may be a password or an account number."""
    NOTHING = "nothing"


class Complaint(ValueError):
    """What is wrong with a cell: the words after its column's name, and after the quoted cell if `quotes`."""

    def __init__(self, words: str, *, quotes: bool = True) -> None:
        super().__init__(words)
        self.words = words
        self.quotes = quotes

    def about(self, column: str, value: object, quote: Quote) -> str:
        """The sentence."""
        words = self.words.partition(". ")[0] if quote is Quote.NOTHING else self.words  # a library's reason quotes
        if self.quotes:
            return _sentence(f"Column {column!r}: {quoted(value, quote)} {words}")
        return _sentence(f"Column {column!r} {words}")


def quoted(value: object, quote: Quote) -> str:
    """The cell as a message shows it. Line breaks and what can't be seen are escaped."""
    if quote is Quote.NOTHING:
        return "its value"
    if isinstance(value, date | time):
        return _day(value) if quote is Quote.WHOLE else "a date or time"
    text = str(value)
    if quote is Quote.START:
        return f"{text[: min(3, len(text) // 3)] + '…'!r} ({len(text)} characters)"
    if not isinstance(value, str):
        return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…"
    return repr(text) if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 1] + '…'!r} ({len(text)} characters)"


def _day(value: date | time) -> str:
    return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."
