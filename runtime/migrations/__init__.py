"""The history of the tables, for alembic; looked at whenever a store is opened."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DatabaseError

from ...engine import ConfigError

HEAD = "0006"
"""The newest revision; known here so that opening an up-to-date store need not search for it."""
VERSIONS = "alembic_version"
LOCK = 0x506F7374
"""The advisory lock under which PostgreSQL's tables are made: "Post"."""


def migrate(engine: Engine) -> None:
    """Brings the tables up to date, in one transaction; a second program waits meanwhile.

    Raises:
        ConfigError: a newer program made them, or the file is no database.
    """
    try:
        with engine.connect() as connection:
            if _revision(connection) == HEAD:
                return
        from .upgrading import upgrade  # alembic costs each start 60 ms, and is seldom needed

        with engine.execution_options(writes=True).begin() as connection:
            _hold_alone(connection)
            upgrade(connection, _revision(connection), HEAD)
    except DatabaseError as error:
        if "not a database" not in str(error.orig) and "malformed" not in str(error.orig):
            raise
        raise ConfigError(
            f"{engine.url.database!r} is no database, or it is damaged: {error.orig}. "
            "Restore it from a copy, or name another workspace."
        ) from error


def _hold_alone(connection: Connection) -> None:
    """Has other programs wait that would migrate too. On SQLite whoever writes is alone."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSIONS):
        return None
    found: str | None = connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalar()
    return found
