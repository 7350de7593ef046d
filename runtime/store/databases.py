"""SQLite or PostgreSQL: how connections are made, how transactions begin, and what their errors mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from ...engine import ConfigError

BUSY_SECONDS = 30
"""How long one program waits while another one writes to the same SQLite file."""
STATEMENT_SECONDS = 60
LOCK_SECONDS = 15
"""How long a statement waits for another program's transaction on PostgreSQL."""
IDLE_SECONDS = 5
"""A process frozen inside a transaction that writes keeps its locks no longer than this."""
FIRST = "postwerk_first"
"""In a connection's `info`: '; ' and what its next transaction does first, sent together with its BEGIN."""
RUNG = "postwerk_rung"
"""In a connection's `info`: the bells to ring when its transaction is committed."""

LINK = {
    "application_name": "postwerk",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""libpq's settings: a machine that vanished is noticed within seconds, not after hours."""
LOST = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "53300", "08000", "08001", "08003", "08004", "08006"})
"""PostgreSQL: shutting down, crashed, starting, idle for too long, too many connections, no connection."""
CLASHES = frozenset({"40001", "40P01", "55P03"})
"""Two transactions stood in each other's way; this one was undone and may be done again."""
FULL = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "53100"})
"""SQLite calls a disk full (ENOSPC) so; a used-up quota (EDQUOT) and a limit on files (EFBIG) are failed writes."""


def parse_place(place: Path | str) -> URL:
    """The address of a database: a path, or a URL of SQLite or PostgreSQL.

    Raises:
        ConfigError: it is neither.
    """
    if isinstance(place, Path):
        return URL.create("sqlite", database=str(place))
    try:
        url = make_url(place)
    except ArgumentError as error:
        raise ConfigError(
            "The database's address can't be read. Write 'postgresql://user:password@host/name' or "
            "'sqlite:///path/to/file'."
        ) from error
    if url.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "sqlite":
        raise ConfigError(
            f"The database {url.render_as_string(hide_password=True)!r} is neither SQLite nor PostgreSQL. "
            "Write 'postgresql://user:password@host/name' or 'sqlite:///path/to/file'."
        )
    return url


def is_postgresql(url: URL) -> bool:
    return url.get_backend_name() == "postgresql"


def open_engine(url: URL, connections: int, name: str = "postwerk") -> Engine:
    """An engine whose transactions begin as ours should. `name` tells its connections from others' on PostgreSQL."""
    if is_postgresql(url):
        return _postgresql(url, connections, name)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def is_lost(error: DBAPIError) -> bool:
    """Whether the error means that the connection is gone, or could not be had."""
    if isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", "") is None:
        return True  # psycopg's own: the server did not say anything
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in LOST


def is_clash(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in CLASHES


def is_busy(error: DBAPIError) -> bool:
    """Whether another program has kept an SQLite file to itself for too long: it hangs, or was frozen."""
    return str(getattr(error.orig, "sqlite_errorname", "")).startswith("SQLITE_BUSY")


def is_full(error: DBAPIError) -> bool:
    """Whether the database can't grow."""
    orig = error.orig
    return bool({getattr(orig, "sqlite_errorname", None), getattr(orig, "sqlstate", None)} & FULL)


def reason_of(error: DBAPIError) -> str:
    """The driver's words, on one line."""
    lines = [line.strip() for line in str(error.orig).splitlines() if line.strip()]
    return f"{lines[0].rstrip('.')}." if lines else f"{type(error.orig).__name__}."


def _postgresql(url: URL, connections: int, name: str) -> Engine:
    engine = create_engine(
        url,
        connect_args={**LINK, "application_name": name},
        pool_size=connections,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        use_native_hstore=False,
    )
    event.listen(engine, "connect", _prepare_postgresql)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own: `_begin_sqlite` does
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    _execute(connection, "BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")


def _prepare_postgresql(connection: Any, _: object) -> None:
    connection.autocommit = True  # as above: the driver begins none of its own
    settings = f"SET statement_timeout = '{STATEMENT_SECONDS}s'; SET lock_timeout = '{LOCK_SECONDS}s'"
    with connection.cursor() as cursor:
        cursor.execute(settings, prepare=False)


def _begin_postgresql(connection: Connection) -> None:
    """One way to the server: the beginning, and what is to be done first."""
    if _writes(connection):
        statement = f"BEGIN; SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"
        statement += connection.info.pop(FIRST, "")
    else:
        statement = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    _execute(connection, statement, prepare=False)


def _execute(connection: Connection, statement: str, **how: Any) -> None:
    """Past SQLAlchemy, which would spend more on it than SQLite does."""
    cursor: Any = connection.connection.cursor()
    try:
        cursor.execute(statement, **how)
    except connection.dialect.loaded_dbapi.OperationalError as error:
        raise OperationalError(statement, None, error) from error
    finally:
        cursor.close()


def _writes(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("writes", False))
