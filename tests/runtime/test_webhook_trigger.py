"""Webhooks: who may call, how a body becomes inputs, and the same key for the same answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postwerk.engine import ConfigError, Refused, Transient
from postwerk.engine.flow import load_flow
from postwerk.runtime.store import secrets as secret_table
from postwerk.runtime.store.schema import triggers as trigger_table
from postwerk.runtime.triggers.bodies import inputs_of, read_body
from postwerk.runtime.triggers.kinds import Webhook
from postwerk.runtime.triggers.webhooks import Received, Webhooks
from postwerk.runtime.workspace import Workspace
from sqlalchemy import delete, select

from ..foreign import call
from .trigger_desk import FLOW, Desk

SECRET = "geheim, aber kurz"
GITHUB = {"signature": {"style": "github"}}
STRIPE = {"signature": {"style": "stripe"}}


class Caller:
    """Somebody who knows a URL."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.token = ""

    async def known(self, **settings: Any) -> None:
        fields = {name: settings.pop(name) for name in ("inputs", "is_published", "secret") if name in settings}
        kept = await self.desk.add("hook", {"kind": "webhook", **settings}, **fields)
        self.token = kept.token or self.token

    async def call(
        self,
        body: bytes | Mapping[str, Any] = b"",
        *,
        token: str | None = None,
        hooks: Webhooks | None = None,
        **headers: str,
    ) -> Received:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answering = hooks or self.desk.triggers.webhooks
        return await answering.receive(self.token if token is None else token, named, sent, self.desk.clock.now())

    async def inputs(self) -> list[dict[str, Any]]:
        """Those of each run."""
        return [dict(run.inputs) for run in await self.desk.runs()]


@pytest.fixture
def caller(tmp_path: Path, place: Path | str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Caller]:
    if isinstance(place, str):
        monkeypatch.setenv("POSTWERK_DATABASE_URL", place)
    with Workspace.make(tmp_path / "workspace") as workspace:
        yield Caller(Desk(workspace))


def hmac_of(signed: bytes, secret: str = SECRET) -> str:
    """By somebody else's program."""
    return call("openssl", "dgst", "-sha256", "-hmac", secret, data=signed).stdout.decode().split()[-1]


# Who may call


async def test_a_call_is_answered_with_the_id_of_the_run_that_it_started(caller: Caller) -> None:
    await caller.known()

    answer = await caller.call({"month": "Mai"})

    [run] = await caller.desk.runs()
    assert answer == Received(202, run.id)
    assert run.inputs["month"] == "Mai"
    [event] = await caller.desk.events("hook")
    assert (event.state, event.run) == ("started", run.id)


async def test_the_url_is_shown_once_and_kept_as_a_digest(caller: Caller) -> None:
    await caller.known()

    rows = await caller.desk.workspace.store.read(lambda one: one.execute(select(trigger_table)).all())
    assert len(caller.token) >= 43
    assert caller.token not in str(rows)
    before, after = caller.token, await caller.desk.add("hook", {"kind": "webhook"}, inputs={"month": "Juni"})
    assert after.token is None
    assert (await caller.call(token=before)).status == 202


@pytest.mark.parametrize("token", ["", "x", "ü" * 43, "A" * 43, "a" * 100_000, "\ud800"])
async def test_a_url_that_nobody_made_is_unknown(caller: Caller, token: str) -> None:
    await caller.known()

    assert await caller.call(token=token) == Received(404, message="There is no such URL.")


async def test_what_is_not_published_or_removed_starts_nothing(caller: Caller) -> None:
    await caller.known(is_published=False)
    assert (await caller.call()).status == 403

    await caller.desk.triggers.remove("hook")
    assert (await caller.call()).status == 404
    assert await caller.inputs() == []


# Signatures


async def test_a_request_that_is_signed_as_github_does_is_taken(caller: Caller) -> None:
    await caller.known(**GITHUB, secret=SECRET)
    body = '{"month": "März"}'.encode()

    answer = await caller.call(body, X_Hub_Signature_256=f"sha256={hmac_of(body)}")

    assert answer.status == 202
    assert [one["month"] for one in await caller.inputs()] == ["März"]


async def test_a_request_that_is_signed_as_stripe_does_is_taken(caller: Caller) -> None:
    await caller.known(**STRIPE, secret=SECRET)
    time = int(caller.desk.clock.now().timestamp())
    signature = hmac_of(f"{time}.".encode() + b"{}")

    answer = await caller.call(b"{}", Stripe_Signature=f"t={time},v1={'0' * 64},v1={signature},v0={'1' * 64}")

    assert answer.status == 202


async def test_the_header_of_a_signature_can_be_another(caller: Caller) -> None:
    await caller.known(signature={"style": "github", "header": "X-Shop-Signature"}, secret=SECRET)

    assert (await caller.call(b"{}", x_shop_signature=f"sha256={hmac_of(b'{}').upper()}")).status == 202
    assert (await caller.call(b"{}", X_Hub_Signature_256=f"sha256={hmac_of(b'{}')}")).status == 401


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("", "The request is not signed: it has no header 'X-Hub-Signature-256'."),
        ("sha1=0000", "is no signature; 'sha256=' and 64 hexadecimal digits are expected."),
        (f"sha256={'0' * 64}", "The signature is wrong."),
        ("sha256=", "The signature is wrong."),
        ("sha256=üüü", "The signature is wrong."),
        ("sha256=" + "0" * 5000, "is too long (5,007 characters)"),
    ],
)
async def test_a_request_that_is_signed_wrongly_starts_nothing(caller: Caller, header: str, told: str) -> None:
    await caller.known(**GITHUB, secret=SECRET)

    answer = await caller.call(b"{}", X_Hub_Signature_256=header)

    assert answer.status == 401
    assert told in str(answer.message)
    assert await caller.desk.events("hook") == []
    assert hmac_of(b"{}") not in str(answer)


@pytest.mark.parametrize(("body", "secret"), [(b"{ }", SECRET), (b"{}", "another secret"), (b"{}", "")])
async def test_a_signature_of_another_body_or_secret_starts_nothing(caller: Caller, body: bytes, secret: str) -> None:
    await caller.known(**GITHUB, secret=SECRET)

    assert (await caller.call(b"{}", X_Hub_Signature_256=f"sha256={hmac_of(body, secret)}")).status == 401


@pytest.mark.parametrize("seconds", [-301, 301, 10_000_000])
async def test_a_request_that_was_signed_long_ago_is_refused(caller: Caller, seconds: int) -> None:
    await caller.known(**STRIPE, secret=SECRET)
    time = int(caller.desk.clock.now().timestamp()) + seconds

    answer = await caller.call(b"{}", Stripe_Signature=f"t={time},v1={hmac_of(f'{time}.'.encode() + b'{}')}")

    assert answer.status == 401
    assert f"The request was signed {abs(seconds):,} seconds from now; at most 300 are allowed" in str(answer.message)


@pytest.mark.parametrize(
    "header", ["", "t=,v1=0", "v1=00", "t=1,t=2,v1=00", "t=1e9,v1=0", "t=99999999999999,v1=0", "t"]
)
async def test_a_signature_without_a_time_is_refused(caller: Caller, header: str) -> None:
    await caller.known(**STRIPE, secret=SECRET)

    assert (await caller.call(b"{}", Stripe_Signature=header)).status == 401


async def test_a_recorded_request_starts_nothing_a_second_time(caller: Caller) -> None:
    await caller.known(**STRIPE, secret=SECRET)
    time = int(caller.desk.clock.now().timestamp())
    signed = f"t={time},v1={hmac_of(f'{time}.'.encode() + b'{}')}"

    first, again = (
        await caller.call(b"{}", Stripe_Signature=signed),
        await caller.call(b"{}", Stripe_Signature=f"{signed},v0=1"),
    )

    assert first == again
    assert len(await caller.inputs()) == 1


async def test_the_secret_of_signatures_is_locked_and_goes_with_its_trigger(caller: Caller) -> None:
    store = caller.desk.workspace.store
    kept = await caller.desk.add("hook", {"kind": "webhook", **GITHUB})
    assert kept.secret is not None
    body, signed = b"{}", f"sha256={hmac_of(b'{}', kept.secret)}"
    assert (await caller.call(body, token=kept.token, X_Hub_Signature_256=signed)).status == 202

    held = await store.read(lambda one: one.execute(select(secret_table.c.value)).scalars().all())
    assert not any(kept.secret.encode() in value for value in held)
    await caller.desk.triggers.remove("hook")
    names = await store.read(lambda one: one.execute(select(secret_table.c.name)).scalars().all())
    assert [name for name in names if name.startswith("webhook:")] == []


# The same key, the same answer


async def test_the_same_key_gets_the_same_answer_and_starts_nothing_again(caller: Caller) -> None:
    await caller.known()

    answers = [await caller.call({"month": "Mai"}, Idempotency_Key="order-7") for _ in range(3)]

    assert len(set(answers)) == 1
    assert len(await caller.inputs()) == 1
    assert (await caller.call({"month": "Mai"}, Idempotency_Key="order-8")).run != answers[0].run
    assert (await caller.call({"month": "Mai"})).run != (await caller.call({"month": "Mai"})).run


async def test_the_same_key_at_the_same_time_starts_one_run(caller: Caller) -> None:
    await caller.known()
    programs = [caller.desk.another().webhooks for _ in range(4)]

    answers = await asyncio.gather(*(caller.call(b"{}", hooks=one, Idempotency_Key="7") for one in programs))

    assert {answer.status for answer in answers} <= {202, 409}
    assert len(await caller.inputs()) == 1
    assert len({answer.run for answer in answers if answer.status == 202}) == 1


async def test_the_same_key_with_another_body_is_refused(caller: Caller) -> None:
    await caller.known()
    await caller.call({"month": "Mai"}, Idempotency_Key="order-7")

    answer = await caller.call({"month": "Juni"}, Idempotency_Key="order-7")

    assert answer == Received(
        422, message="This key was used before, with another body. Take a new key for a new request."
    )
    assert [one["month"] for one in await caller.inputs()] == ["Mai"]


async def test_a_refused_request_stays_refused_under_its_key(caller: Caller) -> None:
    await caller.known()
    file = caller.desk.workspace.folder / "files" / "list.csv"
    kept = file.read_bytes()
    file.unlink()

    first = await caller.call(b"{}", Idempotency_Key="7")
    file.write_bytes(kept)

    assert first == Received(422, message="The flow can't be started. Its operator sees why.")
    [event] = await caller.desk.events("hook")
    assert "There is no file 'list.csv'" in str(event.message)
    assert await caller.call(b"{}", Idempotency_Key="7") == first
    assert await caller.inputs() == []


async def test_what_cannot_start_at_present_is_started_later_and_found_by_its_key(caller: Caller) -> None:
    await caller.known()

    async def away(flow_id: str, inputs: Mapping[str, str], run_id: str, trigger: str) -> None:
        raise Transient("The store is away.")

    caller.desk.start = away
    first = await caller.call(b"{}", hooks=caller.desk.another().webhooks, Idempotency_Key="7")
    caller.desk.start = None
    async with caller.desk.running():
        await caller.desk.turn(seconds=6)
        await caller.desk.fired(1, "hook")

    assert (first.status, first.message) == (202, None)
    assert await caller.call(b"{}", Idempotency_Key="7") == Received(202, first.run)


async def test_a_key_may_stand_in_another_header_and_is_bounded(caller: Caller) -> None:
    await caller.known(key_header="X-GitHub-Delivery")

    first, again = [await caller.call(b"{}", x_github_delivery="7") for _ in range(2)]

    assert first == again
    assert (await caller.call(b"{}", x_github_delivery="7" * 300)).status == 400


# Bodies


async def test_members_that_are_inputs_are_taken_but_no_files_and_nothing_that_is_set(caller: Caller) -> None:
    await caller.known(inputs={"limit": "3"})

    await caller.call({"month": "Mai", "limit": 1_000_000, "list": "../secret.key", "other": [1, 2]})

    assert await caller.inputs() == [{"month": "Mai", "limit": 3, "list": "list.csv"}]


async def test_members_are_found_by_json_pointers(caller: Caller) -> None:
    await caller.known(fields={"month": "/order/months/1/a~1b~0c", "limit": "/order/limit"}, inputs={"limit": "3"})

    await caller.call({"order": {"months": [{}, {"a/b~c": "Mai"}]}, "month": "Juni"})

    assert await caller.inputs() == [{"month": "Mai", "limit": 3, "list": "list.csv"}]


async def test_a_body_that_is_too_large_is_refused(caller: Caller) -> None:
    await caller.known(max_bytes=100)

    answer = await caller.call(b" " * 101)

    assert answer == Received(413, message="The body has 101 bytes; 100 are allowed.")
    assert await caller.desk.triggers.webhooks.most_bytes(caller.token) == 100
    assert await caller.desk.triggers.webhooks.most_bytes("nobody") is None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"[1]", "The body is a JSON array; an object is expected."),
        (b"null", "The body is a JSON null; an object is expected."),
        (b"month=Mai", "The body is no JSON: Expecting value"),
        (b"{", "The body is no JSON"),
        ("{\"month\": \"März\"}".encode("latin-1"), "The body is not UTF-8: invalid"),
        (b'{"limit": NaN}', "NaN is no JSON number"),
        (b'{"limit": 1e999}', "The value for 'limit' is too large a number"),
        (b'{"limit": ' + b"9" * 5000 + b"}", "The body is no JSON: Exceeds the limit"),
        (b'{"month": "a", "month": "b"}', "the name 'month' is there twice"),
        (b'{"month": {"a": 1}}', "The value for 'month' is a JSON object; a text, a number or true or false fits."),
        (b'{"month": "a\\u0000b"}', "The value for 'month' holds a character that no text may hold"),
        (b'{"month": "\\ud800"}', "The value for 'month' holds a character that no text may hold"),
        (b'{"month": "' + b"a" * 100_001 + b'"}', "The value for 'month' has 100,001 characters"),
        (b'{"a": ' * 20_000 + b"1" + b"}" * 20_000, "The body is nested too deeply."),
    ],
)  # fmt: skip
async def test_a_body_that_is_nothing_is_refused_and_its_key_is_not_used_up(
    caller: Caller, body: bytes, told: str
) -> None:
    await caller.known()

    answer = await caller.call(body, Idempotency_Key="7")

    assert answer.status == 400
    assert told in str(answer.message)
    assert [(one.state, one.message) for one in await caller.desk.events("hook")] == [("refused", answer.message)]
    assert (await caller.call(b"{}", Idempotency_Key="7")).status == 202


async def test_a_value_that_does_not_fit_is_told_and_uses_up_no_key(caller: Caller) -> None:
    await caller.known()

    answer = await caller.call({"limit": "many"}, Idempotency_Key="7")

    assert answer == Received(422, message="The input 'limit' is 'many'; a number is expected.")
    assert (await caller.call({"limit": "9"}, Idempotency_Key="7")).status == 202
    assert [one.state for one in await caller.desk.events("hook")] == ["refused", "started"]


async def test_a_flow_that_is_gone_is_told_to_the_operator_only(caller: Caller) -> None:
    await caller.known()
    (caller.desk.workspace.folder / "flows" / "intake.json").unlink()

    answer = await caller.call(b"{}")

    assert answer == Received(422, message="The flow can't be started. Its operator sees why.")
    assert "There is no flow 'intake'" in str((await caller.desk.events("hook"))[0].message)


async def test_a_webhook_whose_secret_is_gone_takes_nothing(caller: Caller) -> None:
    await caller.known(**GITHUB, secret=SECRET)
    await caller.desk.workspace.store.write(lambda connection: connection.execute(delete(secret_table)))

    answer = await caller.call(b"{}", X_Hub_Signature_256=f"sha256={hmac_of(b'{}')}")

    assert answer.status == 503
    assert await caller.inputs() == []


def test_values_keep_their_digits_on_the_way_to_text() -> None:
    flow = load_flow(json.dumps({**FLOW, "inputs": {name: {} for name in "abcdefg"}}))
    body = read_body(
        b'\xef\xbb\xbf{"a": 1.10, "b": true, "c": 12345678901234567890, "d": 1e20, "e": null, "f": "\xc3\xa4"}'
    )

    found = inputs_of(Webhook(), {}, flow, body)

    assert found == {"a": "1.1", "b": "true", "c": "12345678901234567890", "d": "100000000000000000000", "f": "ä"}


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_whatever_comes_is_an_object_or_refused(body: bytes) -> None:
    with suppress(Refused):
        assert isinstance(read_body(body), dict)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"fields": {"month": "order.month"}}, "'order.month' for 'month' is no JSON pointer; write '/order/no', say"),
        ({"fields": {"month": "/a~2"}}, "is no JSON pointer"),
        ({"fields": {"mnth": "/month"}}, "has no input 'mnth'"),
        ({"key_header": "Bad Header"}, "settings.key_header: String should match pattern"),
        ({"signature": {"style": "gitlab"}}, "settings.signature.style: Input should be 'github' or 'stripe'"),
    ],
)
async def test_settings_that_cannot_work_are_refused(caller: Caller, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        await caller.known(**settings)


async def test_a_store_that_is_away_is_told_without_saying_where_it_is(caller: Caller) -> None:
    await caller.known()
    store = caller.desk.workspace.store
    if store.is_shared:
        pytest.skip("a PostgreSQL that is away is waited for; that is tested with the store")
    await store.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1"))

    answer = await caller.call({"month": "x" * 90_000})

    assert answer == Received(503, message="It can't be started at present. Ask again in a minute.")
    await store.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1000000"))
    assert (await caller.call({"month": "x" * 90_000})).status == 202
    assert len(await caller.inputs()) == 1
