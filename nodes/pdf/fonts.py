"""The fonts of a form: which characters each can show, by which codes, and how wide.

A font that stands in a form need not be whole: an embedded subset holds only the characters that were once used.
So a font counts as able to show a character only when the form itself says so.

Source: ISO 32000-1, 9.6 (simple fonts), 9.7 (composite fonts), 9.10.3 (ToUnicode).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pikepdf import Array, Dictionary, Name, Object, PdfError, Stream, String, parse_content_stream

from .glyphs import base_encoding, with_differences
from .metrics import Metrics, standard_metrics
from .names import text_of

MAX_CODES = 65_536
"""Characters of one font; a composite font has no more codes."""
ALIKE = {
    "\u00a0": " ", "\u2007": " ", "\u2009": " ", "\u200a": " ", "\u202f": " ",
    "\u2010": "-", "\u2011": "-", "\u2212": "-", "\u03bc": "\u00b5",
}  # fmt: skip
"""Spaces and hyphens that formatted numbers hold, and what shows them where a font lacks them."""

FALLBACK = "/PostwerkHelvetica"


@dataclass(frozen=True, slots=True)
class Typeface:
    """A font that the form holds, as a resource of this name."""

    resource: str
    codes: Mapping[str, bytes]
    widths: Mapping[str, float]
    """By character, in parts of the font's size."""
    ascent: float
    descent: float
    capitals: float

    def lacks(self, text: str) -> str | None:
        """The first character that it cannot show."""
        return next((one for one in text if one not in self.codes), None)

    def encoded(self, text: str) -> bytes:
        return b"".join([self.codes[one] for one in text])

    def width(self, text: str) -> float:
        """How wide the text is at size 1."""
        return sum([self.widths[one] for one in text])


def fallback_font() -> Dictionary:
    """Helvetica with all the letters that viewers must know: also the Ł, ł and ı that Windows' encoding lacks."""
    latin = Dictionary(
        Type=Name.Encoding,
        BaseEncoding=Name.WinAnsiEncoding,
        Differences=Array([0x81, Name.Lslash, 0x8D, Name.lslash, 0x8F, Name.dotlessi]),
    )
    return Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica, Encoding=latin)


def read_typeface(resource: str, font: Object) -> Typeface | None:
    """What a font of the form can show, or None when it is one of symbols, or of a kind that can't be told."""
    if not isinstance(font, Dictionary):
        return None
    base_font = text_of(font.get("/BaseFont"))
    if "Dingbats" in base_font or base_font.endswith("/Symbol") or font.get("/Subtype") == Name.Type3:
        return None
    if font.get("/Subtype") == Name.Type0:
        return _composite(resource, font)
    return _simple(resource, font, base_font)


def _simple(resource: str, font: Dictionary, base_font: str) -> Typeface:
    encoding = _encoding(font)
    metrics = standard_metrics(base_font)
    declared = _declared_widths(font)
    codes: dict[str, bytes] = {}
    widths: dict[str, float] = {}
    for code, character in encoding.items():
        width = declared.get(code, 0) if declared else metrics.widths.get(character, 0)
        if width > 0 and _is_drawn_alone(character) and character not in codes:
            codes[character], widths[character] = bytes([code]), width / 1000
    return _typeface(resource, codes, widths, _heights(font.get("/FontDescriptor"), metrics))


def _typeface(
    resource: str, codes: dict[str, bytes], widths: dict[str, float], heights: tuple[float, float, float]
) -> Typeface:
    for character, alike in ALIKE.items():
        if character not in codes and alike in codes:
            codes[character], widths[character] = codes[alike], widths[alike]
    return Typeface(resource, codes, widths, *(one / 1000 for one in heights))


def _is_drawn_alone(character: str) -> bool:
    """Whether it needs no shaping: right-to-left scripts and combining marks do."""
    return (
        len(character) == 1
        and unicodedata.bidirectional(character) not in ("R", "AL")
        and unicodedata.category(character)[0] not in "MC"
    )


def _encoding(font: Dictionary) -> Mapping[int, str]:
    encoding = font.get("/Encoding")
    if isinstance(encoding, Name):
        return base_encoding(text_of(encoding))
    if isinstance(encoding, Dictionary):
        base = base_encoding(text_of(encoding.get("/BaseEncoding")))
        differences = encoding.get("/Differences")
        return with_differences(base, differences) if isinstance(differences, Array) else base
    if "/ToUnicode" in font:
        return {code[0]: character for code, character in _to_unicode(font) if len(code) == 1}
    return base_encoding("/StandardEncoding")


def _declared_widths(font: Dictionary) -> Mapping[int, float]:
    widths, first = font.get("/Widths"), font.get("/FirstChar", 0)
    if not isinstance(widths, Array) or not isinstance(first, int):
        return {}
    return {first + at: float(one) for at, one in enumerate(numbers(widths)[:256])}


def _heights(descriptor: object, usual: Metrics) -> tuple[float, float, float]:
    """Ascent, descent and the height of capitals, as the font declares them when that can be."""
    if not isinstance(descriptor, Dictionary):
        return usual.ascent, usual.descent, usual.capitals
    ascent, descent, capitals = (
        next(iter(numbers([descriptor.get(key)])), 0.0) for key in ("/Ascent", "/Descent", "/CapHeight")
    )
    if not (200 < ascent < 2000 and -1000 < descent <= 0):
        return usual.ascent, usual.descent, usual.capitals
    return ascent, descent, capitals if 200 < capitals <= ascent else ascent + descent


def _composite(resource: str, font: Dictionary) -> Typeface | None:
    descendants = font.get("/DescendantFonts")
    if font.get("/Encoding") != Name("/Identity-H") or not isinstance(descendants, Array) or not len(descendants):
        return None
    descendant = descendants[0]
    if not isinstance(descendant, Dictionary):
        return None
    declared = dict(_glyph_widths(descendant.get("/W")))
    usual = next(iter(numbers([descendant.get("/DW", 1000)])), 1000.0)
    codes: dict[str, bytes] = {}
    widths: dict[str, float] = {}
    for code, character in _to_unicode(font):
        if len(code) == 2 and _is_drawn_alone(character) and character not in codes:
            codes[character] = code
            widths[character] = declared.get(int.from_bytes(code, "big"), usual) / 1000
    return _typeface(resource, codes, widths, _heights(descendant.get("/FontDescriptor"), standard_metrics("")))


def _glyph_widths(widths: object) -> Iterator[tuple[int, float]]:
    """W: `first [w w …]` and `first last w`, mixed."""
    rest = iter(widths if isinstance(widths, Array) else ())
    for first, second in zip(rest, rest, strict=False):
        if not isinstance(first, int):
            return
        if isinstance(second, Array):
            yield from enumerate(numbers(second), first)
        elif isinstance(second, int):
            for width in numbers([next(rest, None)]):
                yield from ((code, width) for code in range(first, min(second, first + MAX_CODES) + 1))


def _to_unicode(font: Dictionary) -> Iterator[tuple[bytes, str]]:
    stream = font.get("/ToUnicode")
    if not isinstance(stream, Stream):
        return
    try:
        instructions = parse_content_stream(stream)
    except PdfError:
        return
    for instruction in instructions:
        operands = list(instruction.operands)
        if str(instruction.operator) == "endbfchar":
            yield from _single(operands)
        elif str(instruction.operator) == "endbfrange":
            yield from _ranges(operands)


def _single(operands: Sequence[object]) -> Iterator[tuple[bytes, str]]:
    for code, target in zip(operands[::2], operands[1::2], strict=False):
        if isinstance(code, String) and isinstance(target, String):
            yield bytes(code), _utf16(target)


def _ranges(operands: Sequence[object]) -> Iterator[tuple[bytes, str]]:
    for low, high, target in zip(operands[::3], operands[1::3], operands[2::3], strict=False):
        if not (isinstance(low, String) and isinstance(high, String)):
            continue
        size, first = len(bytes(low)), int.from_bytes(bytes(low), "big")
        last = min(int.from_bytes(bytes(high), "big"), first + MAX_CODES)
        for code, character in zip(range(first, last + 1), _targets(target), strict=False):
            yield code.to_bytes(size, "big"), character


def _targets(target: object) -> Iterator[str]:
    if isinstance(target, Array):
        yield from (_utf16(one) for one in target if isinstance(one, String))
    elif isinstance(target, String) and len(first := _utf16(target)) == 1:
        for point in range(ord(first), min(ord(first) + MAX_CODES, 0x10FFFF)):
            yield chr(point)


def _utf16(text: String) -> str:
    return bytes(text).decode("utf-16-be", "ignore")


def numbers(values: Iterable[object]) -> list[float]:
    """Those of the values that are numbers."""
    return [float(one) for one in values if isinstance(one, int | Decimal) and not isinstance(one, bool)]
