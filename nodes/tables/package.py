"""An .xlsx from outside: a zip of XML parts, each opened by itself and within bounds.

Only the parts that are asked for are unpacked, piece by piece, so what nobody opens can do no harm.
"""

from __future__ import annotations

import posixpath
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile, ZipInfo

from ...engine import ConfigError

MAX_PART = 2 * 1024**3
"""Bytes of an unpacked part. 1,048,576 rows, all that Excel takes, of 40 numbers are 1.3 GB; 200,000 rows of
15 columns are 120 MB."""
MAX_RATIO = 250
"""Unpacked to packed. Real sheets reach 6 to 12, a column of equal long texts 200; deflate ends at 1,032."""
RATIO_FROM = 64 * 1024**2
"""Bytes below which the ratio is not asked: so much is read in two seconds, and never held as a whole."""
MAX_TOKEN = 16 * 1024**2
"""Bytes of one XML tag, which the parser holds until it ends. Excel's longest tags have some hundred."""
MAX_DIRECTORY = 4 * 1024**2
"""Bytes of a zip's list of parts. A workbook with 1,000 pictures has 100,000."""
CHUNK = 64 * 1024

_TAIL = 70_000
"""Bytes at the end of a zip in which its last record stands: 22, a remark of at most 65,535, and ZIP64's 76."""

_ENCRYPTED = 0x1
"""The zip's flag for a part that needs a password (APPNOTE.TXT, 4.4.4)."""


class Handler(Protocol):
    """What a parser of a part is told."""

    def start(self, name: str, attributes: dict[str, str], /) -> None: ...

    def end(self, name: str, /) -> None: ...

    def text(self, data: str, /) -> None: ...


@contextmanager
def reading(file: str) -> Iterator[None]:
    """Turns whatever a broken workbook makes the libraries raise into an error that the analyst understands."""
    try:
        yield
    except (BadZipFile, zlib.error, EOFError, expat.ExpatError, UnicodeError, LookupError, ValueError) as error:
        raise damaged(file, str(error)) from error
    except (NotImplementedError, RuntimeError) as error:  # zipfile's words for rare compressions and passwords
        raise damaged(file, str(error)) from error
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror or error}.", field="file") from error


def damaged(file: str, detail: str) -> ConfigError:
    return ConfigError(
        f"{file} is damaged: {detail.rstrip('.')}. Open it in Excel, which may repair it, and save it anew as .xlsx.",
        field="file",
    )


class Package:
    """The parts of an opened file, by their name in any case (ECMA-376, part 2: names differ by more than case)."""

    def __init__(self, path: Path, file: str) -> None:
        self.file = file
        _check_directory(path, file)
        self._zip = ZipFile(path)
        self._parts = {_plain(info.filename): info for info in self._zip.infolist()}

    def __contains__(self, name: str) -> bool:
        return _plain(name) in self._parts

    def close(self) -> None:
        self._zip.close()

    def open(self, name: str, limit: int = MAX_PART) -> IO[bytes]:
        """The bytes of a part; never more than its zip directory declares, which is within the bounds.

        Raises:
            ConfigError: it is missing, needs a password, or is a bomb.
        """
        info = self._parts.get(_plain(name))
        if info is None:
            raise damaged(self.file, f"it lacks its part {name}")
        if info.flag_bits & _ENCRYPTED:
            raise ConfigError(
                f"{self.file} is packed with a password. Save it without one, or unpack it first.", field="file"
            )
        self._check_size(info, limit)
        return self._zip.open(info)

    def _check_size(self, info: ZipInfo, limit: int) -> None:
        ratio = info.file_size // max(info.compress_size, 1)
        if info.file_size > limit or (ratio > MAX_RATIO and info.file_size > RATIO_FROM):
            raise ConfigError(
                f"{self.file} is refused: its part {info.filename} unpacks to {info.file_size:,} bytes, {ratio:,} "
                f"times its packed size. At most {limit:,} bytes are read, and from {RATIO_FROM:,} on at most "
                f"{MAX_RATIO} times. If the file can be trusted, copy its cells into a new workbook.",
                field="file",
            )

    def parse(self, name: str, handler: Handler, limit: int = MAX_PART) -> Generator[None, None, None]:
        """Feeds a part to the handler, and pauses after each piece.

        Raises:
            ConfigError: see `open`; or the XML is broken, or declares a document type, which Excel never does.
        """
        parser = self._parser(name, handler)
        with self.open(name, limit) as part:
            fed = 0
            while piece := part.read(CHUNK):
                parser.Parse(piece)
                fed += len(piece)
                if fed - parser.CurrentByteIndex > MAX_TOKEN:
                    raise damaged(self.file, f"its part {name} holds an endless tag")
                yield
        parser.Parse(b"", True)
        yield

    def _parser(self, name: str, handler: Handler) -> expat.XMLParserType:
        def refuse(*_: object) -> None:
            raise damaged(self.file, f"its part {name} declares a document type")

        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = CHUNK
        parser.StartDoctypeDeclHandler = refuse
        parser.StartElementHandler = handler.start
        parser.EndElementHandler = handler.end
        parser.CharacterDataHandler = handler.text
        return parser

    def tags(self, name: str, limit: int = MAX_PART) -> Iterator[tuple[str, dict[str, str]]]:
        """The start tags of a part in order, without their prefixes; for parts that are small."""
        collected = _Tags()
        for _ in self.parse(name, collected, limit):
            yield from collected.found
            collected.found.clear()


def _check_directory(path: Path, file: str) -> None:
    """Refuses a zip whose list of parts would fill the memory before the first is opened (APPNOTE.TXT, 4.3.14-16)."""
    with path.open("rb") as content:
        content.seek(max(0, path.stat().st_size - _TAIL))
        tail = content.read()
    end = tail.rfind(b"PK\x05\x06")
    size = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    if end >= 76 and tail.startswith(b"PK\x06\x07", end - 20):  # the record of a ZIP64 stands before
        size = max(size, int.from_bytes(tail[end - 36 : end - 28], "little"))
    if size > MAX_DIRECTORY:
        raise damaged(file, f"its list of parts has {size:,} bytes, and no workbook needs more than {MAX_DIRECTORY:,}")


def resolved(base: str, target: str) -> str:
    """A relationship's target as the name of a part, seen from the part that names it."""
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(base), target)).lstrip("/")


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").casefold()


class _Tags:
    def __init__(self) -> None:
        self.found: list[tuple[str, dict[str, str]]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.found.append((name.rpartition(":")[2], {key.rpartition(":")[2]: it for key, it in attributes.items()}))

    def end(self, name: str) -> None:
        pass

    def text(self, data: str) -> None:
        pass
