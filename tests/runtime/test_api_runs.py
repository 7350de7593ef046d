"""The API over HTTP: runs, their progress, the outbox."""

from __future__ import annotations

import json
import mailbox
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx2
import pytest
from postwerk.runtime.outbox.export import mbox_entry
from postwerk.runtime.people import People, Role, Tokens

from ..acceptance.flow_document import save_flow
from .door import Door, opened
from .house import LIST, MAILED, MAILING, House


@pytest.fixture
async def door(house: House) -> AsyncIterator[Door]:
    async with opened(house.workspace) as one:
        yield one


def put_flow(house: House, number: int = 3, **more: Any) -> None:
    """A flow `letters` in the workspace, with its list beside it."""

    house.folder = house.workspace.folder / "flows" / "letters"
    house.folder.mkdir(parents=True, exist_ok=True)
    house.write_list(number=number)
    save_flow(house.folder, MAILING, MAILED, **more)


async def end_of(client: httpx2.AsyncClient, run: str) -> dict[str, Any]:
    """The report at the end of the stream of progress."""
    return [content async for name, content in events(client, run) if name == "end"][-1]


async def events(client: httpx2.AsyncClient, run: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    async with client.stream("GET", f"/runs/{run}/progress") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        name = ""
        async for line in stream.aiter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                yield name, json.loads(line[6:])


# Starting


async def test_a_run_is_started_watched_and_told(door: Door, house: House) -> None:
    put_flow(house)
    client = door.client(Role.OPERATOR)

    started = await client.post("/runs", json={"flow": "letters"})
    run = started.json()["id"]
    told = [one async for one in events(client, run)]
    report = (await client.get(f"/runs/{run}")).json()

    assert (started.status_code, started.headers["location"]) == (201, f"/api/v1/runs/{run}")
    assert {name for name, _ in told[:-1]} == {"progress"}
    assert told[-1][0] == "end"
    assert told[-2][1]["built"] == 3
    assert (report["state"], report["mails"], report["failures"]) == ("finished", {"sent": 3}, [])
    assert house.peer.recipients == ["k0@example.com", "k1@example.com", "k2@example.com"]


async def test_a_dry_run_sends_nothing_and_a_limit_holds(door: Door, house: House) -> None:
    put_flow(house)
    client = door.client(Role.OPERATOR)

    started = await client.post("/runs", json={"flow": "letters", "dry_run": True, "limit": 2})
    report = await end_of(client, started.json()["id"])

    assert (report["mails"], house.peer.mails) == ({"captured": 2}, [])


async def test_inputs_may_be_texts_numbers_and_truths(door: Door, house: House) -> None:
    inputs = {"no": {"type": "number"}, "is_new": {"type": "boolean"}, "day": {"type": "date"}}
    put_flow(house, inputs=inputs)
    client = door.client(Role.OPERATOR)

    started = await client.post(
        "/runs", json={"flow": "letters", "inputs": {"no": 7, "is_new": True, "day": "2026-03-02"}}
    )
    wrong = await client.post(
        "/runs", json={"flow": "letters", "inputs": {"no": "seven", "is_new": True, "day": "2026-03-02"}}
    )

    assert started.status_code == 201, started.text
    assert (wrong.status_code, wrong.json()["type"]) == (422, "urn:postwerk:config")
    assert wrong.json()["detail"] == "The input 'no' is 'seven'; a number is expected."
    await end_of(client, started.json()["id"])


async def test_a_flow_with_errors_is_not_started_and_all_are_told(door: Door, house: House) -> None:
    put_flow(house)
    path = house.folder / "flow.json"
    path.write_text(
        path.read_text("utf-8").replace("{{ email }}", "{{ e_mail }}").replace('"office"', '"büro"'), "utf-8"
    )

    refused = await door.client(Role.OPERATOR).post("/runs", json={"flow": "letters"})

    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert refused.json()["type"] == "urn:postwerk:flow-refused"
    assert {one["code"] for one in refused.json()["problems"]} == {"missing-column", "flaw"}
    assert (await door.client().get("/runs")).json()["items"] == []


async def test_an_unknown_flow_is_404_with_the_nearest_name_and_never_a_path(door: Door, house: House) -> None:
    put_flow(house)
    client = door.client(Role.OPERATOR)

    near = await client.post("/runs", json={"flow": "leters"})
    path = await client.post("/runs", json={"flow": str(house.folder / "flow.json")})

    assert (near.status_code, near.json()["title"]) == (404, "There is no such thing")
    assert near.json()["detail"] == "There is no flow 'leters' in this workspace. Did you mean 'letters'?"
    assert path.status_code == 422


@pytest.mark.parametrize("house", ["sqlite", "postgresql"], indirect=True)
async def test_a_request_that_is_repeated_with_its_key_starts_one_run(door: Door, house: House) -> None:
    put_flow(house)
    client, key = door.client(Role.OPERATOR), {"Idempotency-Key": "3f6c"}

    first = await client.post("/runs", json={"flow": "letters"}, headers=key)
    again = await client.post("/runs", json={"flow": "letters"}, headers=key)
    other = await client.post("/runs", json={"flow": "letters", "limit": 1}, headers=key)
    of_another = await door.client(Role.ADMIN).post("/runs", json={"flow": "letters", "dry_run": True}, headers=key)

    assert (first.status_code, again.status_code, of_another.status_code) == (201, 201, 201)
    assert first.json()["id"] == again.json()["id"] != of_another.json()["id"]
    assert (other.status_code, other.json()["detail"]) == (
        409, "With this Idempotency-Key another run was started. Take a new key.",
    )  # fmt: skip
    for run in (first, of_another):
        await end_of(client, run.json()["id"])
    assert len(house.peer.mails) == 3


async def test_while_the_server_stops_nothing_new_is_taken(door: Door, house: House) -> None:
    put_flow(house)
    door.engine.is_draining = True

    refused = await door.client(Role.OPERATOR).post("/runs", json={"flow": "letters"})

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert "takes no new work" in refused.json()["detail"]


async def test_whoever_may_not_send_by_an_account_starts_no_flow_that_does(door: Door, house: House) -> None:
    put_flow(house)
    await People(house.workspace.store).add("bert", Role.OPERATOR, accounts=["newsletter"])
    token = (await Tokens(house.workspace.store).issue("bert", "test", Role.OPERATOR)).text
    client = door.client(token=token)

    refused = await client.post("/runs", json={"flow": "letters"})
    dry = await client.post("/runs", json={"flow": "letters", "dry_run": True})
    await end_of(client, dry.json()["id"])
    resumed = await client.post(f"/runs/{dry.json()['id']}/resume")

    assert (refused.status_code, refused.json()["type"]) == (403, "urn:postwerk:account")
    assert refused.json()["detail"] == "'bert' may not send by the account 'office'. An admin can allow it."
    assert dry.status_code == 201
    assert resumed.status_code == 403
    assert house.peer.mails == []


@pytest.mark.parametrize(
    ("inputs", "status"), [({"no": "7", "part": 1.50}, 201), ({"no": 8}, 409), ({"no": "x"}, 409), ({"other": 1}, 409)]
)
async def test_a_key_stands_for_the_same_inputs_however_they_are_written(
    house: House, inputs: dict[str, Any], status: int
) -> None:
    put_flow(house, inputs={"no": {"type": "number"}, "part": {"type": "number", "default": 1.5}})
    async with opened(house.workspace, is_working=False) as door:
        client, key = door.client(Role.OPERATOR), {"Idempotency-Key": "3f6c"}
        first = await client.post("/runs", json={"flow": "letters", "inputs": {"no": 7}}, headers=key)

        again = await client.post("/runs", json={"flow": "letters", "inputs": inputs}, headers=key)

    assert (first.status_code, again.status_code) == (201, status), again.text


# Lists


@pytest.mark.parametrize("house", ["sqlite", "postgresql"], indirect=True)
async def test_runs_come_in_pages_and_none_twice(door: Door, house: House) -> None:
    put_flow(house)
    client = door.client(Role.OPERATOR)
    ids = [(await client.post("/runs", json={"flow": "letters", "dry_run": True})).json()["id"] for _ in range(5)]

    found: list[str] = []
    cursor = None
    while True:
        page = (await client.get("/runs", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        found += [one["id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert found == ids[::-1]
    assert (await client.get("/runs", params={"flow": "others"})).json()["items"] == []
    assert (
        len(
            (
                await client.get("/runs", params={"dry_run": "true", "state": ["building", "finished", "sending"]})
            ).json()["items"]
        )
        == 5
    )
    assert (await client.get("/runs", params={"until": "2020-01-01T00:00:00Z"})).json()["items"] == []
    await end_of(client, ids[-1])


@pytest.mark.parametrize("cursor", ["x", "WzFd", "W10", "bnVsbA", "WyIyMDI2IiwgMV0", "eyJhIjogMX0", "W1tbW1tbW1s", "é"])
async def test_a_cursor_that_is_none_of_ours_is_refused(door: Door, cursor: str) -> None:
    for path in ("/runs", "/audit"):
        answer = await door.client().get(path, params={"cursor": cursor})
        assert answer.status_code in (200, 422), answer.text
    assert (await door.client().get("/runs", params={"cursor": cursor})).status_code == 422


@pytest.mark.parametrize("house", ["sqlite", "postgresql"], indirect=True)
async def test_failures_are_told_with_their_place_in_pages(door: Door, house: House) -> None:
    put_flow(house, settings={"bad_rows": "skip"})
    house.write_list({"email": "nobody"}, {}, {"email": "also nobody"})
    client = door.client(Role.OPERATOR)
    run = (await client.post("/runs", json={"flow": "letters"})).json()["id"]
    report = await end_of(client, run)

    first = (await client.get(f"/runs/{run}/failures", params={"limit": 1})).json()
    rest = (await client.get(f"/runs/{run}/failures", params={"cursor": first["next"]})).json()

    assert (report["failed_items"], report["mails"]) == (2, {"sent": 1})
    assert [one["item"] for one in (*first["items"], *rest["items"])] == ["K0", "K2"]
    assert first["items"][0]["place"].startswith("list.xlsx, sheet 'Kunden', row 2")
    assert rest["next"] is None


@pytest.mark.parametrize(
    "path", ["/runs/none", "/runs/none/failures", "/runs/none/flow", "/runs/none/progress", "/runs/none/files"]
)
async def test_an_unknown_run_is_404(door: Door, path: str) -> None:
    answer = await door.client().get(path)

    assert (answer.status_code, answer.json()["detail"]) == (
        404, "There is no run 'none'. 'postwerk runs list' shows what there is.",
    )  # fmt: skip


# Stopping, and going on


async def test_a_run_is_cancelled_and_resumed(house: House) -> None:
    put_flow(house)
    async with opened(house.workspace, is_working=False) as door:
        client = door.client(Role.OPERATOR)
        run = (await client.post("/runs", json={"flow": "letters"})).json()["id"]

        cancelled = await client.post(f"/runs/{run}/cancel")
        twice = await client.post(f"/runs/{run}/cancel")
        resumed = await client.post(f"/runs/{run}/resume")

        assert (cancelled.status_code, cancelled.json()) == (200, {"mails": 0})
        assert (twice.status_code, twice.json()["type"]) == (409, "urn:postwerk:refused")
        assert twice.json()["detail"] == f"Run {run} has ended already; there is nothing to cancel."
        assert resumed.status_code == 204
        assert (await client.post(f"/runs/{run}/pause")).status_code == 204


async def test_a_run_is_done_again_whole_or_for_what_has_failed(door: Door, house: House) -> None:
    put_flow(house)
    client = door.client(Role.OPERATOR)
    run = (await client.post("/runs", json={"flow": "letters"})).json()["id"]
    await end_of(client, run)

    again = await client.post(f"/runs/{run}/again", json={"version": "now"})
    nothing = await client.post(f"/runs/{run}/again", json={"only_failed": True})
    both = await client.post(f"/runs/{run}/again", json={"only_failed": True, "from_step": "send"})

    assert again.status_code == 201
    assert again.json()["id"] != run
    assert (nothing.status_code, both.status_code) == (409, 422)
    await end_of(client, again.json()["id"])
    assert len(house.peer.mails) == 6


# What it wrote


async def test_what_a_run_wrote_is_listed_and_fetched_and_nothing_else(door: Door, house: House) -> None:
    steps = {"read": ("ReadExcel", LIST), "write": ("WriteExcel", {"file": "Übersicht.xlsx"})}

    house.folder = house.workspace.folder / "flows" / "letters"
    house.folder.mkdir(parents=True)
    house.write_list(number=2)
    save_flow(house.folder, steps, "read.records > write.records")
    client = door.client(Role.OPERATOR)
    run = (await client.post("/runs", json={"flow": "letters"})).json()["id"]
    await end_of(client, run)

    [told] = (await client.get(f"/runs/{run}/files")).json()["items"]
    fetched = await client.get(f"/runs/{run}/files/Übersicht.xlsx")

    assert told["name"] == "Übersicht.xlsx"
    assert (fetched.content[:2], len(fetched.content)) == (b"PK", told["size"])
    assert fetched.headers["content-disposition"].startswith("attachment")
    for name in ("../../postwerk.db", "%2e%2e/%2e%2e/postwerk.db", ".owners", "/etc/passwd", "nix.xlsx"):
        assert (await client.get(f"/runs/{run}/files/{name}")).status_code in (404, 422), name


# The outbox


async def test_mails_are_listed_shown_and_fetched_as_they_leave(door: Door, house: House) -> None:
    put_flow(house)
    client = door.client(Role.OPERATOR)
    run = (await client.post("/runs", json={"flow": "letters"})).json()["id"]
    await end_of(client, run)

    page = (await client.get("/outbox", params={"run": run, "state": "sent", "limit": 2})).json()
    last = (await client.get("/outbox", params={"run": run, "cursor": page["next"]})).json()
    one = page["items"][0]
    shown = (await client.get(f"/outbox/{one['id']}")).json()
    content = await client.get(f"/outbox/{one['id']}/mail")

    assert (len(page["items"]), len(last["items"]), last["next"]) == (2, 1, None)
    assert shown == one
    assert (one["state"], one["account"], one["recipients"]) == ("sent", "office", ["k0@example.com"])
    assert content.headers["content-type"] == "message/rfc822"
    assert content.headers["x-content-type-options"] == "nosniff"
    assert message_from_bytes(content.content, policy=policy.default)["Message-ID"] == one["message_id"]
    assert content.content in [mail.content for mail in house.peer.mails]


async def test_an_export_is_an_mbox_that_a_mail_program_reads(door: Door, house: House, tmp_path: Path) -> None:
    put_flow(house)
    client = door.client(Role.OPERATOR)
    await end_of(client, (await client.post("/runs", json={"flow": "letters"})).json()["id"])

    exported = await client.get("/outbox/export", params={"state": "sent"})
    (tmp_path / "box").write_bytes(exported.content)
    box = mailbox.mbox(tmp_path / "box")
    mails = list(box)
    box.close()

    assert exported.headers["content-type"] == "application/mbox"
    assert sorted(str(mail["To"]) for mail in mails) == [f"k{n}@example.com" for n in range(3)]


def test_lines_that_begin_with_from_are_quoted_and_can_be_taken_back() -> None:
    entry = mbox_entry(b"Subject: x\r\n\r\nFrom here\r\n>From there\r\n", "", datetime(2026, 3, 2, tzinfo=UTC))

    assert entry == (b"From MAILER-DAEMON Mon Mar 02 00:00:00 2026\nSubject: x\n\n>From here\n>>From there\n\n")


async def test_mails_are_sent_again_and_cancelled_all_or_none(door: Door, house: House) -> None:
    put_flow(house)
    client = door.client(Role.OPERATOR)
    await end_of(client, (await client.post("/runs", json={"flow": "letters"})).json()["id"])
    ids = [one["id"] for one in (await client.get("/outbox")).json()["items"]]

    missing = await client.post("/outbox/resend", json={"ids": [*ids, 999]})
    unfit = await client.post("/outbox/release", json={"ids": ids})
    again = await client.post("/outbox/resend", json={"ids": ids[:2]})
    cancelled = await client.post("/outbox/cancel", json={"ids": ids[:1]})

    assert (missing.status_code, unfit.status_code) == (409, 409)
    assert "so nothing was done" in missing.json()["detail"]
    assert (again.json(), cancelled.json()) == ({"mails": 2}, {"mails": 1})
    states = {one["id"]: one["state"] for one in (await client.get("/outbox")).json()["items"]}
    assert [states[one] for one in ids] == ["cancelled", "queued", "sent"]
    assert door.engine.woken == ["office"]


@pytest.mark.parametrize("ids", [[], [0], [2**63], ["x"], list(range(1, 1002))])
async def test_ids_are_bounded(door: Door, ids: list[Any]) -> None:
    assert (await door.client().post("/outbox/cancel", json={"ids": ids})).status_code == 422


async def test_an_unknown_mail_is_404(door: Door) -> None:
    answer = await door.client().get("/outbox/4711")

    assert (answer.status_code, answer.json()["type"]) == (404, "urn:postwerk:missing")
    assert (await door.client().get(f"/outbox/{2**63}")).status_code == 422


# Written down


async def test_what_was_done_is_written_down_with_who_did_it(door: Door, house: House) -> None:
    put_flow(house)
    client = door.client(Role.OPERATOR)
    run = (await client.post("/runs", json={"flow": "letters", "dry_run": True})).json()["id"]
    await end_of(client, run)
    await client.post("/outbox/cancel", json={"ids": [1]})

    [entry] = (await door.client().get("/audit")).json()["items"]

    assert entry.pop("at")
    assert entry == {
        "id": 1, "actor": "operator", "action": "run.start", "target": run, "address": "127.0.0.1",
        "details": {"flow": "letters", "inputs": {}, "dry_run": True},
    }  # fmt: skip
