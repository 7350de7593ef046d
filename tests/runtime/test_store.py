"""The store on both databases: group commit, migrations, a full disk, two programs, a server that is restarted."""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Event

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from postwerk.engine import ConfigError
from postwerk.runtime.disk import DiskFullError
from postwerk.runtime.migrations import HEAD
from postwerk.runtime.migrations.upgrading import configuration
from postwerk.runtime.store import Store, StoreUnreachableError, accounts, insert_new, runs
from postwerk.runtime.store.schema import metadata
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.exc import IntegrityError

RUN = {"id": "r1", "flow_id": "f", "flow": "{}", "inputs": {}, "files": [], "state": "new", "is_dry": False}


@pytest.fixture
def store(place: Path | str) -> Iterator[Store]:
    with Store(place) as one:
        yield one


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Store]:
    """On SQLite."""
    with Store(tmp_path / "store.db") as one:
        yield one


def add(name: str, connection: Connection) -> str:
    connection.execute(insert(accounts).values(name=name, settings={}))
    return name


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(accounts.c.name).order_by(accounts.c.name)).scalars())


async def test_what_was_written_is_there_after_reopening(place: Path | str) -> None:
    with Store(place) as store:
        await store.write(lambda connection: add("office", connection))

    with Store(place) as store:
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


async def test_works_that_wait_share_one_commit(embedded: Store, tmp_path: Path) -> None:
    entered, go_on = Event(), Event()
    commits = []
    embedded._engine.pool.dispose()

    def hold(connection: Connection) -> None:
        connection.connection.driver_connection.set_trace_callback(
            lambda statement: commits.append(statement) if statement.startswith("BEGIN") else None
        )
        entered.set()
        go_on.wait(10)

    first = asyncio.create_task(embedded.write(hold))
    await asyncio.to_thread(entered.wait, 10)
    works = [lambda connection, one=one: add(str(one), connection) for one in range(40)]
    others = [asyncio.create_task(embedded.write(work)) for work in works]
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


async def test_on_a_full_disk_nothing_is_lost_and_work_goes_on_afterwards(embedded: Store) -> None:
    await embedded.write(lambda connection: add("before", connection))
    pages = await embedded.write(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar())
    await embedded.write(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}"))
    large = "x" * 1_000_000

    with pytest.raises(DiskFullError, match=r"store\.db' is full, so nothing new can be kept\. .* Make room"):
        await embedded.write(lambda connection: add(large, connection))
    results = await asyncio.gather(
        *(embedded.write(lambda connection, one=one: add(one, connection)) for one in ("small", large, "short")),
        return_exceptions=True,
    )

    assert isinstance(results[1], DiskFullError)
    await embedded.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1000000"))
    assert await embedded.write(lambda connection: add("after", connection)) == "after"
    kept = [result for result in results if isinstance(result, str)]
    assert await embedded.read(names) == sorted(["before", "after", *kept])


async def test_a_file_that_another_program_keeps_to_itself_is_told(embedded: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        await embedded.write(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout = 50"))
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreUnreachableError, match=r"can't be reached: database is locked\. Nothing was changed"):
            await embedded.write(lambda connection: add("a", connection))
        other.execute("ROLLBACK")

        assert await embedded.write(lambda connection: add("b", connection)) == "b"


async def test_commits_are_made_safe_on_the_disk(embedded: Store) -> None:
    def pragmas(connection: Connection) -> list[object]:
        asked = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [connection.exec_driver_sql(f"PRAGMA {one}").scalar() for one in asked]

    assert await embedded.write(pragmas) == ["wal", 2, 1, 30000]


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


INDEXES = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
    "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname",
}


def test_indexes_and_their_conditions_are_those_of_the_code(store: Store) -> None:
    query = INDEXES[store.url.get_backend_name()]
    with store._engine.execution_options(writes=True).begin() as connection:
        found = connection.exec_driver_sql(query).fetchall()
        metadata.drop_all(connection)
        metadata.create_all(connection)

        assert [row for row in found if row[0] != "alembic_version_pkc"] == [
            row for row in connection.exec_driver_sql(query).fetchall() if row[0] != "alembic_version_pkc"
        ]


async def test_a_store_of_a_newer_program_is_refused(place: Path | str) -> None:
    with Store(place) as store:
        newer = text("UPDATE alembic_version SET version_num = '9999'")
        await store.write(lambda connection: connection.execute(newer))

    with pytest.raises(ConfigError, match=r"made by a newer Postwerk \(its tables are at 9999.*Install the newer"):
        Store(place)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"Not a database. " * 1000)

    with pytest.raises(ConfigError, match=r"store\.db' is no database, or it is damaged"):
        Store(tmp_path / "store.db")


def test_a_database_of_another_kind_is_refused_without_telling_its_password() -> None:
    with pytest.raises(
        ConfigError, match=r"'mysql://ann:\*\*\*@db/postwerk' is neither SQLite nor PostgreSQL"
    ) as caught:
        Store("mysql://ann:geheim@db/postwerk")

    assert "geheim" not in str(caught.value)


def test_a_server_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^The database 'postgresql://ann:\*\*\*@.* can't be reached: .*Start it"
    ) as caught:
        Store(f"postgresql://ann:geheim@/postwerk?host={tmp_path}")

    assert "geheim" not in str(caught.value)


def open_and_write(place: Path | str, name: str) -> None:
    with Store(place) as store:
        asyncio.run(store.write(lambda connection: add(name, connection)))


@pytest.fixture
def empty_place(place: Path | str) -> Path | str:
    """Without tables, as a firm's database is at first."""
    if isinstance(place, str):
        drop = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
        with psycopg.connect(place, autocommit=True) as connection:
            connection.execute(drop)
    return place


def test_programs_that_open_a_new_store_at_once_make_it_once(empty_place: Path | str) -> None:
    spawn = multiprocessing.get_context("spawn")
    programs = [spawn.Process(target=open_and_write, args=(empty_place, str(one))) for one in range(4)]
    for program in programs:
        program.start()
    for program in programs:
        program.join(60)

    assert [program.exitcode for program in programs] == [0] * 4
    with Store(empty_place) as store, store._engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(accounts)).scalar() == 4


def test_a_closed_store_says_so(place: Path | str) -> None:
    store = Store(place)
    store.close()

    with pytest.raises(RuntimeError, match="store is closed"):
        asyncio.run(store.write(names))
