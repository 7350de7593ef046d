"""ReadCSV: the rows of a text file with separators as records."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from ...engine import (
    Category,
    Columns,
    ConfigError,
    Context,
    Flaw,
    Node,
    Record,
    Resources,
    Unreadable,
    tell_flaws,
)
from .charset import encoding_of
from .columns import check_names, typed, unknown_names
from .dialect import dialect_of
from .fields import Form, below, rows_of
from .header import Header, check_unnamed, read_header
from .looking import Version, find
from .records import Table, Tally, records
from .rows import WHOLE_ROW, Row
from .settle import DecimalSign, Settling, Writing

SAMPLE = 200
"""Rows in which columns without a name are looked for."""


class ReadCSV(Node):
    """Read a text file with separated values (.csv, .txt, .tsv), each row as a record with the header's columns.

    The separator (semicolon, tab, comma or bar), the encoding and the decimal sign are told from the file, and can
    be set. UTF-8 and UTF-16 are certain; other files are taken as Windows, DOS or old Mac text, by the umlauts and
    accents that they give.

    A column becomes numbers or dates when every value in it is one: `1.234,50` or `1,234.50`, `2026-03-31` or
    `31.3.2026`, dates with a time too. Otherwise it stays text, exactly as it stands. Nothing that could lose
    something is made a number: leading zeros (postal codes), a plus sign (telephone numbers), `1E5`, more than 15
    digits. Where it can't be told whether `1.234` is a thousand or a fraction, the column stays text until the
    decimal sign is set. Name columns in `text` that must stay text in any case, such as customer numbers.

    Rows without any value are skipped. Rows are counted as a table program shows them. A row with fewer or more
    fields than the header, with a quote that does not close, or without a key of its own is listed among the
    failures, and the other rows go on.

    Raises:
        ConfigError: the file is missing, no text, mixes encodings or does not fit the one that is set; there is no
            such column; or the header is blank or has a name twice.

    Source: RFC 4180 for quotes and line ends; a line `sep=;` before the header is heeded, as Excel does.
    """

    title: ClassVar[str] = "Read CSV"
    category: ClassVar[Category] = Category.TABLES
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"file": "customers.csv", "key": "Kunden-Nr", "text": ["Kunden-Nr", "PLZ"]},
        {"file": "export.txt", "delimiter": "|", "encoding": "cp850", "decimal": ",", "header_row": 2},
    )

    file: str = Field(min_length=1, description="The text file.")
    delimiter: str | None = Field(
        None, pattern=r'^[^"\r\n]$', description="The sign between two fields; left empty, it is told from the rows."
    )
    encoding: str | None = Field(
        None, description="How letters are encoded: utf-8, cp1252, …; left empty, it is told from the bytes."
    )
    decimal: DecimalSign | None = Field(
        None, description="The sign before the fraction of a number; left empty, it is told from the columns."
    )
    header_row: int = Field(1, ge=1, description="The row with the names of the columns.")
    key: str | None = Field(
        None,
        description="The column that tells the rows apart, such as a customer number; left empty, the row's number. "
        "With a key, a mail is not sent twice when rows have moved.",
    )
    sensitive: tuple[str, ...] = Field(
        (), description="Columns whose values must not leave unless they are locked or encrypted."
    )
    text: tuple[str, ...] = Field((), description="Columns that stay text, whatever is in them.")

    def columns(self, resources: Resources, incoming: Columns) -> Mapping[str, Columns]:
        del incoming
        types = {name: one.column_type for name, one in self._look(resources).writings.items()}
        return {"records": typed(types, self.sensitive)}

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
        places, table = look.typed, Table(self.file, None, look.header, self.key)
        with closing(below(look.form, ctx.find(self.file), look.header)) as rows:
            return (yield from records(table, (_converted(row, places) for row in rows)))

    def _look(self, resources: Resources) -> _Look:
        wanted = _Wanted(self.delimiter, self.encoding, self.decimal, self.header_row, frozenset(self.text))
        return _look(find(resources, self.file), self.file, wanted)

    def _names(self) -> Mapping[str, Iterable[str | None]]:
        return {"key": [self.key], "sensitive": self.sensitive, "text": self.text}


class _Wanted(NamedTuple):
    """What the author has set of a file's form."""

    delimiter: str | None
    encoding: str | None
    decimal: DecimalSign | None
    header_row: int
    text: frozenset[str]


class _Look(NamedTuple):
    """What is known of a file before its rows are handed on."""

    form: Form
    header: Header
    writings: Mapping[str, Writing]

    @property
    def typed(self) -> list[tuple[int, Writing]]:
        """The columns that are not text, by their place."""
        pairs = zip(self.header.places, self.writings.values(), strict=True)
        return [(place, writing) for place, writing in pairs if writing is not Writing.TEXT]


@lru_cache(maxsize=64)
def _look(version: Version, file: str, wanted: _Wanted) -> _Look:
    try:
        encoding = encoding_of(version.path, file, wanted.encoding)
        form = Form(encoding, dialect_of(version.path, encoding, wanted.delimiter, wanted.header_row))
        header = read_header(file, _header_row(file, form, version.path, wanted.header_row))
        return _Look(form, header, _settled(file, form, version.path, header, wanted))
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror or error}.", field="file") from error


def _settled(file: str, form: Form, path: Path, header: Header, wanted: _Wanted) -> Mapping[str, Writing]:
    settling = Settling(header.names, wanted.text)
    sample: list[Row] = []
    for row in below(form, path, header):
        if not row.troubles:
            settling.see([str(row.cells[place] or "") for place in header.places])
            if len(sample) < SAMPLE:
                sample.append(row)
    check_unnamed(file, header, sample)
    return settling.writings(wanted.decimal, form.dialect.delimiter)


def _converted(row: Row, places: Iterable[tuple[int, Writing]]) -> Row:
    """The row with its numbers and dates. Only a file that was changed while it was read has values that don't fit."""
    if row.troubles:
        return row
    troubles: dict[int, str] = {}
    for place, writing in places:
        value = row.cells[place]
        if value is not None:
            try:
                row.cells[place] = writing.convert(str(value).strip())
            except ValueError:
                troubles[place] = f"{value!r}, unlike the rest of the column"
    return row._replace(troubles=troubles) if troubles else row


def _checked(file: str, row: Row) -> Row:
    if trouble := row.troubles.get(WHOLE_ROW):
        raise ConfigError(f"{file}, row {row.number}: {trouble}", field="header_row")
    return row


def _header_row(file: str, form: Form, path: Path, wanted: int) -> Row:
    last = 0
    with closing(rows_of(form, path)) as rows:
        for row in rows:
            if row.number == wanted:
                return _checked(file, row)
            last = row.number
            if last > wanted:
                break
    what = f"row {wanted} is blank" if last > wanted else f"there are no values after row {last}"
    raise ConfigError(
        f"{file}: {what}. Set header_row (now {wanted}) to the row that names the columns.", field="header_row"
    )
