"""Group commit: one thread takes all the work that waits, does it in one transaction, and commits once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from ..disk import DiskFullError

T = TypeVar("T")

LARGEST_GROUP = 64
"""Works in one commit: the first does not wait for ever while more arrive."""


FULL = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"})
"""SQLite calls a disk full (ENOSPC) so; a used-up quota (EDQUOT) and a limit on files (EFBIG) are failed writes."""


@contextmanager
def full_database_told(place: str) -> Iterator[None]:
    """Turns the database's refusal to grow into a DiskFullError."""
    try:
        yield
    except OperationalError as error:
        if getattr(error.orig, "sqlite_errorname", None) in FULL:
            raise DiskFullError(place) from error
        raise


@dataclass(slots=True)
class _Work:
    do: Callable[[Connection], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    result: Any = None
    error: BaseException | None = None

    def tell(self) -> None:
        if self.future.cancelled():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class _UndoneError(Exception):
    """The database itself gave up the transaction, with everything in it."""


class Committer:
    """The only writer of a process."""

    def __init__(self, engine: Engine, place: str) -> None:
        self._engine = engine.execution_options(writes=True)
        self._place = place
        self._waiting: SimpleQueue[_Work | None] = SimpleQueue()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def hand_over(self, do: Callable[[Connection], T]) -> T:
        if self._is_closed:
            raise RuntimeError("The store is closed.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.put(_Work(do, future, loop))
        return await future

    def close(self) -> None:
        self._is_closed = True
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        with self._engine.connect() as connection:
            goes_on = True
            while goes_on:
                group, goes_on = self._take()
                self._commit(connection, group)
                _tell(group)

    def _take(self) -> tuple[list[_Work], bool]:
        group: list[_Work] = []
        work = self._waiting.get()
        while work is not None:
            group.append(work)
            if len(group) == LARGEST_GROUP:
                return group, True
            try:
                work = self._waiting.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _commit(self, connection: Connection, group: list[_Work]) -> None:
        try:
            with full_database_told(self._place), connection.begin():
                self._do_all(connection, group)
        except _UndoneError:
            self._commit_singly(connection, group)
        except BaseException as error:  # noqa: BLE001  whoever waits for the group must hear of it
            for work in group:
                work.error = work.error or error

    def _do_all(self, connection: Connection, group: list[_Work]) -> None:
        if len(group) == 1:
            group[0].result = group[0].do(connection)
            return
        for work in group:
            connection.exec_driver_sql("SAVEPOINT work")
            try:
                work.result = work.do(connection)
            except BaseException as error:  # noqa: BLE001  it is for the one who waits
                work.error = error
                _undo(connection)
            connection.exec_driver_sql("RELEASE work")

    def _commit_singly(self, connection: Connection, group: list[_Work]) -> None:
        for work in group:
            work.error = None
            self._commit(connection, [work])


def _undo(connection: Connection) -> None:
    if not connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]  # sqlite3's
        raise _UndoneError  # on a full disk SQLite rolls back everything, and the savepoint is gone
    connection.exec_driver_sql("ROLLBACK TO work")


def _tell(group: list[_Work]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Work]] = {}
    for work in group:
        by_loop.setdefault(work.loop, []).append(work)
    for loop, works in by_loop.items():
        try:
            loop.call_soon_threadsafe(_tell_all, works)
        except RuntimeError:
            continue  # the loop is closed: nobody waits any more


def _tell_all(works: list[_Work]) -> None:
    for work in works:
        work.tell()
