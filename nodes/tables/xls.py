"""A workbook in Excel's format until 2003 ([MS-XLS]), read with xlrd.

python-calamine was tried first. It hands out `#N/A` as an empty cell, and it trusts the sizes that a file declares,
so that a forged one ends the process.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from io import StringIO
from pathlib import Path
from struct import error as StructError

from xlrd import (
    XL_CELL_BOOLEAN,
    XL_CELL_DATE,
    XL_CELL_ERROR,
    XL_CELL_NUMBER,
    XL_CELL_TEXT,
    error_text_from_code,
    open_workbook,
)
from xlrd.biffh import XLRDError
from xlrd.compdoc import CompDocError
from xlrd.sheet import Sheet

from ...engine import ConfigError, Scalar
from .moments import Kind, duration, kind_of, moment, settled
from .package import damaged
from .rows import NO_TROUBLES, Area, Row

MAX_FILE = 64 * 1024**2
"""Bytes. The format ends at 65,536 rows; with 15 columns of text they take 30 MB, and five times that in memory."""
_BROKEN = (XLRDError, CompDocError, StructError, LookupError, ValueError, TypeError, AttributeError, AssertionError,
           ArithmeticError, NotImplementedError, EOFError)  # fmt: skip
"""What xlrd raises on files that were cut or forged: it reads on until something does not fit."""


class Xls:
    """An opened workbook. One sheet at a time is held in memory, as the format wants it."""

    def __init__(self, path: Path, file: str) -> None:
        self.file = file
        if (size := path.stat().st_size) > MAX_FILE:
            raise ConfigError(
                f"{file} has {size:,} bytes, and an .xls of at most {MAX_FILE:,} is read. Save it as .xlsx.",
                field="file",
            )
        try:
            self._book = open_workbook(
                str(path), logfile=StringIO(), formatting_info=True, on_demand=True, ragged_rows=True
            )
        except _BROKEN as error:
            raise _told(file, error) from error

    def __enter__(self) -> Xls:
        return self

    def __exit__(self, *_: object) -> None:
        self._book.release_resources()

    @property
    def sheets(self) -> tuple[str, ...]:
        return tuple(self._book.sheet_names())

    def first_visible(self) -> str | None:
        for name in self.sheets:
            if self._sheet(name).visibility == 0:
                return name
            self._book.unload_sheet(name)
        return None

    def rows(self, sheet: str) -> Generator[Row, None, None]:
        """The rows of a sheet that hold anything, in order."""
        table = self._sheet(sheet)
        for index in range(table.nrows):
            cells, troubles = self._row(table, index)
            while cells and cells[-1] is None:
                cells.pop()
            if cells or troubles:
                yield Row(index + 1, cells, troubles or NO_TROUBLES)

    def merged(self, sheet: str) -> Iterator[Area]:
        """The merged cells of a sheet."""
        for top, below, left, right in self._sheet(sheet).merged_cells:
            yield Area(top + 1, left, below, right - 1)

    def _sheet(self, name: str) -> Sheet:
        try:
            return self._book.sheet_by_name(name)
        except _BROKEN as error:
            raise _told(self.file, error) from error

    def _row(self, table: Sheet, index: int) -> tuple[list[Scalar], dict[int, str]]:
        cells: list[Scalar] = []
        troubles: dict[int, str] = {}
        for column, cell in enumerate(table.row(index)):
            try:
                cells.append(self._value(cell.ctype, cell.value, cell.xf_index))
            except ValueError as error:
                troubles[column] = str(error)
                cells.append(None)
        return cells, troubles

    def _value(self, form: int, value: object, style: int | None) -> Scalar:
        """Raises ValueError with what the cell holds instead of a value."""
        if form == XL_CELL_TEXT:
            text = str(value)
            return None if not text or text.isspace() else text
        if form in (XL_CELL_NUMBER, XL_CELL_DATE) and isinstance(value, float | int):
            return self._number(float(value), self._kind(style) or (Kind.MOMENT if form == XL_CELL_DATE else None))
        if form == XL_CELL_BOOLEAN:
            return bool(value)
        if form == XL_CELL_ERROR and isinstance(value, int):
            raise ValueError(f"the Excel error {error_text_from_code.get(value, value)}")
        return None

    def _number(self, value: float, kind: Kind | None) -> Scalar:
        if kind is None:
            return settled(value)
        try:
            return duration(value) if kind is Kind.DURATION else moment(value, self._book.datemode == 1)
        except ValueError:
            raise ValueError(f"{value:g} in a date format, which is no date") from None

    def _kind(self, style: int | None) -> Kind | None:
        if style is None or style >= len(self._book.xf_list):
            return None
        code = self._book.format_map.get(self._book.xf_list[style].format_key)
        return kind_of(code.format_str) if code else None


def _told(file: str, error: Exception) -> ConfigError:
    if "encrypted" in str(error):
        return ConfigError(
            f"{file} is protected with a password. Open it in Excel, take the password away "
            "(File, Info, Protect Workbook), and save it.",
            field="file",
        )
    return damaged(file, str(error) or type(error).__name__)
