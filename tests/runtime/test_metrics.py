"""Health, readiness and metrics: as machines ask for them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from postwerk.runtime.api.gate import is_local
from postwerk.runtime.metrics import MOST_ACCOUNTS, Census, Meters, Queue, Snapshot
from postwerk.runtime.outbox import MailState, outbox
from postwerk.runtime.outbox.pace import Trouble
from postwerk.runtime.people import Role
from postwerk.runtime.runs.states import RunState
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from ..turned_clock import NOON
from .door import Door, opened
from .house import House
from .outgoing import Office

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
async def door(house: House) -> AsyncIterator[Door]:
    async with opened(house.workspace) as one:
        yield one


def parsed(content: str | bytes) -> Samples:
    """By name and labels; the same pair twice would be a mistake."""
    told = content.decode() if isinstance(content, bytes) else content
    found = [one for family in text_string_to_metric_families(told) for one in family.samples]
    samples = {(one.name, frozenset(one.labels.items())): one.value for one in found}
    assert len(samples) == len(found)
    return samples


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def snapshot(**values: object) -> Snapshot:
    plain = {
        "at": NOON, "mails": {}, "queues": {}, "runs": {}, "names": frozenset[str](), "counted_at": NOON,
    }  # fmt: skip
    return Snapshot(**{**plain, **values})  # type: ignore[arg-type]


# Health and readiness


@pytest.mark.parametrize("house", ["sqlite", "postgresql"], indirect=True)
async def test_health_and_readiness_need_no_login(door: Door) -> None:
    nobody = door.client(None)

    health, ready = await nobody.get(f"{door.url}/health"), await nobody.get(f"{door.url}/ready")

    assert (health.status_code, health.json()) == (200, {"status": "alive"})
    assert (ready.status_code, ready.json()) == (
        200, {"is_ready": True, "checks": {"store": "ok", "tables": "ok", "engine": "ok"}},
    )  # fmt: skip


async def test_whoever_stops_or_has_not_started_is_alive_and_not_ready(door: Door) -> None:
    nobody = door.client(None)

    door.engine.is_draining = True
    stopping = await nobody.get(f"{door.url}/ready")
    door.engine.is_draining, door.engine.is_launched = False, False
    starting = await nobody.get(f"{door.url}/ready")

    assert (stopping.status_code, stopping.json()["checks"]["engine"]) == (503, "stopping")
    assert (starting.status_code, starting.json()["checks"]["engine"]) == (503, "not started")
    assert (await nobody.get(f"{door.url}/health")).status_code == 200


async def test_tables_of_another_version_are_not_ready(door: Door, house: House) -> None:
    later = text("UPDATE alembic_version SET version_num = '9999'")
    await house.workspace.store.write(lambda connection: connection.execute(later) and None)

    answer = await door.client(None).get(f"{door.url}/ready")

    assert (answer.status_code, answer.json()["checks"]["tables"]) == (503, "of another version")


# Who may look


async def test_metrics_are_for_this_machine_or_with_a_token(door: Door) -> None:
    nobody, viewer = door.client(None), door.client(Role.VIEWER)
    proxied = {"X-Forwarded-For": "192.0.2.7"}

    assert (await nobody.get(f"{door.url}/metrics")).status_code == 200
    assert (await nobody.get(f"{door.url}/metrics", headers=proxied)).status_code == 401
    assert (await nobody.get(f"{door.url}/metrics", headers={"Host": "postwerk.example.com"})).status_code == 401
    assert (await viewer.get(f"{door.url}/metrics", headers=proxied)).status_code == 200


@pytest.mark.parametrize(
    ("client", "host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1:8080", True), ("::1", "[::1]:8080", True), ("127.0.0.1", "localhost", True),
        ("192.0.2.7", "127.0.0.1", False), ("127.0.0.1", "evil.example", False), ("127.0.0.1", "", False),
    ],
)  # fmt: skip
def test_local_is_who_comes_from_here_and_asks_for_here(client: str, host: str, expected: bool) -> None:
    assert is_local({"client": (client, 1), "headers": [(b"host", host.encode())]}) is expected


# What is told


@pytest.mark.parametrize("house", ["sqlite", "postgresql"], indirect=True)
async def test_metrics_tell_of_mails_runs_requests_and_the_process(door: Door, house: House) -> None:
    house.write_list(number=2)
    report = await house.run(house.flow())
    await door.client(Role.VIEWER).get("/runs")
    await door.client(Role.VIEWER).get("/nowhere")

    answer = await door.client(None).get(f"{door.url}/metrics")
    told = parsed(answer.text)

    assert report["state"] == "finished"
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert value(told, "postwerk_mails", account="office", state="sent") == 2
    assert value(told, "postwerk_mails_left_total", account="office") == 2
    assert value(told, "postwerk_mails", account="office", state="queued") == 0
    assert value(told, "postwerk_runs", state="finished") == 1
    assert value(told, "postwerk_account_troubled", account="office") == 0
    assert value(told, "postwerk_request_seconds_count", method="GET", route="/api/v1/runs", status="200") == 1
    assert value(told, "postwerk_request_seconds_count", method="any", route="none", status="404") == 1
    assert value(told, "postwerk_database_seconds_count", kind="read") >= 2
    assert value(told, "postwerk_database_seconds_sum", kind="write") > 0
    assert value(told, "process_resident_memory_bytes") > 10_000_000


async def test_what_waits_is_told_at_once_and_the_rest_is_not_counted_again_too_soon(post: Office) -> None:
    census, clock = Census(post.store), post.clock
    await put(post, 3, MailState.QUEUED)
    first = await census.take()
    clock.turn(timedelta(hours=1))
    await put(post, 2, MailState.CAPTURED, begin=10)
    await put(post, 1, MailState.QUEUED, begin=20)

    second = await census.take()

    assert first.mails == {("office", MailState.QUEUED): 3}
    assert second.mails == {("office", MailState.QUEUED): 4}
    assert second.queues["office"].oldest == NOON
    assert second.counted_at == first.counted_at


async def put(post: Office, number: int, state: MailState, begin: int = 0) -> None:
    mails = [post.new(begin + one) for one in range(number)]
    await post.store.write(lambda connection: outbox.put(connection, mails, state, post.clock.now()))


def test_the_age_of_a_queue_is_that_of_its_first_mail() -> None:
    queue = Queue({MailState.QUEUED: 2}, NOON - timedelta(seconds=90))
    trouble = Trouble("office", "The server is away.", NOON, NOON, 1)

    told = parsed(Meters().text(snapshot(queues={"office": queue}, names=frozenset({"office"})), {"office": trouble}))

    assert value(told, "postwerk_queue_age_seconds", account="office") == 90
    assert value(told, "postwerk_account_troubled", account="office") == 1


def test_every_state_is_told_though_nothing_is_in_it() -> None:
    told = parsed(Meters().text(snapshot(names=frozenset({"office"}), runs={RunState.FAILED: 2}), {}))

    states = {dict(labels)["state"] for name, labels in told if name == "postwerk_mails"}
    assert states == {state.value for state in MailState}
    assert value(told, "postwerk_runs", state="failed") == 2
    assert value(told, "postwerk_runs", state="building") == 0


def test_labels_are_bounded_whatever_accounts_there_are() -> None:
    mails = {(f"a{number:05}", MailState.SENT): 1 for number in range(5_000)}

    told = parsed(Meters().text(snapshot(mails=mails), {}))

    accounts = {dict(labels)["account"] for name, labels in told if name == "postwerk_mails_left_total"}
    assert len(accounts) == MOST_ACCOUNTS + 1
    assert value(told, "postwerk_mails_left_total", account="other") == 5_000 - MOST_ACCOUNTS


def test_a_name_that_is_odd_breaks_no_line() -> None:
    told = parsed(Meters().text(snapshot(names=frozenset({'bü"ro\n\\x'})), {}))

    assert value(told, "postwerk_queue_age_seconds", account='bü"ro\n\\x') == 0


def test_the_age_of_the_count_is_told() -> None:
    told = parsed(Meters().text(snapshot(counted_at=NOON - timedelta(seconds=30)), {}))

    assert value(told, "postwerk_mails_counted_seconds") == 30


async def test_the_manual_tells_of_each_metric_and_of_no_other(door: Door) -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `(postwerk_\w+)` \|", page, re.MULTILINE))

    text = (await door.client(None).get(f"{door.url}/metrics")).text

    families = {one.name for one in text_string_to_metric_families(text) if one.name.startswith("postwerk_")}
    assert documented == families
