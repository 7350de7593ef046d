"""A row as every reader of tables hands it on, whatever the file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ...engine import Scalar
from .letters import column_letters

WHOLE_ROW = -1
NO_TROUBLES: Mapping[int, str] = MappingProxyType({})


class Row(NamedTuple):
    """One row with anything in it. Rows without are left out, so numbers may jump."""

    number: int
    """As the analyst sees it in the sheet; the first is 1."""
    cells: list[Scalar]
    """Up to the last one that holds anything."""
    troubles: Mapping[int, str] = NO_TROUBLES
    """cell -> what it holds instead of a value; of the whole row under `WHOLE_ROW`."""


class Area(NamedTuple):
    """A rectangle of cells; rows count from 1, columns from 0, the ends are part of it."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int

    def __str__(self) -> str:
        return f"{cell_name(self.first_row, self.first_column)}:{cell_name(self.last_row, self.last_column)}"


def cell_name(row: int, column: int) -> str:
    """The name of a cell in a sheet; the column counts from 0."""
    return f"{column_letters(column + 1)}{row}"
