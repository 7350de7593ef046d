"""The store: reads on threads, writes in groups: whatever waits is committed together, so that a commit is shared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite

from ...engine import ConfigError
from ..migrations import migrate
from .bulk import Bulk
from .commits import Committer, full_database_told

T = TypeVar("T")

BUSY_SECONDS = 30
"""How long one program waits while another one writes."""
READERS = 3


class Store:
    """One database. Opening it brings its tables up to date.

    Raises:
        ConfigError: the database is newer than this program, or is none.
    """

    def __init__(self, place: Path | str) -> None:
        self.url = URL.create("sqlite", database=str(place)) if isinstance(place, Path) else make_url(place)
        self._engine = _engine(self.url)
        try:
            with full_database_told(self.place):
                migrate(self._engine)
        except BaseException:
            self._engine.dispose()
            raise
        self._committer = Committer(self._engine, self.place)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")

    @property
    def place(self) -> str:
        """Where it is, for messages: the file, or the address without its password."""
        if self.url.get_backend_name() == "sqlite":
            return str(self.url.database)
        return self.url.render_as_string(hide_password=True)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once it is committed. Its error undoes its own changes and nobody else's.

        The work runs on the store's thread: it uses the connection and nothing that others change. Once handed
        over it is done, even if nobody waits for it any longer.

        Raises:
            DiskFullError: nothing was changed.
        """
        return await self._committer.hand_over(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns; it sees one state of the database from beginning to end."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def _read(self, work: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return work(connection)

    def close(self) -> None:
        """Commits what was handed over, and lets go of the database."""
        self._committer.close()
        self._readers.shutdown()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], key: Sequence[str]) -> int:
    """Inserts the rows whose key is not there yet, and says how many they were. All rows have the same columns."""
    if not rows:
        return 0
    return _insert(connection.dialect.name, table, tuple(rows[0]), tuple(key)).run(connection, rows)


@lru_cache
def _insert(dialect: str, table: Table, columns: tuple[str, ...], key: tuple[str, ...]) -> Bulk:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return Bulk(insert(table).on_conflict_do_nothing(index_elements=key), columns)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        raise ConfigError(
            f"The database {url.render_as_string(hide_password=True)!r} is not SQLite. "
            "Only SQLite is supported: write 'sqlite:///path/to/file'."
        )
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own: `_begin` does
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    cursor = connection.connection.cursor()  # past SQLAlchemy, which would spend more on it than SQLite does
    cursor.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
    cursor.close()
