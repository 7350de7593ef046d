"""The budget of an account, as arithmetic: a delivery under limits is in test_delivery.py."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from postwerk.runtime.accounts import Limits
from postwerk.runtime.outbox.limits import granted, is_limited

from ..turned_clock import NOON

steps = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 30)), max_size=60)


@given(st.integers(1, 40), st.integers(1, 200), steps)
def test_no_stretch_of_a_minute_or_an_hour_holds_more_than_allowed(per_minute: int, per_hour: int, asked) -> None:
    limits, spent, now, sent = Limits(per_minute=per_minute, per_hour=per_hour), {}, NOON, []
    for seconds, wanted in asked:
        now += timedelta(seconds=seconds)
        grant, spent = granted(spent, limits, wanted, now)
        sent += [now] * grant.mails

    for length, allowed in ((timedelta(minutes=1), per_minute), (timedelta(hours=1), per_hour)):
        assert all(bisect_left(sent, start + length) - index <= allowed for index, start in enumerate(sent))


@given(st.integers(1, 40), steps)
def test_whoever_asks_when_told_to_gets_something(per_minute: int, asked) -> None:
    limits, spent, now = Limits(per_minute=per_minute), {}, NOON
    for seconds, wanted in asked:
        now += timedelta(seconds=seconds)
        grant, spent = granted(spent, limits, wanted, now)
        if grant.mails < wanted:
            assert grant.ask_at is not None
            assert now < grant.ask_at <= now + timedelta(seconds=63)
            assert granted(spent, limits, 1, grant.ask_at)[0].mails == 1


def test_the_row_stays_small_however_long_an_account_sends() -> None:
    limits, spent, now = Limits(per_minute=100, per_hour=1000, per_day=10_000), {}, NOON
    for _ in range(5000):
        now += timedelta(seconds=17)
        _, spent = granted(spent, limits, 3, now)

    assert sum(map(len, spent.values())) < 200


def test_a_clock_that_is_set_back_grants_nothing_extra() -> None:
    limits = Limits(per_minute=5)
    _, spent = granted({}, limits, 5, NOON)

    assert granted(spent, limits, 1, NOON - timedelta(minutes=30))[0].mails == 0


def test_a_lowered_limit_holds_at_once() -> None:
    _, spent = granted({}, Limits(per_minute=100), 50, NOON)

    grant, _ = granted(spent, Limits(per_minute=10), 1, NOON + timedelta(seconds=1))

    assert grant.mails == 0
    assert isinstance(grant.ask_at, datetime)


def test_an_account_without_limits_is_not_counted() -> None:
    assert not is_limited(Limits())
    assert is_limited(Limits(per_day=1))
