"""A styled workbook, written row by row: the memory it takes does not grow with the rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import chain, count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from xml.sax.saxutils import escape

from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from ...engine import Scalar
from .cells import cell_text, looks_like_formula, shortened

MAX_COLUMNS = 16_384
"""Excel's specifications and limits."""
MAX_SHEET_NAME = 31
"""Characters, counted in UTF-16."""
SAMPLE = 200
"""Rows by which columns are made wide enough."""
NARROWEST, WIDEST = 8, 60
"""Characters of a column's width."""
DIGIT = 7
"""Pixels of a character's width, in the font that a new workbook has (Calibri 11)."""
ROW_TAGS, CELL_TAGS = 20, 46
"""Bytes of XML around the cells of a row, and around the text of a cell."""


class Limits(NamedTuple):
    """When a sheet is full."""

    rows: int = 1_048_576
    """With the header (Excel's specifications and limits)."""
    size: int = 2**30
    """Bytes of its XML, roughly; from 2 GiB on a zip needs extensions that Excel complains of."""


EXCEL = Limits()


def write_workbook(
    path: Path,
    sheet: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Scalar]],
    limits: Limits = EXCEL,
    *,
    created: datetime | None = None,
) -> None:
    """Writes the rows under a header; what does not fit on one sheet goes on with the next.

    Equal rows make equal bytes when `created` is equal too; it is the present unless it is given.

    Raises:
        OSError: the disk is full.
    """
    with _new_book(path, created or datetime.now(UTC)) as book:
        pencil = _Pencil(book, columns)
        left = iter(rows)
        for number in count(1):
            pencil.write_sheet(book.add_worksheet(_numbered(sheet, number)), left, limits)
            if (first := next(left, None)) is None:
                break
            left = chain([first], left)


@contextmanager
def _new_book(path: Path, created: datetime) -> Iterator[Workbook]:
    """A workbook that keeps its rows on the disk, where it will stand itself, until it is closed."""
    with TemporaryDirectory(prefix=".", suffix=".part", dir=path.parent) as folder:
        options = {"constant_memory": True, "tmpdir": folder, "use_zip64": True}  # used from 2 GiB on, not before
        try:
            with closing(Workbook(path, options)) as book:
                book.set_properties({"author": "Postwerk", "created": created.astimezone(UTC)})
                yield book
        except FileCreateError as error:  # what XlsxWriter makes of every OSError
            raise error.args[0] from error


def _numbered(sheet: str, number: int) -> str:
    if number == 1:
        return sheet
    end = f" ({number})"
    name = shortened(sheet, MAX_SHEET_NAME - len(end)) + end
    return name if name != sheet else f"{name[: -len(end)]} - {number}"


class _Pencil:
    """Writes sheets with the same columns."""

    def __init__(self, book: Workbook, columns: Sequence[str]) -> None:
        self._columns = columns
        self._header = book.add_format(
            {"bold": True, "font_color": "#FFFFFF", "bg_color": "#1F4E78", "valign": "top", "text_wrap": True}
        )
        self._formula_like = book.add_format({"quote_prefix": True})  # it stays text when somebody edits it
        self._decimal = book.add_format({"num_format": "#,##0.00########"})
        self._date = book.add_format({"num_format": 14})  # 14 and 22: as the reader's own country writes dates
        self._moment = book.add_format({"num_format": 22})
        self._time = book.add_format({"num_format": 21})

    def write_sheet(self, page: Worksheet, rows: Iterator[Sequence[Scalar]], limits: Limits) -> None:
        """Takes rows until there are no more or the sheet is full."""
        sample = list(islice(rows, min(SAMPLE, limits.rows - 1)))
        self._lay_out(page, sample)
        last = size = 0
        for row in chain(sample, islice(rows, limits.rows - 1 - len(sample))):
            last += 1
            size += self._write_row(page, last, row)
            if size > limits.size and last >= len(sample):
                break
        if self._columns:
            page.autofilter(0, 0, last, len(self._columns) - 1)

    def _lay_out(self, page: Worksheet, sample: Sequence[Sequence[Scalar]]) -> None:
        page.freeze_panes(1, 0)
        for place, width in enumerate(_widths(self._columns, sample)):
            page.set_column_pixels(place, place, width * DIGIT)
        for place, name in enumerate(self._columns):
            page.write_string(0, place, cell_text(name), self._header)

    def _write_row(self, page: Worksheet, number: int, values: Sequence[Scalar]) -> int:
        """Returns about how many bytes it takes."""
        size = ROW_TAGS
        for place, value in enumerate(values):
            if isinstance(value, str) and value:
                page.write_string(number, place, value, self._formula_like if looks_like_formula(value) else None)
                size += CELL_TAGS + len(escape(value).encode())
            elif value is not None and value != "":
                self._write_value(page, number, place, value)
                size += CELL_TAGS
        return size

    def _write_value(self, page: Worksheet, row: int, column: int, value: Scalar) -> None:
        if isinstance(value, bool):
            page.write_boolean(row, column, value)
        elif isinstance(value, int):
            page.write_number(row, column, value)
        elif isinstance(value, float | Decimal):
            page.write_number(row, column, float(value), self._decimal)
        elif isinstance(value, date | time):
            page.write(row, column, value, self._form(value))  # write_datetime's hints know no dates and times

    def _form(self, value: date | time) -> Format:
        if isinstance(value, datetime):
            return self._moment
        return self._date if isinstance(value, date) else self._time


def _widths(columns: Sequence[str], sample: Sequence[Sequence[Scalar]]) -> Iterator[int]:
    for place, name in enumerate(columns):
        longest = max((_length(row[place]) for row in sample if place < len(row)), default=0)
        yield min(max(longest + 1, len(name) + 4, NARROWEST), WIDEST)  # 3 for the filter's button


def _length(value: Scalar) -> int:
    if value is None:
        return 0
    if isinstance(value, datetime):
        return len("31.12.2026 23:59")
    if isinstance(value, float):
        return len(f"{value:,.2f}")
    return max(map(len, str(value).split("\n")))
