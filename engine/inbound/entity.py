"""The tree of parts (RFC 2045, RFC 2046), read in one pass per level and within limits.

Parts are views of one buffer: nothing is copied before somebody asks for a part's content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from .charsets import decode, decode_html
from .fields import LINE_END, Head, read_head
from .transfer import undone


class Defect(StrEnum):
    """What was not in order. The text is read all the same."""

    CUT = "cut"
    """The mail is larger than the limit; what follows was not looked at."""
    DEPTH = "depth"
    """It is nested deeper than the limit; the innermost part stays closed."""
    PARTS = "parts"
    """It has more parts than the limit; the rest stays in the last one."""
    NO_BOUNDARY = "no-boundary"
    UNCLOSED = "unclosed"
    TRANSFER = "transfer-encoding"
    CHARSET = "charset"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a mail is looked at."""

    size: int = 64 << 20
    """Bytes. Servers commonly take 25 to 50 MB."""
    depth: int = 24
    """A forward of a forward of a bounce of a signed mail has about 12."""
    parts: int = 1_000
    """A digest of a busy mailing list has about 200."""


@dataclass
class Budget:
    """What is left of the limits, and what was found on the way."""

    limits: Limits
    parts: int = 0
    defects: set[Defect] = field(default_factory=set)


@dataclass(eq=False)
class Part:
    """One entity: its head, and its body as bytes or as further parts."""

    head: Head
    buffer: bytes
    start: int
    end: int
    media_type: str
    parameters: dict[str, str]
    budget: Budget
    parts: tuple[Part, ...] = ()
    preamble: tuple[int, int] = (0, 0)
    epilogue: tuple[int, int] = (0, 0)

    @property
    def body(self) -> bytes:
        """The bytes as they were sent."""
        return self.buffer[self.start : self.end]

    @cached_property
    def content(self) -> bytes:
        """The bytes with the transfer encoding undone."""
        encoding = self.head.structured("content-transfer-encoding")[0] if self.head.fields else ""
        content, is_sound = undone(self.body, encoding.strip("\"' ."))
        if not is_sound:
            self.budget.defects.add(Defect.TRANSFER)
        return content

    @cached_property
    def text(self) -> str:
        """The content as text; lines end with a line feed."""
        way = decode_html if self.media_type == "text/html" else decode
        text, is_understood = way(self.content, self.parameters.get("charset"))
        if not is_understood:
            self.budget.defects.add(Defect.CHARSET)
        return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text

    @cached_property
    def disposition(self) -> tuple[str, dict[str, str]]:
        return self.head.structured("content-disposition")

    def walk(self) -> Iterator[Part]:
        """This part and all within, in the order of the mail."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def walk_own(self) -> Iterator[Part]:
        """The same, but nothing that is within mails attached: what is said there, others have said."""
        yield self
        for part in () if self.media_type in _NESTING else self.parts:
            yield from part.walk_own()


_DELIMITER_END = re.compile(rb"(--)?[ \t]{0,200}(?:\r{0,2}\n|\r|\Z)")
_SNIFFED = re.compile(rb"(?:\A|[\r\n])--([^\r\n]{1,200})(?>\r{0,2}\n|\r)[!-9;-~]{1,80}:")
_NESTING = {"message/rfc822", "message/global", "message/news"}
_FRAGMENT = "message/partial"
"""The first one begins with a mail (RFC 2046, 5.2.2)."""


def read_part(buffer: bytes, start: int, end: int, budget: Budget, depth: int = 0, default: str = "text/plain") -> Part:
    """The entity between these places of the buffer."""
    head, body = read_head(buffer, start, end)
    media_type, parameters = head.structured("content-type") if head.fields else ("", {})
    part = Part(head, buffer, body, end, _settled(media_type, default), parameters, budget)
    budget.parts += 1
    if part.media_type.startswith("multipart/"):
        _split(part, depth)
    elif part.media_type in _NESTING or (part.media_type == _FRAGMENT and parameters.get("number") == "1"):
        _open_nested(part, depth)
    return part


def _settled(media_type: str, default: str) -> str:
    """`text`, `TEXT/HTML,` and the like: what it is meant to be."""
    if "/" in media_type:
        return media_type.split()[0].rstrip(",:") if " " in media_type or media_type[-1] in ",:" else media_type
    return {"text": "text/plain", "html": "text/html", "multipart": "multipart/mixed"}.get(media_type, default)


def _open_nested(part: Part, depth: int) -> None:
    limits = part.budget.limits
    if depth >= limits.depth:
        part.budget.defects.add(Defect.DEPTH)
        return
    if part.head.structured("content-transfer-encoding")[0] in ("base64", "quoted-printable"):  # forbidden, and done
        inner = part.content
        part.parts = (read_part(inner, 0, len(inner), part.budget, depth + 1),)
    else:
        start = _skipped_blank(part.buffer, part.start, part.end)
        part.parts = (read_part(part.buffer, start, part.end, part.budget, depth + 1),)


def _skipped_blank(buffer: bytes, start: int, end: int) -> int:
    """Past an empty line that some put before the head."""
    while start < end and (found := LINE_END.match(buffer, start, end)):
        start = found.end()
    return start


def _split(part: Part, depth: int) -> None:
    budget = part.budget
    if depth >= budget.limits.depth:
        budget.defects.add(Defect.DEPTH)
        return
    spans = next((found for one in _boundaries(part) if (found := _spans(part, one))), [])
    if not spans:
        budget.defects.add(Defect.NO_BOUNDARY)
        part.media_type = _without_parts(part)
        return
    default = "message/rfc822" if part.media_type == "multipart/digest" else "text/plain"
    part.parts = tuple(read_part(part.buffer, start, end, budget, depth + 1, default) for start, end in spans)


def _boundaries(part: Part) -> Iterator[bytes]:
    """The declared boundary, then the one that the body seems to use."""
    if declared := part.parameters.get("boundary", "").rstrip().encode("utf-8", "replace"):
        yield declared
    if sniffed := _SNIFFED.search(part.buffer, max(0, part.start - 1), part.end):
        part.budget.defects.add(Defect.NO_BOUNDARY)
        yield sniffed[1].rstrip()


def _without_parts(part: Part) -> str:
    """A multipart without any part is read as the text that it is."""
    beginning = part.buffer[part.start : min(part.end, part.start + 500)].lstrip().lower()
    return "text/html" if beginning.startswith((b"<html", b"<!doctype")) else "text/plain"


def _spans(part: Part, boundary: bytes) -> list[tuple[int, int]]:
    """Where each part lies. The line end before a delimiter belongs to the delimiter (RFC 2046, 5.1.1)."""
    spans: list[tuple[int, int]] = []
    opened: int | None = None
    budget = part.budget
    for before, after, is_last in _delimiters(part, boundary):
        if opened is None:
            part.preamble = (part.start, before)
        else:
            spans.append((opened, max(opened, before)))
        opened = after
        if is_last:
            part.epilogue = (after, part.end)
            return spans
        if budget.parts + len(spans) >= budget.limits.parts:
            budget.defects.add(Defect.PARTS)
            break
    else:
        budget.defects.add(Defect.UNCLOSED)
    if opened is not None and opened < part.end:
        spans.append((opened, part.end))
    return spans


def _delimiters(part: Part, boundary: bytes) -> Iterator[tuple[int, int, bool]]:
    """Each delimiter line: where the part before it ends, where the next begins, and whether it is the last."""
    buffer, mark = part.buffer, b"--" + boundary
    at = buffer.find(mark, part.start, part.end)
    while at >= 0:
        ended = _DELIMITER_END.match(buffer, at + len(mark), part.end)
        if ended and (at == part.start or buffer[at - 1] in b"\r\n"):
            yield _before_line_end(buffer, part.start, at), ended.end(), bool(ended[1])
        at = buffer.find(mark, at + len(mark), part.end)


def _before_line_end(buffer: bytes, start: int, at: int) -> int:
    if at - 1 > start and buffer[at - 2 : at] == b"\r\n":
        return at - 2
    return at - 1 if at > start else at
