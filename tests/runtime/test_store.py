"""The store: group commit, migrations, a full disk, two programs."""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Event

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from postwerk.engine import ConfigError
from postwerk.runtime.disk import DiskFullError
from postwerk.runtime.migrations import HEAD
from postwerk.runtime.migrations.upgrading import configuration
from postwerk.runtime.store import Store, accounts, insert_new, runs
from postwerk.runtime.store.schema import metadata
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

RUN = {"id": "r1", "flow_id": "f", "flow": "{}", "inputs": {}, "files": [], "state": "new", "is_dry": False}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as one:
        yield one


def add(name: str, connection: Connection) -> str:
    connection.execute(insert(accounts).values(name=name, settings={}))
    return name


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(accounts.c.name).order_by(accounts.c.name)).scalars())


async def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        await store.write(lambda connection: add("office", connection))

    with Store(tmp_path / "store.db") as store:
        assert await store.read(names) == ["office"]


async def test_an_error_undoes_its_own_changes_and_nobody_elses(store: Store) -> None:
    entered, go_on = Event(), Event()

    def hold(connection: Connection) -> None:  # while this one runs, the others gather
        del connection
        entered.set()
        go_on.wait(10)

    def fail(connection: Connection) -> None:
        add("undone", connection)
        raise KeyError("on purpose")

    first = asyncio.create_task(store.write(hold))
    await asyncio.to_thread(entered.wait, 10)
    works = [lambda connection, one=one: add(one, connection) for one in ("a", "b")]
    others = [asyncio.create_task(store.write(work)) for work in (works[0], fail, works[1])]
    await asyncio.sleep(0)
    go_on.set()
    results = await asyncio.gather(first, *others, return_exceptions=True)

    assert results[1] == "a"
    assert isinstance(results[2], KeyError)
    assert results[3] == "b"
    assert await store.read(names) == ["a", "b"]


async def test_works_that_wait_share_one_commit(store: Store, tmp_path: Path) -> None:
    entered, go_on = Event(), Event()
    commits = []
    store._engine.pool.dispose()

    def hold(connection: Connection) -> None:
        connection.connection.driver_connection.set_trace_callback(
            lambda statement: commits.append(statement) if statement.startswith("BEGIN") else None
        )
        entered.set()
        go_on.wait(10)

    first = asyncio.create_task(store.write(hold))
    await asyncio.to_thread(entered.wait, 10)
    works = [lambda connection, one=one: add(str(one), connection) for one in range(40)]
    others = [asyncio.create_task(store.write(work)) for work in works]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, *others)

    assert commits == ["BEGIN IMMEDIATE"]


async def test_a_work_is_done_even_when_nobody_waits_for_it(store: Store) -> None:
    entered, go_on = Event(), Event()

    def slow(connection: Connection) -> None:
        entered.set()
        go_on.wait(10)
        add("office", connection)

    waiting = asyncio.create_task(store.write(slow))
    await asyncio.to_thread(entered.wait, 10)
    waiting.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await store.write(lambda connection: add("later", connection))
    assert await store.read(names) == ["later", "office"]


async def test_an_error_of_the_database_reaches_the_one_who_waits(store: Store) -> None:
    await store.write(lambda connection: add("office", connection))

    with pytest.raises(IntegrityError):
        await store.write(lambda connection: add("office", connection))


async def test_on_a_full_disk_nothing_is_lost_and_work_goes_on_afterwards(store: Store) -> None:
    await store.write(lambda connection: add("before", connection))
    pages = await store.write(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar())
    await store.write(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}"))
    large = "x" * 1_000_000

    with pytest.raises(DiskFullError, match=r"store\.db' is full, so nothing new can be kept\. .* Make room"):
        await store.write(lambda connection: add(large, connection))
    results = await asyncio.gather(
        *(store.write(lambda connection, one=one: add(one, connection)) for one in ("small", large, "short")),
        return_exceptions=True,
    )

    assert isinstance(results[1], DiskFullError)
    await store.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1000000"))
    assert await store.write(lambda connection: add("after", connection)) == "after"
    kept = [result for result in results if isinstance(result, str)]
    assert await store.read(names) == sorted(["before", "after", *kept])


async def test_commits_are_made_safe_on_the_disk(store: Store) -> None:
    def pragmas(connection: Connection) -> list[object]:
        asked = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [connection.exec_driver_sql(f"PRAGMA {one}").scalar() for one in asked]

    assert await store.write(pragmas) == ["wal", 2, 1, 30000]


async def test_times_come_back_aware_and_in_utc(store: Store) -> None:
    moment = datetime(2026, 3, 29, 3, 30, 0, 5, tzinfo=timezone(timedelta(hours=2)))

    await store.write(lambda connection: connection.execute(insert(runs).values(created_at=moment, **RUN)))
    found = await store.read(lambda connection: connection.execute(select(runs.c.created_at)).scalar())

    assert found == moment
    assert found.utcoffset() == timedelta(0)


async def test_a_time_without_zone_is_refused(store: Store) -> None:
    values = {**RUN, "created_at": datetime(2026, 3, 29)}

    with pytest.raises(Exception, match="has no time zone"):
        await store.write(lambda connection: connection.execute(insert(runs).values(values)))


async def test_rows_that_are_there_are_not_inserted_again(store: Store) -> None:
    rows = [{"name": name, "settings": {}} for name in ("a", "b")]
    assert await store.write(lambda connection: insert_new(connection, accounts, rows, ["name"])) == 2

    rows.append({"name": "c", "settings": {}})
    assert await store.write(lambda connection: insert_new(connection, accounts, rows, ["name"])) == 1


def test_the_migrations_make_the_tables_that_the_code_expects(store: Store) -> None:
    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})

        assert compare_metadata(context, metadata) == []
        assert ScriptDirectory.from_config(configuration(connection)).get_current_head() == HEAD


def test_indexes_and_their_conditions_are_those_of_the_code(tmp_path: Path, store: Store) -> None:
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
    with Store(tmp_path / "other.db") as other, other._engine.execution_options(writes=True).begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
        expected = connection.exec_driver_sql(query).fetchall()

    with store._engine.connect() as connection:
        assert connection.exec_driver_sql(query).fetchall() == expected


def test_a_store_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "store.db").close()
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(ConfigError, match=r"made by a newer Postwerk \(its tables are at 9999.*Install the newer"):
        Store(tmp_path / "store.db")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"Not a database. " * 1000)

    with pytest.raises(ConfigError, match=r"store\.db' is no database, or it is damaged"):
        Store(tmp_path / "store.db")


def test_another_database_than_sqlite_is_refused_without_telling_its_password() -> None:
    with pytest.raises(ConfigError, match=r"'postgresql://ann:\*\*\*@db/postwerk' is not SQLite") as caught:
        Store("postgresql://ann:geheim@db/postwerk")

    assert "geheim" not in str(caught.value)


def open_and_write(path: Path, name: str) -> None:
    with Store(path) as store:
        asyncio.run(store.write(lambda connection: add(name, connection)))


def test_programs_that_open_a_new_store_at_once_make_it_once(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    programs = [spawn.Process(target=open_and_write, args=(tmp_path / "store.db", str(one))) for one in range(4)]
    for program in programs:
        program.start()
    for program in programs:
        program.join(60)

    assert [program.exitcode for program in programs] == [0] * 4
    with Store(tmp_path / "store.db") as store, store._engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(accounts)).scalar() == 4


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    store.close()

    with pytest.raises(RuntimeError, match="store is closed"):
        asyncio.run(store.write(names))
