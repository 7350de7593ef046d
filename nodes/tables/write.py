"""WriteExcel: everything that arrives as rows of a workbook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from ...engine import (
    Category,
    Context,
    Document,
    Item,
    Need,
    Node,
    Record,
    Refused,
    RefusedMail,
    Resources,
    Scalar,
    SentMail,
)
from .cells import cell_text, cell_value, shortened
from .sheet import MAX_COLUMNS, MAX_SHEET_NAME, write_workbook
from .spool import Spool

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Row = Mapping[str, Scalar]


def _check_file(name: str) -> str:
    if not name.lower().endswith(".xlsx") or name.lower() == ".xlsx":
        raise ValueError(f"{name!r} must be a file name that ends in .xlsx, such as 'report.xlsx'")
    if set(name) & set('/\\:*?"<>|'):
        raise ValueError(f"{name!r} must be a plain file name: it goes into the run's output folder")
    return name


def _check_sheet(name: str) -> str:
    if cell_text(name) != name or shortened(name, MAX_SHEET_NAME) != name:
        raise ValueError(
            f"{name!r} is no name for a sheet: Excel takes {MAX_SHEET_NAME} characters, of which most emoji "
            "count as two, and no control characters"
        )
    if set(name) & set("[]:*?/\\\n\t") or name.startswith("'") or name.endswith("'") or name.lower() == "history":
        raise ValueError(
            f"{name!r} is no name for a sheet: Excel takes no []:*?/\\, no ' at its ends, and no 'History'"
        )
    return name


class WriteExcel(Node):
    """Write everything that arrives into a new Excel workbook (.xlsx) in the run's output folder.

    Each record becomes a row with its columns. A mail that was sent or refused becomes a row with the columns of
    the record that it was made from, and behind them recipient, subject, time, Message-ID and the server's answer.
    Where both have a column of the same name, that of the mail carries an addition: `subject (sent)`.

    The header is bold and stays in view, every column has a filter and a fitting width. Dates and amounts are
    shown as the reader's own country writes them. Text stays text: what begins with = + - or @ is never computed,
    and numbers with more than 15 digits keep them all. A date before March 1900 becomes text too, because programs
    count the days of that time differently. More than 1,048,575 rows go on with a further sheet.

    Leave `only` empty to write all that occur, in the order in which they come.

    Raises:
        Refused: another step of the run has written a file of this name, or there are more columns than the 16,384
            that Excel takes.
    """

    title: ClassVar[str] = "Write Excel"
    category: ClassVar[Category] = Category.TABLES
    leaves: ClassVar[bool] = True
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"file": "bounces.xlsx"},
        {"file": "sent.xlsx", "sheet": "March", "only": ["customer_no", "recipient", "sent_at"]},
    )

    file: Annotated[str, AfterValidator(_check_file)] = Field(description="The name of the new workbook.")
    sheet: Annotated[str, AfterValidator(_check_sheet)] = Field(
        "Table", min_length=1, max_length=MAX_SHEET_NAME, description="The name of its sheet."
    )
    only: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        max_length=MAX_COLUMNS,
        description="The columns to write, in this order; left empty, all that occur.",
    )

    def needs(self, resources: Resources) -> Iterable[Need]:
        del resources
        return [Need(column=name, where="only") for name in self.only or ()]

    def uses_any_column(self) -> bool:
        return self.only is None

    def run(self, records: Iterator[Item[Record | SentMail | RefusedMail]], ctx: Context) -> Document:
        zone = ZoneInfo(ctx.timezone)
        rows = ({name: cell_value(one, zone) for name, one in _row(item).items()} for item in records)
        with ctx.output(self.file) as path:
            self._write(path, rows, ctx.run.started)
            return Document(name=self.file, content=path.read_bytes(), media_type=MEDIA_TYPE)

    def _write(self, path: Path, rows: Iterator[Row], created: datetime) -> None:
        if chosen := self.only:
            values = ([row.get(name) for name in chosen] for row in rows)
            write_workbook(path, self.sheet, chosen, values, created=created)
            return
        with Spool() as spool:
            spool.put(rows)
            self._check_width(len(spool.columns))
            write_workbook(path, self.sheet, spool.columns, spool.rows(), created=created)

    def _check_width(self, columns: int) -> None:
        if columns > MAX_COLUMNS:
            raise Refused(
                f"{self.file} would have {columns:,} columns, and Excel takes {MAX_COLUMNS:,}. "
                "Set only to the columns that are needed.",
                field="only",
            )


def _row(item: Item[Record | SentMail | RefusedMail]) -> Row:
    """The columns of the record, then those of the value, unless it is a record itself."""
    value = item.value
    if isinstance(value, Record) or item.record is None:
        return value.cells()
    row = dict(item.record.values)
    for name, cell in value.cells().items():
        row[f"{name} ({value.port_name})" if name in row else name] = cell
    return row
