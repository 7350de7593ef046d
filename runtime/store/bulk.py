"""A statement for many rows at once, compiled a single time and handed to the driver as it is.

SQLAlchemy would spend more on each execution than SQLite does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Connection, Executable
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

Process = Callable[[Any], Any]


class Bulk:
    """A statement whose every changing value is a `bindparam` (constants: `literal_column`).

    An INSERT needs none: `columns` are those that each row gives.
    """

    def __init__(self, statement: Executable, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Executes it for each row, and returns how many rows of the table that touched."""
        compiled = self._for(connection)
        with _cursor(connection, compiled.sql) as cursor:
            cursor.executemany(compiled.sql, compiled.parameters(rows))
            return int(cursor.rowcount)

    def ask(self, connection: Connection, row: Mapping[str, Any]) -> list[Sequence[Any]]:
        """The rows that the statement, a query, finds for these values; as the driver gives them: see `decoded`."""
        compiled = self._for(connection)
        with _cursor(connection, compiled.sql) as cursor:
            cursor.execute(compiled.sql, compiled.parameters([{**compiled.constants, **row}])[0])
            return list(cursor.fetchall())

    def decoded(self, connection: Connection, row: Sequence[Any]) -> list[Any]:
        """A row that was found, with its values as Python knows them."""
        return [read(value) if read else value for read, value in zip(self._for(connection).readers, row, strict=True)]

    def _for(self, connection: Connection) -> _Compiled:
        compiled = self._compiled.get(connection.dialect.name)
        if compiled is None:
            compiled = self._compiled[connection.dialect.name] = _Compiled(self._statement, self._columns, connection)
        return compiled


class _Compiled:
    def __init__(self, statement: Executable, columns: Sequence[str] | None, connection: Connection) -> None:
        built = statement.compile(dialect=connection.dialect, column_keys=columns)  # type: ignore[attr-defined]
        compiled = cast("SQLCompiler", built)
        self.sql = str(compiled)
        processors = {name: _processor(bind.type, connection) for bind, name in compiled.bind_names.items()}
        self._by_position = [(name, processors[name]) for name in compiled.positiontup or ()]
        self.constants = {name: value for name, value in compiled.params.items() if value is not None}
        self.readers = [_reader(one.type, connection) for one in getattr(statement, "selected_columns", ())]
        self._by_name = {name: process for name, process in processors.items() if process is not None}

    def parameters(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        """The rows as the driver wants them."""
        if not self._by_position:
            return [self._named(row) for row in rows]
        plan = self._by_position
        return [tuple([process(row[name]) if process else row[name] for name, process in plan]) for row in rows]

    def _named(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**row, **{name: process(row[name]) for name, process in self._by_name.items()}}


@contextmanager
def _cursor(connection: Connection, statement: str) -> Iterator[Any]:
    """The driver's, with its errors as SQLAlchemy names them."""
    if not connection.in_transaction():
        connection.begin()
    dbapi = connection.dialect.loaded_dbapi
    cursor = connection.connection.cursor()
    try:
        yield cursor
    except dbapi.Error as error:
        base = cast("type[Exception]", dbapi.Error)
        raise DBAPIError.instance(statement, None, error, base, dialect=connection.dialect) from error
    finally:
        cursor.close()


def _processor(kind: Any, connection: Connection) -> Process | None:
    return cast("Process | None", kind.dialect_impl(connection.dialect).bind_processor(connection.dialect))


def _reader(kind: Any, connection: Connection) -> Process | None:
    impl = kind.dialect_impl(connection.dialect)
    return cast("Process | None", impl.result_processor(connection.dialect, None))
