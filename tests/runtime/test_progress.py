"""How far a run is, how fast it goes, and when it ends."""

from __future__ import annotations

from collections import Counter

import pytest
from postwerk.runtime.cli.progress import duration, mail_words, rows_words
from postwerk.runtime.outbox import MailState
from postwerk.runtime.runs.progress import Meter, Progress


class Clockwork(Meter):
    """A meter whose marks a test has made."""

    def __init__(self, *marks: tuple[float, int]) -> None:
        super().__init__()
        self._marks = marks


def test_a_rate_is_what_was_done_over_the_last_seconds() -> None:
    meter = Clockwork((100.0, 50), (101.0, 80), (104.0, 250))

    assert (meter.rate, meter.seconds_left(100)) == (50.0, 2.0)


@pytest.mark.parametrize("marks", [(), ((100.0, 7),), ((100.0, 7), (103.0, 7)), ((100.0, 9), (103.0, 7))])
def test_where_there_is_nothing_to_judge_by_no_end_is_told(marks: tuple[tuple[float, int], ...]) -> None:
    assert Clockwork(*marks).seconds_left(100) is None


def test_a_meter_remembers_a_few_seconds_only() -> None:
    meter = Meter()
    for done in range(1000):
        meter.mark(done)

    assert len(meter._marks) <= 1001
    assert meter.rate > 0


def progress() -> Progress:
    return Progress(read=4000, built=1200, building=Clockwork((0.0, 0), (2.0, 620)))


def test_rows_are_told_with_rate_and_end_once_all_are_read() -> None:
    told = progress()
    before = rows_words(told)
    told.is_read, told.endings = True, Counter(failed=3)

    assert before == "1,200 of 4,000… · 310/s"
    assert rows_words(told) == "1,200 of 4,000 · 310/s · 9 s left · 3 failed"


def test_mails_are_told_with_what_waits_for_somebody() -> None:
    told = Progress(posting=Clockwork((0.0, 0), (1.0, 10)))
    told.mails = Counter({MailState.SENT: 100, MailState.QUEUED: 50, MailState.DEFERRED: 2, MailState.IN_DOUBT: 1})

    assert mail_words(told) == "100 of 153 · 10/s · 5 s left · 2 deferred · 1 in doubt"
    assert mail_words(Progress()) == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (89, "89 s"), (95, "2 min"), (5000, "83 min"), (7800, "2 h 10 min")]
)
def test_a_duration_is_told_in_fitting_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_rows_that_fail_behind_their_first_stage_are_no_longer_told_as_done() -> None:
    told = Progress(endings=Counter(failed=1, done=9))

    told.count_failed(4)

    assert told.endings == {"failed": 4, "done": 6}
