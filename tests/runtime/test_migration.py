"""A workspace of the first schema, with a run in it that waits, opens and goes on."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from postwerk.runtime.host import Host
from postwerk.runtime.migrations.upgrading import upgrade
from postwerk.runtime.runs import service
from postwerk.runtime.runs.progress import Progress
from postwerk.runtime.runs.states import ACTIVE, RunState
from postwerk.runtime.workspace import Workspace
from sqlalchemy import create_engine

from .house import House

FIRST = "0001"


def as_it_was(database: Path) -> None:
    """Puts what a database holds into one of the first schema."""
    old = database.with_name("old.db")
    engine = create_engine(f"sqlite:///{old}")
    with engine.begin() as connection:
        upgrade(connection, None, FIRST)
    engine.dispose()
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("ATTACH ? AS new", [str(database)])
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            if table != "alembic_version" and not table.startswith("sqlite_"):
                copy(connection, table)
        connection.commit()
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()
    shutil.move(old, database)


def copy(connection: sqlite3.Connection, table: str) -> None:
    then, now = (
        {row[1] for row in connection.execute(f"PRAGMA {place}.table_info({table})")} for place in ("main", "new")
    )
    if columns := ", ".join(f'"{name}"' for name in sorted(then & now)):
        connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")


def columns_of(connection: sqlite3.Connection, place: str, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA {place}.table_info({table})")}


async def test_a_workspace_of_the_first_schema_opens_and_its_waiting_run_goes_on(house: House) -> None:
    house.write_list(number=12)
    run = await house.start(house.flow())
    await service.execute(house.workspace, run, Progress(), is_sending=False)
    assert set((await house.states()).values()) == {"queued"}
    folder = house.workspace.folder
    house.workspace.close()

    as_it_was(folder / "postwerk.db")

    with Workspace(folder) as workspace:
        house.workspace = workspace
        async with Host(workspace):
            async with asyncio.timeout(60):
                while (await house.report(run.id))["state"] in ACTIVE:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        assert (await house.report(run.id))["state"] == RunState.FINISHED
        assert set((await house.states()).values()) == {"sent"}
        assert (await workspace.accounts.default()) == "office"
    house.workspace = Workspace(folder)  # which the fixture closes
