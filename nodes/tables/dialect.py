"""Which sign separates the fields of a text file, told by its first rows."""

from __future__ import annotations

import csv
import re
from io import StringIO
from pathlib import Path
from typing import NamedTuple

DELIMITERS = (";", "\t", ",", "|")
"""In this order when two are equally good; German programs write semicolons, for the comma is in the numbers."""
SAMPLE = 64 * 1024
"""Characters that are looked at."""
SAMPLE_ROWS = 200
_SAID = re.compile(r'\ufeff?"?sep=(.)"?\r?\n?')
"""A first line that tells Excel the separator; Excel does not show it."""


class Dialect(NamedTuple):
    """How the fields are told apart."""

    delimiter: str
    skipped_lines: int = 0
    """Before the first row: a line `sep=;`."""


def dialect_of(path: Path, encoding: str, wanted: str | None, header_row: int) -> Dialect:
    """The separator that is wanted or said, or the one that splits the rows most evenly."""
    with path.open(encoding=encoding, newline="") as content:
        said = _SAID.fullmatch(content.readline(16))
        sample = content.read(SAMPLE) if said else _reread(path, encoding)
    skipped = 1 if said else 0
    if wanted:
        return Dialect(wanted, skipped)
    if said:
        return Dialect(said[1], skipped)
    return Dialect(max(DELIMITERS, key=lambda one: _evenness(sample, one, header_row)))


def _reread(path: Path, encoding: str) -> str:
    with path.open(encoding=encoding, newline="") as content:
        return content.read(SAMPLE)


def _evenness(sample: str, delimiter: str, header_row: int) -> tuple[float, int]:
    """The share of rows with as many fields as the header has, and how many these are."""
    try:
        rows = list(_few_rows(sample, delimiter))[header_row - 1 :]
    except csv.Error:
        return (0.0, 0)
    widths = [len(row) for row in rows if row]
    if not widths or widths[0] < 2:
        return (0.0, 0)
    return (round(widths.count(widths[0]) / len(widths), 1), widths[0])


def _few_rows(sample: str, delimiter: str) -> list[list[str]]:
    """Whole rows only: the sample may end within one."""
    rows = []
    for row in csv.reader(StringIO(sample, newline=""), delimiter=delimiter):
        rows.append(row)
        if len(rows) == SAMPLE_ROWS:
            return rows
    return rows[:-1] if len(sample) >= SAMPLE else rows
