"""The work of a run: chunks of stages, done in worker processes."""

from .crew import Crew
from .results import BuiltMail, FailedItem, StepCount, Worked
from .setup import Setup
from .trails import suspended_at
from .workshop import Workshop, merged_items

__all__ = [
    "BuiltMail",
    "Crew",
    "FailedItem",
    "Setup",
    "StepCount",
    "Worked",
    "Workshop",
    "merged_items",
    "suspended_at",
]
