"""What troubles with a server allow: pauses that grow, and fewer connections."""

from __future__ import annotations

from datetime import timedelta

import pytest
from postwerk.runtime.outbox.connection import OpeningError
from postwerk.runtime.outbox.pace import Pace

from ..turned_clock import TurnedClock

REFUSED = OpeningError("mail.example:25 answered 421 4.7.0 Too many connections")
LOGIN = OpeningError("mail.example:25 refused the login", is_login=True)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def pace(clock: TurnedClock) -> Pace:
    return Pace("office", clock)


def pauses(pace: Pace, clock: TurnedClock, error: OpeningError, number: int) -> list[float]:
    """How long it pauses, when every try fails."""
    found = []
    for _ in range(number):
        pace.could_not_open(error, others=0)
        assert pace.resumes_at is not None
        found.append((pace.resumes_at - clock.now()).total_seconds())
        clock.turn(pace.resumes_at - clock.now())
        assert pace.resumes_at is None
    return found


def test_pauses_grow_up_to_ten_minutes(pace: Pace, clock: TurnedClock) -> None:
    assert pauses(pace, clock, REFUSED, 12) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]


def test_a_refused_login_waits_longer(pace: Pace, clock: TurnedClock) -> None:
    assert pauses(pace, clock, LOGIN, 3) == [60, 120, 240]


def test_what_ten_sessions_meet_at_once_counts_once(pace: Pace, clock: TurnedClock) -> None:
    for _ in range(10):
        pace.could_not_open(REFUSED, others=0)

    assert pace.trouble is not None
    assert pace.trouble.failures == 1
    assert (pace.trouble.retry_at - clock.now()).total_seconds() == 1


def test_in_trouble_one_session_tries_and_success_ends_it(pace: Pace, clock: TurnedClock) -> None:
    pace.could_not_open(REFUSED, others=0)
    clock.turn(timedelta(seconds=1))
    assert pace.sessions(10) == 1

    pace.succeed()

    assert pace.sessions(10) == 10
    assert pauses(pace, clock, REFUSED, 1) == [1]


def test_one_broken_session_is_chance_and_a_second_is_trouble(pace: Pace) -> None:
    pace.set_back("The server closed the connection.")
    assert pace.resumes_at is None

    pace.set_back("The server closed the connection.")
    assert pace.resumes_at is not None


def test_broken_sessions_between_good_mails_pause_nothing(pace: Pace) -> None:
    for _ in range(10):
        pace.set_back("The server closed the connection.")
        pace.succeed()

    assert pace.resumes_at is None


def test_a_crowded_server_gets_fewer_connections_for_a_minute(pace: Pace, clock: TurnedClock) -> None:
    pace.could_not_open(REFUSED, others=3)

    assert (pace.resumes_at, pace.sessions(10)) == (None, 3)
    clock.turn(timedelta(minutes=1))
    assert pace.sessions(10) == 10


def test_a_log_does_not_fill_with_the_same_trouble(pace: Pace, clock: TurnedClock, caplog) -> None:
    pauses(pace, clock, REFUSED, 50)
    pace.succeed()

    assert [record.message for record in caplog.records] == [
        "office sends nothing for now: mail.example:25 answered 421 4.7.0 Too many connections",
        "office sends again.",
    ]
