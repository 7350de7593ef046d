"""`postwerk trigger`, as operators and scripts use it."""

from __future__ import annotations

import hashlib
import json
import shlex
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ..acceptance.program import Program
from .trigger_desk import FLOW, LIST

FAILED, USAGE = 1, 2
CALENDAR = ("--flow", "intake", "--kind", "calendar")


@pytest.fixture
def postwerk(tmp_path: Path) -> Program:
    """The program in a workspace with a flow."""
    program = Program(tmp_path / "workspace")
    assert program("init", program.workspace).code == 0
    (program.workspace / "flows" / "intake.json").write_text(json.dumps(FLOW), "utf-8")
    (program.workspace / "files" / "list.csv").write_text(LIST, "utf-8")
    return program


def shown(postwerk: Program, name: str) -> dict[str, Any]:
    told: dict[str, Any] = postwerk("trigger", "show", name, "--json").json
    return told


def test_a_calendar_shows_its_next_24_firings(postwerk: Program) -> None:
    days = ("--time", "08:00,16:30", "--day", "1,last", "--weekday", "mon,tue,wed,thu,fri")
    assert postwerk("trigger", "add", "monthly", *CALENDAR, *days, "--publish").code == 0

    told, words = shown(postwerk, "monthly"), postwerk("trigger", "show", "monthly").words

    moments = [datetime.fromisoformat(one["at"]) for one in told["firings"]]
    assert len(moments) == 24
    assert moments == sorted(moments)
    assert {(one.hour, one.minute) for one in moments} == {(8, 0), (16, 30)}
    assert told["next"] == told["firings"][0]["at"]
    assert f"{moments[0]:%a %Y-%m-%d %H:%M}" in words
    assert told["skipped"] == []


def test_a_calendar_shows_the_days_that_it_skips_and_why(postwerk: Program) -> None:
    days = ("--time", "08:00", "--day", "2,24,26", "--month", "12", "--holidays", "DE-NW")
    postwerk("trigger", "add", "rare", *CALENDAR, *days, "--day-off", "12-24 Heiligabend")

    told, words = shown(postwerk, "rare"), postwerk("trigger", "show", "rare").words

    assert {one["why"] for one in told["skipped"]} == {"Zweiter Weihnachtstag (DE-NW)", "Heiligabend"}
    assert {one["at"][5:10] for one in told["firings"]} == {"12-02"}
    assert all(f"{one['day']} {one['why']}" in words for one in told["skipped"])


def test_a_calendar_says_why_it_does_not_fire_on_a_day(postwerk: Program) -> None:
    postwerk("trigger", "add", "daily", *CALENDAR, "--time", "08:00", "--holidays", "DE-BY", "--from", "2026-01-02")

    assert postwerk("trigger", "show", "daily", "--day", "2026-01-06").words == (
        "It is a day off: Heilige Drei Könige (DE-BY)."
    )
    assert postwerk("trigger", "show", "daily", "--day", "2026-01-07", "--json").json == {
        "day": "2026-01-07", "fires": True, "reasons": [],
    }  # fmt: skip
    assert postwerk("trigger", "show", "daily", "--day", "6.1.2026").code == USAGE


def test_a_button_is_pressed_and_its_run_goes_to_its_end(postwerk: Program) -> None:
    button = ("--flow", "intake", "--kind", "hand", "--input", "month=März", "--ask", "limit", "--publish")
    postwerk("trigger", "add", "Rechnungen März", *button, "--group", "Rechnungen")

    fired = postwerk("trigger", "fire", "Rechnungen März", "--input", "limit=3", "--json")
    resumed = postwerk("runs", "resume", fired.json["run"])

    assert (fired.code, fired.json["state"], resumed.code) == (0, "started", 0)
    assert fired.json["inputs"] == {"month": "März", "limit": "3"}
    [listed] = postwerk("trigger", "list", "--group", "Rechnungen", "--json").json["triggers"]
    assert (listed["started"], listed["runs"], listed["outcomes"]) == (1, {"finished": 1}, {"started": 1})
    assert "Rechnungen März" in postwerk("trigger", "list").words
    assert postwerk("trigger", "list", "--group", "x", "--json").json == {"triggers": []}


def test_a_firing_that_is_refused_is_1_and_says_why(postwerk: Program) -> None:
    postwerk("trigger", "add", "button", "--flow", "intake", "--kind", "hand", "--publish")
    (postwerk.workspace / "files" / "list.csv").unlink()

    fired = postwerk("trigger", "fire", "button")

    assert fired.code == FAILED
    assert "There is no file 'list.csv'" in fired.words
    assert shown(postwerk, "button")["events"][0]["state"] == "refused"


def test_a_trigger_is_published_and_unpublished_and_removed(postwerk: Program) -> None:
    added = postwerk("trigger", "add", "button", "--flow", "intake", "--kind", "hand")
    assert "It does not fire yet: postwerk trigger publish 'button'" in added.words
    assert postwerk("trigger", "fire", "button").code == FAILED

    assert postwerk("trigger", "publish", "button").code == 0
    assert postwerk("trigger", "fire", "button").code == 0
    assert postwerk("trigger", "unpublish", "button", "--json").json == {"name": "button", "published": False}
    assert postwerk("trigger", "remove", "button").code == 0

    gone = postwerk("trigger", "show", "button", "--json")
    assert (gone.code, gone.json) == (
        FAILED, {"error": "There is no trigger 'button' in this workspace. There are none."},
    )  # fmt: skip


def test_a_webhook_shows_its_url_and_secret_once(postwerk: Program) -> None:
    hook = ("--flow", "intake", "--kind", "webhook", "--signature", "github", "--field", "month=/order/month")

    added = postwerk("trigger", "add", "hook", *hook, "--json").json
    again = postwerk("trigger", "add", "hook", *hook, "--json").json

    assert added["path"].startswith("/hooks/")
    assert len(added["secret"]) >= 43
    assert (again["path"], again["secret"]) == (None, None)
    told = postwerk("trigger", "show", "hook", "--json").out
    token = added["path"].removeprefix("/hooks/")
    assert not any(secret in told for secret in (token, hashlib.sha256(token.encode()).hexdigest(), added["secret"]))


def test_a_secret_that_was_given_is_not_shown(postwerk: Program) -> None:
    hook = ("--flow", "intake", "--kind", "webhook", "--signature", "stripe")

    added = postwerk("trigger", "add", "hook", *hook, "--json", secret="whsec_geheim")

    assert added.json["secret"] is None
    assert "whsec_geheim" not in added.out + added.err


def test_a_folder_is_kept_with_what_was_said_of_it(postwerk: Program, tmp_path: Path) -> None:
    words = ("--folder", tmp_path / "drop", "--file-input", "list", "--pattern", "*.csv,*.txt", "--steady-for", "30")
    postwerk("trigger", "add", "drop", "--flow", "intake", "--kind", "folder", *words, "--leave")

    settings = shown(postwerk, "drop")["settings"]

    assert settings["patterns"] == ["*.csv", "*.txt"]
    assert (settings["steady_for"], settings["afterwards"], settings["input"]) == ("PT30S", "leave", "list")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((*CALENDAR, "--time", "25:00"), "The trigger can't be kept: settings.times.0:"),
        ((*CALENDAR,), "settings.times: Field required"),
        ((*CALENDAR, "--time", "08:00", "--folder", "/srv"), "settings.folder: Extra inputs are not permitted"),
        ((*CALENDAR, "--time", "08:00", "--holidays", "Bayern"), "'Bayern' is no region"),
        (("--flow", "intakke", "--kind", "hand"), "There is no flow 'intakke'"),
        (("--flow", "intake", "--kind", "hand", "--input", "mont=x"), "has no input 'mont'. Did you mean 'month'?"),
    ],
)
def test_what_cannot_be_is_1_and_names_what_is_wrong(postwerk: Program, words: tuple[str, ...], told: str) -> None:
    ended = postwerk("trigger", "add", "new", *words)

    assert ended.code == FAILED
    assert told in ended.words


def test_the_examples_of_the_manual_run(postwerk: Program) -> None:
    page = (Path(__file__).parents[2] / "docs" / "triggers.md").read_text("utf-8")
    commands = [shlex.split(line)[2:] for line in page.splitlines() if line.startswith("$ postwerk ")]
    flow = {**FLOW, "id": "invoices"}
    (postwerk.workspace / "flows" / "invoices.json").write_text(json.dumps(flow), "utf-8")

    ended = [postwerk(*words) for words in commands]

    assert len(ended) == 12
    assert [one.words for one in ended if one.code] == []
