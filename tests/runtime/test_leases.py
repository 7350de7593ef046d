"""Leases: who delivers which account, on both databases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from postwerk.runtime import members as program
from postwerk.runtime.members import Kind, Membership, bury
from postwerk.runtime.outbox import MailState
from postwerk.runtime.outbox import leases as leasing
from postwerk.runtime.outbox.claims import recover
from postwerk.runtime.outbox.delivery import Delivery
from postwerk.runtime.store import leases, members, outbox, ring
from postwerk.runtime.store.moments import database_now
from sqlalchemy import Connection, insert, select, update

from ..smtp_peers import Peer
from ..turned_clock import NOON
from .outgoing import ON_BOTH, Office, account, office

S = MailState


def add_member(connection: Connection, name: str) -> None:
    now = database_now(connection)
    row = {"id": name, "kind": "worker", "host": "elsewhere", "pid": 1, "delivers": True}
    connection.execute(insert(members).values(started_at=now, beat_at=now, **row))


def holders(connection: Connection) -> dict[str, str]:
    return {row.account: row.holder for row in connection.execute(select(leases.c.account, leases.c.holder))}


async def put_for(post: Office, *accounts: str) -> None:
    await post.put(*(post.new(number, account=name) for number, name in enumerate(accounts)))


async def take(post: Office, member: str) -> set[str]:
    share = await post.store.write(lambda connection: leasing.take(connection, member))
    return set(share.held)


@ON_BOTH
async def test_a_member_takes_its_share_of_the_accounts_and_no_more(post: Office) -> None:
    await put_for(post, *"abcde")
    for name in ("first", "second"):
        await post.store.write(lambda connection, name=name: add_member(connection, name))

    assert await take(post, "first") == set("abc")
    assert await take(post, "second") == set("de")
    assert await take(post, "first") == set("abc")


@ON_BOTH
async def test_what_a_dead_member_held_is_free(post: Office) -> None:
    await put_for(post, *"abcd")
    for name in ("first", "second"):
        await post.store.write(lambda connection, name=name: add_member(connection, name))
        await take(post, name)

    await post.store.write(lambda connection: bury(connection, ["first"]))

    assert await take(post, "second") == set("abcd")
    assert set((await post.store.read(holders)).values()) == {"second"}


@ON_BOTH
async def test_one_that_is_buried_takes_nothing(post: Office) -> None:
    await put_for(post, "a")
    await post.store.write(lambda connection: add_member(connection, "dead"))
    await post.store.write(lambda connection: bury(connection, ["dead"]))

    assert await take(post, "dead") == set()


@ON_BOTH
async def test_accounts_without_mails_are_handed_over_first(post: Office) -> None:
    await put_for(post, *"abcd")
    await post.store.write(lambda connection: add_member(connection, "first"))
    await take(post, "first")
    await post.store.write(lambda one: one.execute(update(outbox).where(outbox.c.account != "b").values(state="sent")))
    await post.store.write(lambda connection: add_member(connection, "second"))

    share = await post.store.read(lambda connection: leasing.shares(connection, "first"))

    assert share.surplus == ("a", "c")


@ON_BOTH
async def test_only_what_the_dead_left_on_its_way_is_settled(post: Office) -> None:
    await post.put(*post.several(3))
    await post.store.write(lambda connection: add_member(connection, "living"))
    await post.store.write(lambda connection: add_member(connection, "dead"))
    await post.store.write(lambda connection: bury(connection, ["dead"]))
    for number, holder in enumerate(("living", "dead", None)):
        change = update(outbox).where(outbox.c.key == str(number)).values(state="sending", holder=holder)
        await post.store.write(lambda connection, change=change: connection.execute(change))

    assert await post.store.write(lambda connection: recover(connection, [], NOON)) == (2, 0)
    assert await post.states() == {"0": "sending", "1": "in_doubt", "2": "in_doubt"}


@ON_BOTH
async def test_a_member_that_lost_a_lease_sends_nothing_more_for_that_account(post: Office, peer: Peer) -> None:
    await post.put(post.new(0))
    async with asyncio.timeout(20), post.delivery() as delivery:
        await post.until(S.SENT)
        await post.store.write(lambda connection: add_member(connection, "other"))
        await post.store.write(lambda connection: connection.execute(update(leases).values(holder="other")))
        await post.put(*(post.new(number) for number in range(1, 20)))
        delivery.wake("office")
        while delivery.held:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.01)

    assert len(peer.mails) == 1
    assert sorted((await post.states()).values()) == ["queued"] * 19 + ["sent"]
    assert await post.store.read(holders) == {"office": "other"}


@ON_BOTH
async def test_leaving_lets_go_of_everything(post: Office) -> None:
    await post.put(post.new(0))
    async with asyncio.timeout(20), post.delivery():
        await post.until(S.SENT)
        assert set(await post.store.read(holders)) == {"office"}

    assert await post.store.read(holders) == {}


@ON_BOTH
async def test_the_truth_of_its_last_holder_settles_a_doubt(post: Office, peer: Peer) -> None:
    """Others take the program for dead while it waits for the server's answer; then the answer comes."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def hold(command: str) -> None:
        if command == ".":
            asked.set()
            await answer.wait()

    peer.before_answer = hold
    await post.put(post.new(0))
    async with asyncio.timeout(20), post.delivery():
        await asked.wait()
        others = update(outbox).values(state="in_doubt", reply="The program ended.")
        await post.store.write(lambda connection: connection.execute(others))
        answer.set()
        await post.until(S.SENT)

    assert (await post.only()).reply == "2.0.0 Ok: queued as 4711"


@ON_BOTH
async def test_a_program_that_was_cut_off_after_it_marked_a_mail_does_not_send_it(
    post: Office, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it had been frozen between its commit and the first byte."""

    async def cut_off(command: str) -> None:
        if command == "DATA" and peer.connections == 1:
            monkeypatch.setattr(program, "OWN_LIMIT_SECONDS", -1)

    peer.before_answer = cut_off
    await post.put(post.new(0))
    async with asyncio.timeout(20), post.delivery():
        while (await post.only()).attempts == 0 or (await post.only()).state is S.SENDING:  # noqa: ASYNC110  in a database
            await asyncio.sleep(0.01)
        assert ((await post.only()).state, peer.mails) == (S.QUEUED, [])

        monkeypatch.setattr(program, "OWN_LIMIT_SECONDS", 4)
        await post.until(S.SENT)

    assert len(peer.mails) == 1


@asynccontextmanager
async def delivering(post: Office, folder: Path, database: str, number: int) -> AsyncIterator[list[Delivery]]:
    """Several members, each with a store of its own, as on several machines."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(number):
            other = stack.enter_context(office(folder, database))
            other.clock = post.clock
            member = await stack.enter_async_context(Membership(other.store, Kind.WORKER))
            delivery = Delivery(other.store, other.blobs, other.accounts, other.clock, member)
            found.append(await stack.enter_async_context(delivery))
        yield found


@pytest.mark.parametrize("post", ["postgresql"], indirect=True)
async def test_accounts_are_spread_anew_when_a_member_joins_or_leaves(
    post: Office, peer: Peer, tmp_path: Path, database_url: str
) -> None:
    peer.answer("RCPT", "451 4.2.1 Later")  # so that each goes on having a mail
    for name in "abcd":
        await post.accounts.add(account(peer.port, name=name))
    await put_for(post, *"abcd")

    async with asyncio.timeout(30), delivering(post, tmp_path, database_url, 1) as (first,):
        while first.held != set("abcd"):
            await first._member.beaten()
        async with delivering(post, tmp_path, database_url, 1) as (second,):
            while not (len(first.held) == len(second.held) == 2):
                await second._member.beaten()
            assert first.held | second.held == set("abcd")
        while first.held != set("abcd"):
            await first._member.beaten()


@pytest.mark.parametrize("post", ["postgresql"], indirect=True)
async def test_what_a_member_lets_go_of_on_leaving_is_taken_at_once(
    post: Office, peer: Peer, tmp_path: Path, database_url: str
) -> None:
    peer.answer("RCPT", "451 4.2.1 Later")
    await post.put(post.new(0))
    async with asyncio.timeout(30), AsyncExitStack() as leaving:
        (first,) = await leaving.enter_async_context(delivering(post, tmp_path, database_url, 1))
        while not first.held:
            await first._member.beaten()
        async with delivering(post, tmp_path, database_url, 1) as (second,):
            await second._member.beaten()
            await leaving.aclose()
            start = time.perf_counter()
            while not second.held:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.005)

    print(f"\nhanded over in {(time.perf_counter() - start) * 1000:.0f} ms after leaving")
    assert time.perf_counter() - start < 0.9  # not only at the next heartbeat


@pytest.mark.parametrize("post", ["postgresql"], indirect=True)
async def test_a_mail_that_another_program_queues_leaves_at_once(
    post: Office, peer: Peer, tmp_path: Path, database_url: str
) -> None:
    seconds = []
    async with asyncio.timeout(30), delivering(post, tmp_path, database_url, 2):
        await post.put(post.new(0))
        await post.until(S.SENT)
        for number in range(1, 6):
            start = time.perf_counter()
            await post.put(post.new(number))  # `post` delivers nothing itself
            await post.until(S.SENT, number=number + 1)
            seconds.append(time.perf_counter() - start)

    print(f"\nfrom queued by one program to sent by another: {max(seconds) * 1000:.0f} ms at most")
    assert max(seconds) < 0.5
    assert post.clock.now() - NOON < timedelta(seconds=1)  # nobody has polled


@ON_BOTH
async def test_a_bell_rings_only_when_its_transaction_was_committed(post: Office) -> None:
    async with asyncio.timeout(10):
        rings = post.store.rings("outbox")
        assert await anext(rings) == ""

        def fail(connection: Connection) -> None:
            ring(connection, "outbox", "undone")
            raise KeyError

        with pytest.raises(KeyError):
            await post.store.write(fail)
        await post.put(post.new(0))

        assert await anext(rings) == "office"
        await rings.aclose()
