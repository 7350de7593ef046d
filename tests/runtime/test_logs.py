"""Structured logs: one line an event, known fields, no secrets."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from postwerk.runtime import logs

log = logging.getLogger("postwerk.runtime.outbox.pace")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What was logged; what was configured before is put back."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    quiet = {name: logging.getLogger(name).level for name in logs.QUIET}
    yield io.StringIO()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in before:
        root.addHandler(handler)
    root.setLevel(level)
    for name, former in quiet.items():
        logging.getLogger(name).setLevel(former)


def events(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_the_fields_that_are_known(written: io.StringIO) -> None:
    logs.configure("json", stream=written)

    with logs.about(run="r1", account="büro"):
        log.warning("%s sends nothing\nfor now", "büro", extra={"step": "send", "secret_thing": 1})
    log.info("And then")

    first, second = events(written)
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "warning", "logger": "postwerk.runtime.outbox.pace", "message": "büro sends nothing\nfor now",
        "run": "r1", "account": "büro", "step": "send",
    }  # fmt: skip
    assert "run" not in second


async def test_tasks_that_are_born_in_a_block_have_its_fields_and_no_others(written: io.StringIO) -> None:
    logs.configure("json", stream=written)
    gate = asyncio.Barrier(2)

    async def work(name: str) -> None:
        with logs.about(run=name):
            await gate.wait()
            log.info("working")

    async with asyncio.TaskGroup() as group:
        group.create_task(work("r1"))
        group.create_task(work("r2"))

    assert sorted(one["run"] for one in events(written)) == ["r1", "r2"]


@pytest.mark.parametrize(
    ("told", "secret"),
    [
        ("Authorization: Bearer pw_0123456789ab_%s", "A" * 43),
        ("the token pw_0123456789ab_%s was shown", "b-_" * 14 + "x"),
        ("Bearer %s", "eyJhbGciOi.J9.x-y_z=="),
        ("AUTH PLAIN %s", "AGFubgBnZWhlaW0="),
        ("postgresql://ann:%s@db/postwerk", "gehe!m"),
        ("{'password': '%s', 'user': 'ann'}", "ge heim"),
        ('{"client_secret": "%s"}', "ge'heim"),
        ("login failed: password=%s", "geheim"),
        ("grant_type=refresh&refresh_token=%s&scope=mail", "0.AXyz"),
    ],
)
@pytest.mark.parametrize("form", ["json", "plain"])
def test_a_secret_is_not_written_wherever_it_stands(
    written: io.StringIO, form: logs.Form, told: str, secret: str
) -> None:
    logs.configure(form, stream=written)

    log.warning(told, secret)
    try:
        raise ValueError(told % secret)
    except ValueError:
        log.exception("It broke")

    assert secret not in written.getvalue()
    assert written.getvalue().count("***") >= 2


def test_ordinary_words_are_left_as_they_are() -> None:
    text = "The password of 'ann' is locked with another key. A bearer of tokens; plain textfiles; see https://example.com:8080/a@b."

    assert logs.without_secrets(text) == text


def test_what_a_server_says_can_not_forge_a_plain_line(written: io.StringIO) -> None:
    logs.configure("plain", stream=written)

    log.warning("550 no\r\n2026-01-01T00:00:00Z INFO people: ann is admin\x1b[2K\u2028now")

    [line] = written.getvalue().splitlines()
    assert "WARNING outbox.pace: 550 no\\r\\n2026-01-01" in line
    assert "\x1b" not in line


def test_a_traceback_is_indented_in_plain_lines_and_a_field_in_json(written: io.StringIO) -> None:
    for form in ("plain", "json"):
        logs.configure(form, stream=written)
        try:
            raise ValueError("no\nway")
        except ValueError:
            log.exception("It broke")

    *plain, last = written.getvalue().splitlines()
    assert all(line.startswith("    ") for line in plain[1:])
    assert "ValueError: no\nway" in json.loads(last)["traceback"]


def test_an_endless_message_is_cut(written: io.StringIO) -> None:
    logs.configure("json", stream=written)

    log.warning("x" * 1_000_000)

    assert len(written.getvalue()) < 11_000
    assert "(1,000,000 signs)" in written.getvalue()


def test_logs_go_to_standard_error_and_nothing_below_the_level_does(
    written: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logs.configure("plain", logging.WARNING)

    log.info("quiet")
    log.warning("loud")

    assert isinstance(handler, logging.StreamHandler)
    assert handler.stream is sys.stderr
    told = capsys.readouterr()
    assert (told.out, "loud" in told.err, "quiet" in told.err) == ("", True, False)
