"""A styled workbook, written row by row: the memory it takes does not grow with the rows.

The rows are written as XML by hand, eight times as fast as in openpyxl's write-only mode; everything around them
(styles, the list of sheets, content types) is openpyxl's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from io import BytesIO
from itertools import chain, count, islice
from pathlib import Path
from typing import IO, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from ...engine import Scalar
from .cells import cell_text, looks_like_formula
from .moments import days_of

NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
MAX_SHEET_NAME = 31
SAMPLE = 200
"""Rows by which columns are made wide enough."""
NARROWEST, WIDEST = 8, 60
"""Characters of a column's width."""


class Limits(NamedTuple):
    """When a sheet is full."""

    rows: int = 1_048_576
    """With the header (Excel's specifications and limits)."""
    size: int = 2**30
    """Bytes of its XML; from 2 GiB on a zip needs extensions that Excel complains of."""


EXCEL = Limits()


def write_workbook(
    path: Path, sheet: str, columns: Sequence[str], rows: Iterable[Sequence[Scalar]], limits: Limits = EXCEL
) -> None:
    """Writes the rows under a header; what does not fit on one sheet goes on with the next."""
    book = Workbook()
    pencil = _Pencil(book, columns)
    with ZipFile(path, "w", ZIP_DEFLATED) as target:
        left = iter(rows)
        for number in count(1):
            page = book.worksheets[0] if number == 1 else book.create_sheet()
            page.title = _numbered(sheet, number)
            with target.open(f"xl/worksheets/sheet{number}.xml", "w") as part:
                last = pencil.write_sheet(part, left, limits)
            if columns:
                page.auto_filter.ref = pencil.area(last)  # the book lists the filters of its sheets
            if (first := next(left, None)) is None:
                break
            left = chain([first], left)
        _add_rest(book, target)


def _numbered(sheet: str, number: int) -> str:
    end = f" ({number})" if number > 1 else ""
    return sheet[: MAX_SHEET_NAME - len(end)] + end


def _add_rest(book: Workbook, target: ZipFile) -> None:
    """All parts of the workbook but its sheets."""
    book.properties.creator = "Postwerk"
    whole = BytesIO()
    book.save(whole)
    with ZipFile(whole) as source:
        for name in source.namelist():
            if not name.startswith("xl/worksheets/"):
                target.writestr(name, source.read(name))


class _Pencil:
    """Writes sheets with the same columns."""

    def __init__(self, book: Workbook, columns: Sequence[str]) -> None:
        self._columns = columns
        self._letters = [get_column_letter(place) for place in range(1, len(columns) + 1)]
        self._header = _header_style(book)
        self._formula_like = _style(book, "General", is_text=True)
        self._decimal = _style(book, "#,##0.00########")
        self._date = _style(book, "mm-dd-yy")  # numbers 14 and 22: shown as the reader's own country writes dates
        self._moment = _style(book, "m/d/yy h:mm")
        self._time = _style(book, "h:mm:ss")

    def area(self, last_row: int) -> str:
        return f"A1:{self._letters[-1]}{last_row}"

    def write_sheet(self, part: IO[bytes], rows: Iterator[Sequence[Scalar]], limits: Limits) -> int:
        """Takes rows until there are no more or the sheet is full. Returns the number of the last row."""
        sample = list(islice(rows, min(SAMPLE, limits.rows - 1)))
        size = part.write(self._top(sample).encode())
        last = 1
        for row in chain(sample, islice(rows, limits.rows - 1 - len(sample))):
            last += 1
            size += part.write(self._row(last, row).encode())
            if size > limits.size and last > len(sample):
                break
        filtered = f'<autoFilter ref="{self.area(last)}"/>' if self._columns else ""
        part.write(f"</sheetData>{filtered}</worksheet>".encode())
        return last

    def _top(self, sample: Sequence[Sequence[Scalar]]) -> str:
        """Everything before the first row, and the header."""
        widths = "".join(
            f'<col min="{place}" max="{place}" width="{width}" customWidth="1"/>'
            for place, width in enumerate(_widths(self._columns, sample), 1)
        )
        names = "".join(
            _text(f"{letter}1", cell_text(name), self._header)
            for letter, name in zip(self._letters, self._columns, strict=True)
        )
        return (
            f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<worksheet xmlns="{NAMESPACE}"><sheetViews>'
            '<sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
            f"</sheetView></sheetViews>{f'<cols>{widths}</cols>' if widths else ''}"
            f'<sheetData><row r="1">{names}</row>'
        )

    def _row(self, number: int, values: Sequence[Scalar]) -> str:
        cells = [
            self._cell(f"{letter}{number}", value)
            for letter, value in zip(self._letters, values, strict=False)
            if value is not None and value != ""
        ]
        return f'<row r="{number}">{"".join(cells)}</row>'

    def _cell(self, place: str, value: Scalar) -> str:
        if isinstance(value, str):
            return _text(place, value, self._formula_like if looks_like_formula(value) else 0)
        if isinstance(value, bool):
            return f'<c r="{place}" t="b"><v>{value:d}</v></c>'
        if isinstance(value, int):
            return f'<c r="{place}"><v>{value}</v></c>'
        if isinstance(value, float):
            return f'<c r="{place}" s="{self._decimal}"><v>{value!r}</v></c>'
        if isinstance(value, Decimal):
            return f'<c r="{place}" s="{self._decimal}"><v>{value:f}</v></c>'
        return self._day(place, value) if value is not None else ""

    def _day(self, place: str, value: date | time) -> str:
        style = self._moment if isinstance(value, datetime) else self._date if isinstance(value, date) else self._time
        return f'<c r="{place}" s="{style}"><v>{days_of(value)!r}</v></c>'


def _style(book: Workbook, number_format: str, *, is_text: bool = False) -> int:
    """The number of a style in the workbook; `is_text` keeps a cell text when somebody edits it."""
    cell = book.worksheets[0].cell(1, 1)
    cell.style = "Normal"
    cell.number_format = number_format
    cell.quotePrefix = is_text
    return int(cell.style_id)


def _header_style(book: Workbook) -> int:
    cell = book.worksheets[0].cell(1, 2)
    cell.font = Font(bold=True, color="FFFFFFFF")
    cell.fill = PatternFill("solid", fgColor="FF1F4E78")
    cell.alignment = Alignment(vertical="top", wrap_text=True)
    return int(cell.style_id)


def _text(place: str, text: str, style: int) -> str:
    """A cell that is text and nothing else: it has no formula, whatever it begins with."""
    if "&" in text or "<" in text or ">" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    space = ' xml:space="preserve"' if text[:1].isspace() or text[-1:].isspace() else ""
    number = f' s="{style}"' if style else ""
    return f'<c r="{place}"{number} t="inlineStr"><is><t{space}>{text}</t></is></c>'


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
