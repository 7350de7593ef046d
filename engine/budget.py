"""What one rendering may spend: steps, and characters that it builds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.runtime import Context

MAX_STEPS = 100_000
"""Loop turns, calls and elements of lists in one rendering; a newsletter of 500 lines needs about 5,000."""
MAX_LENGTH = 10_000_000
"""Characters of a result; the largest mail that servers commonly take is 10 to 50 MB."""
MAX_BUILT = 2 * MAX_LENGTH
"""Characters of everything that is built on the way to a result."""
MAX_PIECES = 1_000_000
"""Pieces that a result is joined from."""
MAX_BITS = 4096
"""Of a whole number: about 1,200 digits."""
MAX_WIDTH = 1_000
"""Of what pads, cuts or groups."""
MAX_DIGITS = 20
"""After the point."""
BUDGET = "_budget"
"""The name under which a rendering holds its budget."""


class Budget:
    """What one rendering may still spend."""

    __slots__ = ("characters", "steps")

    def __init__(self) -> None:
        self.steps = MAX_STEPS
        self.characters = MAX_BUILT

    def spend(self, steps: int = 1) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise SecurityError(f"it takes more than {MAX_STEPS:,} steps; is there an endless loop?")

    def build(self, characters: int) -> None:
        self.characters -= characters
        if self.characters < 0:
            raise SecurityError(f"it builds more than {MAX_LENGTH:,} characters")

    def weigh(self, value: Any) -> Any:
        """Pays for a value with everything in it, and gives it back."""
        if isinstance(value, str):
            self.build(len(value))
        elif isinstance(value, list | tuple):
            self.spend(len(value))
            for one in value:
                self.weigh(one)
        elif isinstance(value, dict):
            self.spend(len(value))
            for one in value.values():
                self.weigh(one)
        elif isinstance(value, range):
            self.spend(len(value))
        elif isinstance(value, Iterator):
            return self.metered(value)
        return value

    def metered(self, values: Iterable[Any], steps: int = 1) -> Iterator[Any]:
        """The values, each paid for when it is taken."""
        for value in values:
            self.spend(steps)
            if isinstance(value, list | tuple | dict):
                self.weigh(value)
            yield value


def budget_of(context: Context) -> Budget:
    budget: Budget = context.parent[BUDGET]  # not `context[…]`: that a template could set
    return budget
