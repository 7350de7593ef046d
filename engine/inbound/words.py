"""Encoded words in headers (RFC 2047), as senders really write them: split characters, no padding, spaces inside."""

from __future__ import annotations

import re
from binascii import a2b_qp

from .charsets import decode, is_utf8
from .transfer import from_base64

_OPENING = re.compile(r"=\?([^?\s=]{1,60})\?([bBqQ])\?")


def decoded(value: bytes, charset: str | None = None) -> str:
    """A header's value as text, on one line. The charset is for raw bytes that are no UTF-8."""
    text = decode(value)[0] if charset is None or is_utf8(value) else decode(value, charset)[0]
    return _plain(text) if "=?" in text else text


def _plain(text: str) -> str:
    """One pass: `find` never looks twice at a character, so a header of a megabyte costs what it should."""
    pieces: list[str] = []
    run: list[tuple[str, bytes]] = []
    at = 0
    while found := _OPENING.search(text, at):
        closing = text.find("?=", found.end())
        if closing < 0:
            break
        between = text[at : found.start()]
        if between.strip() or not run:  # blanks between two words belong to neither (RFC 2047, 6.2)
            pieces += (_joined(run), between)
            run = []
        run.append((found[1], _bytes(found[2], text[found.end() : closing])))
        at = closing + 2
    return "".join((*pieces, _joined(run), text[at:]))


def _bytes(encoding: str, payload: str) -> bytes:
    raw = payload.encode("utf-8")
    if encoding in "bB":
        return from_base64(raw)[0]
    return a2b_qp(raw.replace(b"_", b" "), header=False)


def _joined(run: list[tuple[str, bytes]]) -> str:
    """Neighbours of one charset are joined first: many senders cut in the middle of a character."""
    texts: list[str] = []
    charset, content = "", b""
    for name, piece in run:
        if name.lower() != charset:
            texts.append(decode(content, charset)[0])
            charset, content = name.lower(), b""
        content += piece
    return "".join((*texts, decode(content, charset)[0])) if run else ""
