"""The work of a run: chunks of stages, done in worker processes."""

from .crew import Crew, cores
from .results import BuiltMail, BuiltPause, FailedItem, StepCount, Worked
from .seeds import merged, part_of, pour
from .setup import Setup
from .trails import suspended_at
from .workshop import Workshop

__all__ = [
    "BuiltMail",
    "BuiltPause",
    "Crew",
    "FailedItem",
    "Setup",
    "StepCount",
    "Worked",
    "Workshop",
    "cores",
    "merged",
    "part_of",
    "pour",
    "suspended_at",
]
