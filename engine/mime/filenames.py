"""Names of files in Content-Disposition and Content-Type (RFC 2183, RFC 2231)."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import quote

from .headers import check_value

_SAFE = r"A-Za-z0-9 !#$&()+,\-.@^_{}~\[\]"
"""No quote, percent, semicolon or equals sign: some readers trip over them even within quotes."""
_SHORT = re.compile(rf"[{_SAFE}]{{1,40}}")
_UNSAFE = re.compile(rf"[^{_SAFE}]+")
_PIECE = 55
"""Percent-encoded characters of one RFC 2231 section: with ` filename*12*=` a line stays below 78."""
_GERMAN = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ẞ": "SS", "€": "EUR", "–": "-"}
)


@lru_cache(maxsize=256)
def file_headers(media_type: str, name: str, disposition: str) -> bytes:
    """Content-Type and Content-Disposition of a file, with line ends.

    A name that is not short ASCII stands by RFC 2231 in Content-Disposition, and as an ASCII likeness in the
    `name` of Content-Type for old readers. It does not stand twice in Content-Disposition: readers differ in which
    of `filename` and `filename*` they take, and some would show the likeness.
    """
    check_value(name, "The name of an attached file")
    if _SHORT.fullmatch(name) and name == name.strip():
        shown, filename = name, f' filename="{name}"'
    else:
        shown, filename = likeness(name), ";\r\n".join(_sections(name))
    content_type = f'Content-Type: {media_type};\r\n name="{shown}"\r\n'
    return f"{content_type}Content-Disposition: {disposition};\r\n{filename}\r\n".encode()


def likeness(name: str) -> str:
    """A short ASCII name that a person takes for the same: `Rechnung Müller.pdf` as `Rechnung Mueller.pdf`."""
    flat = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", name).translate(_GERMAN))
    ascii_name = "".join(one for one in flat if not unicodedata.combining(one))
    clean = _UNSAFE.sub("_", ascii_name).strip()
    stem, dot, extension = clean.rpartition(".")
    if not dot or len(extension) > 10:
        return clean[:40] or "file"
    return f"{stem[: 39 - len(extension)]}.{extension}"


def _sections(name: str) -> list[str]:
    pieces = _pieces(name)
    if len(pieces) == 1:
        return [f" filename*=UTF-8''{pieces[0]}"]
    first = f" filename*0*=UTF-8''{pieces[0]}"
    return [first, *(f" filename*{number}*={piece}" for number, piece in enumerate(pieces[1:], 1))]


def _pieces(name: str) -> list[str]:
    encoded = quote(name, safe="")
    if len(encoded) <= _PIECE:
        return [encoded]
    pieces, piece = [], ""
    for unit in (quote(one, safe="") for one in name):  # never within a character: some decode each section alone
        if len(piece) + len(unit) > _PIECE:
            pieces.append(piece)
            piece = ""
        piece += unit
    return [*pieces, piece]
