"""Which reader a workbook needs, told by its first bytes and never by its name."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ...engine import ConfigError, suggestion
from .package import Package, reading
from .rows import Area, Row
from .xls import Xls
from .xlsx import Xlsx

_ZIP = b"PK\x03\x04"
_COMPOUND = bytes.fromhex("D0CF11E0A1B11AE1")
"""Of a compound file ([MS-CFB], 2.2), which holds an .xls, or an .xlsx that is locked."""
_FOLDER = 8 * 1024**2
"""Bytes in which the list of a compound file's streams is looked for."""
_SAVE = "Open it in Excel or LibreOffice and save it as .xlsx."
_FOREIGN_PARTS = {
    "xl/workbook.bin": f"is a binary workbook (.xlsb). {_SAVE}",
    "word/document.xml": "is a Word document. Choose the workbook.",
    "ppt/presentation.xml": "is a PowerPoint presentation. Choose the workbook.",
    "content.xml": f"is an OpenDocument file (.ods). {_SAVE}",
    "Index/Document.iwa": "is a Numbers document. Export it as .xlsx.",
}


class Book(Protocol):
    """An opened workbook, whatever its format."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def sheets(self) -> tuple[str, ...]: ...

    def first_visible(self) -> str | None: ...

    def rows(self, sheet: str) -> Generator[Row, None, None]: ...

    def merged(self, sheet: str) -> Iterator[Area]: ...


def open_book(path: Path, file: str) -> Book:
    """The workbook; `file` is its name in messages.

    Raises:
        ConfigError: it is no workbook, is locked with a password, or is damaged.
    """
    with reading(file), path.open("rb") as content:
        head = content.read(512)
        if head.startswith(_COMPOUND):
            _check_compound(file, head + content.read(_FOLDER))
    if head.startswith(_COMPOUND):
        return Xls(path, file)
    if head.startswith(_ZIP):
        _check_zip(path, file)
        return Xlsx(path, file)
    raise ConfigError(f"{file} {_described(head)}", field="file")


def choose_sheet(book: Book, file: str, sheet: str | None) -> str:
    """The sheet of this name, or the first that is not hidden.

    Raises:
        ConfigError: there is none.
    """
    if sheet is None and book.sheets:
        return book.first_visible() or book.sheets[0]
    if sheet is not None and sheet in book.sheets:
        return sheet
    raise ConfigError(f"{file} has no sheet {sheet!r}. {suggestion(sheet or '', book.sheets)}", field="sheet")


def _check_compound(file: str, content: bytes) -> None:
    if "EncryptedPackage".encode("utf-16-le") in content:
        raise ConfigError(
            f"{file} is protected with a password. Open it in Excel, take the password away "
            "(File, Info, Protect Workbook), and save it.",
            field="file",
        )
    for stream, what in (("WordDocument", "Word document"), ("PowerPoint Document", "PowerPoint presentation")):
        if stream.encode("utf-16-le") in content:
            raise ConfigError(f"{file} is a {what}. Choose the workbook.", field="file")


def _check_zip(path: Path, file: str) -> None:
    with reading(file):
        package = Package(path, file)
        try:
            for part, what in _FOREIGN_PARTS.items():
                if part in package:
                    raise ConfigError(f"{file} {what}", field="file")
            if "[Content_Types].xml" not in package:
                raise ConfigError(f"{file} is a zip file without a workbook in it. Unpack it first.", field="file")
        finally:
            package.close()


def _described(head: bytes) -> str:
    if not head:
        return "is empty (0 bytes). Copy it again from where it comes from."
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<html", b"<!doctype", b"<table", b"<?xml", b"<meta")):
        return f"is a web page or XML with the name of a workbook, as some programs export it. {_SAVE}"
    if start.startswith(b"%pdf"):
        return "is a PDF. Choose the workbook."
    if b"\0" not in head:
        return "is a text file, and no workbook. If it holds values with separators (CSV), read it with ReadCSV."
    return f"is no Excel workbook. {_SAVE}"
