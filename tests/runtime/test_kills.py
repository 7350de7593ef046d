"""A program that is killed in any phase of a mailing goes on where it was. Fifty deaths of one: tests/soak."""

from __future__ import annotations

import random
from pathlib import Path

from ..killed_mailing import SERVER_SECONDS, Mailing, check_none_is_lost_and_none_sent_twice, settle_doubts
from ..smtp_peers import counting_sink


def test_killed_in_every_phase_a_mailing_loses_no_mail_and_sends_none_twice(tmp_path: Path) -> None:
    log = tmp_path / "taken.log"
    with counting_sink(log, SERVER_SECONDS) as port:
        mailing = Mailing(tmp_path, port, log, 300, random.Random(1))
        for phase in ("reading", "building", "releasing", "sending", "sending", "finishing"):
            mailing.kill(phase)
        report = mailing.end()

        check_none_is_lost_and_none_sent_twice(mailing, report)
        settle_doubts(mailing)

    assert set(mailing.phases) == {"reading", "building", "releasing", "sending", "finishing"}
