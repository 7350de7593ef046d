"""The command line, as scripts and impatient people use it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..acceptance.flow_document import merge, save_flow
from ..acceptance.post_office import PostOffice, post_office
from ..acceptance.program import Program, console_script
from ..nodes.workbooks import workbook
from .trial import python_path

FAILED, USAGE, SOME_FAILED, INTERRUPTED, TERMINATED = 1, 2, 3, 130, 143


@pytest.fixture(scope="module")
def open_office() -> Iterator[PostOffice]:
    with post_office() as opened:
        yield opened


@pytest.fixture
def office(open_office: PostOffice) -> PostOffice:
    open_office.forget()
    return open_office


@pytest.fixture
def postwerk(tmp_path: Path, trial: Path, open_office: PostOffice) -> Program:
    """The program in a workspace with the trial nodes and an account."""
    program = Program(tmp_path / "workspace", {"PYTHONPATH": python_path(trial)})
    assert program("init", program.workspace).code == 0
    add_account(program, open_office.port)
    return program


def add_account(program: Program, port: int) -> None:
    server = ("--host", "127.0.0.1", "--port", str(port), "--security", "none", "--connections", "2")
    assert program("account", "add", "office", *server, "--sender", "office@example.com").code == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A flow's folder with a list of five."""
    (tmp_path / "mailing").mkdir()
    write_list(tmp_path / "mailing", 5)
    return tmp_path / "mailing"


def write_list(folder: Path, number: int, *, bad: int = 0) -> None:
    rows = [[f"K{at}", "Ann", f"k{at}@example.com" if at >= bad else "nobody"] for at in range(number)]
    workbook(folder / "list.xlsx", [["no", "name", "email"], *rows])


def everybody(number: int) -> list[str]:
    return sorted(f"k{at}@example.com" for at in range(number))


def mailing(folder: Path, **more: object) -> Path:
    return merge(folder, "list.xlsx", **more)  # type: ignore[arg-type]  # entries of a flow


def halting(folder: Path, at: str) -> Path:
    """A flow that comes to a row and waits there for a file `go`."""
    return save_flow(
        folder,
        {
            "read": ("ReadExcel", {"file": "list.xlsx", "key": "no"}),
            "halt": ("Halt", {"folder": str(folder), "at": at}),
            "mail": ("FillTemplate", {"to": "{{ email }}", "subject": "{{ no }}", "text": "Guten Tag"}),
            "send": ("SendSMTP", {"account": "office"}),
        },
        """read.records > halt.record
           halt.record > mail.record
           mail.message > send.message""",
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


# Exit codes


def test_all_good_is_0(postwerk: Program, folder: Path, office: PostOffice) -> None:
    ended = postwerk("run", mailing(folder))

    assert (ended.code, office.recipients) == (0, everybody(5))
    assert "finished" in ended.words
    assert "5 done" in ended.words


def test_a_run_that_failed_is_1_and_says_why_and_where(postwerk: Program, folder: Path) -> None:
    write_list(folder, 5, bad=2)

    ended = postwerk("run", mailing(folder))

    assert ended.code == FAILED
    assert "2 of 5 items are not in order, so no mail has left." in ended.words
    assert "list.xlsx, sheet 'Kunden', row 2, column 'email': step 'mail':" in ended.words


def test_a_flow_that_is_refused_is_1_with_every_problem(postwerk: Program, folder: Path) -> None:
    ended = postwerk("run", mailing(folder, account="nobody", mail={"to": "{{ e_mail }}"}))

    assert ended.code == FAILED
    assert "needs the column 'e_mail'" in ended.words
    assert "There is no account 'nobody'" in ended.words
    assert "The flow was not started." in ended.words


@pytest.mark.parametrize("words", [["--limit", "0"], ["--input", "list"], ["--dry"], ["--limit", "many"]])
def test_wrong_usage_is_2(postwerk: Program, folder: Path, words: list[str]) -> None:
    assert postwerk("run", mailing(folder), *words).code == USAGE


def test_finished_with_failed_items_is_3(postwerk: Program, folder: Path, office: PostOffice) -> None:
    write_list(folder, 5, bad=2)

    ended = postwerk("run", mailing(folder, settings={"bad_rows": "skip"}))

    assert (ended.code, len(office.mails)) == (SOME_FAILED, 3)
    assert "2 failed, 3 done" in ended.words


# One JSON object


def test_json_is_one_object_and_what_nodes_print_goes_elsewhere(postwerk: Program, folder: Path) -> None:
    steps = {"read": ("Rows", {"number": 100}), "check": ("Behave", {"how": "print"})}
    flow = save_flow(folder, steps, "read.records > check.record")

    first = postwerk("run", flow, "--json")
    resumed = postwerk("runs", "resume", json.loads(first.out)["id"], "--json")

    for ended in (first, resumed):
        assert ended.out.count("\n") == 1
        assert ended.json["totals"]["steps"]["check"] == {"in": 100, "failed": 0, "out": {"record": 100}}
    assert "a node prints" in first.err


def test_a_refusal_is_an_object_too(postwerk: Program, folder: Path) -> None:
    refused = postwerk("run", mailing(folder, account="nobody"), "--json")
    unknown = postwerk("runs", "show", "4711", "--json")

    assert (refused.code, refused.json["state"]) == (FAILED, "refused")
    assert {problem["step"] for problem in refused.json["problems"]} == {"send"}
    assert (unknown.code, unknown.out.count("\n")) == (FAILED, 1)
    assert unknown.json["error"] == "There is no run '4711'. 'postwerk runs list' shows what there is."


# Options


def test_a_dry_run_reaches_no_server_and_its_mails_can_be_looked_at(
    postwerk: Program, folder: Path, office: PostOffice
) -> None:
    report = postwerk("run", mailing(folder), "--dry-run", "--limit", "3", "--json").json
    mails = postwerk("outbox", "list", "--json").json["mails"]
    shown = postwerk("outbox", "show", str(mails[0]["id"])).out

    assert (report["dry_run"], report["mails"], office.connections) == (True, {"captured": 3}, 0)
    assert "Subject: Rechnung K0" in shown


def test_mails_that_nobody_waited_for_are_sent_by_resuming_the_run(
    postwerk: Program, folder: Path, office: PostOffice
) -> None:
    queued = postwerk("run", mailing(folder), "--no-wait", "--json")
    before = office.connections
    resumed = postwerk("runs", "resume", queued.json["id"])

    assert (queued.code, queued.json["mails"], before) == (0, {"queued": 5}, 0)
    assert (resumed.code, office.recipients) == (0, everybody(5))


def test_the_option_stands_before_the_variable(postwerk: Program, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert postwerk("init", other).code == 0

    here = postwerk("account", "list", "--json").json["accounts"]
    there = postwerk("account", "list", "--workspace", other, "--json").json["accounts"]

    assert ([account["name"] for account in here], there) == (["office"], [])


def test_another_database_is_taken_from_the_variable(postwerk: Program, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/other.db"

    told = postwerk("account", "list", "--json", POSTWERK_DATABASE_URL=url).json

    assert (told, (tmp_path / "other.db").exists()) == ({"accounts": []}, True)


# Stopping


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
def test_a_run_that_is_stopped_says_how_to_go_on_and_loses_nothing(
    postwerk: Program, folder: Path, office: PostOffice, stop: signal.Signals, code: int
) -> None:
    write_list(folder, 60)
    office.may_answer.clear()

    with postwerk.started("run", mailing(folder, settings={"bad_rows": "skip"})) as process:
        assert office.is_reached.wait(60)
        process.send_signal(stop)
        office.may_answer.set()
        out, err = process.communicate(timeout=60)
    (hint,) = re.findall(r"postwerk runs resume (\S+)", err)
    stopped_at = len(office.mails)
    resumed = postwerk("runs", "resume", hint)

    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert stopped_at < 60
    assert (resumed.code, office.recipients) == (0, everybody(60))


def test_ctrl_c_does_not_wait_for_a_step_that_waits(postwerk: Program, folder: Path) -> None:
    on_a_thread = interrupted(postwerk, folder, "run", halting(folder, at="K3"))
    (run,) = re.findall(r"postwerk runs resume (\S+)", on_a_thread)

    in_a_process = interrupted(postwerk, folder, "runs", "resume", run)

    assert f"postwerk runs resume {run}" in in_a_process


def interrupted(postwerk: Program, folder: Path, *words: str | Path) -> str:
    """What a program says that is interrupted while a step waits for half a minute."""
    with postwerk.started(*words) as process:
        wait_for(folder / "came-to-K3", process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=15)
    (folder / "came-to-K3").unlink()
    assert (process.returncode, "Traceback" in err) == (INTERRUPTED, False), err
    return err


def test_a_run_is_cancelled_from_elsewhere(postwerk: Program, folder: Path, office: PostOffice) -> None:
    with postwerk.started("run", halting(folder, at="K3"), "--json") as process:
        wait_for(folder / "came-to-K3", process)
        (run,) = postwerk("runs", "list", "--json").json["runs"]
        cancelled = postwerk("runs", "cancel", run["id"])
        (folder / "go").touch()
        out, _ = process.communicate(timeout=60)

    assert (cancelled.code, process.returncode) == (0, FAILED)
    assert json.loads(out)["state"] == "cancelled"
    assert office.mails == []


def test_a_run_is_paused_from_elsewhere_and_resumed(postwerk: Program, folder: Path, office: PostOffice) -> None:
    with postwerk.started("run", halting(folder, at="K3"), "--json") as process:
        wait_for(folder / "came-to-K3", process)
        (run,) = postwerk("runs", "list", "--json").json["runs"]
        paused = postwerk("runs", "pause", run["id"])
        (folder / "go").touch()
        out, _ = process.communicate(timeout=60)
    assert (paused.code, process.returncode, json.loads(out)["state"]) == (0, 0, "paused")
    assert office.mails == []

    resumed = postwerk("runs", "resume", run["id"], "--json")

    assert (resumed.code, resumed.json["state"]) == (0, "finished")
    assert office.recipients == everybody(5)


def test_only_what_failed_is_done_again(postwerk: Program, folder: Path, office: PostOffice) -> None:
    write_list(folder, 5, bad=2)
    first = postwerk("run", mailing(folder, settings={"bad_rows": "skip"}), "--json")
    write_list(folder, 5)

    again = postwerk("runs", "again", first.json["id"], "--only-failed", "--json")

    assert (first.code, again.code) == (SOME_FAILED, 0)
    assert again.json["mails"] == {"sent": 2}
    assert office.recipients == everybody(5)
    assert postwerk("runs", "again", first.json["id"], "--only-failed", "--from", "send").code == USAGE


def test_an_account_in_trouble_is_told_and_its_mails_stay_queued(postwerk: Program, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    add_account(postwerk, port)

    with postwerk.started("run", mailing(folder)) as process:
        assert process.stderr is not None
        told = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    run = re.findall(r"postwerk runs resume (\S+)", err)[0]

    assert f"office sends nothing for now: No connection with 127.0.0.1:{port}: " in told
    assert postwerk("runs", "show", run, "--json").json["mails"] == {"queued": 5}


# Progress


def test_a_terminal_shows_rows_mails_rate_and_estimated_end(
    postwerk: Program, folder: Path, office: PostOffice
) -> None:
    write_list(folder, 400)
    (folder / "go").touch()

    shown = on_a_terminal(postwerk, "run", str(mailing(folder)))

    assert re.search(r"rows .*[\d,]+ of 400", shown)
    assert re.search(r"mails .*[\d,]+ of 400 · [\d,]+/s · \d+ s left", shown)
    assert office.recipients == everybody(400)


def on_a_terminal(program: Program, *words: str) -> str:
    """All that a terminal shows while the program runs."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, **program.environment, "POSTWERK_WORKSPACE": str(program.workspace), "TERM": "xterm"}
    with subprocess.Popen(
        [console_script(), *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=program.workspace
    ) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: read_from(ours), b""))
        assert process.wait(60) == 0, shown
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())


def read_from(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


# Doctor


def test_the_doctor_finds_all_in_order(postwerk: Program) -> None:
    ended = postwerk("doctor", "--json")

    assert (ended.code, ended.json["ok"]) == (0, True)
    assert [one["what"].split()[0] for one in ended.json["findings"]] == [
        "workspace", "disk", "nodes", "account", "runs", "mails",
    ]  # fmt: skip


def test_the_doctor_names_what_is_wrong(postwerk: Program, folder: Path, office: PostOffice) -> None:
    postwerk("run", mailing(folder), "--no-wait")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    add_account(postwerk, port)

    ended = postwerk("doctor")

    assert ended.code == FAILED
    assert f"bad account office: No connection with 127.0.0.1:{port}: " in ended.words
    assert "runs: 1 interrupted; postwerk runs resume ID" in ended.words
