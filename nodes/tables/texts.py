"""The shared strings of an .xlsx, kept tight: one block of bytes, not a million objects."""

from __future__ import annotations

import re
from array import array

from .package import Package

MAX_TEXTS = 256 * 1024**2
"""Bytes of all shared strings, which are held in memory. 1,000,000 rows with five texts of their own take 200 MB."""
MAX_TEXT = 100_000
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
"""Characters in one cell; Excel takes 32,767."""


class Texts:
    """Reads on only as far as it is asked, so the first row needs not wait for the last text."""

    def __init__(self, package: Package, part: str | None) -> None:
        self._bytes = bytearray()
        self._ends = array("Q", [0])
        self._pieces = package.parse(part, self, MAX_TEXTS) if part else None
        self._text = ""
        self._string_tag = self._text_tag = self._phonetic_tag = ""
        self._listens = self._is_phonetic = False

    def close(self) -> None:
        """Lets go of the part, which is rarely read to its end."""
        if self._pieces is not None:
            self._pieces.close()

    def __getitem__(self, index: int) -> str | None:
        """A text, or None when there is nothing to see in it.

        Raises:
            LookupError: there are fewer.
        """
        ends = self._ends
        while len(ends) <= index + 1:
            if self._pieces is None or next(self._pieces, self) is self:
                raise LookupError(f"there is no shared string {index}")
        return self._bytes[ends[index] : ends[index + 1]].decode() or None

    def start(self, name: str, _: dict[str, str]) -> None:
        if name == self._text_tag:
            self._listens = not self._is_phonetic
        elif name == self._phonetic_tag:
            self._is_phonetic = True
        elif not self._string_tag:
            prefix = name[: -len("sst")]
            self._string_tag, self._text_tag, self._phonetic_tag = prefix + "si", prefix + "t", prefix + "rPh"

    def end(self, name: str) -> None:
        if name == self._text_tag:
            self._listens = False
        elif name == self._string_tag:
            self._bytes += plain(self._text).encode()
            self._ends.append(len(self._bytes))
            self._text = ""
        elif name == self._phonetic_tag:
            self._is_phonetic = False

    def text(self, data: str) -> None:
        if self._listens:
            self._text = joined(self._text, data) if self._text else data


def plain(text: str) -> str:
    """A cell's text without its escapes (`_x000D_`); nothing when it is only space."""
    if "_x" in text:
        text = _unescaped(text)
    return "" if text.isspace() else text


def _unescaped(text: str) -> str:
    """The escapes are UTF-16 code units; halves that have no other half, and NUL, are no text."""
    units = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text).encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace").replace("\0", "\ufffd")


def joined(text: str, more: str) -> str:
    """Raises ValueError when no cell of Excel's could hold it."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"a cell holds more than {MAX_TEXT:,} characters, and Excel takes 32,767")
    return text + more
