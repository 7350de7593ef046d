"""Content transfer encodings (RFC 2045, 6): everything becomes 7-bit lines that survive signing.

Source: RFC 8551, 3.1.3 and RFC 3156, 3: trailing white space and lines that begin with `From ` are encoded.
"""

from __future__ import annotations

import re
from binascii import b2a_base64, b2a_qp
from struct import Struct

from ..errors import Refused

MAX_LINE = 998
"""Octets of a line without its CRLF (RFC 5322, 2.1.1)."""
SHORT_LINE = 78
"""What RFC 5322, 2.1.1 recommends; text with longer lines is encoded."""

_CONTROLS = bytes(code for code in (*range(32), 127) if code not in b"\t\n")
_HIGH = bytes(range(128, 256))
_LATE_SPACE = re.compile(rb"(?m)^([^\n]{74,75})(=20|=09)$")
_LINE = 76
_BLOCK = 256
_LINES = Struct(f"{_LINE}s" * _BLOCK)


def text_body(text: str, where: str) -> tuple[bytes, bytes]:
    """The name of the fitting transfer encoding, and the text in it; lines end with CRLF.

    Raises:
        Refused: it holds half a character (a lone surrogate).
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise half_character(where, text, error.start) from error
    if raw.isascii() and _is_plain(raw):
        return b"7bit", raw.replace(b"\n", b"\r\n")
    if 3 * (len(raw) - len(raw.translate(None, _HIGH))) > len(raw):  # European text stays readable in its source
        return b"base64", base64_body(raw.replace(b"\n", b"\r\n"))
    return b"quoted-printable", quoted_printable(raw)


def half_character(where: str, text: str, position: int) -> Refused:
    """What is said of text that is no Unicode."""
    return Refused(
        f"{where} holds half a character (U+{ord(text[position]):04X}) at position {position + 1}. "
        "Type that character again at the source."
    )


def _is_plain(raw: bytes) -> bool:
    """Whether ASCII text may go as it is."""
    return (
        b" \n" not in raw
        and b"\t\n" not in raw
        and not raw.endswith((b" ", b"\t"))
        and not raw.startswith(b"From ")
        and b"\nFrom " not in raw
        and len(raw.translate(None, _CONTROLS)) == len(raw)
        and max(map(len, raw.split(b"\n"))) <= SHORT_LINE
    )


def quoted_printable(raw: bytes) -> bytes:
    """Text with LF as quoted-printable with CRLF; lines have at most 76 characters."""
    encoded = b2a_qp(raw, istext=True)
    if b" \n" in raw or b"\t\n" in raw:  # the library makes these lines up to 78 long
        encoded = _LATE_SPACE.sub(rb"\1=\n\2", encoded)
    if b"From " in encoded:
        encoded = encoded.replace(b"\nFrom ", b"\n=46rom=\n ")
        if encoded.startswith(b"From "):
            encoded = b"=46rom=\n " + encoded[5:]
    return encoded.replace(b"\n", b"\r\n")


def base64_body(raw: bytes) -> bytes:
    """Base64 in lines of 76 characters; all but the last end with CRLF."""
    encoded = b2a_base64(raw, newline=False)
    step = _LINES.size
    whole = len(encoded) // step * step
    lines: list[bytes] = []
    for start in range(0, whole, step):  # cuts 256 lines at once: twice as fast as slicing each
        lines += _LINES.unpack_from(encoded, start)
    lines += [encoded[start : start + _LINE] for start in range(whole, len(encoded), _LINE)]
    return b"\r\n".join(lines)


def is_seven_bit(raw: bytes) -> bool:
    """Whether bytes with CRLF may be sent unencoded (RFC 2045, 2.7)."""
    return raw.isascii() and b"\0" not in raw and max(map(len, raw.split(b"\r\n"))) <= MAX_LINE
