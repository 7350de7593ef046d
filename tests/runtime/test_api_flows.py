"""The API over HTTP: flows, files, accounts, identities, nodes, and what a request may be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from postwerk.runtime.people import Role
from postwerk.runtime.store.errors import StoreUnreachableError
from postwerk.runtime.throwaway import Authority

from ..token_server import TokenServer, serving
from .door import Door, opened
from .house import House

FLOW: dict[str, Any] = {
    "postwerk": 1, "id": "letters", "name": "Grüße",
    "steps": {"read": {"node": "ReadExcel", "params": {"file": "list.xlsx", "key": "no"}}},
    "wires": [], "layout": {"read": [0, 0]},
}  # fmt: skip
NEW = {"If-None-Match": "*"}


@pytest.fixture
async def door(house: House) -> AsyncIterator[Door]:
    async with opened(house.workspace) as one:
        yield one


# Flows


async def test_a_flow_is_saved_in_its_canonical_form_and_read_back(door: Door) -> None:
    editor = door.client(Role.EDITOR)

    saved = await editor.put("/flows/letters", json=FLOW, headers=NEW)
    got = await editor.get("/flows/letters")
    listed = (await editor.get("/flows")).json()["items"]

    assert (saved.status_code, got.text, got.headers["etag"]) == (201, saved.text, saved.headers["etag"])
    assert list(got.json()) == sorted(FLOW)
    assert (door.workspace.folder / "flows" / "letters.json").read_text("utf-8") == got.text
    assert [(one["id"], one["name"], one["steps"], f'"{one["etag"]}"') for one in listed] == [
        ("letters", "Grüße", 1, got.headers["etag"])
    ]
    assert (await editor.get("/flows/letters", headers={"If-None-Match": got.headers["etag"]})).status_code == 304


async def test_an_older_version_overwrites_nothing_silently(door: Door) -> None:
    editor = door.client(Role.EDITOR)
    first = (await editor.put("/flows/letters", json=FLOW, headers=NEW)).headers["etag"]
    second = await editor.put("/flows/letters", json={**FLOW, "name": "B"}, headers={"If-Match": first})

    blind = await editor.put("/flows/letters", json={**FLOW, "name": "C"})
    stale = await editor.put("/flows/letters", json={**FLOW, "name": "C"}, headers={"If-Match": first})
    anew = await editor.put("/flows/letters", json={**FLOW, "name": "C"}, headers=NEW)

    assert second.status_code == 200
    assert (blind.status_code, stale.status_code, anew.status_code) == (428, 412, 412)
    assert stale.headers["etag"] == second.headers["etag"]
    assert "was changed meanwhile" in stale.json()["detail"]
    assert (await editor.get("/flows/letters")).json()["name"] == "B"


async def test_of_many_who_save_at_once_one_wins(door: Door) -> None:
    editor = door.client(Role.EDITOR)
    etag = (await editor.put("/flows/letters", json=FLOW, headers=NEW)).headers["etag"]

    async def save(number: int) -> int:
        answer = await editor.put("/flows/letters", json={**FLOW, "name": f"N{number}"}, headers={"If-Match": etag})
        return answer.status_code

    assert sorted(await asyncio.gather(*(save(number) for number in range(8)))) == [200] + [412] * 7


async def test_a_deleted_flow_lies_in_the_trash(door: Door, house: House) -> None:
    editor = door.client(Role.EDITOR)
    etag = (await editor.put("/flows/letters", json=FLOW, headers=NEW)).headers["etag"]

    blind = await editor.delete("/flows/letters")
    gone = await editor.delete("/flows/letters", headers={"If-Match": etag})

    assert (blind.status_code, gone.status_code) == (428, 204)
    assert (await editor.get("/flows/letters")).status_code == 404
    assert (await editor.get("/flows")).json()["items"] == []
    [kept] = (house.workspace.folder / "flows" / ".trash").glob("*/letters.json")
    assert json.loads(kept.read_text("utf-8"))["name"] == "Grüße"


async def test_a_flow_with_a_run_that_is_on_stays(house: House) -> None:
    async with opened(house.workspace, is_working=False) as door:
        admin = door.client()
        house.folder = house.workspace.folder / "files"
        house.write_list(number=1)
        etag = (await admin.put("/flows/letters", json=FLOW, headers=NEW)).headers["etag"]
        run = (await admin.post("/runs", json={"flow": "letters"})).json()["id"]

        refused = await admin.delete("/flows/letters", headers={"If-Match": etag})
        await admin.post(f"/runs/{run}/cancel")

        assert (refused.status_code, run in refused.json()["detail"]) == (409, True)
        assert (await admin.delete("/flows/letters", headers={"If-Match": etag})).status_code == 204
        assert (await admin.get(f"/runs/{run}/flow")).json()["name"] == "Grüße"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "This flow is no JSON"),
        (b"[]", 422, "a flow is a JSON object"),
        (b'{"postwerk": 99}', 422, "This flow is of format 99"),
        (b"\xff\xfe", 400, "not in UTF-8"),
        (b"[" * 100_000, 422, "nested deeper"),
        (json.dumps({**FLOW, "id": "others"}).encode(), 422, "Let both be the same"),
        (json.dumps({**FLOW, "x": 1}).encode(), 422, "x: there is no such entry"),
        (b'{"postwerk": 1, "id": "letters", "name": "\\ud800"}', 422, "half of a character"),
    ],
)
async def test_a_document_that_is_no_flow_is_refused_with_the_reason(
    door: Door, body: bytes, status: int, words: str
) -> None:
    answer = await door.client().put("/flows/letters", content=body, headers=NEW)

    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text


@pytest.mark.parametrize("flow", ["..", "A", "a.b", "%2e%2e%2fx", "a" * 65, "a%00b"])
async def test_a_flows_id_is_no_path(door: Door, flow: str) -> None:
    assert (await door.client().get(f"/flows/{flow}")).status_code in (404, 422)
    put = await door.client().put(f"/flows/{flow}", json={**FLOW, "id": flow}, headers=NEW)
    assert put.status_code in (404, 405, 422)


async def test_a_damaged_flow_is_told_and_hides_no_other(door: Door, house: House) -> None:
    editor = door.client(Role.EDITOR)
    await editor.put("/flows/letters", json=FLOW, headers=NEW)
    (house.workspace.folder / "flows" / "broken.json").write_text("{", "utf-8")

    listed = {one["id"]: one["error"] for one in (await editor.get("/flows")).json()["items"]}
    got = await editor.get("/flows/broken")

    assert listed["letters"] is None
    assert listed["broken"].startswith("The flow 'broken': This flow is no JSON")
    assert (got.status_code, got.json()["detail"]) == (422, listed["broken"])


async def test_a_flow_is_checked_saved_or_not(door: Door, house: House) -> None:
    editor = door.client(Role.EDITOR)
    await editor.put("/flows/letters", json=FLOW, headers=NEW)
    house.folder = house.workspace.folder / "files"

    missing = (await editor.post("/flows/letters/check")).json()
    house.write_list(number=1)
    good = (await editor.post("/flows/letters/check", json={})).json()
    unsaved = (await editor.post("/flow-check", json={**FLOW, "steps": {"read": {"node": "ReadExel"}}})).json()

    assert (missing["is_good"], "There is no file 'list.xlsx'" in missing["problems"][0]["message"]) == (False, True)
    assert good["is_good"]
    assert (unsaved["is_good"], unsaved["problems"][0]["code"]) == (False, "unknown-node")


async def test_what_changed_is_told_in_words(door: Door, house: House) -> None:
    admin = door.client()
    house.folder = house.workspace.folder / "files"
    house.write_list(number=1)
    etag = (await admin.put("/flows/letters", json=FLOW, headers=NEW)).headers["etag"]
    run = (await admin.post("/runs", json={"flow": "letters"})).json()["id"]
    changed = {**FLOW, "name": "Letters", "layout": {"read": [9, 9]}}

    would = (await admin.post("/flows/letters/diff", json=changed)).json()["items"]
    await admin.put("/flows/letters", json=changed, headers={"If-Match": etag})
    since = (await admin.get("/flows/letters/diff", params={"run": run})).json()["items"]

    assert would == since
    assert [one["text"] for one in would] == ["name: 'Grüße' became 'Letters'"]
    assert (await admin.get("/flows/letters/diff", params={"run": "none"})).status_code == 404


# Files


async def test_a_file_is_uploaded_listed_fetched_replaced_and_removed(door: Door) -> None:
    operator = door.client(Role.OPERATOR)

    new = await operator.put("/files/Listen/März.csv", content="no;name\n1;Jürgen\n", headers=NEW)
    listed = (await operator.get("/files")).json()["items"]
    got = await operator.get("/files/Listen/März.csv")
    blind = await operator.put("/files/Listen/März.csv", content=b"x")
    anew = await operator.put("/files/Listen/März.csv", content=b"x", headers=NEW)
    replaced = await operator.put("/files/Listen/März.csv", content=b"y", headers={"If-Match": new.headers["etag"]})
    stale = await operator.delete("/files/Listen/März.csv", headers={"If-Match": new.headers["etag"]})
    removed = await operator.delete("/files/Listen/März.csv", headers={"If-Match": replaced.headers["etag"]})

    assert (new.status_code, [one["name"] for one in listed]) == (201, ["Listen/März.csv"])
    assert (got.content, got.headers["content-type"]) == (b"no;name\n1;J\xc3\xbcrgen\n", "application/octet-stream")
    assert (blind.status_code, anew.status_code, replaced.status_code) == (428, 412, 200)
    assert (stale.status_code, removed.status_code) == (412, 204)
    assert (await operator.get("/files/Listen/März.csv")).status_code == 404
    assert [path.name for path in (door.workspace.folder / "files").rglob("*") if path.is_file()] == [".lock"]


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2fpostwerk.db", "%2e%2e/x", ".lock", "a/.hidden", "a%5cb", "%2fetc%2fpasswd", "a%00b", "x" * 201,
        "a//b", "CON:x", "a/b/c/d/e/f/g/h/i",
    ],
)  # fmt: skip
async def test_a_files_name_leads_nowhere_else(door: Door, name: str) -> None:
    before = {path for path in door.workspace.folder.rglob("*") if path.is_file()}

    put = await door.client().put(f"/files/{name}", content=b"x", headers=NEW)
    got = await door.client().get(f"/files/{name}")

    assert put.status_code in (404, 405, 422), put.text
    assert got.status_code in (404, 422)
    assert {path for path in door.workspace.folder.rglob("*") if path.is_file()} <= before | {
        door.workspace.folder / "postwerk.db-wal", door.workspace.folder / "postwerk.db-shm"
    }  # fmt: skip


async def test_a_link_leads_nowhere_else(door: Door, house: House) -> None:
    (house.workspace.folder / "files" / "out").symlink_to(house.workspace.folder)

    assert (await door.client().get("/files/out/secret.key")).status_code == 422
    assert (await door.client().get("/files")).json()["items"] == []


async def test_a_file_that_is_too_large_is_refused_and_nothing_is_left(door: Door) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(201):
            yield bytes(1_000_000)

    refused = await door.client().put("/files/big.csv", headers=NEW, content=pieces())

    assert (refused.status_code, refused.json()["detail"]) == (413, "The body may have 200,000,000 bytes.")
    assert not any((door.workspace.folder / "files").iterdir())


# Accounts and identities


async def test_an_account_is_saved_tried_and_removed_and_its_password_is_never_told(door: Door, house: House) -> None:
    admin, operator = door.client(), door.client(Role.OPERATOR)
    settings = {"host": "127.0.0.1", "port": house.peer.port, "security": "none", "sender": "büro@example.com"}

    saved = await admin.put("/accounts/büro", json={**settings, "user": "ann", "password": "geheim!"})
    kept = await admin.put("/accounts/büro", json={**settings, "user": "ann", "sender_name": "Büro"})
    elsewhere = await admin.put("/accounts/büro", json={**settings, "user": "ann", "host": "127.0.0.2"})
    tried = await operator.post("/accounts/office/test", json={"to": "ann@example.com"})
    wrong = await admin.put("/accounts/x", json={**settings, "port": 0})

    assert (saved.status_code, kept.status_code, kept.json()["settings"]["sender_name"]) == (200, 200, "Büro")
    assert (await house.workspace.accounts.get("büro")).password.get_secret_value() == "geheim!"  # type: ignore[union-attr]
    assert (elsewhere.status_code, elsewhere.json()["field"]) == (422, "password")
    assert (tried.status_code, house.peer.recipients) == (200, ["ann@example.com"]), tried.text
    assert (wrong.status_code, wrong.json()["field"]) == (422, "port")
    assert "geheim" not in saved.text + kept.text + elsewhere.text + (await admin.get("/accounts")).text
    assert (await admin.delete("/accounts/büro")).status_code == 204
    assert (await admin.get("/accounts/büro")).status_code == 404


async def test_a_test_that_fails_says_why(door: Door, house: House) -> None:
    house.peer.answer("MAIL FROM", "550 5.7.1 relaying denied")

    answer = await door.client().post("/accounts/office/test", json={"to": "ann@example.com"})

    assert (answer.status_code, "550 5.7.1 relaying denied" in answer.json()["detail"]) == (409, True)
    assert answer.json()["fault"] == "relaying-refused"


async def test_a_preset_fills_in_the_server_and_limits(door: Door) -> None:
    admin = door.client()
    presets = (await admin.get("/account-presets")).json()["presets"]

    made = await admin.put("/accounts/shop", json={"preset": "ionos", "user": "shop@example.com", "password": "geheim"})
    unknown = await admin.put("/accounts/shop", json={"preset": "ionoss", "user": "shop@example.com"})

    settings = made.json()["settings"]
    assert (settings["host"], settings["sender"]) == (presets["ionos"]["smtp"][0], "shop@example.com")
    assert (made.json()["login"], made.json()["hint"]) == ("password", presets["ionos"]["hint"])
    assert (unknown.status_code, unknown.json()["detail"]) == (
        422, "There is no preset 'ionoss'. Did you mean 'ionos'?",
    )  # fmt: skip


async def test_what_is_told_of_an_account_can_be_saved_again(door: Door, house: House) -> None:
    admin = door.client()
    limits = {"per_minute": 60, "connections": 2}
    body = {
        "host": "smtp.example.com",
        "user": "ann",
        "password": "geheim",
        "sender": "a@example.com",
        "limits": limits,
    }
    first = (await admin.put("/accounts/shop", json=body)).json()

    again = await admin.put("/accounts/shop", json=first["settings"])

    assert (again.status_code, again.json()) == (200, first)
    kept = (await house.workspace.accounts.get("shop")).password
    assert kept is not None
    assert kept.get_secret_value() == "geheim"


async def test_one_account_is_the_default_and_has_a_forecast(door: Door) -> None:
    admin = door.client()
    body = {"host": "smtp.example.com", "sender": "a@example.com", "limits": {"per_minute": 10}}
    await admin.put("/accounts/slow", json=body)

    assert (await admin.post("/accounts/slow/default")).status_code == 204
    told = (await admin.get("/accounts/slow/forecast", params={"mails": 100})).json()
    listed = {one["name"]: one["is_default"] for one in (await admin.get("/accounts")).json()["items"]}

    assert listed == {"office": False, "slow": True}
    minutes = (datetime.fromisoformat(told["ends_at"]) - datetime.now(UTC)) / timedelta(minutes=1)
    assert told["mails"] == 100
    assert 8 < minutes < 11


async def test_a_program_of_this_machine_is_not_named_from_afar(door: Door) -> None:
    body = {"sendmail": {"path": "/bin/sh", "arguments": ["-c", "true"]}, "sender": "a@example.com"}

    answer = await door.client().put("/accounts/x", json=body)

    assert (answer.status_code, answer.json()["field"]) == (422, "sendmail"), answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"preset": 5}, {"limits": "many"}, {"limits": {"per_minute": "x"}}, {"oauth": {"client_id": "x"}},
        {"oauth": {"client_id": "x", "sign_in": "y"}}, {"oauth": {"client_id": "x", "sign_in": "device"}, "host": "x"},
        {"oauth": {"client_id": "x", "provider": "y"}}, {"oauth": {}}, {"host": "x", "sender": "a@b.de", "other": 1},
        {"host": "smtp example", "sender": "a@b.de"}, {}, {"sender": "nobody"}, {"host": "x", "port": "x"},
    ],
)  # fmt: skip
async def test_an_account_that_is_none_is_refused(door: Door, body: dict[str, Any]) -> None:
    answer = await door.client().put("/accounts/x", json=body)

    assert answer.status_code == 422, answer.text


async def test_an_account_is_signed_in_with_a_code_from_anywhere(door: Door, house: House) -> None:
    admin = door.client()
    with serving(TokenServer(client_secret="kanari7")) as tokens:
        body = {"host": "smtp.example.com", "user": "ann@example.com", "sender": "ann@example.com",
                "oauth": tokens.settings("device"), "client_secret": "kanari7"}  # fmt: skip
        made = await admin.put("/accounts/shop", json=body)
        begun = (await admin.post("/accounts/shop/sign-in")).json()
        too_soon = await admin.post("/accounts/shop/sign-in/finish")
        door.app.state.postwerk.sign_ins["shop"].ask_from = datetime.now(UTC)
        waiting = (await admin.post("/accounts/shop/sign-in/finish")).json()
        tokens.is_approved = True
        door.app.state.postwerk.sign_ins["shop"].ask_from = datetime.now(UTC)
        done = await admin.post("/accounts/shop/sign-in/finish")
        token = await (await house.workspace.accounts.get("shop")).tokens.token()
        over = await admin.post("/accounts/shop/sign-in/finish")

    assert (made.status_code, made.json()["login"]) == (200, "token"), made.text
    assert (begun["state"], bool(begun["user_code"]), begun["url"].startswith("http")) == ("waiting", True, True)
    assert (too_soon.status_code, done.json()["state"], over.status_code) == (429, "signed-in", 409), done.text
    assert token in tokens.live
    told = "".join(one.text for one in (made, done, await admin.get("/accounts"), await admin.get("/audit")))
    assert waiting == begun
    assert not any(secret in told for secret in ("kanari7", token))


async def test_an_identity_is_saved_from_its_file_and_its_key_is_never_told(door: Door) -> None:
    person = Authority.make("Test").issue("ann@example.com", "Ann", kind="ec")
    lock = BestAvailableEncryption(b"geheim")
    pfx = pkcs12.serialize_key_and_certificates(b"ann", person.key, person.certificate, None, lock)
    admin = door.client()

    saved = await admin.put("/identities/ann", files={"file": ("ann.p12", pfx)}, data={"passphrase": "geheim"})
    wrong = await admin.put("/identities/ann", files={"file": ("ann.p12", pfx)}, data={"passphrase": "falsch!"})
    listed = (await admin.get("/identities")).json()["items"]

    assert (saved.status_code, saved.json()["addresses"]) == (200, ["ann@example.com"])
    assert (wrong.status_code, wrong.json()["field"], "falsch" in wrong.text) == (422, "passphrase", False)
    assert listed == [saved.json()] == [(await admin.get("/identities/ann")).json()]
    assert (await admin.delete("/identities/ann")).status_code == 204
    assert (await admin.delete("/identities/ann")).status_code == 404


async def test_nodes_are_described_as_on_the_command_line(door: Door) -> None:
    viewer = door.client(Role.VIEWER)

    nodes = (await viewer.get("/nodes")).json()["nodes"]
    one = (await viewer.get("/nodes/EncryptPDF")).json()
    unknown = await viewer.get("/nodes/EncryptPdf")

    assert nodes["EncryptPDF"] == one
    assert (list(one["inputs"]), list(one["outputs"])) == (["document"], ["document"])
    assert one["parameters"]["properties"]["password"]["per_item"]
    assert (unknown.status_code, "Did you mean 'EncryptPDF'?" in unknown.json()["detail"]) == (404, True)


# Requests


async def test_a_body_is_bounded_whether_or_not_it_says_its_size(door: Door) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    admin, headers = door.client(), {"content-type": "application/json"}

    told = await admin.post("/runs", content=b" " * 1_000_001, headers=headers)
    streamed = await admin.post("/runs", content=pieces(), headers=headers)

    assert (told.status_code, streamed.status_code) == (413, 413)
    assert told.json()["detail"] == "The body may have 1,000,000 bytes."


async def test_nobody_has_a_body_read_without_a_token(door: Door) -> None:
    answer = await door.client(None).put("/flows/letters", content=b"[" * 1_000_000)

    assert answer.status_code == 401


async def test_headers_are_bounded(door: Door) -> None:
    assert (await door.client().get("/me", headers={"X-Long": "x" * 32_000})).status_code == 431


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 50_000, b'{"flow": "x", "limit": 1e999}', b'{"flow": "x", "inputs": {"a": NaN}}',
        b'{"flow": "x", "limit": 99999999999999999999999}', b'{"flow": "\\ud800"}', b"nonsense",
        b'{"flow": "x", "inputs": {"\\ud800": "\\udfff"}}', b'{"flow": "letters", "inputs": {"x": "\\u0000"}}',
    ],
)  # fmt: skip
async def test_a_body_that_is_odd_is_refused_and_never_our_fault(door: Door, body: bytes) -> None:
    answer = await door.client().post("/runs", content=body, headers={"content-type": "application/json"})

    assert answer.status_code in (400, 404, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_bug_is_told_with_the_number_of_the_request_and_not_with_its_words(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Exception):
        """Nobody expects it."""

    async def broken(*_: object, **__: object) -> object:
        raise Broken("a detail from within")

    door.app.state.postwerk.people.all = broken
    answer = await door.client().get("/people")

    assert (answer.status_code, answer.json()["type"]) == (500, "urn:postwerk:bug")
    assert answer.headers["x-request-id"] in answer.json()["detail"]
    assert ("detail from within" in answer.text, "detail from within" in caplog.text) == (False, True)


async def test_a_store_that_is_away_while_a_token_is_looked_up_is_told_without_its_address(door: Door) -> None:
    async def away(_: str) -> None:
        raise StoreUnreachableError("postgresql://db.example/postwerk", "Connection refused.")

    async def away_too(_: str, __: str) -> None:
        await away("")

    door.app.state.postwerk.tokens.find = away
    door.app.state.postwerk.people.log_in = away_too
    answers = [
        await door.client().get("/flows"),
        await door.client(None).post("/login", json={"name": "ann", "password": "Grüne Äpfel im Schnee"}),
    ]

    for answer in answers:
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:postwerk:transient")
        assert "db.example" not in answer.text


async def test_every_answer_forbids_guessing_keeping_and_framing(door: Door) -> None:
    admin, nobody = door.client(), door.client(None)

    for answer in (await admin.get("/me"), await nobody.get("/me"), await admin.get("/none")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers
