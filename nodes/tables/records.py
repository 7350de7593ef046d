"""Rows of a table become records, each under its key. A row that can't is handed on as such, and the others go on."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import NamedTuple

from ...engine import Record, Scalar, Source, Unreadable
from .header import Header
from .rows import WHOLE_ROW, Row, cell_name

MAX_KEY = 200
"""Characters of a key: it names the row in the outbox, in failures and in file names."""


class Tally(NamedTuple):
    """What became of the rows below the header."""

    records: int
    unreadable: int
    blank: int
    """Rows without values between others; skipped."""


class Table(NamedTuple):
    """A table as its records name it."""

    file: str
    sheet: str | None
    header: Header
    key: str | None
    """The column with the records' keys; None takes the row's number."""


def records(table: Table, rows: Iterable[Row]) -> Generator[Record | Unreadable, None, Tally]:
    """A record for each row that has values, in order; the generator's return value says how many of each kind."""
    header, seen = table.header, dict[str, int]()
    made = unreadable = 0
    last = header.row
    for row in rows:
        values = _values(header, row)
        if not row.troubles and all(one is None for one in values.values()):
            continue
        last = row.number
        source = Source(file=table.file, sheet=table.sheet, row=row.number)
        key = _key(table, row, values)
        if (problem := _problem(table, row, key, seen)) is None:
            made += 1
            yield Record(key=key or str(row.number), values=values, source=source)
        else:
            unreadable += 1
            column, text = problem
            yield Unreadable(
                key=_stand_in(key, row.number, seen), source=source, message=f"{source}: {text}", column=column
            )
    return Tally(made, unreadable, last - header.row - made - unreadable)


def _values(header: Header, row: Row) -> Mapping[str, Scalar]:
    cells = row.cells
    if (missing := header.width - len(cells)) > 0:
        cells = cells + [None] * missing
    if header.width > len(header.names):
        cells = [cells[place] for place in header.places]
    return dict(zip(header.names, cells, strict=False))


def _key(table: Table, row: Row, values: Mapping[str, Scalar]) -> str | None:
    """The row's key, unless it has none or its cells may be out of place."""
    if table.key is None:
        return str(row.number)
    value = None if WHOLE_ROW in row.troubles else values[table.key]
    return None if value is None else str(value).strip()


def _problem(table: Table, row: Row, key: str | None, seen: dict[str, int]) -> tuple[str | None, str] | None:
    """The column at fault, if it is one, and what is wrong. In any case the key counts as seen."""
    key_problem = _key_problem(table, row.number, key, seen) if table.key else None
    if not row.troubles:
        return (table.key, key_problem) if key_problem else None
    if text := row.troubles.get(WHOLE_ROW):
        return None, text
    for place, trouble in sorted(row.troubles.items()):
        name = table.header.name_at(place)
        if name is not None:
            return name, f"{cell_name(row.number, place)} (column {name!r}) holds {trouble}. Correct it in the file."
    return (table.key, key_problem) if key_problem else None


def _key_problem(table: Table, number: int, key: str | None, seen: dict[str, int]) -> str | None:
    if key is None:
        what = "is empty, but every row needs its key there. Fill it in."
    elif len(key) > MAX_KEY:
        what = f"has {len(key)} characters, and a key has at most {MAX_KEY}."
    elif (first := seen.setdefault(key, number)) != number:
        what = f"holds the key {key!r}, which stands in row {first} already. Give each row a key of its own."
    else:
        return None
    name = table.key or ""
    return f"{table.header.cell(name, number)} (column {name!r}) {what}"


def _stand_in(key: str | None, number: int, seen: Mapping[str, int]) -> str:
    """The key of a row that can't become a record: its own, unless it has none or another row has it."""
    taken = key is None or len(key) > MAX_KEY or seen.get(key, number) != number
    return f"row {number}" if taken or key is None else key
