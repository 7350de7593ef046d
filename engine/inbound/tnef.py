"""Attachments inside winmail.dat (TNEF: MS-OXTNEF 2.1), which Exchange sends to whom it takes for Outlook.

The libraries for it are years old and raise on broken input; of the format, the files and the texts matter here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct

from .hypertext import text_of
from .rtf import text_of_rtf, unpacked

SIGNATURE = b"\x78\x9f\x3e\x22"
_ATTRIBUTE = Struct("<BII")
_WORD, _LONG = Struct("<H"), Struct("<I")
_TITLE, _DATA, _START, _PROPERTIES = 0x18010, 0x6800F, 0x69002, 0x69005
_MESSAGE_PROPERTIES, _BODY = 0x69003, 0x2800C
_LONG_NAME, _CONTENT, _MIME_TYPE = 0x3707, 0x3701, 0x370E
_PLAIN_BODY, _HTML_BODY, _RTF_BODY = 0x1000, 0x1013, 0x1009
_FIXED = {0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
"""Bytes of a value by its MAPI type; 2-byte ones are padded to 4."""
_OBJECT = 0x0D
_COUNTED = {_OBJECT, 0x1E, 0x1F, 0x102}
MAX_PARTS = 500
MAX_DEPTH = 4
MAX_PROPERTIES = 2_000


@dataclass
class TnefFile:
    name: str = ""
    media_type: str = ""
    content: bytes = b""


@dataclass
class Tnef:
    """What lies in a winmail.dat."""

    text: str = ""
    html: str = ""
    packed_rtf: bytes = b""
    files: list[TnefFile] = field(default_factory=list)


def text_of_tnef(found: Tnef) -> str:
    """The text in the best form there is."""
    if text := found.text.strip() or text_of(found.html):
        return text
    return text_of_rtf(unpacked(found.packed_rtf).decode("cp1252", "replace"))


def read_tnef(content: bytes, depth: int = 0) -> Tnef | None:
    """The files and texts within, or None when it is no TNEF. A broken one is read as far as it goes.

    A mail attached to it is a TNEF of its own: it is listed, and so are its files.
    """
    if not content.startswith(SIGNATURE):
        return None
    found = Tnef()
    for name, value in _attributes(content):
        if name == _START:
            if len(found.files) >= MAX_PARTS:
                break
            found.files.append(TnefFile())
        elif name in (_MESSAGE_PROPERTIES, _BODY):
            _take_text(found, name, value)
        elif found.files:
            _take_file(found.files[-1], name, value)
    found.files = [one for file in found.files for one in _with_inner(file, depth)]
    return found


def _with_inner(file: TnefFile, depth: int) -> list[TnefFile]:
    inner = read_tnef(file.content, depth + 1) if depth < MAX_DEPTH else None
    if inner:
        file.media_type = "application/ms-tnef"
    files = [file] if file.content or file.name else []
    return [*files, *(inner.files if inner else ())]


def _attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 6  # signature and key
    while at + _ATTRIBUTE.size <= len(content):
        _, name, size = _ATTRIBUTE.unpack_from(content, at)
        at += _ATTRIBUTE.size
        yield name, content[at : at + size]
        at += size + 2  # a checksum


def _take_text(found: Tnef, name: int, value: bytes) -> None:
    if name == _BODY:
        found.text = found.text or _string(value)
        return
    properties = dict(_properties(value))
    found.text = properties.get(_PLAIN_BODY, (0, b""))[1].decode("utf-8", "replace") or found.text
    html = properties.get(_HTML_BODY, (0, b""))[1]
    found.html = html.decode("utf-8", "replace") if html else found.html
    found.packed_rtf = properties.get(_RTF_BODY, (0, b""))[1] or found.packed_rtf


def _take_file(file: TnefFile, name: int, value: bytes) -> None:
    if name == _TITLE:
        file.name = file.name or _string(value)
    elif name == _DATA:
        file.content = value
    elif name == _PROPERTIES:
        properties = dict(_properties(value))
        file.name = properties.get(_LONG_NAME, (0, b""))[1].decode("utf-8", "replace") or file.name
        file.media_type = properties.get(_MIME_TYPE, (0, b""))[1].decode("ascii", "replace") or file.media_type
        kind, held = properties.get(_CONTENT, (0, b""))
        if kind == _OBJECT and held:  # what stands in attAttachData says then only that this can't be shown
            file.content = held[16:]  # behind the id of its interface
        elif held and not file.content:
            file.content = held


def _properties(value: bytes) -> Iterator[tuple[int, tuple[int, bytes]]]:
    """The MAPI properties: id, type and first value; strings as UTF-8."""
    at = 4
    for _ in range(min(_number(value, 0), MAX_PROPERTIES)):
        if at + 4 > len(value):
            return
        kind, name = _WORD.unpack_from(value, at)[0], _WORD.unpack_from(value, at + 2)[0]
        at = _past_name(value, at + 4) if name >= 0x8000 else at + 4
        is_counted = bool(kind & 0x1000) or kind & 0xFFF in _COUNTED
        count, at = (_number(value, at), at + 4) if is_counted else (1, at)
        first, at = _values(value, at, kind & 0xFFF, min(count, MAX_PROPERTIES))
        if at < 0:
            return
        yield name, (kind & 0xFFF, first)


def _values(value: bytes, at: int, kind: int, count: int) -> tuple[bytes, int]:
    """The first of so many values, and where the last ends; -1 when that cannot be told."""
    first = b""
    for number in range(count):
        if kind in _COUNTED:
            size = _number(value, at)
            at += 4
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            return first, -1
        if at + size > len(value):
            return first, -1
        if number == 0:
            first = _as_text(value[at : at + size], kind)
        at += -(-size // 4) * 4
    return first, at


def _as_text(raw: bytes, kind: int) -> bytes:
    if kind == 0x1F:
        return raw.decode("utf-16-le", "replace").rstrip("\0").encode("utf-8", "replace")
    return _string(raw).encode("utf-8", "replace") if kind == 0x1E else raw


def _past_name(value: bytes, at: int) -> int:
    """Past the name of a named property: a GUID, then a number or a string."""
    is_string = _number(value, at + 16) == 1
    size = _number(value, at + 20) if is_string else 0
    return at + 24 + (-(-size // 4) * 4 if is_string else 0)


def _number(value: bytes, at: int) -> int:
    return int(_LONG.unpack_from(value, at)[0]) if 0 <= at <= len(value) - 4 else 0


def _string(raw: bytes) -> str:
    raw = raw.rstrip(b"\0")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")
