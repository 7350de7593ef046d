"""How a value is drawn in its field, so that every viewer and printer shows it, and shows all of it.

The library's own generators of looks are not used: they ignore alignment and automatic sizes, replace what a font
lacks by question marks, and let long texts run out of the field.

Source: ISO 32000-1, 12.7.3.3 (variable text), 12.7.4.3 (text fields), 12.7.4.4 (choice fields).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...engine import Refused
from .fonts import FALLBACK, Typeface
from .form import Field
from .frame import Frame
from .names import token

LINE = 1.15
"""Height of a line in sizes of the font, as common viewers set it."""
AUTOMATIC = 12.0
"""The size that texts of several lines begin with, when the form leaves it to the viewer."""
SMALLEST = 5.0
"""Points. Smaller print is not legible on paper."""
STEP = 0.5
LONGEST = 50_000
"""Characters. A whole page in the smallest print holds about 30,000."""
MARKED = b"0.6 0.757 0.855 rg"
"""The background of what is chosen in a list, as common viewers draw it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of text from a point on."""

    x: float
    y: float
    text: str
    typeface: Typeface


def drawn(field: Field, frame: Frame, text: str, typefaces: Mapping[str, Typeface]) -> bytes:
    """The content stream of a text or choice field that shows this value.

    Raises:
        Refused: no font of the form shows a character, or there is no room for the text.
    """
    if len(text) > LONGEST:
        raise _too_long(field, text)
    if not text.isascii():
        text = "".join([one for one in text if unicodedata.category(one) != "Cf"])
    if field.is_list:
        return _list(field, frame, text, typefaces)
    if not text:
        return _stream(field, frame, 0, [])
    typeface = typeface_for(field, text.replace("\n", ""), typefaces)
    if field.is_comb:
        size, lines = _cells(field, frame, text, typeface)
    elif field.is_multiline:
        size, lines = _paragraphs(field, frame, text, typeface)
    else:
        size, lines = _single(field, frame, text, typeface)
    return _stream(field, frame, size, lines)


def typeface_for(field: Field, text: str, typefaces: Mapping[str, Typeface]) -> Typeface:
    """The field's own font when it shows the whole text, else another one of the form."""
    own = typefaces.get(field.style.font, typefaces[FALLBACK])
    if own.lacks(text) is None:
        return own
    for typeface in typefaces.values():
        if typeface.lacks(text) is None:
            return typeface
    raise _unshowable(field, text, own, typefaces[FALLBACK])


def _unshowable(field: Field, text: str, own: Typeface, fallback: Typeface) -> Refused:
    character = fallback.lacks(text) or own.lacks(text) or ""
    shown = f"{character!r} " if character.isprintable() else ""
    name = unicodedata.name(character, "no name")
    return Refused(
        f"PDF field {field.name!r} can't show {shown}(U+{ord(character):04X}, {name}): no font of the form has it. "
        "Add a font with this character to the form, or change the value.",
        field=f"fields.{field.name}",
    )


def _single(field: Field, frame: Frame, text: str, typeface: Typeface) -> tuple[float, list[Line]]:
    margin = _margin(frame)
    room, width = frame.width - 2 * margin, typeface.width(text)
    size = field.style.size or (frame.height - 2 * frame.border) / 1.35
    size = _fitted(field, text, size, min(_tallest(frame, typeface), room / width if width else size))
    x = margin + (room - width * size) * field.style.alignment / 2
    return size, [Line(x, _middle(frame, typeface, size), text, typeface)]


def _cells(field: Field, frame: Frame, text: str, typeface: Typeface) -> tuple[float, list[Line]]:
    count = field.max_length or 1
    cell = frame.width / count
    widest = max((typeface.widths[one] for one in text), default=0) or 1
    size = field.style.size or (frame.height - 2 * frame.border) / 1.35
    size = _fitted(field, text, size, min(_tallest(frame, typeface), cell / widest))
    y, first = _middle(frame, typeface, size), (count - len(text)) * field.style.alignment // 2
    return size, [
        Line((at + 0.5) * cell - typeface.widths[one] * size / 2, y, one, typeface)
        for at, one in enumerate(text, first)
    ]


def _paragraphs(field: Field, frame: Frame, text: str, typeface: Typeface) -> tuple[float, list[Line]]:
    margin = _margin(frame)
    room, height = frame.width - 2 * margin, frame.height - 2 * max(1.0, frame.border)
    size = field.style.size or AUTOMATIC
    while True:
        rows = list(_wrapped(text, room / size, typeface))
        if len(rows) * LINE * size <= height + LINE - 1:
            break
        if size <= SMALLEST:
            raise _too_long(field, text)
        size = max(SMALLEST, size - STEP)
    top = frame.height - max(1.0, frame.border) - typeface.ascent * size
    return size, [
        Line(
            margin + (room - typeface.width(row) * size) * field.style.alignment / 2,
            top - at * LINE * size,
            row,
            typeface,
        )
        for at, row in enumerate(rows)
    ]


def _wrapped(text: str, room: float, typeface: Typeface) -> Iterator[str]:
    for paragraph in text.split("\n"):
        row, used = "", 0.0
        for word in _pieces(paragraph, room, typeface):
            width = typeface.width(word)
            if row and used + width > room:
                yield row.rstrip(" ")
                row, used = "", 0.0
                word = word.lstrip(" ")
                width = typeface.width(word)
            row, used = row + word, used + width
        yield row


def _pieces(paragraph: str, room: float, typeface: Typeface) -> Iterator[str]:
    """Words with the spaces before them; a word that is wider than the field in parts."""
    for at, word in enumerate(paragraph.split(" ")):
        piece, used = " " if at else "", 0.0
        for character in word:
            width = typeface.widths[character]
            if used + width > room and piece.strip(" "):
                yield piece
                piece, used = "", 0.0
            piece, used = piece + character, used + width
        yield piece


def _list(field: Field, frame: Frame, text: str, typefaces: Mapping[str, Typeface]) -> bytes:
    size = field.style.size or AUTOMATIC
    height, margin = LINE * size, _margin(frame)
    rows = max(1, int((frame.height - 2 * frame.border) / height))
    chosen = next((at for at, one in enumerate(field.options) if one.shown == text), None)
    first = max(0, (chosen or 0) - rows + 1)
    lines, mark = [], b""
    for at, option in enumerate(field.options[first : first + rows]):
        bottom = frame.height - frame.border - (at + 1) * height
        if first + at == chosen:
            inside = (frame.border, bottom, frame.width - 2 * frame.border, height)
            mark = b"q %s %.2f %.2f %.2f %.2f re f Q\n" % (MARKED, *inside)
        typeface = typeface_for(field, option.shown, typefaces)
        lines.append(Line(margin, bottom - typeface.descent * size, option.shown, typeface))
    return _stream(field, frame, size, lines, mark)


def _margin(frame: Frame) -> float:
    return 2 * max(1.0, frame.border)


def _tallest(frame: Frame, typeface: Typeface) -> float:
    return (frame.height - 2 * frame.border) / (typeface.ascent - typeface.descent)


def _middle(frame: Frame, typeface: Typeface, size: float) -> float:
    """The baseline that has capitals and digits in the middle, with room for what goes below it."""
    return max(frame.border - typeface.descent * size, (frame.height - typeface.capitals * size) / 2)


def _fitted(field: Field, text: str, wanted: float, largest: float) -> float:
    """The wanted size, or the largest that fits. Raises Refused when it would be too small to read."""
    if wanted <= largest:
        return wanted
    if largest < min(SMALLEST, wanted):
        raise _too_long(field, text)
    return largest


def _too_long(field: Field, text: str) -> Refused:
    return Refused(
        f"PDF field {field.name!r} has no room for the value of {len(text)} characters, even at {SMALLEST:g} points. "
        "Shorten the value, or make the field larger in the form.",
        field=f"fields.{field.name}",
    )


def _stream(field: Field, frame: Frame, size: float, lines: list[Line], mark: bytes = b"") -> bytes:
    inset = frame.border
    clip = (inset, inset, max(0.0, frame.width - 2 * inset), max(0.0, frame.height - 2 * inset))
    parts = [frame.drawing, b"/Tx BMC\nq\n%.2f %.2f %.2f %.2f re W n\n" % clip, mark, b"BT\n", field.style.color, b"\n"]
    resource = None
    for line in lines:
        if line.typeface.resource != resource:
            resource = line.typeface.resource
            parts.append(b"%s %.2f Tf\n" % (token(resource), size))
        parts.append(
            b"1 0 0 1 %.2f %.2f Tm <%s> Tj\n" % (line.x, line.y, line.typeface.encoded(line.text).hex().encode())
        )
    return b"".join([*parts, b"ET\nQ\nEMC\n"])
