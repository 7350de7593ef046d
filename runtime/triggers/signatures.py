"""Signed requests: HMAC with SHA-256, as GitHub and Stripe send them. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime

from ...engine import Refused
from .kinds import Signature, SignatureStyle

MAX_HEADER = 4000
MAX_CANDIDATES = 10
"""Signatures in one header; Stripe sends two while a secret is changed."""


def verify(signature: Signature, secret: bytes, headers: Mapping[str, str], body: bytes, now: datetime) -> str | None:
    """What names this one request, where the signature covers a time; else None. Header names are in small letters.

    Raises:
        Refused: the signature is missing, wrong or too old. What it should have been is never told.
    """
    name = signature.header_name
    header = headers.get(name.lower(), "")
    if not header:
        raise Refused(f"The request is not signed: it has no header {name!r}.")
    if len(header) > MAX_HEADER:
        raise Refused(f"The header {name!r} is too long ({len(header):,} characters).")
    if signature.style is SignatureStyle.GITHUB:
        _verify_plain(name, header, secret, body)
        return None  # two requests with the same body have the same signature
    return _verify_timed(signature, header, secret, body, now)


def _verify_plain(name: str, header: str, secret: bytes, body: bytes) -> None:
    """Source: docs.github.com, "Validating webhook deliveries"."""
    if not header.startswith("sha256="):
        raise Refused(f"The header {name!r} is no signature; 'sha256=' and 64 hexadecimal digits are expected.")
    _compare(secret, body, [header.removeprefix("sha256=")])


def _verify_timed(signature: Signature, header: str, secret: bytes, body: bytes, now: datetime) -> str:
    """Source: docs.stripe.com, "Verify webhook signatures manually"."""
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for key, _, value in pairs if key == "t" and re.fullmatch(r"[0-9]{1,12}", value)]
    if len(times) != 1:
        raise Refused(f"The header {signature.header_name!r} has no time; 't=UNIX,v1=HEX' is expected.")
    right = _compare(secret, f"{times[0]}.".encode() + body, [value for key, _, value in pairs if key == "v1"])
    off = abs(now.timestamp() - int(times[0]))
    if off > signature.tolerance.total_seconds():
        raise Refused(
            f"The request was signed {off:,.0f} seconds from now; at most {signature.tolerance.total_seconds():,.0f} "
            "are allowed. Check the clocks of both machines."
        )
    return f"{times[0]}.{right}"


def _compare(secret: bytes, signed: bytes, candidates: list[str]) -> str:
    """The right signature, if it is among the candidates."""
    wanted = hmac.new(secret, signed, hashlib.sha256).hexdigest()
    given = [one.lower().encode("utf-8", "surrogatepass") for one in candidates[:MAX_CANDIDATES]]
    if not any(hmac.compare_digest(wanted.encode(), one) for one in given):
        raise Refused("The signature is wrong. Check that both sides have the same secret.")
    return wanted
