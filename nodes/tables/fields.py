"""The rows of a text file with separators, as text."""

from __future__ import annotations

import csv
from collections.abc import Generator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import NamedTuple

from ...engine import Scalar
from .dialect import Dialect
from .header import Header
from .rows import WHOLE_ROW, Row


class Form(NamedTuple):
    """How a file is to be read."""

    encoding: str
    dialect: Dialect


def rows_of(form: Form, path: Path) -> Generator[Row, None, None]:
    """All rows with anything in them, as text; one that breaks the rules of quotes has a trouble."""
    skipped = form.dialect.skipped_lines
    with path.open(encoding=form.encoding, newline="") as content:
        for _ in range(skipped):
            content.readline()
        reader = csv.reader(content, delimiter=form.dialect.delimiter, strict=True)
        for number in count(1):
            line = skipped + reader.line_num + 1
            try:
                fields = next(reader, None)
            except csv.Error as error:  # the reader goes on with the next line
                yield Row(number, [], {WHOLE_ROW: _quotes(str(error), line, skipped + reader.line_num)})
                continue
            if fields is None:
                return
            cells: list[Scalar] = [one if one and not one.isspace() else None for one in fields]
            if any(cells):
                yield Row(number, cells)


def _quotes(error: str, first: int, last: int) -> str:
    lines = f"line {first}" if first == last else f"lines {first} to {last}"
    return (
        f"the quotes in {lines} do not pair ({error}). A field with a quote in it is quoted itself, and the quote "
        'doubled: "5"" pipe".'
    )


def below(form: Form, path: Path, header: Header) -> Generator[Row, None, None]:
    """The rows of the table; one with too few or too many fields has a trouble."""
    with closing(rows_of(form, path)) as rows:
        for row in rows:
            if row.number > header.row:
                yield row if row.troubles else _fitted(row, header.width)


def _fitted(row: Row, width: int) -> Row:
    cells = row.cells
    if len(cells) < width:
        return row._replace(troubles={WHOLE_ROW: _uneven(len(cells), width)})
    if len(cells) > width and any(cells[width:]):
        return row._replace(troubles={WHOLE_ROW: _uneven(len(cells), width)})
    return row


def _uneven(found: int, expected: int) -> str:
    return (
        f"it has {found} fields, and the header has {expected}. Is a separator missing, or one too many? "
        "A field with a separator in it must be quoted."
    )
