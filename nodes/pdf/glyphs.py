"""What a font's codes stand for: the encodings of simple fonts, and the names of glyphs.

Source: ISO 32000-1, 9.6.6 and annex D; Adobe Glyph List.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from string import ascii_letters

from .names import text_of

STANDARD_UPPER = {
    0xA1: "¡¢£⁄¥ƒ§¤'“«‹›ﬁﬂ", 0xB1: "–†‡·", 0xB6: "¶•‚„”»…‰", 0xBF: "¿", 0xC1: "`´ˆ˜¯˘˙¨", 0xCA: "˚¸", 0xCD: "˝˛ˇ—",
    0xE1: "Æ", 0xE3: "ª", 0xE8: "ŁØŒº", 0xF1: "æ", 0xF5: "ı", 0xF8: "łøœß",
}  # fmt: skip
"""StandardEncoding above ASCII: runs of characters from a code on."""

ACCENTS = {
    "acute": "\u0301", "grave": "\u0300", "circumflex": "\u0302", "dieresis": "\u0308", "tilde": "\u0303",
    "caron": "\u030c", "ring": "\u030a", "cedilla": "\u0327", "ogonek": "\u0328", "breve": "\u0306",
    "macron": "\u0304", "hungarumlaut": "\u030b", "dotaccent": "\u0307", "commaaccent": "\u0326",
}  # fmt: skip

WORDS = """
space exclam quotedbl numbersign dollar percent ampersand quotesingle parenleft parenright asterisk plus comma hyphen
period slash zero one two three four five six seven eight nine colon semicolon less equal greater question at
bracketleft backslash bracketright asciicircum underscore grave braceleft bar braceright asciitilde exclamdown cent
sterling currency yen brokenbar section dieresis copyright ordfeminine guillemotleft logicalnot registered macron
degree plusminus acute mu paragraph periodcentered cedilla ordmasculine guillemotright questiondown AE Eth multiply
Oslash Thorn germandbls ae eth divide oslash thorn OE oe dotlessi Lslash lslash Dcroat dcroat Euro florin circumflex
caron breve dotaccent ring ogonek tilde hungarumlaut endash emdash quoteleft quoteright quotesinglbase quotedblleft
quotedblright quotedblbase dagger daggerdbl bullet ellipsis perthousand guilsinglleft guilsinglright fraction minus
trademark fi fl onesuperior twosuperior threesuperior onequarter onehalf threequarters nbspace
"""
CHARACTERS = (
    " !\"#$%&'()*+,-./0123456789:;<=>?@[\\]^_`{|}~¡¢£¤¥¦§¨©ª«¬®¯°±´µ¶·¸º»¿ÆÐ×ØÞßæð÷øþŒœıŁłĐđ€ƒˆˇ˘˙˚˛˜˝"
    "–—‘’‚“”„†‡•…‰‹›⁄−™ﬁﬂ¹²³¼½¾\u00a0"
)
NAMES = dict(zip(WORDS.split(), CHARACTERS, strict=True))
"""Glyph names that are not a letter, or a letter and its accent."""

BY_NUMBER = re.compile(r"(?:uni|u)([0-9A-F]{4,6})")


def character_of(name: str) -> str | None:
    """The character that a glyph's name stands for, or None when it is not a known name."""
    stem = name.partition(".")[0]
    return _named().get(stem) or _numbered(stem)


@lru_cache
def _named() -> Mapping[str, str]:
    names = {**NAMES, **{letter: letter for letter in ascii_letters}}
    for letter in ascii_letters:
        for accent, mark in ACCENTS.items():
            composed = unicodedata.normalize("NFC", letter + mark)
            if accent == "commaaccent" and len(composed) != 1:
                composed = unicodedata.normalize("NFC", f"{letter}\u0327")
            if len(composed) == 1:
                names[letter + accent] = composed
    return names


def _numbered(name: str) -> str | None:
    match = BY_NUMBER.fullmatch(name)
    return chr(int(match[1], 16)) if match and int(match[1], 16) < 0x110000 else None


@lru_cache
def base_encoding(name: str) -> Mapping[int, str]:
    """What the codes of a named encoding stand for; an unknown name counts as StandardEncoding."""
    if name == "/WinAnsiEncoding":
        return dict(_decoded("cp1252"))
    if name == "/MacRomanEncoding":
        return {code: character for code, character in _decoded("mac_roman") if character != "€"}
    standard = {code: chr(code) for code in range(0x20, 0x7F)} | {0x27: "’", 0x60: "‘"}
    for first, run in STANDARD_UPPER.items():
        standard.update(enumerate(run, first))
    return standard


def _decoded(codec: str) -> Iterator[tuple[int, str]]:
    for code in range(0x20, 0x100):
        character = bytes([code]).decode(codec, "ignore")
        if character == "\u00a0" or (character and character.isprintable()):
            yield code, character


def with_differences(encoding: Mapping[int, str], differences: Iterable[object]) -> Mapping[int, str]:
    """An encoding with the changes of a Differences array: numbers, and names of glyphs from that code on."""
    changed, code = dict(encoding), 0
    for one in differences:
        if isinstance(one, int):
            code = one
            continue
        character = character_of(text_of(one).removeprefix("/"))
        changed.pop(code, None)
        if character and 0 <= code <= 0xFF:
            changed[code] = character
        code += 1
    return changed
