"""When an account's queued mails will have left. Pure: it is told the time, what was spent, and how fast mails go."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from ..accounts import Limits
from .limits import DAY, HOUR, MINUTE, Window

SECOND: Final = 1_000_000
"""Times are whole microseconds here, so that sums are exact."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def forecast(
    mails: int, limits: Limits, spent: Mapping[str, Sequence[Sequence[int]]], now: datetime, rate: float | None
) -> datetime:
    """When the last of so many mails will leave, if nothing goes wrong.

    `spent` is the account's budget as the store has it; `rate` the mails a second that were measured while no limit
    held them back. None: as fast as the limits allow.
    """
    moment = (now - EPOCH) // timedelta(microseconds=1)
    interval = round(SECOND / rate) if rate else 0
    meters = [_Meter.of(window, limit, spent) for window, limit in _limited(limits)]
    if mails < 1:
        return now
    left = mails
    while True:
        room = _room(meters, moment // SECOND)
        if room < 1:
            moment = max(meter.free_at for meter in meters if meter.room < 1) * SECOND
            continue
        number = min(left, room, _within_second(moment, interval) if meters else left)
        for meter in meters:
            meter.spend(moment // SECOND, number)
        left -= number
        if not left:
            return EPOCH + timedelta(microseconds=moment + (number - 1) * interval)
        moment += number * interval


@dataclass(slots=True)
class _Meter:
    """What one limit has left."""

    window: Window
    limit: int
    buckets: deque[list[int]]
    total: int

    @classmethod
    def of(cls, window: Window, limit: int, spent: Mapping[str, Sequence[Sequence[int]]]) -> _Meter:
        buckets = deque(sorted(list(bucket) for bucket in spent.get(window.name, ())))
        return cls(window, limit, buckets, sum(count for _, count in buckets))

    @property
    def room(self) -> int:
        return self.limit - self.total

    @property
    def free_at(self) -> int:
        """When the oldest bucket no longer counts, in seconds since 1970."""
        return self.window.free_at(self.buckets[0][0])

    def forget(self, second: int) -> None:
        while self.buckets and self.free_at <= second:
            self.total -= self.buckets.popleft()[1]

    def spend(self, second: int, number: int) -> None:
        start = second - second % self.window.bucket
        if self.buckets and self.buckets[-1][0] == start:
            self.buckets[-1][1] += number
        else:
            self.buckets.append([start, number])
        self.total += number


def _limited(limits: Limits) -> list[tuple[Window, int]]:
    known = ((MINUTE, limits.per_minute), (HOUR, limits.per_hour), (DAY, limits.per_day))
    return [(window, limit) for window, limit in known if limit is not None]


def _room(meters: Sequence[_Meter], second: int) -> int:
    """How many mails may leave in this second."""
    for meter in meters:
        meter.forget(second)
    return min((meter.room for meter in meters), default=1 << 62)


def _within_second(moment: int, interval: int) -> int:
    """How many mails leave before the next second begins; no bucket ends or is freed before that."""
    left = SECOND - moment % SECOND
    return -(-left // interval) if interval else 1 << 62
