"""Whether a commit happened whose answer was lost: each transaction leaves its number in the writer's row."""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, delete, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert

from .schema import writers

FORGOTTEN_AFTER: ColumnElement[timedelta] = literal_column("interval '30 days'")


class Marker:
    """One writer's row. PostgreSQL only: SQLite has no connection that could break.

    The number of the transaction (`pg_xact_status`) would cost nothing, but after a crash of the server it may be
    given to another transaction.
    """

    def __init__(self) -> None:
        self._id = secrets.token_hex(16)
        self._number = 0

    def register(self, connection: Connection) -> None:
        """Sees that the row is there, in a transaction of its own; rows of programs long dead go."""
        with connection.begin():
            row = {"id": self._id, "number": self._number, "used_at": func.now()}
            connection.execute(insert(writers).values(row).on_conflict_do_nothing())
            connection.execute(delete(writers).where(writers.c.used_at < func.now() - FORGOTTEN_AFTER))

    def next(self) -> str:
        """The SQL by which the coming transaction leaves its number."""
        self._number += 1
        return f"; UPDATE writers SET number = {self._number}, used_at = now() WHERE id = '{self._id}'"

    def stands(self, connection: Connection) -> bool | None:
        """Whether the last transaction was committed; None: nobody can tell any more.

        Waits for it, if the server still works on it for the connection that was lost.
        """
        query = select(writers.c.number).where(writers.c.id == self._id).with_for_update()
        with connection.begin():
            found = connection.execute(query).scalar()
        return None if found is None else found == self._number

    def remove(self, connection: Connection) -> None:
        with connection.begin():
            connection.execute(delete(writers).where(writers.c.id == self._id))
