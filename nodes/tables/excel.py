"""ReadExcel: the rows of a sheet as records."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from functools import lru_cache
from itertools import islice
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from ...engine import (
    Category,
    Columns,
    ColumnType,
    ConfigError,
    Context,
    Flaw,
    Node,
    Record,
    Resources,
    Unreadable,
    tell_flaws,
)
from .columns import check_names, typed, types_of, unknown_names
from .header import Header, check_merged, check_unnamed, read_header
from .looking import Version, find
from .records import Table, Tally, records
from .rows import Row
from .workbook import choose_sheet, open_book

SAMPLE = 200
"""Rows by which columns are typed while the flow is edited; reading so many takes some milliseconds."""


class ReadExcel(Node):
    """Read the rows of an Excel sheet (.xlsx, .xlsm, .xls), each as a record with the columns of the header.

    Types stay as Excel has them: dates are dates (with a time only where the cell has one), numbers are numbers,
    text is text and keeps its leading zeros. A formula gives the value that Excel last computed. A duration such as
    30:05 becomes the text that Excel shows. An empty cell, and one that holds only spaces, is empty.

    Rows without any value are skipped. Hidden rows and columns are read like all others. What stands beyond the
    named columns, such as a note to the right of the table, is not read.

    A row that holds an error such as #N/A, or that has no key or the key of another row, does not become a record:
    it is listed among the failures with its cell, and the other rows go on.

    Raises:
        ConfigError: the file is missing, damaged, protected with a password or no workbook; there is no such sheet
            or column; or the header is blank, merged, or has a name twice.
    """

    title: ClassVar[str] = "Read Excel"
    category: ClassVar[Category] = Category.TABLES
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"file": "invoices.xlsx", "sheet": "Invoices", "key": "customer_no"},
        {"file": "payslips.xlsx", "header_row": 3, "key": "Personal-Nr", "sensitive": ["Netto", "IBAN"]},
    )

    file: str = Field(min_length=1, description="The workbook.")
    sheet: str | None = Field(None, description="The sheet; left empty, the first that is not hidden.")
    header_row: int = Field(1, ge=1, le=1_048_576, description="The row with the names of the columns.")
    key: str | None = Field(
        None,
        description="The column that tells the rows apart, such as a customer number; left empty, the row's number. "
        "With a key, a mail is not sent twice when rows have moved.",
    )
    sensitive: tuple[str, ...] = Field(
        (), description="Columns whose values must not leave unless they are locked or encrypted."
    )

    def columns(self, resources: Resources, incoming: Columns) -> Mapping[str, Columns]:
        del incoming
        look = self._look(resources)
        return {"records": typed(look.types, self.sensitive)}

    def flaws(self, resources: Resources) -> Iterable[Flaw]:
        looks: list[_Look] = []
        yield from tell_flaws(lambda: looks.append(self._look(resources)))
        for look in looks:
            yield from unknown_names(look.header, self.file, self._names())

    def run(self, ctx: Context) -> Iterator[Record | Unreadable]:
        return self._read(ctx)

    def _read(self, ctx: Context) -> Generator[Record | Unreadable, None, Tally]:
        look = self._look(ctx)
        check_names(look.header, self.file, self._names())
        table = Table(self.file, look.sheet, look.header, self.key)
        with open_book(ctx.find(self.file), self.file) as book, closing(book.rows(look.sheet)) as rows:
            below = (row for row in rows if row.number > look.header.row)
            return (yield from records(table, below))

    def _look(self, resources: Resources) -> _Look:
        return _look(find(resources, self.file), self.file, self.sheet, self.header_row)

    def _names(self) -> Mapping[str, Iterable[str | None]]:
        return {"key": [self.key], "sensitive": self.sensitive}


class _Look(NamedTuple):
    """What is known of a sheet before its rows are read."""

    sheet: str
    header: Header
    types: Mapping[str, ColumnType]


@lru_cache(maxsize=64)
def _look(version: Version, file: str, sheet: str | None, header_row: int) -> _Look:
    with open_book(version.path, file) as book:
        chosen = choose_sheet(book, file, sheet)
        with closing(book.rows(chosen)) as rows:
            header = read_header(file, _header_row(f"{file}, sheet {chosen!r}", rows, header_row))
            sample = list(islice(rows, SAMPLE))
        check_merged(file, header, book.merged(chosen))
        check_unnamed(file, header, sample)
    return _Look(chosen, header, types_of(header, sample))


def _header_row(place: str, rows: Iterator[Row], wanted: int) -> Row:
    last = 0
    for row in rows:
        if row.number == wanted:
            return row
        last = row.number
        if last > wanted:
            break
    if last > wanted:
        what = f"row {wanted} is blank, the next row with values is {last}"
    else:
        what = f"there are no values after row {last}" if last else "there are no values at all"
    raise ConfigError(
        f"{place}: {what}. Set header_row (now {wanted}) to the row that names the columns.", field="header_row"
    )
