"""`postwerk mail inspect`, as scripts and people call it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .inbound_mails import answer, complaint, plain, postfix

ANN = "ann@kunde.example"
PROMISED = ["file", "is_bounce", "recipients", "hard", "status", "reason", "is_auto_reply", "is_complaint", "error"]
PROGRAM = "import sys; from postwerk.runtime.cli import main; sys.argv[0] = 'postwerk'; main()"


def inspect(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "mail", "inspect", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, env={**os.environ, "COLUMNS": "80"}, check=False,
    )  # fmt: skip


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    mails = {
        "a.eml": postfix(ANN, "5.1.1", "550 5.1.1 User unknown"), "b.eml": answer("Abwesenheit", "Im Urlaub."),
        "c.eml": complaint(), "unter/d.eml": plain(ANN, "Grüße", "Hallo", path=f"<{ANN}>"), "e.txt": b"no mail",
    }  # fmt: skip
    for name, content in mails.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_folder_gives_one_json_object_a_line_for_each_mail_in_order(folder: Path) -> None:
    done = inspect(folder, "--json")

    found = {line["file"]: {name: line[name] for name in PROMISED} for line in lines(done)}
    assert (done.returncode, done.stderr) == (0, "")
    assert list(found) == ["a.eml", "b.eml", "c.eml", "unter/d.eml"]
    nothing = {"is_bounce": False, "recipients": [], "hard": None, "status": None, "reason": None, "error": None}
    kinds = {"is_auto_reply": False, "is_complaint": False}
    assert found["a.eml"] == {
        "file": "a.eml", "is_bounce": True, "recipients": [ANN], "hard": True, "status": "5.1.1",
        "reason": "userunknown", "is_auto_reply": False, "is_complaint": False, "error": None,
    }  # fmt: skip
    assert found["b.eml"] == nothing | kinds | {"file": "b.eml", "reason": "vacation", "is_auto_reply": True}
    assert found["c.eml"] == nothing | kinds | {
        "file": "c.eml", "recipients": [ANN], "reason": "feedback", "is_complaint": True,
    }  # fmt: skip
    assert found["unter/d.eml"] == nothing | kinds | {"file": "unter/d.eml"}


def test_each_claim_comes_with_its_evidence(folder: Path) -> None:
    [found] = lines(inspect(folder / "a.eml", "--json"))

    [failure] = found["failures"]
    assert found["kind"] == "bounce"
    assert (found["permanent"], found["original_message_id"]) == (True, "<4711.rechnung@example.com>")
    assert failure["evidence"][0] == {"claim": "reason userunknown", "place": "Diagnostic-Code", "said": "User unknown"}
    assert (failure["reply"], failure["remote_host"]) == ("550", "mail.kunde.example")


def test_a_file_that_cannot_be_read_is_a_line_and_not_the_end(folder: Path) -> None:
    done = inspect(folder / "gone.eml", folder / "a.eml", "--json")

    first, second = lines(done)
    assert done.returncode == 3
    assert "No such file or directory. Check the path" in first["error"]
    assert (first["is_bounce"], second["is_bounce"], second["error"]) == (False, True, None)


def test_a_pipe_is_a_line_too(folder: Path) -> None:
    os.mkfifo(folder / "pipe.eml")

    [found] = [line for line in lines(inspect(folder, "--json")) if line["error"]]

    assert found["error"] == "pipe.eml is no file but a pipe or a device. Give a file or a folder."


def test_a_folder_without_mails_is_told(tmp_path: Path) -> None:
    done = inspect(tmp_path, "--json")

    assert (done.returncode, done.stdout) == (0, "")
    assert "There are no .eml files in" in done.stderr


def test_people_get_a_line_of_words(folder: Path) -> None:
    done = inspect(folder)

    assert done.stdout.splitlines() == [
        f"a.eml: bounce hard userunknown (5.1.1) {ANN}", "b.eml: auto_reply vacation",
        f"c.eml: complaint feedback {ANN}", "unter/d.eml: ordinary",
    ]  # fmt: skip


def test_many_mails_are_shared_among_the_cores_and_stay_in_order(tmp_path: Path) -> None:
    for number in range(1_600):
        (tmp_path / f"{number:04}.eml").write_bytes(postfix(ANN, "5.1.1", f"550 5.1.1 User unknown {number}"))

    found = lines(inspect(tmp_path, "--json"))

    assert [line["file"] for line in found] == [f"{number:04}.eml" for number in range(1_600)]
    assert all(line["failures"][0]["diagnostic"].endswith(f" {number}") for number, line in enumerate(found))


def test_without_a_path_it_is_wrong_usage() -> None:
    assert inspect().returncode == 2
