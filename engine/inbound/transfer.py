"""Transfer encodings undone (RFC 2045, 6), and uuencode. What is broken is read as far as it goes."""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_qp, a2b_uu

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_OTHER_ALPHABET = bytes.maketrans(b"-_", b"+/")
_BEGIN = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,200})", re.MULTILINE)
_UU_LINE = re.compile(rb"[ -`]{2,90}")
_BOGUS_QP = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|\r)")


def undone(content: bytes, encoding: str) -> tuple[bytes, bool]:
    """The bytes as they were before they were encoded, and whether all of it was in order."""
    match encoding:
        case "base64":
            return from_base64(content)
        case "quoted-printable":
            return a2b_qp(content), not _BOGUS_QP.search(content)
        case "x-uuencode" | "uuencode" | "x-uue" | "uue":
            files = uuencoded(content)
            return (files[0][1], True) if files else (content, False)
    return content, encoding in ("", "7bit", "8bit", "binary")


def from_base64(content: bytes) -> tuple[bytes, bool]:
    """Alien characters are skipped (RFC 2045, 6.8). Padding within ends a run: some gateways join encoded texts."""
    content = content.rstrip(b"= \t\r\n")
    if b"=" in content:
        return b"".join(map(_run, content.split(b"="))), False
    try:
        return a2b_base64(content + b"=="), True
    except Error:
        return _run(content), False


def _run(content: bytes) -> bytes:
    """Base64 without padding, of the usual alphabet or the one for addresses (RFC 4648, 5)."""
    cleaned = _NOT_BASE64.sub(b"", content.translate(_OTHER_ALPHABET))
    if len(cleaned) % 4 == 1:  # six bits are no byte
        cleaned = cleaned[:-1]
    return a2b_base64(cleaned + b"=" * (-len(cleaned) % 4))


def uuencoded(content: bytes) -> list[tuple[str, bytes]]:
    """The files between `begin 644 name` and `end`, with their names."""
    files: list[tuple[str, bytes]] = []
    at = 0
    if b"begin" not in content:
        return files
    while found := _BEGIN.search(content, at):
        file, at = _uu_lines(content, found.end())
        if file:
            files.append((found[1].strip().decode("utf-8", "replace"), file))
    return files


def _uu_lines(content: bytes, at: int) -> tuple[bytes, int]:
    """The decoded lines from here on, and where they end."""
    pieces: list[bytes] = []
    size = len(content)
    while at < size:
        stop = content.find(b"\n", at + 1)
        stop = size if stop < 0 else stop
        line = content[at:stop].strip(b"\r\n")
        if line == b"end" or (line and (piece := _uu_line(line)) is None):
            break
        if line and piece:
            pieces.append(piece)
        at = stop
    return b"".join(pieces), at


def _uu_line(line: bytes) -> bytes | None:
    if line in (b"`", b" "):
        return b""
    if not _UU_LINE.fullmatch(line):
        return None
    try:
        return a2b_uu(line)
    except Error:  # some encoders write too much at the end of a line
        count = ((line[0] - 32) & 63) * 4 // 3 + 5
        try:
            return a2b_uu(line[:count])
        except Error:
            return None
