"""Bytes to text, whatever charset somebody claims. Never raises, never leaves half characters."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from functools import lru_cache

_WIDER = {
    "iso8859-1": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030",
    "euc_kr": "cp949", "shift_jis": "cp932", "iso2022_jp": "iso2022_jp_ext", "tis-620": "cp874", "big5": "cp950",
}  # fmt: skip
"""What is sent under a narrow name is mostly its wider relative (WHATWG Encoding, 4.2)."""
_ALIASES = {
    "unicode-1-1-utf-7": "utf-7", "x-sjis": "cp932", "x-mac-roman": "mac-roman", "macintosh": "mac-roman",
    "ks_c_5601-1987": "cp949", "x-gbk": "gb18030", "unicode": "utf-8", "x-unknown": "utf-8", "8bit": "utf-8",
    "iso-8859-8-i": "iso8859-8", "iso-8859-6-i": "iso8859-6", "x-x-big5": "cp950", "ansi": "cp1252", "utf8mb4": "utf-8",
    "cp-850": "cp850", "latin": "cp1252",
}  # fmt: skip
_REFUSED = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem", "charmap"}
"""Not charsets of mails; the first two take quadratic time."""
_META = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_META_WITHIN = 2048
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_JAPANESE = (b"\x1b$B", b"\x1b$@", b"\x1b(J")


def decode(content: bytes, charset: str | None = None) -> tuple[str, bool]:
    """The text, and whether every byte of it was understood as the charset says (or as UTF-8, when it says none)."""
    name = codec(charset) if charset else None
    if content.isascii() and name not in _SHIFTING:
        if b"\x1b" in content and any(mark in content for mark in _JAPANESE):
            return _forced(content, "iso2022_jp_ext"), True
        return content.decode("ascii"), True
    for candidate in _candidates(name, content):
        if (text := _strict(content, candidate)) is not None:
            return text, not charset or candidate in (name, _WIDER.get(name or ""))
    return _forced(content, name if name not in (None, "ascii", "utf-8") else _likelier(content)), False


def _candidates(name: str | None, content: bytes) -> Iterator[str]:
    """The codecs in which the bytes may be sound, the likeliest first."""
    if name and name not in ("ascii", "utf-8"):
        yield _WIDER.get(name, name)
        yield name
    if mark := next((one for mark, one in _MARKS if content.startswith(mark)), None):
        yield mark
    yield "utf-8"


def _likelier(content: bytes) -> str:
    """UTF-8 with some broken bytes, or a charset of one byte a character."""
    text = content.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return "utf-8" if sum(not one.isascii() for one in text) > 2 * broken else "cp1252"


def decode_html(content: bytes, charset: str | None) -> tuple[str, bool]:
    """The same for HTML, which may name its charset itself."""
    if not charset and (found := _META.search(content, 0, _META_WITHIN)):
        charset = found[1].decode("ascii", "replace")
    return decode(content, charset)


@lru_cache(maxsize=256)
def codec(charset: str) -> str | None:
    """The codec for a charset's name, or None when nobody knows it."""
    cleaned = charset.strip("\"' \t\r\n;=").partition("*")[0].lower()
    try:
        found = codecs.lookup(_ALIASES.get(cleaned, cleaned))
    except (LookupError, ValueError, UnicodeError):
        return None
    if found.name in _REFUSED or not getattr(found, "_is_text_encoding", True):
        return None
    return found.name


_SHIFTING = {"utf-7", "iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_3", "iso2022_jp_ext", "iso2022_jp_2004",
             "iso2022_kr", "hz", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"}  # fmt: skip
"""Charsets in which ASCII bytes are not ASCII characters."""


def is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def raw_relative(charset: str) -> str:
    """The charset in which a sender of this one writes bytes where only ASCII is allowed."""
    return "cp932" if (codec(charset) or "").startswith("iso2022_jp") else charset


def whole(text: str) -> str:
    """The text without half characters (surrogates), which no file and no terminal takes."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _strict(content: bytes, name: str) -> str | None:
    try:
        return whole(content.decode(name))
    except (UnicodeError, ValueError):
        return None


def _forced(content: bytes, name: str) -> str:
    try:
        return whole(content.decode(name, "replace"))
    except (UnicodeError, ValueError):  # utf-16 and utf-32 raise on odd lengths even so
        return content.decode("cp1252", "replace")
