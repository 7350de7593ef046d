"""`postwerk serve` and `postwerk worker` as processes."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest

from ..acceptance.flow_document import save_flow
from ..acceptance.program import Program
from ..nodes.workbooks import workbook
from ..served import Client, Firm, until
from ..smtp_peers import counting_sink, taken
from .trial import python_path

MAILS = 300


def furnish(folder: Path, port: int, mails: int, **environment: str) -> Firm:
    """A workspace whose flow `mailing` sends so many mails."""
    program = Program(folder / "workspace", environment)
    assert program("init", program.workspace).code == 0
    server = ("--host", "127.0.0.1", "--port", str(port), "--security", "none", "--sender", "a@example.com")
    added = program("account", "add", "office", *server)
    assert added.code == 0, added.err
    flow = program.workspace / "flows" / "mailing"
    save_flow(
        flow,
        {
            "read": ("ReadExcel", {"file": "list.xlsx", "key": "no"}),
            "check": ("Behave", {}),
            "mail": ("FillTemplate", {"to": "{{ email }}", "subject": "Rechnung {{ no }}", "text": "Guten Tag"}),
            "send": ("SendSMTP", {"account": "office"}),
        },
        """read.records > check.record
           check.record > mail.record
           mail.message > send.message""",
    )
    rows = [[f"K{number:05}", f"k{number:05}@example.com", "pass"] for number in range(mails)]
    workbook(flow / "list.xlsx", [["no", "email", "how"], *rows])
    return Firm(program, folder)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    log = tmp_path / "taken.log"
    with counting_sink(log, 0.01) as port:
        yield port, log


def each_once(log: Path, mails: int) -> None:
    recipients = Counter(one for _, several in taken(log) for one in several)
    assert recipients == Counter({f"k{number:05}@example.com": 1 for number in range(mails)})


def test_a_killed_server_goes_on_with_its_run_when_it_starts_again(
    tmp_path: Path, sink: tuple[int, Path], trial: Path
) -> None:
    port, log = sink
    firm = furnish(tmp_path, port, MAILS, PYTHONPATH=python_path(trial))
    token = firm.token()

    with firm.starting("serve", "--port", "0") as start:
        served = start()
        run = Client(str(served.url), token)("POST", "/runs", json={"flow": "mailing"})["id"]
        until(lambda: len(taken(log)) > MAILS // 4)
        served.kill()
        served = start()
        report = Client(str(served.url), token).ended(run)
        code = served.stop()

    sent, doubtful = report["mails"].get("sent", 0), report["mails"].get("in_doubt", 0)
    assert (report["state"], sent + doubtful, code) == ("finished", MAILS, 0)
    assert doubtful <= 4
    assert max(Counter(one for one, _ in taken(log)).values()) == 1


def test_the_command_line_hands_a_run_to_the_server_and_looks_on(
    tmp_path: Path, sink: tuple[int, Path], trial: Path
) -> None:
    port, log = sink
    firm = furnish(tmp_path, port, 20, PYTHONPATH=python_path(trial))

    with firm.starting("serve", "--port", "0", "--json-logs") as start:
        served = start()
        assert httpx2.get(f"{served.url}/api/v1/runs", trust_env=False).status_code == 401
        ended = firm.program("run", "mailing", "--json")
        assert served.stop() == 0

    assert (ended.code, ended.json["state"], ended.json["mails"]) == (0, "finished", {"sent": 20})
    each_once(log, 20)
    told = [json.loads(line) for line in served.log.read_text().splitlines() if line.startswith("{")]
    assert {"time", "level", "message"} <= told[0].keys()


def test_it_says_when_it_is_ready_and_answers_without_a_login(
    tmp_path: Path, sink: tuple[int, Path], trial: Path
) -> None:
    firm = furnish(tmp_path, sink[0], 1, PYTHONPATH=python_path(trial))

    with firm.starting("serve", "--port", "0") as start:
        served = start()
        assert httpx2.get(f"{served.url}/health").status_code == 200
        assert httpx2.get(f"{served.url}/ready").status_code == 200
        assert httpx2.get(f"{served.url}/api/v1/runs").status_code == 401
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(30) == 0


def test_a_worker_needs_a_database_that_can_be_shared(tmp_path: Path, sink: tuple[int, Path], trial: Path) -> None:
    firm = furnish(tmp_path, sink[0], 1, PYTHONPATH=python_path(trial))

    refused = firm.program("worker")

    assert refused.code == 1
    assert "POSTWERK_DATABASE_URL" in refused.words


def test_workers_share_the_chunks_of_a_run_and_take_over_from_the_dead(
    tmp_path: Path, sink: tuple[int, Path], trial: Path, database_url: str
) -> None:
    port, log = sink
    firm = furnish(tmp_path, port, 2000, PYTHONPATH=python_path(trial), POSTWERK_DATABASE_URL=database_url)
    token = firm.token()

    with firm.starting("serve", "--port", "0") as serve, firm.starting("worker") as work:
        first, second = serve(), work()
        run = Client(str(first.url), token)("POST", "/runs", json={"flow": "mailing"})["id"]
        until(lambda: len(executors(database_url)) > 1)
        first.kill()
        until(lambda: len(taken(log)) > 500)
        third = serve()
        report = Client(str(third.url), token).ended(run, seconds=120)
        assert (second.stop(), third.stop()) == (0, 0)

    sent, doubtful = report["mails"].get("sent", 0), report["mails"].get("in_doubt", 0)
    assert (report["state"], sent + doubtful) == ("finished", 2000)
    assert doubtful <= 4
    assert max(Counter(one for one, _ in taken(log)).values()) == 1


def executors(database_url: str) -> set[str]:
    """The members that have done chunks."""
    query = b"SELECT DISTINCT executor_id FROM dbos.workflow_status WHERE name = 'run_chunk' AND status = 'SUCCESS'"
    with psycopg.connect(database_url) as connection:
        return {str(row[0]) for row in connection.execute(query)}
