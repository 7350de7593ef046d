"""Who may do what over the API: every route, every role; tokens, logins, and how often somebody may guess."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi.routing import APIRoute
from postwerk.runtime.api.app import all_routes
from postwerk.runtime.api.routes import Route
from postwerk.runtime.people import People, Role, Tokens
from postwerk.runtime.workspace import Workspace

from .door import Door, opened

PASSWORD = "Grüne Äpfel im Schnee"
V, O, E, A = Role.VIEWER, Role.OPERATOR, Role.EDITOR, Role.ADMIN  # noqa: E741
RIGHTS = {
    "GET /api/v1/flows": V, "GET /api/v1/flows/{flow_id}": V, "PUT /api/v1/flows/{flow_id}": E,
    "DELETE /api/v1/flows/{flow_id}": E, "POST /api/v1/flows/{flow_id}/check": V, "POST /api/v1/flow-check": V,
    "POST /api/v1/flows/{flow_id}/diff": V, "GET /api/v1/flows/{flow_id}/diff": V,
    "POST /api/v1/runs": O, "GET /api/v1/runs": V, "GET /api/v1/runs/{run_id}": V,
    "GET /api/v1/runs/{run_id}/failures": V, "GET /api/v1/runs/{run_id}/flow": V,
    "GET /api/v1/runs/{run_id}/progress": V, "POST /api/v1/runs/{run_id}/cancel": O,
    "POST /api/v1/runs/{run_id}/pause": O, "POST /api/v1/runs/{run_id}/resume": O,
    "POST /api/v1/runs/{run_id}/again": O, "GET /api/v1/runs/{run_id}/files": O,
    "GET /api/v1/runs/{run_id}/files/{name:path}": O,
    "GET /api/v1/outbox": V, "GET /api/v1/outbox/export": O, "GET /api/v1/outbox/{mail_id}": V,
    "GET /api/v1/outbox/{mail_id}/mail": O, "POST /api/v1/outbox/release": O, "POST /api/v1/outbox/resend": O,
    "POST /api/v1/outbox/cancel": O,
    "GET /api/v1/files": V, "GET /api/v1/files/{name:path}": O, "PUT /api/v1/files/{name:path}": O,
    "DELETE /api/v1/files/{name:path}": O,
    "GET /api/v1/accounts": V, "GET /api/v1/accounts/{name}": V, "PUT /api/v1/accounts/{name}": A,
    "DELETE /api/v1/accounts/{name}": A, "POST /api/v1/accounts/{name}/test": O,
    "GET /api/v1/account-presets": V, "POST /api/v1/accounts/{name}/default": A,
    "GET /api/v1/accounts/{name}/forecast": V, "POST /api/v1/accounts/{name}/sign-in": A,
    "POST /api/v1/accounts/{name}/sign-in/finish": A,
    "GET /api/v1/identities": V, "GET /api/v1/identities/{name}": V, "PUT /api/v1/identities/{name}": A,
    "DELETE /api/v1/identities/{name}": A,
    "GET /api/v1/nodes": V, "GET /api/v1/nodes/{name}": V,
    "GET /api/v1/people": A, "POST /api/v1/people": A, "PATCH /api/v1/people/{name}": A,
    "PUT /api/v1/people/{name}/password": A, "DELETE /api/v1/people/{name}": A, "GET /api/v1/audit": A,
    "GET /api/v1/triggers": V, "GET /api/v1/triggers/{name}": V, "GET /api/v1/triggers/{name}/events": V,
    "GET /api/v1/triggers/{name}/days/{day}": V, "PUT /api/v1/triggers/{name}": O,
    "POST /api/v1/triggers/{name}/publish": O, "POST /api/v1/triggers/{name}/unpublish": O,
    "DELETE /api/v1/triggers/{name}": O, "POST /api/v1/triggers/{name}/fire": O, "POST /hooks/{token}": None,
    "POST /api/v1/login": None, "POST /api/v1/logout": V, "GET /api/v1/me": V, "PUT /api/v1/me/password": V,
    "GET /api/v1/tokens": V, "POST /api/v1/tokens": V, "DELETE /api/v1/tokens/{prefix}": V,
    "GET /health": None, "GET /ready": None, "GET /metrics": None, "GET /api/v1/openapi.json": None,
}  # fmt: skip
"""Every route, and the role that it needs. A new route is added here too, by somebody who has thought about it."""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.make(tmp_path / "workspace") as made:
        yield made


@pytest.fixture
async def door(workspace: Workspace) -> AsyncIterator[Door]:
    async with opened(workspace) as one:
        yield one


def test_every_route_is_in_the_table() -> None:
    assert {f"{one.method} {one.path}": one.needs for one in all_routes()} == RIGHTS


def test_the_app_has_no_other_routes(door: Door) -> None:
    served = {
        f"{method} {one.path}" for one in door.app.routes if isinstance(one, APIRoute) for method in one.methods or ()
    }

    assert served == set(RIGHTS)
    assert all(isinstance(one, APIRoute) for one in door.app.routes)


def filled(route: Route) -> str:
    """The path with something in place of what varies."""
    values = {
        "{flow_id}": "none",
        "{run_id}": "none",
        "{mail_id}": "1",
        "{name:path}": "none.txt",
        "{prefix}": "0" * 12,
    }
    path = route.path
    for name, value in {**values, "{name}": "none", "{day}": "2026-01-01", "{token}": "x"}.items():
        path = path.replace(name, value)
    return path


async def test_each_route_lets_those_pass_whose_role_covers_it(door: Door) -> None:
    clients = {role: door.client(role) for role in (None, *Role)}
    for client in clients.values():
        client.base_url = httpx2.URL(door.url)

    async def passes(route: Route, role: Role | None) -> bool:
        answer = await clients[role].request(route.method, filled(route))
        return answer.status_code not in (401, 403)

    routes = [route for route in all_routes() if route.path != "/api/v1/logout"]  # it would end the token
    passed = {(one.method, one.path): {role: await passes(one, role) for role in clients} for one in routes}

    assert passed == {(one.method, one.path): {role: _may(role, one.needs) for role in clients} for one in routes}


def _may(role: Role | None, needed: Role | None) -> bool:
    return needed is None or (role is not None and role.covers(needed))


async def test_an_unknown_path_under_the_api_tells_nothing_without_a_token(door: Door) -> None:
    nobody, viewer = door.client(None), door.client(V)

    assert (await nobody.get("/nothing")).status_code == 401
    assert (await viewer.get("/nothing")).status_code == 404
    assert (await viewer.put("/nodes")).status_code == 405


async def test_a_token_that_does_not_hold_is_refused_with_the_challenge(door: Door) -> None:
    refused = await door.client(token="pw_0123456789ab_" + "x" * 43).get("/me")

    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="Postwerk"')
    assert refused.json()["detail"] == "This token does not hold: it is mistyped, revoked or has expired."


@pytest.mark.parametrize("header", ["Basic YW5uOmdlaGVpbQ==", "Bearer", "Bearer a b", "bearer \x80", "x" * 9])
async def test_another_kind_of_login_is_refused(door: Door, header: str) -> None:
    client = door.client(None)

    assert (await client.get("/me", headers=[(b"authorization", header.encode("latin-1"))])).status_code == 401


async def test_after_many_bad_tokens_from_an_address_it_must_wait_and_good_ones_pass(door: Door) -> None:
    bad = door.client(token="pw_0123456789ab_" + "x" * 43)

    answers = [await bad.get("/me") for _ in range(31)]

    assert [one.status_code for one in answers] == [401] * 30 + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 15 * 60
    assert (await door.client(V).get("/me")).status_code == 200


# Logging in


async def test_a_login_gives_a_token_until_it_is_ended(door: Door) -> None:
    await People(door.workspace.store).add("ann", O, PASSWORD)
    nobody = door.client(None)

    issued = (await nobody.post("/login", json={"name": "ann", "password": PASSWORD})).json()
    ann = door.client(token=issued["token"])
    me = (await ann.get("/me")).json()
    out = await ann.post("/logout")

    assert (me["name"], me["role"], me["has_password"]) == ("ann", "operator", True)
    assert issued["expires_at"] is not None
    assert (out.status_code, (await ann.get("/me")).status_code) == (204, 401)


async def test_a_wrong_password_and_an_unknown_name_are_told_alike(door: Door) -> None:
    await People(door.workspace.store).add("ann", O, PASSWORD)
    nobody = door.client(None)

    wrong = await nobody.post("/login", json={"name": "ann", "password": "wrong wrong wrong"})
    unknown = await nobody.post("/login", json={"name": "bert", "password": "wrong wrong wrong"})

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


async def test_guesses_are_bounded_even_when_they_come_at_once(door: Door) -> None:
    await People(door.workspace.store).add("ann", O, PASSWORD)
    nobody = door.client(None)

    async def guess(number: int) -> int:
        body = {"name": "ann", "password": f"wrong wrong wrong {number}"}
        return (await nobody.post("/login", json=body)).status_code

    answers = await asyncio.gather(*(guess(number) for number in range(14)))

    assert sorted(answers) == [401] * 10 + [429] * 4
    right = await nobody.post("/login", json={"name": "ann", "password": PASSWORD})
    assert right.status_code == 429
    assert (await nobody.post("/login", json={"name": "viewer", "password": PASSWORD})).status_code == 401


async def test_a_person_changes_their_own_password_with_the_present_one(door: Door) -> None:
    await People(door.workspace.store).add("ann", V, PASSWORD)
    nobody = door.client(None)
    ann = door.client(token=(await nobody.post("/login", json={"name": "ann", "password": PASSWORD})).json()["token"])

    wrong = await ann.put("/me/password", json={"current": "wrong wrong wrong", "password": "Ein anderes langes Wort"})
    changed = await ann.put("/me/password", json={"current": PASSWORD, "password": "Ein anderes langes Wort"})

    assert (wrong.status_code, changed.status_code) == (401, 204)
    assert (await ann.get("/me")).status_code == 401
    again = await nobody.post("/login", json={"name": "ann", "password": "Ein anderes langes Wort"})
    assert again.status_code == 200


# Tokens and people


async def test_people_make_and_revoke_their_own_tokens_and_see_no_others(door: Door) -> None:
    operator, viewer, admin = door.client(O), door.client(V), door.client(A)

    made = (await operator.post("/tokens", json={"label": "backup", "role": "admin"})).json()
    seen = (await operator.get("/tokens")).json()["items"]
    foreign = await viewer.delete(f"/tokens/{made['prefix']}")
    for_another = await operator.post("/tokens", json={"label": "x", "person": "admin"})

    assert made["role"] == "operator"
    assert {one["person"] for one in seen} == {"operator"}
    assert made["token"] not in str(seen)
    assert (foreign.status_code, for_another.status_code) == (404, 403)
    assert len((await admin.get("/tokens")).json()["items"]) == 5
    assert (await operator.delete(f"/tokens/{made['prefix']}")).status_code == 204
    assert (await door.client(token=made["token"]).get("/me")).status_code == 401


async def test_a_token_with_less_makes_none_with_more(door: Door) -> None:
    weak = (await Tokens(door.workspace.store).issue("admin", "reading", V)).text

    made = (await door.client(token=weak).post("/tokens", json={"label": "more", "role": "admin"})).json()
    seen = (await door.client(token=weak).get("/tokens")).json()["items"]

    assert made["role"] == "viewer"
    assert {one["person"] for one in seen} == {"admin"}
    assert (await door.client(token=made["token"]).get("/people")).status_code == 403


async def test_an_admin_adds_changes_and_removes_people(door: Door) -> None:
    admin = door.client(A)

    added = await admin.post("/people", json={"name": "ann", "role": "viewer", "password": PASSWORD})
    twice = await admin.post("/people", json={"name": "ann", "role": "viewer"})
    changed = await admin.patch("/people/ann", json={"role": "operator", "accounts": ["office"]})
    kept = await admin.patch("/people/ann", json={"role": "editor"})
    free = await admin.patch("/people/ann", json={"accounts": None})
    removed = await admin.delete("/people/ann")
    last = await admin.delete("/people/admin")

    assert (added.status_code, twice.status_code) == (201, 409)
    assert (changed.json()["role"], changed.json()["accounts"]) == ("operator", ["office"])
    assert (kept.json()["accounts"], free.json()["accounts"]) == (["office"], None)
    assert (removed.status_code, (await admin.patch("/people/ann", json={})).status_code) == (204, 404)
    assert (last.status_code, last.json()["detail"]) == (
        409, "'admin' is the last admin. Make somebody else one first.",
    )  # fmt: skip


async def test_no_password_or_token_is_in_an_answer_an_error_a_log_or_the_audit(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    admin, nobody = door.client(A), door.client(None)

    answers = [
        await admin.post("/people", json={"name": "ann", "role": "viewer", "password": PASSWORD}),
        await admin.post("/people", json={"name": "ann", "role": "viewer", "password": PASSWORD}),
        await admin.post("/people", json={"name": "bert", "role": "boss", "password": PASSWORD}),
        await nobody.post("/login", json={"name": "ann", "password": [PASSWORD]}),
        await nobody.post("/login", json={"name": "ann", "password": PASSWORD + "x" * 300}),
        await nobody.post("/login", content='{"password": "' + PASSWORD, headers={"content-type": "application/json"}),
        await admin.get("/people"),
        await admin.get("/audit"),
    ]

    told = "".join(one.text for one in answers) + caplog.text
    assert [one.status_code for one in answers] == [201, 409, 422, 422, 422, 400, 200, 200]
    assert PASSWORD not in told
    assert not any(token in told for token in door.texts.values())
