"""A mailing of 2,000 survives fifty violent deaths."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ..killed_mailing import SERVER_SECONDS, Mailing, check_none_is_lost_and_none_sent_twice, settle_doubts
from ..smtp_peers import counting_sink

MAILS, KILLS = 2000, 50
EARLY = ["reading", "building", "reading", "building", "building", "reading", "releasing", "releasing"]
LATE = ["finishing"] * 3


@pytest.mark.soak
@pytest.mark.parametrize("seed", [2026])
def test_killed_fifty_times_a_mailing_loses_no_mail_and_sends_none_twice(tmp_path: Path, seed: int) -> None:
    log = tmp_path / "taken.log"
    with counting_sink(log, SERVER_SECONDS) as port:
        mailing = Mailing(tmp_path, port, log, MAILS, random.Random(seed))
        for phase in [*EARLY, *["sending"] * (KILLS - len(EARLY) - len(LATE)), *LATE]:
            mailing.kill(phase)
        report = mailing.end()

        print(f"\nkilled {dict(mailing.phases)}, on their way {mailing.on_the_way}, mails {report['mails']}")
        check_none_is_lost_and_none_sent_twice(mailing, report)
        settle_doubts(mailing)

    assert mailing.phases.total() == KILLS
