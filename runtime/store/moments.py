"""The time as the database has it: the one clock that all programs share."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, literal_column

SQLITE_FORM = "%Y-%m-%d %H:%M:%f000+00:00"
"""As `Instant` writes it; SQLite knows thousandths."""


def database_now(connection: Connection, *, ago: int = 0) -> ColumnElement[datetime]:
    """The present by the database's clock, or so many seconds before."""
    if connection.dialect.name == "postgresql":
        before: ColumnElement[datetime] = literal_column(f"interval '{int(ago)} seconds'")
        return func.clock_timestamp() - before
    return func.strftime(SQLITE_FORM, "now", f"-{int(ago)} seconds")
