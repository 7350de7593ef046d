"""PDF names as Python text: with their slash, bytes that are no UTF-8 as lone surrogates (PEP 383).

Source: ISO 32000-1, 7.3.5 (name objects).
"""

from __future__ import annotations

import re

from pikepdf import Name, Object

IRREGULAR = re.compile(rb"[^!-~]|[#()<>\[\]{}/%]")
ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")


def token(name: str) -> bytes:
    """The name as a PDF file writes it."""
    plain = name.removeprefix("/").encode("utf-8", "surrogateescape")
    return b"/" + IRREGULAR.sub(lambda found: b"#%02x" % found[0][0], plain)


def name_object(name: str) -> Object:
    """The name as a PDF object."""
    return Object.parse(token(name))


def name_text(written: bytes) -> str:
    """The name that a PDF file writes so."""
    return ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), written).decode("utf-8", "surrogateescape")


def text_of(name: object) -> str:
    """The text of a PDF name; "" of anything else."""
    return name_text(name.unparse()) if isinstance(name, Name) else ""


def name_shown(name: str) -> str:
    """The name as people read it: older programs write it in Latin-1."""
    plain = name.removeprefix("/").encode("utf-8", "surrogateescape")
    try:
        return plain.decode("utf-8")
    except UnicodeDecodeError:
        return plain.decode("latin-1")
