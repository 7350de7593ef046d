"""Locking a PDF with AES-256.

Source: ISO 32000-2, 7.6.4.4 (standard security handler, revision 6).
"""

from __future__ import annotations

import io
import secrets

from pikepdf import Encryption, ObjectStreamMode, Permissions

from ...engine import PostwerkError, Refused
from .opening import opened

OWNER_BYTES = 12
"""Random bytes of the owner password that nobody learns: 96 bits, behind a slow derivation. Longer ones cost time."""


def lock(content: bytes, called: str, password: str, allow: Permissions) -> bytes:
    """The PDF, which opens with this password only. Each has a key of its own.

    Raises:
        Refused: it is no PDF, is damaged, signed, or locked already.
    """
    owner = secrets.token_urlsafe(OWNER_BYTES)
    buffer = io.BytesIO()
    with opened(content, called, _fault) as pdf:
        pdf.save(
            buffer,
            encryption=Encryption(owner=owner, user=password, R=6, allow=allow),
            object_stream_mode=ObjectStreamMode.generate,  # a form of many fields becomes half as large
        )
    return buffer.getvalue()


def _fault(message: str) -> PostwerkError:
    return Refused(message)
