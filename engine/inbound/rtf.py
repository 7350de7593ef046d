"""The text of a mail that Outlook wrote as RTF: unpacked (MS-OXRTFCP), and freed from its control words."""

from __future__ import annotations

import re
from struct import Struct

from .charsets import codec

_HEADER = Struct("<IIII")
_COMPRESSED, _PLAIN = 0x75465A4C, 0x414C454D
_START = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    + b"\r\n"
    + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
"""What both sides know before the first byte (2.1.3.1.4)."""
_RING = 4096
_TOKEN = re.compile(
    r"\\u(?P<code>-?\d{1,6}) ?(?:\\'[0-9a-fA-F]{2}|[^\\{}])?|(?P<bytes>(?:\\'[0-9a-fA-F]{2})+)"
    r"|\\(?P<word>[a-zA-Z]{1,32})-?\d{0,10} ?|\\(?P<sign>.)|(?P<brace>[{}])|(?P<text>[^\\{}\r\n]+)|[\r\n]+|\\",
    re.DOTALL,
)
_BREAKS = {
    "par": "\n", "line": "\n", "tab": "\t", "cell": "\t", "row": "\n", "emdash": "—", "endash": "–", "bullet": "•",
    "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”",
}  # fmt: skip
_CODE_PAGE = re.compile(r"\\ansicpg(\d{3,5})")
_SILENT = {"fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "header", "footer", "generator", "themedata"}
MAX_DEPTH = 500
MAX_UNPACKED = 4_000_000
"""Bytes; nobody wrote so much text, and pictures stand after it."""


def unpacked(content: bytes) -> bytes:
    """The RTF in a compressed property; as far as it goes when it is broken."""
    if len(content) < _HEADER.size:
        return b""
    _, size, magic, _ = _HEADER.unpack_from(content)
    size = min(size, MAX_UNPACKED)
    if magic == _PLAIN:
        return content[_HEADER.size : _HEADER.size + size]
    return _unpacked(content, size) if magic == _COMPRESSED else b""


def _unpacked(content: bytes, size: int) -> bytes:
    """Sets of eight: a bit tells whether a byte follows, or a place in the ring and a length (2.2.2)."""
    out = bytearray(_START)
    at, begin = _HEADER.size, len(_START)
    while at < len(content) and len(out) - begin < size:
        flags, at = content[at], at + 1
        for bit in range(8):
            if at >= len(content):
                break
            if not flags >> bit & 1:
                out.append(content[at])
                at += 1
                continue
            pair = int.from_bytes(content[at : at + 2], "big")
            at += 2
            back = (len(out) - (pair >> 4)) % _RING
            if not back or back > len(out):
                return bytes(out[begin:])
            for _ in range((pair & 15) + 2):
                out.append(out[-back])
    return bytes(out[begin : begin + size])


def text_of_rtf(rtf: str) -> str:
    """What a reader of this RTF would see; of HTML that is wrapped in it, its text."""
    pieces: list[str] = []
    page = _CODE_PAGE.search(rtf, 0, 1_000)
    charset = (codec(f"cp{page[1]}") if page else None) or "cp1252"
    silent, hidden = [False], False
    for found in _TOKEN.finditer(rtf):
        kind, value = found.lastgroup, found[found.lastgroup] if found.lastgroup else ""
        if kind == "brace":
            _nest(silent, value)
        elif (kind == "sign" and value == "*") or (kind == "word" and value in _SILENT):
            silent[-1] = True
        elif kind == "word" and value == "htmlrtf":  # what stands until \htmlrtf0 is there a second time, as HTML
            hidden = not found[0].rstrip().endswith("0")
        elif not silent[-1] and not hidden:
            pieces.append(_shown(kind, value, charset))
    whole = "".join(pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # halves meet again
    lines = (line.strip() for line in whole.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _nest(silent: list[bool], brace: str) -> None:
    """A group inherits the silence of the one around it."""
    if brace == "{" and len(silent) < MAX_DEPTH:
        silent.append(silent[-1])
    elif brace == "}" and len(silent) > 1:
        silent.pop()


def _shown(kind: str | None, value: str, charset: str) -> str:
    match kind:
        case "text":
            return value
        case "word":
            return _BREAKS.get(value, "")
        case "bytes":
            return bytes.fromhex(value.replace("\\'", "")).decode(charset, "replace")
        case "code":
            return chr(int(value) % 0x10000)
        case "sign":
            return {"~": "\u00a0", "_": "-", "-": "", "\n": "\n", "\r": "\n"}.get(
                value, value if value in "{}\\" else ""
            )
    return ""
