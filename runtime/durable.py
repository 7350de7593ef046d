"""Durable execution, by DBOS. The only module that imports it.

Two workflows, generic and with ids alone as arguments: a run (one *turn* of it, from being taken up to its end or its
next rest), and a chunk of a run on a queue that all machines share. DBOS remembers which process has begun them, and
gives those of a dead process to a living one. What they have done so far is in our own store, in the transactions of
the chunks, so each may be begun again at any time: hence they have no steps.

DBOS runs once in a process. Its tables lie in a file of their own beside the store, or in the same PostgreSQL.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Protocol, Self

from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos._serialization import DBOSPortableJSONSerializer, DefaultSerializer
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from ..engine import Transient

CHUNKS = "chunks"
VERSION = "1"
"""Of the two workflows. A hash of the code, which DBOS takes otherwise, would strand all runs at each update."""
MOST_RECOVERIES = 10_000
"""A run whose program is killed again and again goes on: what kills a process by itself is found by the crew."""
POLL_SECONDS = 0.1
BUSY_SECONDS = 30
ENDED = ["SUCCESS", "ERROR", "CANCELLED"]
MOST_TIDIED = 1000


class Bodies(Protocol):
    """What the workflows do."""

    async def take_forward(self, run: str, turn: int) -> None:
        """Takes a run to its end or its next rest, unless a later turn of it has begun."""

    async def do_chunk(self, run: str, stage: int, number: int) -> str:
        """Does a chunk and keeps what it brought; empty, or why it could not."""


_bodies: Bodies | None = None


@DBOS.workflow(name="run_flow", max_recovery_attempts=MOST_RECOVERIES)
async def _run_flow(run: str, turn: int) -> None:
    if _bodies is not None:
        await _bodies.take_forward(run, turn)


@DBOS.workflow(name="run_chunk", max_recovery_attempts=MOST_RECOVERIES)
async def _run_chunk(run: str, stage: int, number: int) -> str:
    return await _bodies.do_chunk(run, stage, number) if _bodies is not None else ""


class Durable:
    """The durable engine of this process, from entering the `async with` block to leaving it."""

    def __init__(self, database: URL, member: str, bodies: Bodies, width: int) -> None:
        """`width`: how many chunks this process takes at once."""
        self._database, self._member, self._bodies, self._width = database, member, bodies, width
        self._engine: Engine | None = None

    async def __aenter__(self) -> Self:
        global _bodies
        _bodies = self._bodies
        logging.getLogger("dbos").setLevel(logging.WARNING)
        setattr(DefaultSerializer, "deserialize", _refuse_pickle)  # noqa: B010  DBOS offers no other way
        DBOS(config=self._config())
        DBOS.launch()  # here, so that workflows run on this loop
        await DBOS.register_queue_async(
            CHUNKS, worker_concurrency=self._width, polling_interval_sec=POLL_SECONDS, on_conflict="always_update"
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _bodies
        # DBOS had set an executor of its own, which goes with it.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
        await asyncio.to_thread(DBOS.destroy)
        if self._engine is not None:
            self._engine.dispose()
        _bodies = None

    async def begin(self, run: str, turn: int) -> None:
        """Takes a run forward, here and at once. Raises Transient when the database is away."""
        with _reaching_the_database(), SetWorkflowID(f"{run}.{turn}"):
            await DBOS.start_workflow_async(_run_flow, run, turn)

    async def chunk(self, run: str, turn: int, stage: int, number: int) -> str:
        """Has a chunk done by any machine, and returns what `do_chunk` did there."""
        with _reaching_the_database():
            with SetWorkflowID(f"{run}.{turn}.{stage}.{number}"):
                handle = await DBOS.enqueue_workflow_async(CHUNKS, _run_chunk, run, stage, number)
            return await handle.get_result(polling_interval_sec=POLL_SECONDS)

    async def take_over(self, dead: Collection[str]) -> None:
        """Gives the work of dead members to those who live."""
        with _reaching_the_database():
            await asyncio.to_thread(DBOS._recover_pending_workflows, list(dead))

    async def tidy(self, before: datetime) -> int:
        """Removes what DBOS keeps of workflows that ended before then, and says how many they were."""
        with _reaching_the_database():
            ended = await DBOS.list_workflows_async(
                status=ENDED, completed_before=before.isoformat(), limit=MOST_TIDIED, load_input=False,
                load_output=False,
            )  # fmt: skip
            await DBOS.delete_workflows_async([one.workflow_id for one in ended])
        return len(ended)

    def _config(self) -> DBOSConfig:
        config: DBOSConfig = {
            "name": "postwerk", "application_version": VERSION, "executor_id": self._member, "log_level": "WARNING",
            "serializer": DBOSPortableJSONSerializer(), "notification_listener_polling_interval_sec": 0.2,
            "system_database_url": self._database.render_as_string(hide_password=False),
        }  # fmt: skip
        if self._database.get_backend_name() == "sqlite":
            self._engine = _sqlite(self._database)
            config["system_database_engine"] = self._engine
        return config


@contextmanager
def _reaching_the_database() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise Transient(f"The durable engine can't reach its database: {error}. It is tried again.") from error


def database_beside(store: URL) -> URL:
    """Where DBOS keeps its own tables."""
    if store.get_backend_name() != "sqlite":
        return store
    return URL.create("sqlite", database=str(Path(str(store.database)).with_name("durable.db")))


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _refuse_pickle(*_: object) -> NoReturn:
    raise ValueError("The durable engine's database holds pickled data, which is never read: it could run any code.")
