"""Several processes that deliver from one PostgreSQL, as machines would: killed, frozen, woken, cut off."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from .postgres import Postgres
from .runtime.outgoing import account, office
from .smtp_peers import taken

PATIENCE_SECONDS = 60


@dataclass
class Machine:
    """One process that delivers."""

    process: subprocess.Popen[bytes]
    members: list[str] = field(default_factory=list)
    """What it is and was: who was buried joins anew."""

    def __post_init__(self) -> None:
        self._joined = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        assert self._joined.wait(PATIENCE_SECONDS)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            word, *member = line.decode().split()
            if word == "delivering":
                self.members += member
                self._joined.set()

    def send(self, which: signal.Signals) -> None:
        self.process.send_signal(which)


@dataclass
class Machines:
    """What they share: a database, a folder of blobs, a server that counts."""

    postgres: Postgres
    database: str
    folder: Path
    log: Path
    running: list[Machine] = field(default_factory=list)

    async def fill(self, port: int, *, accounts: int, mails: int, **settings: Any) -> None:
        """So many accounts with so many mails each."""
        with office(self.folder, self.database) as post:
            for name in self.accounts(accounts):
                await post.accounts.add(account(port, name=name, **settings))
            for place, name in enumerate(self.accounts(accounts)):
                numbers = range(place * mails, (place + 1) * mails)
                with post.blobs.pack() as pack:
                    refs = [pack.add(_content(number)) for number in numbers]
                    pack.close()
                new = [post.new(n, blob=ref, account=name) for n, ref in zip(numbers, refs, strict=True)]
                await post.put(*new)

    @staticmethod
    def accounts(number: int) -> list[str]:
        return [f"account{one}" for one in range(number)]

    def start(self) -> Machine:
        command = [sys.executable, "-m", "tests.runtime.delivering", str(self.folder), self.database]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
        self.running.append(Machine(process))
        return self.running[-1]

    def query(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with closing(psycopg.connect(self.database, autocommit=True)) as connection:
                    return connection.execute(query.encode(), values).fetchall()
            except psycopg.OperationalError:
                assert time.monotonic() < until
                time.sleep(0.05)

    def wait_until(self, is_so: Callable[[], object]) -> float:
        """How many seconds that took."""
        start = time.monotonic()
        while not is_so():
            assert time.monotonic() < start + PATIENCE_SECONDS
            time.sleep(0.01)
        return time.monotonic() - start

    def wait_for_mails(self, number: int) -> None:
        """Until the server has taken so many more."""
        before = len(taken(self.log))
        self.wait_until(lambda: len(taken(self.log)) >= before + number)

    def held_by(self, machine: Machine) -> set[str]:
        """The accounts that it holds."""
        return {name for (name,) in self.query("SELECT account FROM leases WHERE holder = ANY(%s)", machine.members)}

    def leases_of(self, machine: Machine) -> set[str]:
        """The accounts that it holds, of those with mails to send; nobody takes over an account without."""
        busy = "EXISTS (SELECT FROM outbox WHERE outbox.account = leases.account AND state = 'queued')"
        query = f"SELECT account FROM leases WHERE holder = ANY(%s) AND {busy}"
        return {name for (name,) in self.query(query, machine.members)}

    def on_the_way(self, machine: Machine) -> int:
        """Of one that is frozen or dead: mails whose end nobody knows, or that others have put in doubt already."""
        states = "state IN ('sending', 'in_doubt')"
        return len(self.query(f"SELECT id FROM outbox WHERE {states} AND holder = ANY(%s)", machine.members))

    def count(self, state: str) -> int:
        return len(self.query("SELECT id FROM outbox WHERE state = %s", state))

    def end(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Lets the living come to their end."""
        for machine in self.running:
            code = machine.process.wait(seconds)
            assert code in (0, -signal.SIGKILL)

    def check(self, mails: int, *, most_doubtful: int) -> Counter[str]:
        """What the server took, against what we say of it: the states, counted."""
        arrived = Counter(message_id for message_id, _ in taken(self.log))
        rows = self.query("SELECT message_id, state FROM outbox")
        sent = {message_id for message_id, state in rows if state == "sent"}
        doubtful = {message_id for message_id, state in rows if state == "in_doubt"}
        assert len(sent) + len(doubtful) == len(rows) == mails
        assert set(arrived.values()) == {1}, "sent twice"
        assert sent <= arrived.keys(), "lost"
        assert arrived.keys() - sent <= doubtful
        assert len(doubtful) <= most_doubtful
        return Counter(state for _, state in rows)


@contextmanager
def machines(postgres: Postgres, folder: Path, log: Path) -> Iterator[Machines]:
    made = Machines(postgres, postgres.url(postgres.new_database()), folder, log)
    try:
        yield made
    finally:
        for machine in made.running:
            machine.process.kill()
            machine.process.wait()
            assert machine.process.stdout is not None
            machine.process.stdout.close()


def _content(number: int) -> bytes:
    head = f"From: office@example.com\r\nSubject: Rechnung {number}\r\nMessage-ID: <{number}@example.com>\r\n\r\n"
    return head.encode() + b"Guten Tag.\r\n"
