"""A problem of a flow: what the check tells, on the canvas and on the command line."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from .errors import suggestion
from .values import Value

Code = Literal[
    "bad-parameter", "bad-setting", "cycle", "flaw", "missing-column", "no-common-origin", "sensitive-in-clear",
    "type-mismatch", "unknown-input", "unknown-node", "unknown-port", "unknown-step", "unused-output", "unwired-input",
    "empty-flow",
]  # fmt: skip


class Problem(Value):
    """What is wrong, where, and what to do."""

    code: Code
    message: str
    step: str | None = None
    field: str | None = None
    wire: str | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = f"step {self.step!r}: " if self.step and repr(self.step) not in self.message else ""
        return f"{where}{self.message}"


class Hints:
    """Suggestions for unknown names, as many as somebody may read: each costs a look at all names that there are."""

    def __init__(self, left: int = 100) -> None:
        self.left = left

    def of(self, name: str, known: Collection[str]) -> str:
        """The sentence to append, with a space before it; nothing when enough was suggested."""
        self.left -= 1
        return f" {suggestion(name, known)}" if self.left >= 0 else ""
