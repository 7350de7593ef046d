"""Members on both databases: heartbeats, burials, and programs that find out that they are nobody any more."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from postwerk.runtime.members import EXIT_CODE, LIMIT_SECONDS, Kind, Membership, MembershipLostError, bury, living
from postwerk.runtime.members import _judge as judge
from postwerk.runtime.neighbours import is_gone, name_of_this_process
from postwerk.runtime.store import Store, members
from postwerk.runtime.store.moments import database_now
from sqlalchemy import Connection, insert, select


@pytest.fixture
def store(place: Path | str) -> Iterator[Store]:
    with Store(place) as one:
        yield one


def ids(connection: Connection) -> set[str]:
    return set(connection.execute(living()).scalars())


def add_silent(connection: Connection, name: str, seconds: int) -> None:
    """One of another machine, not heard of for so long."""
    then = database_now(connection, ago=seconds)
    row = {"id": name, "kind": "worker", "host": "elsewhere", "pid": 1}
    connection.execute(insert(members).values(started_at=then, beat_at=then, **row))


async def until_beaten(member: Membership, times: int = 1) -> None:
    async with asyncio.timeout(10):
        for _ in range(times):
            await member.beaten()


async def test_a_member_lives_as_long_as_its_block(store: Store) -> None:
    async with Membership(store, Kind.SERVE) as member:
        assert await store.read(ids) == {member.id}
        assert member.is_alive
        member.check()

    assert await store.read(ids) == set()


async def test_the_row_tells_where_and_what_it_is(store: Store) -> None:
    async with Membership(store, Kind.WORKER) as member:
        row = (await store.read(lambda connection: connection.execute(select(members)).mappings().all()))[0]

    assert (row["id"], row["kind"], row["pid"], row["delivers"]) == (member.id, "worker", os.getpid(), False)
    assert row["host"]
    assert row["started_at"] == row["beat_at"]


async def test_each_beat_moves_the_time_on_by_the_clock_of_the_database(store: Store) -> None:
    beat_at = select(members.c.beat_at)
    async with Membership(store, Kind.WORKER) as member:
        first = await store.read(lambda connection: connection.execute(beat_at).scalar_one())
        await until_beaten(member, 2)
        second = await store.read(lambda connection: connection.execute(beat_at).scalar_one())

    assert 0.9 < (second - first).total_seconds() < 4


async def test_who_is_silent_for_too_long_is_buried_by_the_others(store: Store) -> None:
    await store.write(lambda connection: add_silent(connection, "dead", LIMIT_SECONDS + 1))
    await store.write(lambda connection: add_silent(connection, "quiet", LIMIT_SECONDS - 3))

    assert await store.write(lambda connection: bury(connection, [], by_age=True)) == 1
    assert await store.read(ids) == {"quiet"}
    assert await store.write(lambda connection: bury(connection, [], by_age=True)) == 0


async def test_a_new_member_buries_at_once_unless_the_database_has_just_come_up(store: Store) -> None:
    await store.write(lambda connection: add_silent(connection, "dead", 60))

    async with Membership(store, Kind.SERVE) as member:
        found = await store.read(ids)

    is_new = store.is_shared and "dead" in found  # the tests' server may be younger than ten seconds
    assert found == ({member.id, "dead"} if is_new else {member.id})


async def live(member: Membership, until: asyncio.Event) -> bool:
    """Until it is stopped; whether it knew then that it was dead."""
    try:
        async with member:
            until.set()
            await asyncio.Event().wait()
    except MembershipLostError:
        return not member.is_alive
    return False


async def test_the_open_transactions_of_the_dead_are_ended(database_url: str) -> None:
    """One that is frozen in the middle of a statement would keep its locks for as long as it is frozen."""
    dead = "f" * 32
    with Store(database_url) as store:
        await store.write(lambda connection: add_silent(connection, dead, 60))
        with closing(psycopg.connect(database_url, application_name=f"postwerk {dead[:16]}")) as frozen:
            frozen.execute("UPDATE members SET host = 'locked'")

            async with asyncio.timeout(10):
                await store.write(lambda connection: judge(connection, by_age=True))
            with pytest.raises(psycopg.OperationalError, match="terminating connection"):
                frozen.execute("SELECT 1")

        assert await store.read(ids) == set()


async def test_a_member_that_was_buried_is_stopped_in_the_middle_and_told(store: Store) -> None:
    member, is_living = Membership(store, Kind.WORKER), asyncio.Event()
    life = asyncio.create_task(live(member, is_living))
    await is_living.wait()

    await store.write(lambda connection: bury(connection, [member.id]))

    async with asyncio.timeout(10):
        assert await life


async def test_an_error_of_the_block_passes_as_it_is(store: Store) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with Membership(store, Kind.RUN):
            raise KeyError("mine")


@contextmanager
def other_program(place: Path | str, *how: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A member in a process of its own, and its id."""
    command = [sys.executable, "-m", "tests.runtime.membered", str(place), *how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as one:
        assert one.stdout is not None
        try:
            yield one, one.stdout.readline().decode().strip()
        finally:
            one.kill()


async def test_a_neighbour_that_was_killed_is_buried_without_waiting_for_its_silence(
    store: Store, place: Path | str
) -> None:
    with other_program(place) as (child, other):
        async with Membership(store, Kind.SERVE) as member:
            assert await store.read(ids) == {member.id, other}
            child.kill()
            await until_beaten(member, 2)

            assert await store.read(ids) == {member.id}


async def until_it_has_just_beaten(store: Store, member: str) -> None:
    beat_at = select(members.c.beat_at).where(members.c.id == member)
    before = now = await store.read(lambda connection: connection.execute(beat_at).scalar_one())
    while now == before:
        now = await store.read(lambda connection: connection.execute(beat_at).scalar_one())


async def test_who_is_frozen_and_woken_knows_before_it_does_anything(store: Store, place: Path | str) -> None:
    with other_program(place) as (child, other):
        await until_it_has_just_beaten(store, other)  # frozen while it writes, it would keep an SQLite file to itself
        child.send_signal(signal.SIGSTOP)
        async with asyncio.timeout(20), Membership(store, Kind.SERVE) as member:
            await member.beaten()
            while other in await store.read(ids):
                await member.beaten()
        child.send_signal(signal.SIGCONT)
        assert child.stdout is not None

        told = [line.decode().strip() for line in child.stdout]

    # it asks its membership thousands of times a second, and writes what it hears when that changes
    assert told == ["suspended", "lost"]


async def test_who_was_buried_and_does_not_leave_is_ended(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store, other_program(tmp_path / "store.db", "stubborn") as (child, other):
        await store.write(lambda connection: bury(connection, [other]))

        assert await asyncio.to_thread(child.wait, 20) == EXIT_CODE


def test_a_process_is_known_by_more_than_its_number() -> None:
    mine = name_of_this_process()
    assert mine is not None
    assert not is_gone(mine)
    neighbourhood, pid, mark = mine.rsplit("/", 2)

    assert is_gone(f"{neighbourhood}/{pid}/{int(mark) - 1}")
    assert is_gone(f"{neighbourhood}/4194305/{mark}")
    assert not is_gone(f"another machine/{pid}/{mark}")
    assert not is_gone(None)
