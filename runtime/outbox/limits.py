"""How much an account may send: one row for each account, in the same transaction as the mails' `sending`.

No stretch of a minute, an hour or a day holds more mails than allowed, wherever it begins. Mails are counted in
buckets of time; a bucket counts until a whole window has passed since its end, and a second more, because a mail
reaches the server a moment after it was counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select, update

from ..accounts import Limits
from ..store import budgets, insert_new

Spent = dict[str, list[list[int]]]
"""By window: pairs of a bucket's start, in seconds since 1970, and the number of mails in it."""

SLACK_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time with a limit of its own."""

    name: str
    seconds: int
    bucket: int

    def free_at(self, start: int) -> int:
        """When the bucket that began then no longer counts."""
        return start + self.bucket + self.seconds + SLACK_SECONDS


MINUTE = Window("minute", 60, 1)
HOUR = Window("hour", 3600, 60)
DAY = Window("day", 86400, 1440)


@dataclass(frozen=True, slots=True)
class Grant:
    """How many mails may leave now, and how many more afterwards; if none, when to ask again."""

    mails: int
    left: int
    ask_at: datetime | None = None


def spend(connection: Connection, account: str, limits: Limits, wanted: int, now: datetime) -> Grant:
    """Takes up to `wanted` mails from the account's budget."""
    row = budgets.c.account == account
    query = select(budgets.c.spent).where(row).with_for_update()  # others wait here until we have committed
    before: Spent | None = connection.execute(query).scalar()
    if before is None:
        insert_new(connection, budgets, [{"account": account, "spent": {}}], ["account"])
        before = connection.execute(query).scalar_one()
    grant, after = granted(before, limits, wanted, now)
    if grant.mails:
        connection.execute(update(budgets).where(row).values(spent=after))
    return grant


def is_limited(limits: Limits) -> bool:
    """Whether there is anything to count."""
    return any(True for _ in _windows(limits))


def granted(spent: Mapping[str, list[list[int]]], limits: Limits, wanted: int, now: datetime) -> tuple[Grant, Spent]:
    """What may be spent of the limits, and what is spent then."""
    moment = now.timestamp()
    counting = {
        window: [bucket for bucket in spent.get(window.name, ()) if window.free_at(bucket[0]) > moment]
        for window, _ in _windows(limits)
    }
    left = {window: limit - sum(count for _, count in counting[window]) for window, limit in _windows(limits)}
    mails = max(0, min([wanted, *left.values()]))
    after = {window.name: _added(buckets, window, int(moment), mails) for window, buckets in counting.items()}
    spent_ones = [window for window, number in left.items() if number <= mails]
    if not spent_ones:
        return Grant(mails, min(left.values(), default=0) - mails), after
    ask_at = max(window.free_at(after[window.name][0][0]) for window in spent_ones)
    return Grant(mails, 0, datetime.fromtimestamp(ask_at, UTC)), after


def _windows(limits: Limits) -> Iterator[tuple[Window, int]]:
    for window, limit in ((MINUTE, limits.per_minute), (HOUR, limits.per_hour), (DAY, limits.per_day)):
        if limit is not None:
            yield window, limit


def _added(buckets: list[list[int]], window: Window, moment: int, mails: int) -> list[list[int]]:
    start = moment - moment % window.bucket
    counts: dict[int, int] = {bucket: 0 for bucket, _ in buckets}
    for bucket, count in buckets:
        counts[bucket] += count
    if mails:
        counts[start] = counts.get(start, 0) + mails
    return [[bucket, counts[bucket]] for bucket in sorted(counts)]
