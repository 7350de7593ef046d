"""From what a clock on the wall shows to the moment at which it does so, also on days when the clocks change.

One rule covers all days: a wall time means *the first moment at which the clock shows it or a later time*. So a
time that is jumped over comes once, at the moment of the jump; a time that is shown twice comes once, the first
time; and a day that a place leaves out altogether (Apia, 30 December 2011) comes at the jump as well. Two wall times
never come in the wrong order, so whoever walks through days in order meets moments in order.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SECOND = timedelta(seconds=1)


def moment_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment, in UTC, of a wall time (without a zone)."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    if shown(moment, zone) == wall:
        return moment
    return _jump(wall, zone)


def shown(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the clock shows at a moment, without its zone."""
    return moment.astimezone(zone).replace(tzinfo=None)


def oddity(wall: datetime, zone: ZoneInfo) -> str | None:
    """What is odd about a wall time, as a sentence; None on ordinary days."""
    moment = moment_of(wall, zone)
    if (instead := shown(moment, zone)) != wall:
        return f"{wall:%Y-%m-%d %H:%M} does not exist: the clock jumps to {instead:%Y-%m-%d %H:%M}."
    if wall.replace(tzinfo=zone, fold=1).astimezone(UTC) != moment:
        return f"{wall:%H:%M} comes twice on this day; the first counts."
    return None


@lru_cache(maxsize=1024)
def _jump(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the clock jumps over a wall time (PEP 495: the two folds lie on both sides of it)."""
    before, after = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    seconds = range(int((after - before).total_seconds()))  # zones change at whole seconds
    return before + bisect_left(seconds, True, key=lambda one: shown(before + one * SECOND, zone) >= wall) * SECOND
