"""Transactions that write: done once, although the database may be restarted at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from .databases import FIRST, RUNG, is_busy, is_clash, is_lost, reason_of
from .errors import OutcomeUnknownError, StoreUnreachableError
from .marker import Marker

T = TypeVar("T")

MOST_CLASHES = 5
RETRY_SECONDS = 0.1


class _OpenOutcomeError(Exception):
    """The connection was lost between COMMIT and its answer."""

    def __init__(self, result: Any) -> None:
        self.result = result


class Transactions:
    """A connection for writing, made anew when it was lost. Used by one thread.

    A work may be called again when its transaction is known to be undone: it clashed with another program's, or the
    connection was lost before the commit. Whether a commit took place whose answer was lost is read from the
    database: see `Marker`.
    """

    def __init__(self, engine: Engine, place: str, patience: float) -> None:
        """`patience`: for how many seconds a work waits for a database that is away."""
        self._engine = engine.execution_options(writes=True)
        self._place = place
        self._patience = patience
        self._marker = Marker() if engine.dialect.name == "postgresql" else None
        self._connection: Connection | None = None

    def do(self, work: Callable[[Connection], T], after: Callable[[Connection], None]) -> T:
        """What the work returns, committed; `after` looks at the connection then.

        Raises:
            StoreUnreachableError: nothing was changed.
            OutcomeUnknownError: all was changed, or nothing.
        """
        until = time.monotonic() + self._patience
        clashes = 0
        while True:
            try:
                return self._attempt(work, after)
            except _OpenOutcomeError as outcome:
                if self._has_happened(until):
                    result: T = outcome.result
                    return result
            except DBAPIError as error:
                if is_busy(error):
                    raise StoreUnreachableError(self._place, reason_of(error)) from error
                clashes += is_clash(error)
                if not is_lost(error) and not (is_clash(error) and clashes < MOST_CLASHES):
                    raise
                if time.monotonic() >= until:
                    raise StoreUnreachableError(self._place, reason_of(error)) from error
                time.sleep(RETRY_SECONDS)

    def close(self) -> None:
        if self._connection is not None:
            if self._marker is not None:
                with suppress(DBAPIError):
                    self._marker.remove(self._connection)
            self._connection.close()

    def _attempt(self, work: Callable[[Connection], T], after: Callable[[Connection], None]) -> T:
        connection = self._connected()
        connection.info.pop(RUNG, None)
        if self._marker is not None:
            connection.info[FIRST] = self._marker.next()
        is_done = False
        try:
            with connection.begin():
                result = work(connection)
                is_done = True
        except DBAPIError as error:
            self._heed(error)
            if is_done and is_lost(error):
                raise _OpenOutcomeError(result) from error
            raise
        after(connection)
        return result

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
            if self._marker is not None:
                try:
                    self._marker.register(self._connection)
                except DBAPIError as error:
                    self._heed(error)
                    raise
        return self._connection

    def _heed(self, error: DBAPIError) -> None:
        if is_lost(error) and self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def _has_happened(self, until: float) -> bool:
        while True:
            try:
                has_happened = self._marker.stands(self._connected()) if self._marker else None
            except DBAPIError as error:
                self._heed(error)
                if not is_lost(error) and not is_clash(error):
                    raise
                if time.monotonic() >= until:
                    raise OutcomeUnknownError(self._place) from error
                time.sleep(RETRY_SECONDS)
            else:
                if has_happened is None:
                    raise OutcomeUnknownError(self._place)
                return has_happened
