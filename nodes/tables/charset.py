"""How the letters of a text file are encoded, told from all of its bytes before the first row is read.

UTF-8 is certain when it fits: text in another encoding practically never does. Among the encodings with one byte for
a letter nothing is certain; the one that makes the most of its bytes letters of western Europe is taken.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from charset_normalizer import from_bytes

from ...engine import ConfigError, suggestion

MAX_LINE = 1024**2
"""Bytes between two line ends. A row of 200 fields with 1,000 letters has 200,000."""
CHUNK = 1024**2
PLAUSIBLE = 0.97
"""Share of the bytes beyond ASCII that must be letters or signs of western Europe."""

COMMON = ("utf-8", "cp1252", "iso-8859-15", "cp850", "mac-roman", "cp1250", "utf-16")
_WESTERN = {"cp1252": 1.2, "cp850": 1.0, "mac-roman": 1.0}
"""Windows; DOS, and what still exports like it; old Macs. Windows is likelier before anything is known: a lone
`á` of its is the `ß` of DOS."""
_UMLAUTS = frozenset("äöüÄÖÜß")
_LETTERS = frozenset("éèêëàâáãåæçîïíìñôóòõøœùúûÿÉÈÊËÀÂÁÃÅÆÇÎÏÍÑÔÓÒÕØŒÙÚÛ")
_SIGNS = frozenset("€§°²³µ·–—‘’‚“”„«»…•´™®© ½¼¾£ŠšŽžŸ")
"""With letters that are rarer than the umlauts which old Macs have in their places."""
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_WORKBOOKS = (b"PK\x03\x04", bytes.fromhex("D0CF11E0A1B11AE1"))
_UTF8_LETTER = re.compile(rb"\xc3[\x80-\xbf]|\xe2\x80[\x93-\xa6]|\xe2\x82\xac")
"""Accented letters, dashes, quotes and the euro in UTF-8. In Windows-1252 they would read as Ã¼ or â€“."""


class Place(NamedTuple):
    """A place in a text file as an editor shows it, both counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


def encoding_of(path: Path, file: str, wanted: str | None) -> str:
    """The name of the codec that decodes all of the file.

    Raises:
        ConfigError: there is none, the one that is wanted does not fit, or it is no text file.
    """
    with path.open("rb") as content:
        head = content.read(4096)
    _check_text(file, head)
    encoding = _codec(wanted) if wanted else _marked(head) or _without_mark(head)
    stray = _stray(path, encoding)
    if stray is not None and encoding == "utf-8":  # it was only tried
        encoding = _single_byte(path, file, stray)
    elif stray is not None:
        raise _unfit(path, file, encoding, stray)
    _check_lines(path, file, encoding)
    return encoding


def _check_text(file: str, head: bytes) -> None:
    if not head:
        raise ConfigError(f"{file} is empty (0 bytes). Copy it again from where it comes from.", field="file")
    if head.startswith(_WORKBOOKS):
        raise ConfigError(f"{file} is an Excel workbook, whatever its name says. Read it with ReadExcel.", field="file")


def _codec(wanted: str) -> str:
    try:
        "".encode(wanted)
        codecs.getincrementaldecoder(wanted)
    except LookupError as error:
        raise ConfigError(f"There is no encoding {wanted!r}. {suggestion(wanted, COMMON)}", field="encoding") from error
    return "utf-8-sig" if codecs.lookup(wanted).name == "utf-8" else wanted


def _marked(head: bytes) -> str | None:
    return next((codec for mark, codec in _MARKS if head.startswith(mark)), None)


def _without_mark(head: bytes) -> str:
    """Every other byte of western text in UTF-16 is 0."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) * 3 < len(head):
        return "utf-8"
    return "utf-16-le" if odd > even else "utf-16-be"


def _stray(path: Path, encoding: str) -> UnicodeDecodeError | None:
    """Where the bytes are no text in this encoding; the error's start counts from the start of the file."""
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    for chunk in _chunks(path):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            error.start += done - pending
            return error
        done += len(chunk)
    return None


def _chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes; the last chunk is empty."""
    with path.open("rb") as content:
        while chunk := content.read(CHUNK):
            yield chunk
    yield b""


def _unfit(path: Path, file: str, encoding: str, stray: UnicodeDecodeError) -> ConfigError:
    place, found = _place(path, stray.start, encoding)
    return ConfigError(
        f"{file} is not all {encoding.removesuffix('-sig')}: {place} holds the bytes {found}. "
        "Set encoding to the right one (cp1252 for most German files of older programs), or save it as UTF-8.",
        field="encoding",
    )


def _single_byte(path: Path, file: str, stray: UnicodeDecodeError) -> str:
    """An encoding for a file that is not UTF-8."""
    utf8_letter = _first_utf8_letter(path)
    if utf8_letter is not None:
        here, these = _place(path, stray.start, "utf-8")
        there, those = _place(path, utf8_letter, "utf-8")
        raise ConfigError(
            f"{file} mixes two encodings: {there} holds UTF-8 (the bytes {those}), {here} does not (the bytes "
            f"{these}). It was put together from two files: save both as UTF-8 and join them again. To read it "
            "as it is, with some letters wrong, set encoding to cp1252.",
            field="encoding",
        )
    counts = Counter[int]()
    for chunk in _chunks(path):
        counts.update(chunk.translate(None, delete=bytes(range(128))))
    encoding = max(_WESTERN, key=lambda one: _WESTERN[one] * _merit(counts, one))
    return encoding if _share(counts, encoding) >= PLAUSIBLE else _foreign(path, file)


def _merit(counts: Counter[int], encoding: str) -> float:
    weights = ((_UMLAUTS, 1.0), (_LETTERS, 0.9), (_SIGNS, 0.5))
    return sum(
        count * next((weight for signs, weight in weights if _sign(byte, encoding) in signs), 0.0)
        for byte, count in counts.items()
    )


def _share(counts: Counter[int], encoding: str) -> float:
    known = _UMLAUTS | _LETTERS | _SIGNS
    return sum(count for byte, count in counts.items() if _sign(byte, encoding) in known) / counts.total()


def _sign(byte: int, encoding: str) -> str:
    return bytes([byte]).decode(encoding, "replace")


def _foreign(path: Path, file: str) -> str:
    """What charset-normalizer makes of a file that is not from western Europe."""
    with path.open("rb") as content:
        best = from_bytes(content.read(256 * 1024)).best()
    if best is not None and _stray(path, best.encoding) is None:
        return best.encoding
    raise ConfigError(
        f"The encoding of {file} can't be told: it is not UTF-8, and none that is common in western Europe. "
        "Set encoding, to cp1250 (Poland, Czechia) for example, or save it as UTF-8.",
        field="encoding",
    )


def _first_utf8_letter(path: Path) -> int | None:
    done, tail = 0, b""
    for chunk in _chunks(path):
        match = _UTF8_LETTER.search(tail + chunk)
        if match:
            return done - len(tail) + match.start()
        done += len(chunk)
        tail = (tail + chunk)[-2:]
    return None


def _check_lines(path: Path, file: str, encoding: str) -> None:
    """Raises ConfigError for NUL and for lines without end: then it is no table."""
    done = since = 0
    for chunk in _chunks(path):
        if b"\0" in chunk and not encoding.startswith(("utf-16", "utf-32")):
            place, _ = _place(path, done + chunk.index(0), encoding)
            raise ConfigError(f"{file} is no plain text: {place} holds a NUL byte. Export it again.", field="file")
        first = min((at for at in (chunk.find(b"\n"), chunk.find(b"\r")) if at >= 0), default=-1)
        if since + (first if first >= 0 else len(chunk)) > MAX_LINE:
            place, _ = _place(path, done, encoding)
            raise ConfigError(f"{file}: line {place.line} is longer than {MAX_LINE:,} bytes.", field="file")
        last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        since = len(chunk) - last - 1 if last >= 0 else since + len(chunk)
        done += len(chunk)


def _place(path: Path, offset: int, encoding: str) -> tuple[Place, str]:
    """Where a byte stands, and the bytes there in hex."""
    lines, start = 0, b""
    with path.open("rb") as content:
        left = offset
        while left and (chunk := content.read(min(CHUNK, left))):
            end = b"\n" if b"\n" in chunk or lines else b"\r"
            lines += chunk.count(end)
            start = (start + chunk).rpartition(end)[2]
            left -= len(chunk)
        found = content.read(2)
    before = len(start) // 2 if encoding.startswith("utf-16") else len(start.decode(encoding, "replace"))
    return Place(lines + 1, before + 1), found.hex(" ").upper()
