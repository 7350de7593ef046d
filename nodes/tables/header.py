"""The header of a table: which columns it has, and where they stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...engine import ConfigError, Scalar
from .rows import Area, Row, cell_name

MAX_NAME = 200
"""Characters of a column's name; what is longer is a sentence above the table."""


@dataclass(frozen=True, slots=True)
class Header:
    """The named columns of a table. What stands beside them is no part of it."""

    row: int
    names: tuple[str, ...]
    places: tuple[int, ...]
    """Of each name, counted from 0."""

    @property
    def width(self) -> int:
        """Up to the last named column."""
        return self.places[-1] + 1

    def cell(self, name: str, row: int) -> str:
        """The cell of a column in a row."""
        return cell_name(row, self.places[self.names.index(name)])

    def name_at(self, place: int) -> str | None:
        """The column that a cell belongs to."""
        return self.names[self.places.index(place)] if place in self.places else None


def read_header(file: str, row: Row) -> Header:
    """The names in this row.

    Raises:
        ConfigError: one stands there twice, is too long, or is an Excel error.
    """
    for place, trouble in row.troubles.items():
        raise _flaw(file, f"{cell_name(row.number, place)} holds {trouble}, where a column's name should be")
    named = [(place, _name(cell)) for place, cell in enumerate(row.cells) if cell is not None]
    for place, name in named:
        if len(name) > MAX_NAME:
            raise _flaw(
                file, f"{cell_name(row.number, place)} holds {len(name)} characters, too long for a column's name"
            )
    _check_twins(file, row.number, named)
    return Header(row.number, tuple(name for _, name in named), tuple(place for place, _ in named))


def check_merged(file: str, header: Header, areas: Iterable[Area]) -> None:
    """Raises ConfigError when header cells are merged: then it can't be told which column the name is for."""
    found = [
        str(area)
        for area in areas
        if area.first_row <= header.row <= area.last_row
        and (area.first_row, area.first_column) != (area.last_row, area.last_column)
        and area.first_column < header.width
    ]
    if found:
        raise _flaw(
            file,
            f"the header cells {_listed(found)} are merged. Unmerge them and give each column its own name, "
            "or set header_row to the row that names every column",
        )


def check_unnamed(file: str, header: Header, rows: Iterable[Row]) -> None:
    """Raises ConfigError when a column within the table, or right beside it, holds values but has no name."""
    reach = range(max(header.places[0] - 1, 0), header.width + 1)
    unnamed = dict.fromkeys((one for one in reach if one not in header.places), "")
    for row in rows:
        for place in unnamed:
            if not unnamed[place] and place < len(row.cells) and row.cells[place] is not None:
                unnamed[place] = cell_name(row.number, place)
    filled = {cell_name(header.row, place): example for place, example in unnamed.items() if example}
    if filled:
        verb = "is" if len(filled) == 1 else "are"
        raise _flaw(
            file,
            f"{_listed(filled)} {verb} empty, where the names of columns should be, but there are values below "
            f"(in {_listed(filled.values())}). Name these columns, or clear them",
        )


def _check_twins(file: str, row: int, named: Sequence[tuple[int, str]]) -> None:
    places: dict[str, list[str]] = {}
    for place, name in named:
        places.setdefault(name, []).append(cell_name(row, place))
    twins = [f"{name!r} stands in {_listed(cells)}" for name, cells in places.items() if len(cells) > 1]
    if twins:
        raise _flaw(file, f"the header has a name twice: {'; '.join(twins)}. Give each column its own name")


def _name(cell: Scalar) -> str:
    return " ".join(str(cell).split())


def _listed(cells: Iterable[str]) -> str:
    *most, last = cells
    return f"{', '.join(most)} and {last}" if most else last


def _flaw(file: str, what: str) -> ConfigError:
    return ConfigError(f"{file}: {what}.", field="header_row")
