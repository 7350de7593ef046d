"""The store: reads on threads, writes in groups: whatever waits is committed together, so that a commit is shared."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from ...engine import ConfigError
from ..migrations import migrate
from .bells import Bells
from .bulk import Bulk
from .commits import Committer, full_database_told
from .databases import is_lost, is_postgresql, open_engine, parse_place, reason_of
from .errors import StoreUnreachableError
from .transactions import RETRY_SECONDS, Transactions

T = TypeVar("T")

Watch = Callable[[Literal["read", "write"], float], None]

READERS = 3
MOST_VALUES = 500
"""In one statement; old SQLite allows 999 parameters."""
SESSION_DIGITS = 16
PATIENCE_SECONDS = 30
"""How long reads and writes wait for a PostgreSQL that is being restarted."""
APART_PATIENCE_SECONDS = 1
"""How long those wait that stand apart."""


class Store:
    """One database. Opening it brings its tables up to date.

    Raises:
        ConfigError: the database is newer than this program, can't be reached, or is none.
    """

    def __init__(self, place: Path | str) -> None:
        self.url = parse_place(place)
        self.session = secrets.token_hex(SESSION_DIGITS // 2)
        """Names this program's connections, so that others can end them when it is dead: see runtime/members.py."""
        self._engine = open_engine(self.url, READERS + 2, session_name(self.session))
        self._bells = Bells(self._engine)
        self._apart: Committer | None = None
        self.watch: Watch = _nobody
        """Hears of each read and write, how many seconds it took: waiting for others counts too."""
        try:
            self._migrate()
        except BaseException:
            self._engine.dispose()
            raise
        self._committer = self._writer(PATIENCE_SECONDS)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")

    @property
    def place(self) -> str:
        """Where it is, for messages: the file, or the address without its password."""
        if self.is_shared:
            return self.url.set(drivername="postgresql").render_as_string(hide_password=True)
        return str(self.url.database)

    @property
    def is_shared(self) -> bool:
        """Whether several programs may work on it, on several machines."""
        return is_postgresql(self.url)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once it is committed. Its error undoes its own changes and nobody else's.

        The work runs on the store's thread: it uses the connection and nothing that others change, since it is
        called again when its transaction was undone. Once handed over it is done, even if nobody waits for it any
        longer. On SQLite nobody else writes meanwhile. On PostgreSQL others do (READ COMMITTED): let each UPDATE name
        the state that it expects, read with FOR UPDATE what a decision rests on, or `hold` it.

        Raises:
            DiskFullError: nothing was changed.
            StoreUnreachableError: nothing was changed.
            OutcomeUnknownError: all was changed, or nothing. Only when the database broke off during the commit and
                did not come back for half a minute.
        """
        began = time.perf_counter()
        try:
            return await self._committer.hand_over(work)
        finally:
            self.watch("write", time.perf_counter() - began)

    async def write_apart(self, work: Callable[[Connection], T]) -> T:
        """As `write`, for what must not wait behind other works, nor for a database that is away.

        On PostgreSQL it has a connection of its own. On SQLite there can be but one writer.
        """
        if not self.is_shared:
            return await self.write(work)
        if self._apart is None:
            self._apart = self._writer(APART_PATIENCE_SECONDS)
        return await self._apart.hand_over(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns; it sees one state of the database from beginning to end. It may be called again.

        Raises:
            StoreUnreachableError: the database is away.
        """
        began = time.perf_counter()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)
        finally:
            self.watch("read", time.perf_counter() - began)

    def rings(self, bell: str) -> AsyncGenerator[str, None]:
        """The names for which others `ring` this bell; use it in `contextlib.aclosing`."""
        return self._bells.rings(bell)

    def _read(self, work: Callable[[Connection], T]) -> T:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._read_once(work)
            except DBAPIError as error:
                if not is_lost(error):
                    raise
                if time.monotonic() >= until:
                    raise StoreUnreachableError(self.place, reason_of(error)) from error
                time.sleep(RETRY_SECONDS)

    def _read_once(self, work: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            try:
                return work(connection)
            except DBAPIError as error:
                if is_lost(error):
                    connection.invalidate()
                raise

    def _writer(self, patience: float) -> Committer:
        transactions = Transactions(self._engine, self.place, patience)
        return Committer(transactions, self.place, self._bells.after_commit)

    def _migrate(self) -> None:
        try:
            with full_database_told(self.place):
                migrate(self._engine)
        except DBAPIError as error:
            if not self.is_shared or not is_lost(error):
                raise
            raise ConfigError(
                f"The database {self.place!r} can't be reached: {reason_of(error)} "
                "Start it, or correct the address in POSTWERK_DATABASE_URL."
            ) from error

    def close(self) -> None:
        """Commits what was handed over, and lets go of the database."""
        for committer in (self._apart, self._committer):
            if committer is not None:
                committer.close()
        self._readers.shutdown()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _nobody(kind: Literal["read", "write"], seconds: float) -> None:
    """Nobody watches."""


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], key: Sequence[str]) -> int:
    """Inserts the rows whose key is not there yet, and says how many they were. All rows have the same columns."""
    if not rows:
        return 0
    return _insert(connection.dialect.name, table, tuple(rows[0]), tuple(key)).run(connection, rows)


@lru_cache
def _insert(dialect: str, table: Table, columns: tuple[str, ...], key: tuple[str, ...]) -> Bulk:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return Bulk(insert(table).on_conflict_do_nothing(index_elements=key), columns)


def session_name(session: str) -> str:
    """What a program's connections are called on PostgreSQL."""
    return f"postwerk {session}"


def portions(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in groups that one statement can name."""
    for start in range(0, len(values), MOST_VALUES):
        yield values[start : start + MOST_VALUES]


def hold(connection: Connection, what: str) -> None:
    """Until this transaction ends, no other that holds the same goes on. On SQLite whoever writes holds everything."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(what, 0))))
