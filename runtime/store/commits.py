"""Group commit: one thread takes all the work that waits, does it in one transaction, and commits once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..disk import DiskFullError
from .databases import is_full
from .errors import OutcomeUnknownError, StoreUnreachableError
from .transactions import Transactions

T = TypeVar("T")

LARGEST_GROUP = 64
"""Works in one commit: the first does not wait for ever while more arrive."""


@contextmanager
def full_database_told(place: str) -> Iterator[None]:
    """Turns the database's refusal to grow into a DiskFullError."""
    try:
        yield
    except DBAPIError as error:
        if is_full(error):
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


class Committer:
    """A writer with a thread of its own. When one work of a group fails, all are done again, each for itself."""

    def __init__(self, transactions: Transactions, place: str, after: Callable[[Connection], None]) -> None:
        """`after` is called with the connection after each commit."""
        self._transactions = transactions
        self._place = place
        self._after = after
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
        if not self._is_closed:
            self._is_closed = True
            self._waiting.put(None)
            self._thread.join()

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            group, goes_on = self._take()
            if group:
                self._commit(group)
                _tell(group)
        self._transactions.close()

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

    def _commit(self, group: list[_Work]) -> None:
        try:
            with full_database_told(self._place):
                self._transactions.do(lambda connection: _do_all(connection, group), self._after)
        except (StoreUnreachableError, OutcomeUnknownError) as error:
            for work in group:
                work.error = error
        except BaseException as error:  # noqa: BLE001  whoever waits must hear of it
            if len(group) == 1:
                group[0].error = error
            else:
                for work in group:
                    self._commit([work])


def _do_all(connection: Connection, group: list[_Work]) -> None:
    for work in group:
        work.result = work.do(connection)


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
