"""Workbooks for tests: written by openpyxl, or by hand where no program writes what we need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet
from postwerk.engine import Node, Record, Unreadable

from tests.surroundings import Surroundings

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def workbook(
    path: Path,
    rows: Iterable[Sequence[Any]],
    sheet: str = "Kunden",
    change: Callable[[Worksheet], None] = lambda _: None,
) -> Path:
    """A workbook with one sheet, after something was changed in it by hand."""
    book = Workbook()
    page = book.worksheets[0]
    page.title = sheet
    for row in rows:
        page.append(row)
    change(page)
    book.save(path)
    return path


def package(
    path: Path,
    sheet: str,
    *,
    strings: str | None = None,
    styles: str = "",
    properties: str = "",
    more: Mapping[str, str | bytes] = {},
) -> Path:
    """A workbook whose parts are written by hand; `sheet` is what stands within <worksheet>."""
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": _relations(("rId1", "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">{properties}'
        '<sheets><sheet name="Kunden" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relations(
            ("rId1", "worksheet", "worksheets/sheet1.xml"),
            ("rId2", "styles", "/xl/styles.xml"),
            *([("rId3", "sharedStrings", "sharedStrings.xml")] if strings is not None else []),
        ),
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}">{sheet}</worksheet>',
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}">{styles}</styleSheet>',
    }
    if strings is not None:
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{strings}</sst>'
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        for name, content in {**parts, **more}.items():
            file.writestr(name, content)
    return path


def inline(*rows: Sequence[str]) -> str:
    """Rows of texts as a sheet holds them, without shared strings."""
    cells = ("".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in row) for row in rows)
    return f"<sheetData>{''.join(f'<row>{row}</row>' for row in cells)}</sheetData>"


def _relations(*entries: tuple[str, str, str]) -> str:
    listed = "".join(f'<Relationship Id="{one}" Type="{OFFICE}/{kind}" Target="{to}"/>' for one, kind, to in entries)
    return f'<Relationships xmlns="{RELATIONS}">{listed}</Relationships>'


def read(node: Node, folder: Path) -> list[Record | Unreadable]:
    """Everything that a source yields."""
    return list(node.run(Surroundings(folder)))  # type: ignore[attr-defined]  # a node has a run of its own kind


def values(node: Node, folder: Path) -> list[list[Any]]:
    """The values of all records, in the order of their columns."""
    return [list(one.values.values()) for one in read(node, folder) if isinstance(one, Record)]


def complaints(node: Node, folder: Path) -> list[str]:
    return [one.message for one in read(node, folder) if isinstance(one, Unreadable)]
