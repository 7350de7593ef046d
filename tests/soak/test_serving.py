"""Programs that stay, through everything that ends them: kills, clocks that jump, full disks, frozen machines."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from ..foreign import needs
from ..postgres import own_postgres
from ..runtime.test_serving import furnish
from ..runtime.trial import distribution, python_path
from ..served import Client, Firm, Served, until
from ..smtp_peers import counting_sink, taken

pytestmark = pytest.mark.soak
CONNECTIONS = 4
SERVER_SECONDS = 0.02
DOCUMENTS = 2_000
CLOCKS = ["+0", "+1d", "-2h", "+400d", "-3d", "+45m"]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return distribution(tmp_path_factory.mktemp("trial"))


def arrived(log: Path) -> Counter[str]:
    return Counter(message_id for message_id, _ in taken(log))


def check_all(states: list[tuple[str, str]], log: Path, mails: int, doubts: int) -> Counter[str]:
    """None lost, none twice; what is not sure is in doubt. Returns the counts by state."""
    counts = Counter(state for state, _ in states)
    came = arrived(log)
    assert len(states) == mails
    assert counts.keys() <= {"sent", "in_doubt"}, counts
    assert set(came.values()) == {1}, "sent twice"
    sent = {message_id for state, message_id in states if state == "sent"}
    doubtful = {message_id for state, message_id in states if state == "in_doubt"}
    assert sent <= came.keys(), "lost"
    assert came.keys() - sent <= doubtful
    assert len(doubtful) <= doubts
    return counts


def in_file(firm: Firm, query: str = "select state, message_id from outbox") -> list[tuple[str, str]]:
    database = firm.program.workspace / "postwerk.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        return connection.execute(query).fetchall()


def in_postgres(url: str, query: bytes = b"select state, message_id from outbox") -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def killed_again_and_again(
    tmp_path: Path, trial: Path, *, mails: int, kills: int, clocks: list[str], is_full: bool = False
) -> None:
    """A server that is killed every few seconds and started again, until its run has ended."""
    chance, log = random.Random(2026), tmp_path / "taken.log"
    with counting_sink(log, SERVER_SECONDS) as port:
        firm = furnish(tmp_path, port, mails, PYTHONPATH=python_path(trial))
        token, done, run = firm.token(), 0, ""
        with firm.starting("serve", "--port", "0") as start:
            while done < kills:
                clock = chance.choice(clocks)
                served = start(**under(clock))
                if not run:
                    run = Client(str(served.url), token)("POST", "/runs", json={"flow": "mailing"})["id"]
                if is_full and chance.random() < 0.5:
                    fill_the_disk(served, chance)
                before = len(taken(log))
                wanted = before + chance.randint(1, max(2, mails // kills))
                until(lambda: len(taken(log)) >= wanted or ended(firm), 2 + 4 * chance.random(), is_soft=True)  # noqa: B023
                served.kill()
                done += 1
            served = start()
            report = Client(str(served.url), token).ended(run, 600)
            assert served.stop() == 0
    counts = check_all(in_file(firm), log, mails, CONNECTIONS * kills)
    print(f"\n{kills} kills: {dict(counts)}, {report['state']}")
    assert report["state"] == "finished"


def under(clock: str) -> dict[str, str]:
    """The environment in which a program sees another time."""
    if clock == "+0":
        return {}
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return {"LD_PRELOAD": str(library), "FAKETIME": clock, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def fill_the_disk(served: Served, chance: random.Random) -> None:
    """For a while no file of the server's can grow beyond what it may have on a full disk."""
    needs("prlimit")
    time.sleep(chance.uniform(0, 1))
    room = chance.choice([20_000, 200_000, 1_000_000])
    os.system(f"prlimit --pid {served.process.pid} --fsize={room}:unlimited")
    time.sleep(chance.uniform(0.2, 1.5))
    if chance.random() < 0.5:
        os.system(f"prlimit --pid {served.process.pid} --fsize=unlimited:unlimited")
        time.sleep(1)


def ended(firm: Firm) -> bool:
    return in_file(firm, "select count(*) from runs where state in ('building', 'sending')")[0][0] == 0


def test_killed_a_hundred_times_a_server_loses_no_mail_and_sends_none_twice(tmp_path: Path, trial: Path) -> None:
    killed_again_and_again(tmp_path, trial, mails=10_000, kills=100, clocks=["+0"])


def test_a_clock_that_jumps_at_each_start_loses_no_mail_and_sends_none_twice(tmp_path: Path, trial: Path) -> None:
    needs("faketime")
    killed_again_and_again(tmp_path, trial, mails=2_000, kills=20, clocks=CLOCKS)


def test_a_disk_that_is_full_for_a_while_loses_no_mail_and_sends_none_twice(tmp_path: Path, trial: Path) -> None:
    killed_again_and_again(tmp_path, trial, mails=2_000, kills=20, clocks=["+0"], is_full=True)


def test_three_workers_outlive_a_kill_a_freeze_and_a_restart_of_the_database(tmp_path: Path, trial: Path) -> None:
    mails, log = 20_000, tmp_path / "taken.log"
    with own_postgres() as server, counting_sink(log) as port:
        url = server.url(server.new_database())
        firm = furnish(tmp_path, port, mails, PYTHONPATH=python_path(trial), POSTWERK_DATABASE_URL=url)
        token = firm.token()
        with firm.starting("serve", "--port", "0") as serve, firm.starting("worker") as work:
            served, killed, frozen = serve(), work(), work()
            run = Client(str(served.url), token)("POST", "/runs", json={"flow": "mailing"})["id"]
            until(lambda: in_postgres(url, b"select count(*) from chunks")[0][0] > 20, 120)
            killed.kill()
            at = time.monotonic()
            until(lambda: not held_by_the_dead(url), 60)
            print(f"\nwhat the dead worker held was taken over after {time.monotonic() - at:.1f} s")
            until(lambda: len(taken(log)) > mails // 10, 300)
            holder = holder_of_the_account(url, {str(served.process.pid): served, str(frozen.process.pid): frozen})
            if holder is frozen:
                frozen.freeze()
                at = time.monotonic()
                before = len(taken(log))
                until(lambda: len(taken(log)) > before + 100, 60)
                print(f"the frozen worker's mails went on after {time.monotonic() - at:.1f} s")
            else:
                frozen.freeze()
                time.sleep(8)
            server.restart(signal.SIGQUIT)
            frozen.wake()
            until(lambda: len(taken(log)) > mails // 2, 300)
            server.restart(signal.SIGINT)
            report = Client(str(served.url), token).ended(run, 600)
            assert served.stop() == 0
        counts = check_all(in_postgres(url), log, mails, 4 * CONNECTIONS)
    print(f"{dict(counts)}, {report['state']}")
    assert report["state"] == "finished"


def held_by_the_dead(url: str) -> bool:
    query = b"select count(*) from leases join members on members.id = holder where buried_at is not null"
    gone = b"select count(*) from members where buried_at is null"
    return bool(in_postgres(url, query)[0][0]) or int(in_postgres(url, gone)[0][0]) > 2


def holder_of_the_account(url: str, served: dict[str, Served]) -> Served | None:
    query = b"select pid::text, '' from leases join members on members.id = holder where account = 'office'"
    found = in_postgres(url, query)
    return served.get(found[0][0]) if found else None


def test_two_workers_compute_in_little_more_than_half_the_time_of_one(tmp_path: Path, trial: Path) -> None:
    with own_postgres() as server:
        seconds = {
            hosts: computing(tmp_path / str(hosts), trial, server.url(server.new_database()), hosts) for hosts in (1, 2)
        }
    print(f"\none: {seconds[1]:.1f} s, two: {seconds[2]:.1f} s, {seconds[2] / seconds[1]:.2f}")
    assert seconds[2] <= 0.6 * seconds[1]


def computing(folder: Path, trial: Path, url: str, hosts: int) -> float:
    """The seconds of a dry run that fills and locks DOCUMENTS, on so many cores with a program on each."""
    folder.mkdir()
    firm = furnish(folder, 9, DOCUMENTS, PYTHONPATH=python_path(trial), POSTWERK_DATABASE_URL=url)
    lock_each(firm)
    token = firm.token()
    with firm.starting("serve", "--port", "0") as serve, firm.starting("worker") as work:
        served = [on_core(core, start) for core, start in enumerate([serve, *[work] * (hosts - 1)])]
        client = Client(str(served[0].url), token)
        begin = time.monotonic()
        report = client.ended(client("POST", "/runs", json={"flow": "mailing", "dry_run": True})["id"], 600)
        seconds = time.monotonic() - begin
    assert report["mails"] == {"captured": DOCUMENTS}
    return seconds


def on_core(core: int, start: Callable[[], Served]) -> Served:
    """Starts a program that may use this core alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return start()
    finally:
        os.sched_setaffinity(0, before)


def lock_each(firm: Firm) -> None:
    """Puts a form that is filled and locked between the list and the mail."""
    from ..acceptance.flow_document import save_flow

    flow = firm.program.workspace / "flows" / "mailing"
    shutil.copy(Path(__file__).parents[2] / "flows" / "invoice-mailing" / "invoice.pdf", flow / "form.pdf")
    save_flow(
        flow,
        {
            "read": ("ReadExcel", {"file": "list.xlsx", "key": "no"}),
            "form": ("FillPDF", {"form": "form.pdf", "fields": {"Name": "{{ no }}"}, "name": "invoice.pdf"}),
            "lock": ("EncryptPDF", {"password": "Geheim-{{ no }}"}),
            "mail": ("FillTemplate", {"to": "{{ email }}", "subject": "Rechnung {{ no }}", "text": "Guten Tag"}),
            "send": ("SendSMTP", {"account": "office"}),
        },
        """read.records > form.record
           read.records > mail.record
           form.document > lock.document
           lock.document > mail.attachments
           mail.message > send.message""",
    )
