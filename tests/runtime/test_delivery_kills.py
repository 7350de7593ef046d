"""A delivery that is killed at any moment loses no mail and sends none twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from postwerk.runtime.outbox import MailState

from ..smtp_peers import counting_sink, taken
from .outgoing import account, office

S = MailState
MAILS = 300
CONNECTIONS = 4
KILLS = 5
SERVER_SECONDS = 0.01


def delivering(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.runtime.delivering", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])


def kill_after(process: subprocess.Popen[bytes], log: Path, mails: int, moment: float) -> None:
    """Kills it a moment after the server has taken so many mails."""
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"delivering ")
        deadline = time.monotonic() + 20
        while len(taken(log)) < mails and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(moment)
        process.kill()


@pytest.mark.parametrize("seed", [1])
async def test_killed_at_random_moments_none_is_lost_and_none_sent_twice(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    log = tmp_path / "taken.log"
    with counting_sink(log, SERVER_SECONDS) as port:
        with office(tmp_path) as post:
            await post.accounts.add(account(port, limits={"connections": CONNECTIONS}))
            await post.put(*post.several(MAILS))

        on_the_way = []
        for mails in sorted(chance.sample(range(10, MAILS - 30), KILLS)):
            kill_after(delivering(tmp_path), log, mails, chance.uniform(0, SERVER_SECONDS))
            with office(tmp_path) as post:
                on_the_way.append(Counter((await post.states()).values())["sending"])
        with delivering(tmp_path) as last:
            assert last.wait(20) == 0

    with office(tmp_path) as post:
        mails = await post.mails()
    arrived = Counter(message_id for message_id, _ in taken(log))
    sent = {mail.message_id for mail in mails if mail.state is S.SENT}
    doubtful = {mail.message_id for mail in mails if mail.state is S.IN_DOUBT}
    assert len(sent) + len(doubtful) == MAILS
    assert set(arrived.values()) == {1}
    assert sent <= arrived.keys() <= sent | doubtful
    assert len(doubtful) == sum(on_the_way)
    assert 0 < max(on_the_way) <= CONNECTIONS
