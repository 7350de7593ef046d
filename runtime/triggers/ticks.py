"""Which times of a calendar fire now, and what becomes of those that were missed. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

from .calendar import Calendar, Missed, firings
from .events import Cause
from .states import FiringState

MOST = 1000
"""Missed firings that are looked at one by one. Older ones are told in one event and not made up for."""


def due(calendar: Calendar, after: datetime, now: datetime) -> list[Cause]:
    """A cause for each time later than `after` and not later than `now`, oldest first."""
    older, first, ticks = 0, None, deque[datetime](maxlen=MOST)
    for tick in firings(calendar, after, now):
        if len(ticks) == MOST:
            older, first, last = older + 1, first or ticks[0], ticks[0]
        ticks.append(tick)
    causes = _causes(calendar, list(ticks), now)
    if first:
        told = f"{older:,} firings from {_told(calendar, first)} to {_told(calendar, last)} were missed."
        causes.insert(0, _skipped(last, f"{told} No more than the newest {MOST:,} are looked at one by one."))
    return causes


def _causes(calendar: Calendar, ticks: Sequence[datetime], now: datetime) -> list[Cause]:
    missed = [tick for tick in ticks if now - tick > calendar.late_after]
    in_time = [tick for tick in ticks if now - tick <= calendar.late_after]
    made_up = _made_up(calendar, missed, in_time)
    why = _why(calendar, missed, in_time)
    skipped = [_skipped(tick, why) for tick in missed if tick not in made_up]
    return skipped + [Cause(key=_key(tick), due_at=tick) for tick in (*made_up, *in_time)]


def _made_up(calendar: Calendar, missed: Sequence[datetime], in_time: Sequence[datetime]) -> list[datetime]:
    match calendar.missed:
        case Missed.ALL:
            return list(missed)
        case Missed.ONCE:
            return [] if in_time else list(missed[-1:])
        case Missed.SKIP:
            return []


def _why(calendar: Calendar, missed: Sequence[datetime], in_time: Sequence[datetime]) -> str:
    if calendar.missed is Missed.SKIP:
        return "It was missed, since nothing ran here at that time; what was missed is skipped."
    latest = (*missed, *in_time)[-1:]
    return "".join(f"It was missed; the firing of {_told(calendar, one)} makes up for it." for one in latest)


def _skipped(tick: datetime, message: str) -> Cause:
    return Cause(key=_key(tick), due_at=tick, state=FiringState.SKIPPED, message=message)


def _key(tick: datetime) -> str:
    return f"tick:{tick.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _told(calendar: Calendar, tick: datetime) -> str:
    return f"{tick.astimezone(calendar.zone):%Y-%m-%d %H:%M}"
