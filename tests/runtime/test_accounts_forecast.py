"""The forecast against the limits themselves, mail by mail."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from postwerk.runtime.accounts import Limits
from postwerk.runtime.outbox import MailState
from postwerk.runtime.outbox.forecast import forecast
from postwerk.runtime.outbox.limits import DAY, HOUR, MINUTE, Spent, granted, spend
from postwerk.runtime.outbox.outlook import outlook

from ..acceptance.program import Program
from ..turned_clock import NOON
from .outgoing import Office, account

LIMIT = some.one_of(some.none(), some.integers(1, 12))
LIMITS = some.builds(Limits, per_minute=LIMIT, per_hour=LIMIT, per_day=LIMIT)
RATES = some.one_of(some.none(), some.sampled_from([0.01, 0.3, 1.0, 3.0, 7.7, 100.0]))
MOMENTS = some.datetimes(
    datetime(2026, 3, 28),
    datetime(2026, 3, 30),
    timezones=some.just(UTC),
)
BEFORE = some.lists(some.tuples(some.floats(0, 100_000), some.integers(1, 9)), max_size=8)


def spent_before(limits: Limits, now: datetime, when: list[tuple[float, int]]) -> Spent:
    """A budget from which was taken so long ago, so much."""
    spent: Spent = {}
    for seconds, number in sorted(when, reverse=True):
        _, spent = granted(spent, limits, number, now - timedelta(seconds=seconds))
    return spent


def freed(spent: Spent, after: datetime) -> list[datetime]:
    """All moments from then on at which a bucket no longer counts."""
    windows = (MINUTE, HOUR, DAY)
    moments = {window.free_at(start) for window in windows for start, _ in spent.get(window.name, ())}
    return sorted(one for one in (datetime.fromtimestamp(moment, UTC) for moment in moments) if one > after)


def one_by_one(mails: int, limits: Limits, spent: Spent, now: datetime, rate: float | None) -> datetime:
    """Each mail leaves as soon as the one before it is gone, and the budget gives one."""
    interval = timedelta(microseconds=round(1_000_000 / rate)) if rate else timedelta(0)
    moment = last = now
    for _ in range(mails):
        for last in [moment, *freed(spent, moment)]:
            grant, after = granted(spent, limits, 1, last)
            if grant.mails:
                break
        spent, moment = after, last + interval
    return last


@settings(max_examples=300, deadline=None)
@given(mails=some.integers(0, 60), limits=LIMITS, now=MOMENTS, rate=RATES, before=BEFORE)
def test_the_forecast_is_when_the_last_mail_would_leave(mails, limits, now, rate, before) -> None:
    spent = spent_before(limits, now, before)

    assert forecast(mails, limits, spent, now, rate) == one_by_one(mails, limits, spent, now, rate)


def test_a_limit_that_was_lowered_since_is_waited_for() -> None:
    spent = spent_before(Limits(per_minute=100), NOON, [(10, 50), (5, 50)])
    limits = Limits(per_minute=20)

    assert forecast(1, limits, spent, NOON, None) == one_by_one(1, limits, spent, NOON, None)


@pytest.mark.parametrize(
    ("limits", "rate", "seconds"),
    [
        (Limits(), None, 0),
        (Limits(), 50, 9_999 / 50),
        (Limits(per_minute=600), 50, 16 * 62 + 399 / 50),  # a second counts for a minute, itself, and one of slack
        (Limits(per_hour=5000), 50, 3600 + 120 + 1 + 1_999 / 50),  # the second of two minutes in which 5,000 left
        (Limits(per_day=5000), 50, 86400 + 1440 + 1 + 4_999 / 50),
    ],
)
def test_ten_thousand_mails_take_as_long_as_the_tightest_limit_says(limits, rate, seconds) -> None:
    assert forecast(10_000, limits, {}, NOON, rate) == NOON + timedelta(seconds=seconds)


def test_a_million_mails_are_forecast_at_once() -> None:
    begun = time.perf_counter()

    forecast(1_000_000, Limits(per_minute=600, per_hour=20_000, per_day=200_000), {}, NOON, 40.0)

    assert time.perf_counter() - begun < 5


async def test_the_outlook_counts_what_waits_and_what_was_spent(post: Office) -> None:
    office = account(limits={"per_minute": 2})
    await post.put(*post.several(3))
    await post.put(post.new(7), state=MailState.HELD)
    await post.store.write(lambda connection: spend(connection, "office", office.limits, 2, NOON))

    found = await post.store.read(lambda connection: outlook(connection, office, 1, NOON, None))

    assert (found.mails, found.ends_at) == (4, NOON + timedelta(seconds=2 * 62))


def test_the_command_tells_the_end(tmp_path: Path) -> None:
    postwerk = Program(tmp_path / "workspace")
    postwerk("init", postwerk.workspace)
    added = ("--host", "mail.example.com", "--sender", "office@example.com", "--per-hour", "100")
    postwerk("account", "add", "office", *added)

    told = postwerk("account", "forecast", "office", "--mails", "250", "--json").json

    assert (told["account"], told["mails"]) == ("office", 250)
    left = datetime.fromisoformat(told["ends_at"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=58) < left < timedelta(hours=2, minutes=4)
    assert "No mail waits." in postwerk("account", "forecast", "office").words
