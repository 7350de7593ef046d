"""Opening a PDF that somebody else made: bounded, undamaged, not locked, not signed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pikepdf
from pikepdf import Dictionary, Pdf
from pikepdf.exceptions import PikepdfError

from ...engine import ConfigError, PostwerkError

MAX_BYTES = 100_000_000
"""Mail servers take 10 to 50 MB, and base64 adds a third."""

Fault = Callable[[str], PostwerkError]
"""Makes the error: a ConfigError of a form, Refused of a document that came along a wire."""


def form_fault(message: str) -> PostwerkError:
    """A form that does not serve: the flow's author must act."""
    return ConfigError(message, field="form")


@contextmanager
def opened(content: bytes, called: str, fault: Fault) -> Iterator[Pdf]:
    """The PDF, as it is: nothing is repaired, for a repair may lose pages and nobody would see it.

    Raises:
        what `fault` makes: it is no PDF, is too large, is damaged, locked or signed.
    """
    if len(content) > MAX_BYTES:
        raise fault(f"{called} has {len(content):,} bytes. The most that a PDF may have here is {MAX_BYTES:,}.")
    if b"%PDF-" not in content[:1024]:  # where ISO 32000-1, annex H.3 allows it
        raise fault(f"{called} is no PDF: it does not begin with '%PDF-'. Choose a PDF file.")
    with undamaged(called, fault), pikepdf.open(io.BytesIO(content), attempt_recovery=False) as pdf:
        if pdf.is_encrypted:
            raise fault(_locked(called))
        _refuse_signed(pdf, content, called, fault)
        yield pdf


@contextmanager
def undamaged(called: str, fault: Fault) -> Iterator[None]:
    """Tells what the library finds amiss in a document in our words."""
    try:
        yield
    except pikepdf.PasswordError as error:
        raise fault(_locked(called)) from error
    except (PikepdfError, OverflowError) as error:  # the latter for numbers that no PDF holds
        raise fault(
            f"{called} is damaged: {_reason(error)}. Open it in a PDF program, look whether it is whole, save it anew."
        ) from error


def _locked(called: str) -> str:
    return f"{called} is locked already, so its permissions are someone else's. Use the document without its lock."


def _refuse_signed(pdf: Pdf, content: bytes, called: str, fault: Fault) -> None:
    """A signature must stand in the open (ISO 32000-1, 12.8.1), so the bytes tell quickly that there is none."""
    if b"/ByteRange" not in content:
        return
    rights = _usage_rights(pdf)
    for one in pdf.objects:
        if isinstance(one, Dictionary) and "/ByteRange" in one and one.objgen not in rights:
            raise fault(
                f"{called} is signed, and any change breaks the signature. "
                "Use the document without it, and sign the mail instead."
            )
    if rights:
        del pdf.Root["/Perms"]


def _usage_rights(pdf: Pdf) -> set[tuple[int, int]]:
    """Signatures that only unlock functions of a reader program (12.8.2.3); they end with the first change."""
    permissions = pdf.Root.get("/Perms")
    if not isinstance(permissions, Dictionary):
        return set()
    return {permissions[name].objgen for name in ("/UR", "/UR3") if name in permissions}


def _reason(error: Exception) -> str:
    """What qpdf says, without the name of our buffer."""
    return str(error).rpartition(">")[2].lstrip(": ").rstrip(".")
