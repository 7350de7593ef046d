"""Triggers: what starts runs: by hand, on a calendar, when a file arrives, when somebody calls a secret URL."""

from .events import Event
from .kinds import Trigger, parse_trigger
from .launching import Start
from .service import Kept, Triggers
from .webhooks import PATH, Received

__all__ = ["PATH", "Event", "Kept", "Received", "Start", "Trigger", "Triggers", "parse_trigger"]
