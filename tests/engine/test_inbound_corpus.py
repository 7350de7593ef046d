"""Real mails, where somebody has them: POSTWERK_MAIL_CORPUS is a folder with `score.py` and `parse_score.py`.

They are no part of the project. What the scorers print is held against what is promised.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CORPUS = Path(os.environ.get("POSTWERK_MAIL_CORPUS", "/nowhere"))
SPLIT = os.environ.get("POSTWERK_MAIL_CORPUS_SPLIT", "open")
SECONDS = 300
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (CORPUS / "score.py").is_file(),
    reason="POSTWERK_MAIL_CORPUS names no folder with score.py: real mails are not ours",
)

READER = """
import json, sys
from pathlib import Path
from postwerk.engine.inbound import parse_mail

for file in sorted(Path(sys.argv[1]).glob("*.eml")):
    mail = parse_mail(file.read_bytes())
    text = mail.text or mail.html or ""
    names = [one.name for one in mail.attachments if one.content is not None]
    further = mail.html or ""
    print(json.dumps({"file": file.name, "subject": mail.subject, "from": mail.sender, "text": text + " " + further,
                      "attachments": names, "error": None}))
"""
"""What the parser makes of a mail, in the form that `parse_score.py` asks for."""


def scored(tmp_path: Path, *command: str, further: tuple[str, ...] = ()) -> dict[str, Any]:
    found = tmp_path / "score.json"
    subprocess.run(
        [sys.executable, CORPUS / "score.py", "--split", SPLIT, "--json", found, *further, "--", *command],
        check=True, capture_output=True, timeout=SECONDS, cwd=ROOT,
    )  # fmt: skip
    return json.loads(found.read_text("utf-8"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The score of all real mails: those copied with other line ends and those wrapped are left out."""
    truths = [json.loads(file.read_text("utf-8")) for file in sorted((CORPUS / "truth").glob("truth*.json"))]
    found = {one["set"] for truth in truths for one in truth.values() if one["split"] == SPLIT}
    sets = sorted(found - {"crisp", "sisimai-dos", "sisimai-mac"})
    program = "import sys; from postwerk.runtime.cli import main; sys.argv[0] = 'postwerk'; main()"
    command = (sys.executable, "-c", program, "mail", "inspect", "--json")
    return scored(tmp_path_factory.mktemp("score"), *command, further=("--sets", ",".join(sets)))


def test_no_mail_is_lost_or_in_error(real: dict[str, Any]) -> None:
    assert (real["lost"], real["errors"], real["exit"]) == (0, 0, 0)


def test_bounces_are_found_and_nothing_else_is_called_one(real: dict[str, Any]) -> None:
    assert real["bounce_recall"] >= 98.5
    assert real["false_bounces"] == 0


def test_the_recipients_of_bounces_are_found(real: dict[str, Any]) -> None:
    assert (real["recipient_recall"] >= 98.5, real["recipient_precision"] >= 99) == (True, True)


def test_hard_and_soft_are_told_apart(real: dict[str, Any]) -> None:
    assert (real["hard_accuracy_answered"] >= 98, real["false_hard_of_soft"] <= 0.5) == (True, True)


def test_reasons_and_complaints_are_right(real: dict[str, Any]) -> None:
    assert (real["reason_exact"] >= 96.5, real["complaint_recall"] >= 98) == (True, True)


def test_automatic_answers_are_found_and_no_person_is_called_one(tmp_path: Path) -> None:
    program = "import sys; from postwerk.runtime.cli import main; sys.argv[0] = 'postwerk'; main()"

    found = scored(tmp_path, sys.executable, "-c", program, "mail", "inspect", "--json")

    assert (found["auto_recall_real"] >= 85, found["auto_recall_synth"] >= 90, found["false_auto"]) == (True, True, 0)


def test_every_mail_is_parsed_and_no_text_is_lost() -> None:
    done = subprocess.run(
        [sys.executable, CORPUS / "parse_score.py", "--split", SPLIT, "--", sys.executable, "-c", READER],
        check=True, capture_output=True, timeout=SECONDS, cwd=ROOT, text=True,
    )  # fmt: skip

    lines = {line[:28].strip(): line[28:].split()[:2] for line in done.stdout.splitlines() if "/" in line}
    assert [lines[one][1] for one in ("answered", "no error", "text kept")] == ["100.0%"] * 3
    assert float(lines["zammad attachment count"][1].rstrip("%")) >= 99
