"""The API over HTTP: triggers, and the secret URLs of webhooks."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from postwerk.runtime.people import People, Role, Tokens
from prometheus_client.parser import text_string_to_metric_families

from .door import Door, opened
from .house import House
from .test_api_runs import put_flow

HAND = {"flow": "letters", "settings": {"kind": "hand", "asks": ["month"]}, "is_published": True}
HOOK: dict[str, Any] = {"flow": "letters", "settings": {"kind": "webhook", "max_bytes": 1000}, "is_published": True}
INPUTS: dict[str, Any] = {"inputs": {"month": {"type": "text", "default": "1"}}}


@pytest.fixture
async def door(house: House) -> AsyncIterator[Door]:
    put_flow(house, **INPUTS)
    async with opened(house.workspace) as one:
        yield one


async def hook_of(door: Door, **more: Any) -> tuple[str, dict[str, Any]]:
    """The URL of a new webhook, and what was told of it."""
    told = (await door.client(Role.OPERATOR).put("/triggers/order", json={**HOOK, **more})).json()
    return f"{door.url}{told['path']}", told


async def test_a_calendar_is_kept_shown_and_asked_about_a_day(door: Door) -> None:
    operator = door.client(Role.OPERATOR)
    settings = {"kind": "calendar", "times": ["08:00"], "weekdays": ["mon"], "holidays": ["DE-BY"]}

    kept = await operator.put("/triggers/Monday mailing", json={"flow": "letters", "settings": settings})
    published = await operator.post("/triggers/Monday mailing/publish")
    shown = (await operator.get("/triggers/Monday mailing")).json()
    [listed] = (await operator.get("/triggers")).json()["items"]
    holiday = (await operator.get("/triggers/Monday mailing/days/2026-04-06")).json()

    assert (kept.json(), published.status_code) == ({"name": "Monday mailing", "path": None, "secret": None}, 204)
    assert (len(shown["firings"]), shown["next"]) == (24, listed["next"])
    assert (holiday["fires"], "Ostermontag" in holiday["reasons"][0]) == (False, True)
    assert (await operator.post("/triggers/Monday mailing/unpublish")).status_code == 204
    assert (await operator.get("/triggers/Monday mailing")).json()["next"] is None
    assert (await operator.delete("/triggers/Monday mailing")).status_code == 204
    assert (await operator.get("/triggers/Monday mailing")).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"flow": "letters", "settings": {"kind": "moon"}}, "settings"),
        ({"flow": "letters", "settings": {}}, "settings"),
        ({"flow": "letters", "settings": {"kind": "calendar", "times": ["25:00"]}}, "settings.times.0"),
        ({"flow": "letters", "settings": {"kind": "hand"}, "inputs": {"year": "1"}}, None),
        ({"flow": "others", "settings": {"kind": "hand"}}, None),
    ],
)
async def test_a_trigger_that_can_not_work_is_refused(door: Door, body: dict[str, Any], field: str | None) -> None:
    answer = await door.client(Role.OPERATOR).put("/triggers/x", json=body)

    assert answer.status_code in (404, 422), answer.text
    assert field is None or answer.json()["field"] == field


async def test_a_button_is_pressed_once_however_often(door: Door) -> None:
    operator = door.client(Role.OPERATOR)
    await operator.put("/triggers/go", json=HAND)

    first = await operator.post("/triggers/go/fire", json={"inputs": {"month": "3"}}, headers={"Idempotency-Key": "k"})
    again = await operator.post("/triggers/go/fire", json={"inputs": {"month": "3"}}, headers={"Idempotency-Key": "k"})
    unasked = await operator.post("/triggers/go/fire", json={"inputs": {"year": "3"}})

    assert (first.status_code, first.json()["state"]) == (200, "started")
    assert again.json()["run"] == first.json()["run"]
    assert (unasked.status_code, unasked.json()["field"]) == (422, "year")
    assert [one["id"] for one in (await operator.get("/runs")).json()["items"]] == [first.json()["run"]]
    assert len((await operator.get("/triggers/go/events")).json()["items"]) == 1


async def test_whoever_may_not_send_by_an_account_lets_no_trigger_do_it(door: Door) -> None:
    await People(door.workspace.store).add("bert", Role.OPERATOR, accounts=[])
    bert = door.client(token=(await Tokens(door.workspace.store).issue("bert", "test", Role.OPERATOR)).text)
    await door.client().put("/triggers/go", json=HAND)

    for answer in (
        await bert.put("/triggers/mine", json=HAND),
        await bert.post("/triggers/go/fire"),
        await bert.post("/triggers/go/publish"),
    ):
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:postwerk:account")
    assert (await bert.get("/runs")).json()["items"] == []


async def test_only_an_admin_names_a_folder_outside_of_the_workspace(door: Door, house: House) -> None:
    put_flow(house, inputs={"list": {"type": "file", "default": "list.xlsx"}})
    outside = house.workspace.folder.parent / "inbox"
    outside.mkdir()
    body = {"flow": "letters", "settings": {"kind": "folder", "folder": str(outside), "input": "list"}}
    operator, admin = door.client(Role.OPERATOR), door.client()

    refused = await operator.put("/triggers/inbox", json=body)
    made = await admin.put("/triggers/inbox", json=body)
    kept = await operator.put("/triggers/inbox", json={**body, "group": "lists"})

    assert (refused.status_code, "only an admin may name it" in refused.json()["detail"]) == (403, True)
    assert (made.status_code, kept.status_code) == (200, 200), (made.text, kept.text)


# Webhooks


async def test_a_call_of_the_secret_url_starts_a_run_and_needs_no_token(door: Door) -> None:
    url, _ = await hook_of(door)
    nobody = door.client(None)

    called = await nobody.post(url, json={"month": "7"}, headers={"Idempotency-Key": "k1"})
    again = await nobody.post(url, json={"month": "7"}, headers={"Idempotency-Key": "k1"})
    other = await nobody.post(url, json={"month": "8"}, headers={"Idempotency-Key": "k1"})

    run = called.json()["run"]
    assert (called.status_code, again.status_code, again.json()["run"]) == (202, 202, run)
    assert (other.status_code, other.headers["content-type"]) == (422, "application/problem+json")
    assert [one["id"] for one in (await door.client().get("/runs")).json()["items"]] == [run]


async def test_a_url_that_is_none_and_one_that_is_withdrawn_start_nothing(door: Door) -> None:
    url, _ = await hook_of(door)
    nobody = door.client(None)
    await door.client(Role.OPERATOR).post("/triggers/order/unpublish")

    assert (await nobody.post(f"{door.url}/hooks/{'x' * 43}", json={})).status_code == 404
    assert (await nobody.post(f"{door.url}/hooks/{'x' * 201}", json={})).status_code == 422
    assert (await nobody.post(url, json={})).status_code == 403
    assert (await nobody.get(url)).status_code == 405


async def test_a_body_is_bounded_as_the_webhook_says(door: Door) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    url, _ = await hook_of(door)

    for body in (b" " * 1001, pieces()):
        assert (await door.client(None).post(url, content=body)).status_code == 413
    assert (await door.client(None).post(url, content=b"[]")).status_code == 400


async def test_a_signed_webhook_wants_its_signature(door: Door) -> None:
    url, told = await hook_of(door, settings={**HOOK["settings"], "signature": {"style": "github"}})
    body = json.dumps({"month": "7"}).encode()
    signature = hmac.new(told["secret"].encode(), body, hashlib.sha256).hexdigest()

    unsigned = await door.client(None).post(url, content=body)
    signed = await door.client(None).post(url, content=body, headers={"X-Hub-Signature-256": f"sha256={signature}"})

    assert (unsigned.status_code, signed.status_code) == (401, 202)


async def test_many_calls_at_once_with_one_key_start_one_run(door: Door) -> None:
    url, _ = await hook_of(door)
    nobody = door.client(None)

    async def call() -> httpx2.Response:
        return await nobody.post(url, json={}, headers={"Idempotency-Key": "k"})

    answers = await asyncio.gather(*(call() for _ in range(8)))

    assert {one.status_code for one in answers} <= {202, 409}
    assert len((await door.client().get("/runs")).json()["items"]) == 1


async def test_the_secret_of_a_url_is_in_no_log_no_list_and_no_audit(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # the client's own
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # `serve` has none
    admin = door.client()
    url, told = await hook_of(door, settings={**HOOK["settings"], "signature": {"style": "github"}})
    await door.client(None).post(url, json={})

    texts = [(await admin.get(path)).text for path in ("/triggers", "/triggers/order", "/audit")]
    metrics = (await admin.get(f"{door.url}/metrics")).text

    token = url.rpartition("/")[2]
    assert not any(token in text or told["secret"] in text for text in (*texts, metrics, caplog.text))
    assert "POST /hooks/***: 401" in caplog.text


async def test_firings_are_told_by_kind_and_outcome(door: Door) -> None:
    url, _ = await hook_of(door)
    await door.client(None).post(url, json={})

    text = (await door.client(None).get(f"{door.url}/metrics")).text

    [family] = [one for one in text_string_to_metric_families(text) if one.name == "postwerk_trigger_firings"]
    assert [(one.labels, one.value) for one in family.samples] == [({"kind": "webhook", "outcome": "started"}, 1)]
