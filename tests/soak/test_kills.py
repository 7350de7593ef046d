"""A run is killed at random moments, again and again: nothing is lost, nothing is sent twice, doubts are listed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from ..smtp_peers import counting_sink, taken

POSTWERK = str(Path(sys.executable).parent / "postwerk")
CONNECTIONS = 4
SINK_SECONDS = 0.05
"""What the server takes for a mail, so that there is time to kill."""
FLOW = {
    "postwerk": 1, "id": "mailing", "name": "Mailing",
    "steps": {
        "read": {"node": "ReadExcel", "params": {"file": "list.xlsx", "key": "number"}},
        "mail": {"node": "FillTemplate", "params": {"to": "{{ email }}", "subject": "{{ number }}", "text": "Hello"}},
        "send": {"node": "SendSMTP", "params": {"account": "office"}},
    },
    "wires": [{"from": "read.records", "to": "mail.record"}, {"from": "mail.message", "to": "send.message"}],
}  # fmt: skip


@pytest.fixture
def office(tmp_path: Path) -> Path:
    call(tmp_path, "init", "office")
    return tmp_path


def call(folder: Path, *words: str) -> dict[str, Any]:
    ended = subprocess.run([POSTWERK, *words], cwd=folder, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(ended.stdout) if "--json" in words else {}


def prepare(folder: Path, mails: int, port: int) -> None:
    server = ["--host", "127.0.0.1", "--port", str(port), "--security", "none", "--connections", str(CONNECTIONS)]
    call(folder, "account", "add", "office", *server, "--sender", "office@example.com", "-w", "office")
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(["number", "email"])
    for number in range(mails):
        sheet.append([number, f"kunde{number}@example.com"])
    book.save(folder / "list.xlsx")
    (folder / "flow.json").write_text(json.dumps(FLOW), "utf-8")


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    silent = subprocess.DEVNULL
    return subprocess.Popen(
        [POSTWERK, *words, "-w", "office"], cwd=folder, stdout=silent, stderr=silent, start_new_session=True
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)


def await_mails(process: subprocess.Popen[bytes], log: Path, before: int) -> bool:
    """Whether new mails arrived before the program ended."""
    while process.poll() is None:
        if len(taken(log)) > before:
            return True
        time.sleep(0.005)
    return False


def runs_of(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(folder, "runs", "list", "--json", "-w", "office")["runs"]
    return found


def kill_often(folder: Path, log: Path, kills: int, chance: random.Random) -> None:
    """Kills the run so often, each time after new mails have arrived; a few times more while it is still building."""
    process = start(folder, "run", "flow.json")
    while not runs_of(folder):
        time.sleep(0.05)
    (run,) = (one["id"] for one in runs_of(folder))
    for _ in range(3):
        time.sleep(chance.uniform(0, 0.6))
        kill(process)
        process = start(folder, "runs", "resume", run)
    for _ in range(kills):
        assert await_mails(process, log, len(taken(log))), "all mails were sent before the last kill"
        time.sleep(chance.uniform(0, 0.1))
        kill(process)
        process = start(folder, "runs", "resume", run)
    assert process.wait(300) in (0, 3)


@pytest.mark.parametrize(
    ("mails", "kills"), [(400, 3), pytest.param(2000, 50, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_a_killed_run_loses_no_mail_and_sends_none_twice(
    office: Path, mails: int, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    log = office / "arrived"
    with counting_sink(log, SINK_SECONDS) as port:
        prepare(office, mails, port)

        kill_often(office, log, kills, random.Random(7))

    rows = call(office, "outbox", "list", "--json", "-w", "office")["mails"]
    states = Counter(row["state"] for row in rows)
    arrived = Counter(message_id for message_id, _ in taken(log))
    sent = {row["message_id"] for row in rows if row["state"] == "sent"}
    doubtful = {row["message_id"] for row in rows if row["state"] == "in_doubt"}
    with capsys.disabled():
        print(f"\n{kills + 3} kills, {mails:,} mails: {dict(states)}; {len(doubtful & set(arrived))} in doubt arrived")
    assert len({row["recipients"][0] for row in rows}) == mails
    assert set(states) <= {"sent", "in_doubt"}
    assert max(arrived.values()) == 1
    assert sent <= set(arrived) <= sent | doubtful
    assert len(doubtful) <= CONNECTIONS * (kills + 3)
