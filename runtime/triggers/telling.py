"""What is told of triggers, by the command line and the API alike: plain values that JSON can hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from .calendar import Calendar, Preview, preview
from .events import Event
from .rows import Totals, TriggerRow

Told = dict[str, Any]


def tell_trigger(row: TriggerRow, totals: Totals, now: datetime) -> Told:
    """In a list: with the moment of the next firing, where one is known."""
    trigger = row.trigger
    return {
        "name": trigger.name, "flow": trigger.flow_id, "kind": trigger.kind, "group": trigger.group,
        "published": trigger.is_published, "trouble": row.trouble, "next": _next(row, now),
        "started": totals.started, "sent": totals.sent, "runs": totals.runs, "outcomes": totals.firings,
        "inputs": dict(trigger.inputs), "settings": trigger.settings.model_dump(mode="json", exclude={"kind"}),
        "created_at": row.created_at.isoformat(), "changed_at": row.changed_at.isoformat(),
    }  # fmt: skip


def tell_more(row: TriggerRow, totals: Totals, events: Sequence[Event], now: datetime) -> Told:
    """Alone: with its next 24 firings, the days skipped on the way, and its latest events."""
    told = tell_trigger(row, totals, now)
    if isinstance(calendar := row.trigger.settings, Calendar):
        told |= _tell_preview(preview(calendar, now))
    return told | {"events": [tell_event(one) for one in events]}


def tell_event(event: Event) -> Told:
    """A firing with its outcome."""
    return {
        "at": event.created_at.isoformat(), "due_at": event.due_at.isoformat() if event.due_at else None,
        "state": event.state.value, "run": event.run, "message": event.message, "inputs": dict(event.inputs),
        "file": event.file.path if event.file else None,
    }  # fmt: skip


def _tell_preview(found: Preview) -> Told:
    return {
        "firings": [{"at": one.moment.isoformat(), "note": one.note} for one in found.firings],
        "skipped": [{"day": one.day.isoformat(), "why": one.why} for one in found.skipped],
        "is_all": found.is_all,
    }


def _next(row: TriggerRow, now: datetime) -> str | None:
    if not row.trigger.is_published or not isinstance(row.trigger.settings, Calendar):
        return None
    found = preview(row.trigger.settings, now, 1).firings
    return found[0].moment.isoformat() if found else None
