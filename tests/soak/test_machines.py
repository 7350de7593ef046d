"""Many mails, three machines, one PostgreSQL, and whatever can happen to them; again and again, in any order."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from ..machines import Machine, Machines, machines
from ..postgres import own_postgres
from ..smtp_peers import counting_sink, taken

pytestmark = pytest.mark.soak

MAILS, ACCOUNTS, CONNECTIONS, MACHINES = 20_000, 8, 4, 3
SERVER_SECONDS = 0.06
TIMES = 8
"""Each of the four calamities."""


class Calamities:
    """What happens to machines, and what it leaves in doubt."""

    def __init__(self, shared: Machines, chance: random.Random) -> None:
        self.shared = shared
        self.chance = chance
        self.on_the_way = 0
        self.takeovers: list[float] = []

    @property
    def some(self) -> Machine:
        return self.chance.choice([one for one in self.shared.running if one.process.poll() is None])

    def kill(self) -> None:
        """One dies, and is started again."""
        machine = self.some
        machine.send(signal.SIGKILL)
        machine.process.wait()
        self.on_the_way += self.shared.on_the_way(machine)
        self.takeovers.append(self.shared.wait_until(lambda: not self.shared.leases_of(machine)))
        self.shared.start()

    def freeze(self) -> None:
        """One is frozen, and wakes after others have taken over."""
        machine = self.some
        machine.send(signal.SIGSTOP)
        self.takeovers.append(self.shared.wait_until(lambda: not self.shared.leases_of(machine)))
        self.shared.wait_for_mails(self.chance.randint(1, 50))
        machine.send(signal.SIGCONT)

    def nod(self) -> None:
        """One is frozen for less time than the others need to notice."""
        machine = self.some
        machine.send(signal.SIGSTOP)
        self.shared.wait_for_mails(self.chance.randint(1, 50))
        machine.send(signal.SIGCONT)

    def restart(self) -> None:
        """The database is restarted, in order or as after a crash."""
        self.shared.postgres.restart(self.chance.choice([signal.SIGINT, signal.SIGQUIT]))


def is_over(shared: Machines) -> bool:
    return not shared.count("queued") and not shared.count("sending")


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_none_is_lost_and_none_sent_twice(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    log = tmp_path / "taken.log"
    with (
        own_postgres() as server,
        machines(server, tmp_path, log) as shared,
        counting_sink(log, SERVER_SECONDS) as port,
    ):
        await shared.fill(port, accounts=ACCOUNTS, mails=MAILS // ACCOUNTS, limits={"connections": CONNECTIONS})
        for _ in range(MACHINES):
            shared.start()
        happening = Calamities(shared, chance)
        order = [happening.kill, happening.freeze, happening.nod, happening.restart] * TIMES
        chance.shuffle(order)
        happened = 0
        for calamity in order:
            if len(taken(log)) > MAILS * 0.97:
                break
            shared.wait_for_mails(chance.randint(1, 200))
            calamity()
            happened += 1
        shared.end(seconds=300)

        states = shared.check(MAILS, most_doubtful=happening.on_the_way)
    print(
        f"\n{happened} calamities, {happening.on_the_way} mails on their way when a machine was killed, at the end "
        f"{dict(states)}; takeovers after {min(happening.takeovers):.1f} to {max(happening.takeovers):.1f} s"
    )
    assert happened > TIMES
    assert states["in_doubt"] == happening.on_the_way
