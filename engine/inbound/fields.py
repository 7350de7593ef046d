"""The head of a mail or a part: its fields, and the parameters in them (RFC 5322, RFC 2045, RFC 2231)."""

from __future__ import annotations

import re
from functools import cached_property
from urllib.parse import unquote_to_bytes

from .charsets import decode
from .words import decoded

LINE_END = re.compile(rb"(?>\r{0,2}\n|\r)")
_LINE = re.compile(rb"([^\r\n]*)(?>\r{0,2}\n|\r|\Z)")
_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:[ \t]*")
_BETWEEN = re.compile(r"[;\s]*")
_PARAMETER = re.compile(r"""([^\s=;"]{1,200})(?:\s*+=\s*+("(?:[^"\\]|\\.)*+"?|[^;]*))?|.""", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")
MAX_FIELDS = 5_000
MAX_VALUE = 200_000
"""Characters of a header that are looked into; the longest To that we know of has 60,000."""
MAX_PARAMETERS = 100


class Head:
    """Header fields in their order; a name may come several times."""

    __slots__ = ("__dict__", "fields")

    def __init__(self, fields: list[tuple[str, bytes]]) -> None:
        self.fields = fields

    @cached_property
    def by_name(self) -> dict[str, list[bytes]]:
        """The raw values by the lower-case name."""
        found: dict[str, list[bytes]] = {}
        for name, value in self.fields:
            found.setdefault(name.lower(), []).append(value)
        return found

    def __contains__(self, name: str) -> bool:
        return name in self.by_name

    def text(self, name: str, charset: str | None = None) -> str:
        """The first field of this (lower-case) name as text; empty when there is none."""
        values = self.by_name.get(name)
        return decoded(values[0][:MAX_VALUE], charset).strip() if values else ""

    def texts(self, name: str) -> list[str]:
        """All fields of this name as text."""
        return [decoded(value[:MAX_VALUE]).strip() for value in self.by_name.get(name, ())]

    def structured(self, name: str) -> tuple[str, dict[str, str]]:
        """A value such as `text/plain; charset=utf-8`: what stands first, in lower case, and the parameters."""
        values = self.by_name.get(name)
        if not values:
            return "", {}
        first, _, rest = decode(values[0][:MAX_VALUE])[0].partition(";")
        return first.strip().lower(), parameters(rest) if rest else {}


def read_head(content: bytes, start: int, end: int) -> tuple[Head, int]:
    """The fields from here on, and where the body begins. A head that stops in the middle has its body there."""
    names: list[str] = []
    values: list[list[bytes]] = []
    at = start
    for line in _LINE.finditer(content, start, end):
        text = line[1]
        if not text:
            at = line.end()
            break
        if text[0] in b" \t":
            if not names:
                break
            values[-1].append(text)
        elif (found := _FIELD.match(text)) and len(names) < MAX_FIELDS:
            names.append(found[1].decode("ascii"))
            values.append([text[found.end() :]])
        elif names and _goes_on(content, line.end(), end):
            values[-1].append(b" " + text)
        elif at != start or not text.startswith((b"From ", b">From ")):
            break
        at = line.end()
    return Head([(name, b"".join(pieces).rstrip()) for name, pieces in zip(names, values, strict=True)]), at


def _goes_on(content: bytes, at: int, end: int) -> bool:
    """Whether the next line is a field again: then the odd one before it is only a broken fold."""
    line = _LINE.match(content, at, end)
    return bool(line and (found := _FIELD.match(line[1])) and (b"-" in found[1] or found[1].lower() in _COMMON))


_COMMON = {b"from", b"to", b"cc", b"subject", b"date", b"received", b"sender"}


def parameters(text: str) -> dict[str, str]:
    """`a=b; c*0*=utf-8''x; c*1=y` as names in lower case and values; continued and encoded ones put together."""
    plain: dict[str, str] = {}
    sections: dict[str, list[tuple[int, bool, str]]] = {}
    at = 0
    for _ in range(MAX_PARAMETERS):
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]  # it matches always
        if not (found := _PARAMETER.match(text, at)):
            break
        at = found.end()
        if not found[1]:
            continue
        name, value = found[1].lower(), _unquoted(found[2] or "")
        section = _SECTION.fullmatch(name) if "*" in name else None
        if section and (section[2] or section[3]):
            sections.setdefault(section[1], []).append((int(section[2] or 0), bool(section[3]), value))
        else:
            plain.setdefault(name, value)
    return plain | {name: _continued(pieces) for name, pieces in sections.items()}


def _unquoted(value: str) -> str:
    value = value.strip()
    if value.startswith('"'):
        return _ESCAPED.sub(r"\1", value[1:-1] if len(value) > 1 and value.endswith('"') else value[1:])
    return value.strip("'") if value.startswith("'") else value


def _continued(pieces: list[tuple[int, bool, str]]) -> str:
    """RFC 2231: the first encoded piece names the charset."""
    charset, content = None, b""
    for number, is_encoded, value in sorted(pieces, key=lambda piece: piece[0]):
        if is_encoded and number == 0 and value.count("'") >= 2:
            charset, _, value = value.split("'", 2)
        content += unquote_to_bytes(value) if is_encoded else value.encode("utf-8")
    return decode(content, charset)[0]
