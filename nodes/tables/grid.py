"""The cells of one sheet of an .xlsx, row by row, as the XML of the sheet goes by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time

from ...engine import Scalar
from .letters import column_number
from .moments import Kind, day_or_time, duration, moment, number
from .rows import NO_TROUBLES, Row
from .texts import Texts, joined, plain

MAX_ROWS = 1_048_576
MAX_COLUMNS = 16_384
"""Up to XFD (Excel's specifications and limits)."""
_LETTERS = re.compile("[A-Z]{1,3}")


class _Letters(dict[str, int]):
    """`A` is 0, `XFD` is 16383."""

    def __missing__(self, letters: str) -> int:
        if not _LETTERS.fullmatch(letters) or (column := column_number(letters)) > MAX_COLUMNS:
            raise LookupError(f"{letters[:20]!r} is no column")
        self[letters] = column - 1
        return column - 1


class Grid:
    """Takes the tags of a sheet and leaves its rows in `done`. Called for every tag, so it calls little itself."""

    def __init__(self, texts: Texts, kinds: Mapping[str, Kind], is_1904: bool) -> None:
        self.done: list[Row] = []
        self.is_complete = False
        self._texts, self._kinds, self._is_1904 = texts, kinds, is_1904
        self._letters = _Letters()
        self._cell_tag = self._value_tag = self._text_tag = ""
        self._row_tag = self._phonetic_tag = self._data_tag = ""
        self._number, self._digits = 0, 0
        self._cells: list[Scalar] = []
        self._troubles: dict[int, str] = {}
        self._attributes: dict[str, str] = {}
        self._column, self._place = -1, ""
        self._text = ""
        self._listens = self._is_phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == self._cell_tag:
            self._text, self._attributes = "", attributes
            if place := attributes.get("r"):
                self._place = place
            else:
                self._column, self._place = self._find_column() + 1, ""
        elif name == self._value_tag:
            self._listens = True
        elif name == self._text_tag:
            self._listens = not self._is_phonetic
        elif name == self._row_tag:
            self._start_row(attributes.get("r"))
        elif name == self._phonetic_tag:
            self._is_phonetic = True
        elif not self._cell_tag:
            self._learn_tags(name)

    def end(self, name: str) -> None:
        if name == self._cell_tag:
            if self._text:
                value = self._value()
                if value is not None:
                    self._keep(value)
        elif name == self._value_tag or name == self._text_tag:
            self._listens = False
        elif name == self._row_tag:
            if self._cells or self._troubles:
                self.done.append(Row(self._number, self._cells, self._troubles or NO_TROUBLES))
        elif name == self._phonetic_tag:
            self._is_phonetic = False
        elif name == self._data_tag:
            self.is_complete = True

    def text(self, data: str) -> None:
        if self._listens:
            self._text = joined(self._text, data) if self._text else data

    def _learn_tags(self, root: str) -> None:
        if not root.endswith("worksheet"):
            raise ValueError(f"it holds a {root} where a sheet with cells should be")
        prefix = root[: -len("worksheet")]
        self._cell_tag, self._value_tag, self._text_tag = prefix + "c", prefix + "v", prefix + "t"
        self._row_tag, self._phonetic_tag, self._data_tag = prefix + "row", prefix + "rPh", prefix + "sheetData"

    def _start_row(self, place: str | None) -> None:
        number = int(place) if place else self._number + 1
        if not self._number < number <= MAX_ROWS:
            raise ValueError(f"row {number} stands after row {self._number}")
        self._number, self._digits = number, len(str(number))
        self._column, self._place = -1, ""
        self._cells, self._troubles = [], {}

    def _find_column(self) -> int:
        """Of the cell at hand. One without a place follows the one before."""
        return self._letters[self._place[: -self._digits]] if self._place else self._column

    def _keep(self, value: Scalar) -> None:
        cells, place = self._cells, self._place
        column = self._letters[place[: -self._digits]] if place else self._column
        if column >= MAX_COLUMNS:
            raise ValueError(f"row {self._number} has more than {MAX_COLUMNS:,} cells")
        if column > len(cells):
            cells.extend([None] * (column - len(cells)))
        if column == len(cells):
            cells.append(value)
        else:
            cells[column] = value

    def _value(self) -> Scalar:
        text, form = self._text, self._attributes.get("t")
        if form == "s":
            return self._texts[int(text)]
        if form is None or form == "n":
            kind = self._kinds.get(self._attributes.get("s", ""))
            if kind is None:
                return int(text) if len(text) < 16 and text.isdecimal() else number(text)
            return self._shown(kind, number(text))
        return self._rare(form, text)

    def _rare(self, form: str, text: str) -> Scalar:
        if form in ("str", "inlineStr"):
            return plain(text) or None
        if form == "b":
            return text.strip() in ("1", "true")
        if form == "d":
            return _written_date(text)
        if form != "e":
            raise ValueError(f"a cell of row {self._number} has the unknown type {form!r}")
        self._trouble(f"the Excel error {text}")
        return None

    def _shown(self, kind: Kind, days: float) -> Scalar:
        try:
            return duration(days) if kind is Kind.DURATION else moment(days, self._is_1904)
        except ValueError:
            self._trouble(f"{days:g} in a date format, which is no date")
            return None

    def _trouble(self, what: str) -> None:
        self._troubles[self._find_column()] = what


def _written_date(text: str) -> date | datetime | time:
    """A date in ISO 8601, as strict workbooks and some programs write it."""
    if "-" not in text:
        return time.fromisoformat(text.removeprefix("T"))
    return day_or_time(datetime.fromisoformat(text.removesuffix("Z")))
