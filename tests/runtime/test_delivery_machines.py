"""Several machines deliver from one PostgreSQL: one is killed, one is frozen and woken, the database is restarted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..machines import Machines, machines
from ..postgres import Postgres, own_postgres
from ..smtp_peers import counting_sink, taken

CONNECTIONS = 3
SERVER_SECONDS = 0.1


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with own_postgres() as one:
        yield one


@pytest.fixture
def shared(server: Postgres, tmp_path: Path) -> Iterator[Machines]:
    with machines(server, tmp_path, tmp_path / "taken.log") as one:
        yield one


async def test_killed_frozen_woken_and_restarted_none_is_lost_and_none_sent_twice(shared: Machines) -> None:
    with counting_sink(shared.log, SERVER_SECONDS) as port:
        await shared.fill(port, accounts=6, mails=250, limits={"connections": CONNECTIONS})
        killed, frozen, last = (shared.start() for _ in range(3))
        shared.wait_until(lambda: all(len(shared.held_by(one)) == 2 for one in shared.running))

        shared.wait_for_mails(60)
        killed.send(signal.SIGKILL)
        seconds = shared.wait_until(lambda: not shared.leases_of(killed))
        print(f"\ntakeover after a kill on the same machine: {seconds:.1f} s")
        assert seconds < 3

        shared.wait_for_mails(30)
        doubtful = shared.count("in_doubt")
        frozen.send(signal.SIGSTOP)
        on_the_way = shared.on_the_way(frozen)
        seconds = shared.wait_until(lambda: len(shared.held_by(last)) == 6)
        print(f"takeover after silence: {seconds:.1f} s")
        assert 3 < seconds < 8
        assert shared.count("in_doubt") == doubtful + on_the_way

        shared.postgres.restart()
        shared.wait_for_mails(10)
        frozen.send(signal.SIGCONT)
        shared.end()

    states = shared.check(1500, most_doubtful=CONNECTIONS * 2)
    print(f"on the way when frozen: {on_the_way}; at the end: {dict(states)}")
    assert states["in_doubt"] == doubtful  # of the frozen one's, all were told when it woke


async def test_a_budget_holds_though_its_account_changes_hands(shared: Machines) -> None:
    with counting_sink(shared.log, SERVER_SECONDS) as port:
        await shared.fill(port, accounts=1, mails=90, limits={"connections": CONNECTIONS, "per_minute": 60})
        holder = shared.start()
        shared.start()
        shared.wait_for_mails(30)
        holder.send(signal.SIGKILL)

        shared.wait_until(lambda: len(taken(shared.log)) + shared.count("in_doubt") >= 60)
        shared.wait_until(lambda: not shared.count("sending"))

        assert 60 - CONNECTIONS <= len(taken(shared.log)) <= 60
        assert shared.count("queued") == 30
