"""What a table says of its columns while the flow is edited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal

from ...engine import Column, Columns, ColumnType, ConfigError, Flaw, Scalar, suggestion
from .header import Header
from .rows import Row


def types_of(header: Header, rows: Iterable[Row]) -> dict[str, ColumnType]:
    """The type of each column, by the values in these rows; ANY when they differ or there are none."""
    found: dict[str, set[ColumnType]] = {name: set() for name in header.names}
    for row in rows:
        for name, place in zip(header.names, header.places, strict=True):
            if place < len(row.cells) and (value := row.cells[place]) is not None:
                found[name].add(type_of(value))
    return {name: types.pop() if len(types) == 1 else ColumnType.ANY for name, types in found.items()}


def type_of(value: Scalar) -> ColumnType:
    if isinstance(value, str):
        return ColumnType.TEXT
    if isinstance(value, bool):
        return ColumnType.BOOLEAN
    if isinstance(value, int | float | Decimal):
        return ColumnType.NUMBER
    return ColumnType.DATE if isinstance(value, date) else ColumnType.ANY


def typed(types: Mapping[str, ColumnType], sensitive: Iterable[str]) -> Columns:
    """The columns that a source delivers."""
    marked = set(sensitive)
    return {name: Column(name=name, type=type, is_sensitive=name in marked) for name, type in types.items()}


def unknown_names(header: Header, file: str, fields: Mapping[str, Iterable[str | None]]) -> Iterator[Flaw]:
    """A flaw for each column that a field names and the table lacks."""
    for field, names in fields.items():
        for name in names:
            if name is not None and name not in header.names:
                text = f"{file} has no column {name!r} in its header (row {header.row})."
                yield Flaw(message=f"{text} {suggestion(name, header.names)}", field=field)


def check_names(header: Header, file: str, fields: Mapping[str, Iterable[str | None]]) -> None:
    """Raises ConfigError for the first of `unknown_names`."""
    for flaw in unknown_names(header, file, fields):
        raise ConfigError(flaw.message, field=flaw.field)
