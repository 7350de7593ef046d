"""A workbook in Excel's format since 2007 (ECMA-376: Office Open XML), read as a stream.

python-calamine was tried first. It hands out `#N/A` as an empty cell, keeps a whole sheet in memory (180 MB at
200,000 rows of 10 columns, this 40), and one stray cell in XFD1048576 makes it end the process.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from .grid import Grid
from .letters import column_number
from .moments import Kind, built_in_kind, kind_of
from .package import Package, damaged, reading, resolved
from .rows import Area, Row
from .texts import Texts

MAX_SMALL_PART = 64 * 1024**2
"""Bytes of the lists of sheets and formats; workbooks that were copied together for years reach 20 MB."""
_MERGED = re.compile(rb"""mergeCell\s[^>]*?ref\s*=\s*["']\$?([A-Z]+)\$?(\d+):\$?([A-Z]+)\$?(\d+)["']""")
_LONGEST_MERGED = 1024
"""Bytes kept of a piece, so that no tag is cut in two."""


class _Sheet(NamedTuple):
    name: str
    part: str
    is_hidden: bool


class Xlsx:
    """An opened workbook."""

    def __init__(self, path: Path, file: str) -> None:
        self.file = file
        with reading(file), ExitStack() as opened:
            self._package = Package(path, file)
            opened.callback(self._package.close)
            self._workbook = _main_part(self._package)
            self._relations = dict(_relations(self._package, self._workbook))
            self._is_1904 = False
            self._sheets = {one.name: one for one in self._list_sheets()}
            opened.pop_all()

    def __enter__(self) -> Xlsx:
        return self

    def __exit__(self, *_: object) -> None:
        self._package.close()

    @property
    def sheets(self) -> tuple[str, ...]:
        return tuple(self._sheets)

    def first_visible(self) -> str | None:
        return next((one.name for one in self._sheets.values() if not one.is_hidden), None)

    def rows(self, sheet: str) -> Generator[Row, None, None]:
        """The rows of a sheet that hold anything, in order.

        Raises:
            ConfigError: the file is damaged.
        """
        with reading(self.file), closing(Texts(self._package, self._part("sharedStrings"))) as texts:
            grid = Grid(texts, self._kinds(), self._is_1904)
            with closing(self._package.parse(self._sheets[sheet].part, grid)) as pieces:
                for _ in pieces:
                    yield from grid.done
                    grid.done.clear()
                    if grid.is_complete:
                        return

    def merged(self, sheet: str) -> Iterator[Area]:
        """The merged cells of a sheet. They stand behind its rows, so this unpacks the sheet to its end."""
        with reading(self.file), self._package.open(self._sheets[sheet].part) as part:
            tail = b""
            while piece := part.read(1024**2):
                text = tail + piece
                if b"mergeCell" in text:
                    yield from (_area(*match.groups()) for match in _MERGED.finditer(text))
                tail = text[-_LONGEST_MERGED:]

    def _list_sheets(self) -> Iterator[_Sheet]:
        for tag, attributes in self._package.tags(self._workbook, MAX_SMALL_PART):
            if tag == "workbookPr":
                self._is_1904 = attributes.get("date1904") in ("1", "true")
            elif tag == "sheet" and (relation := self._relations.get(attributes.get("id", ""))):
                kind, part = relation
                if kind == "worksheet":
                    yield _Sheet(attributes["name"], part, attributes.get("state", "visible") != "visible")

    def _part(self, kind: str) -> str | None:
        return next((part for one, part in self._relations.values() if one == kind), None)

    def _kinds(self) -> Mapping[str, Kind]:
        """The cell formats, by their place in the list, that make something else of numbers."""
        part = self._part("styles")
        codes: dict[int, str] = {}
        formats: list[int] = []
        group = ""
        for tag, attributes in self._package.tags(part, MAX_SMALL_PART) if part else ():
            if tag in ("numFmts", "cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
                group = tag
            elif tag == "numFmt" and group == "numFmts":
                codes[int(attributes["numFmtId"])] = attributes.get("formatCode", "")
            elif tag == "xf" and group == "cellXfs":
                formats.append(int(attributes.get("numFmtId", "0")))
        found = {str(place): _kind(one, codes) for place, one in enumerate(formats)}
        return {style: kind for style, kind in found.items() if kind}


def _kind(number: int, codes: Mapping[int, str]) -> Kind | None:
    return kind_of(codes[number]) if number in codes else built_in_kind(number)


def _main_part(package: Package) -> str:
    if "_rels/.rels" in package:
        for kind, part in dict(_relations(package, "")).values():
            if kind == "officeDocument":
                return part
    if "xl/workbook.xml" in package:
        return "xl/workbook.xml"
    raise damaged(package.file, "it names no workbook")


def _relations(package: Package, part: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """id -> kind and target of what a part refers to (ECMA-376, part 2: relationships)."""
    folder, _, name = part.rpartition("/")
    for tag, attributes in package.tags(f"{folder}/_rels/{name}.rels", MAX_SMALL_PART):
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            kind = attributes["Type"].rpartition("/")[2]
            yield attributes["Id"], (kind, resolved(part, attributes["Target"]))


def _area(first: bytes, top: bytes, last: bytes, bottom: bytes) -> Area:
    left, right = (column_number(one.decode()) - 1 for one in (first, last))
    return Area(int(top), left, int(bottom), right)
