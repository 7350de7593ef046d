"""An item that waits for a moment: what a step that waits leaves with the runtime."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime

from .ports import Outputs, Suspension
from .values import Record


class Elapsed(Outputs):
    """The record of an item whose time has come."""

    elapsed: Record | None = None


class Pause(Suspension):
    """The item goes on at a moment, be it days away. Until then it is a row in the store, and nothing else."""

    outcome: ClassVar[type[Outputs]] = Elapsed

    until: AwareDatetime


def elapsed(record: Record | None) -> Elapsed:
    """What an item goes on with."""
    return Elapsed.model_construct(elapsed=record)
