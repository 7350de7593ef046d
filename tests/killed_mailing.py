"""A mailing whose program is killed again and again, in every phase, against a server that keeps count."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .acceptance.flow_document import save_flow
from .acceptance.program import Program, console_script
from .nodes.workbooks import workbook
from .smtp_peers import taken

CONNECTIONS = 4
SERVER_SECONDS = 0.02
"""How long the server takes for a mail: about a fifth of a second for forty of them."""
POLL_SECONDS = 0.002
PATIENCE_SECONDS = 120


@dataclass
class Mailing:
    """One run of many mails, with a report behind the send."""

    folder: Path
    port: int
    log: Path
    """The server's: a line for each mail that it took."""
    mails: int
    chance: random.Random
    run: str | None = None
    phases: Counter[str] = field(default_factory=Counter)
    """How often it was killed in each."""
    on_the_way: list[int] = field(default_factory=list)
    """The mails that were on their way when it was killed."""

    def __post_init__(self) -> None:
        self.postwerk = Program(self.folder / "workspace")
        assert self.postwerk("init", self.postwerk.workspace).code == 0
        server = ("--host", "127.0.0.1", "--port", str(self.port), "--security", "none", "--sender", "a@example.com")
        assert self.postwerk("account", "add", "office", *server, "--connections", str(CONNECTIONS)).code == 0
        self.flow = self._flow()

    def _flow(self) -> Path:
        (self.folder / "mailing").mkdir()
        rows = [[f"K{number:05}", f"k{number:05}@example.com"] for number in range(self.mails)]
        workbook(self.folder / "mailing" / "list.xlsx", [["no", "email"], *rows])
        return save_flow(
            self.folder / "mailing",
            {
                "read": ("ReadExcel", {"file": "list.xlsx", "key": "no"}),
                "mail": ("FillTemplate", {"to": "{{ email }}", "subject": "Rechnung {{ no }}", "text": "Guten Tag"}),
                "send": ("SendSMTP", {"account": "office"}),
                "report": ("WriteExcel", {"file": "sent.xlsx"}),
            },
            """read.records > mail.record
               mail.message > send.message
               send.sent > report.records""",
        )

    @property
    def words(self) -> list[str]:
        return ["runs", "resume", self.run] if self.run else ["run", str(self.flow)]

    def kill(self, phase: str, moment: float = 0.03) -> None:
        """Starts the program, waits for the phase, and kills all of its processes soon after."""
        before = len(taken(self.log))
        with self._started() as process:
            reached = {"sending": self._sent_since(before), "finishing": self._all_are_settled()}
            self._wait(process, reached.get(phase) or self._chunks_since(phase))
            time.sleep(self.chance.uniform(0, moment))
            self.phases[phase] += process.poll() is None
            os.killpg(process.pid, signal.SIGKILL)
        self.run = self.run or self._only_run()
        self.on_the_way.append(self._count("select count(*) from outbox where state = 'sending'"))

    def end(self) -> dict[str, Any]:
        """Lets it go to its end."""
        report: dict[str, Any] = self.postwerk(*self.words, "--json").json
        return report

    @contextmanager
    def _started(self) -> Iterator[subprocess.Popen[bytes]]:
        environment = {**os.environ, "POSTWERK_WORKSPACE": str(self.postwerk.workspace)}
        with subprocess.Popen(
            [console_script(), *self.words], env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            yield process

    def _wait(self, process: subprocess.Popen[bytes], is_reached: Iterator[bool]) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and not next(is_reached):
            assert time.monotonic() < until
            time.sleep(POLL_SECONDS)

    def _sent_since(self, before: int) -> Iterator[bool]:
        """New mails have left, a few or many."""
        wanted = before + self.chance.randint(1, max(2, self.mails // 60))
        while True:
            yield len(taken(self.log)) >= min(wanted, self.mails - 1)

    def _all_are_settled(self) -> Iterator[bool]:
        while True:
            yield not self._count("select count(*) from outbox where state in ('queued', 'sending', 'planned')")

    def _chunks_since(self, phase: str) -> Iterator[bool]:
        """The source was read further, or rows were built; or, where all was, the mails are about to be released."""
        stage = -1 if phase == "reading" else 0
        query = f"select count(*) from chunks where stage = {stage}"
        before = self._count(query)
        while True:
            is_over = phase != "releasing" and self._count("select count(*) from outbox where state = 'queued'")
            is_built = self._count("select count(*) from outbox") == self.mails
            yield is_built if phase == "releasing" else bool(is_over) or self._count(query) > before

    def _only_run(self) -> str | None:
        found = self._query("select id from runs")
        return found[0][0] if found else None

    def _count(self, query: str) -> int:
        found = self._query(query)
        return int(found[0][0]) if found else 0

    def _query(self, query: str) -> list[tuple[Any, ...]]:
        database = self.postwerk.workspace / "postwerk.db"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(query).fetchall()

    def by_state(self) -> dict[str, set[str]]:
        """Message-IDs by the state of their mail."""
        found: dict[str, set[str]] = {}
        for state, message_id in self._query("select state, message_id from outbox"):
            found.setdefault(state, set()).add(message_id)
        return found

    def ids_of(self, message_ids: set[str]) -> list[str]:
        rows = self._query("select id, message_id from outbox")
        return [str(number) for number, message_id in rows if message_id in message_ids]


def check_none_is_lost_and_none_sent_twice(mailing: Mailing, report: dict[str, Any]) -> None:
    """What the server took, against what we say of it."""
    arrived = Counter(message_id for message_id, _ in taken(mailing.log))
    states = mailing.by_state()
    sent, doubtful = states.get("sent", set()), states.get("in_doubt", set())
    assert states.keys() <= {"sent", "in_doubt"}
    assert len(sent) + len(doubtful) == mailing.mails
    assert set(arrived.values()) == {1}, "sent twice"
    assert sent <= arrived.keys(), "lost"
    assert arrived.keys() - sent <= doubtful
    assert len(doubtful) == sum(mailing.on_the_way) == report["failed_items"]
    assert max(mailing.on_the_way) <= CONNECTIONS
    assert report["totals"]["endings"] == {"failed": len(doubtful), "done": mailing.mails - len(doubtful)}


def settle_doubts(mailing: Mailing) -> dict[str, Any]:
    """A person compares with the server: what arrived is given up, the rest is sent again."""
    arrived = {message_id for message_id, _ in taken(mailing.log)}
    doubtful = mailing.by_state().get("in_doubt", set())
    for word, which in (("cancel", doubtful & arrived), ("resend", doubtful - arrived)):
        if which:
            assert mailing.postwerk("outbox", word, *mailing.ids_of(which)).code == 0
    report = mailing.end()
    recipients = Counter(one for _, recipients in taken(mailing.log) for one in recipients)
    assert recipients == Counter({f"k{number:05}@example.com": 1 for number in range(mailing.mails)})
    return report
