"""Which of a person's certificates to encrypt a mail for."""

from __future__ import annotations

from datetime import datetime

from ...engine.certificates import Certificate, read_certificate
from .sources import Candidates

MAX_NAMED = 5
"""Certificates or people in a message; somebody may have renewed twenty times."""


def choose(address: str, candidates: Candidates, now: datetime) -> Certificate | str:
    """The newest certificate with which a mail can be encrypted for the address now, or why there is none."""
    known = [read_certificate(one) for one in candidates.certificates]
    ours = [one for one in known if one.is_for(address)]
    usable = [one for one in ours if not _objection(one, now)]
    if usable:
        return max(usable, key=lambda one: one.not_before)
    return _none_usable(address, ours, candidates, now) if ours else _none_at_all(address, known, candidates)


def _objection(certificate: Certificate, now: datetime) -> str | None:
    return certificate.date_objection(now) or certificate.encryption_objection


def _none_usable(address: str, ours: list[Certificate], candidates: Candidates, now: datetime) -> str:
    newest_first = sorted(ours, key=lambda one: one.not_before, reverse=True)
    reasons = "; ".join(f"{one.label} {_objection(one, now)}" for one in newest_first[:MAX_NAMED])
    return f"No certificate of {address} in {candidates.where} can be used: {reasons}."


def _none_at_all(address: str, known: list[Certificate], candidates: Candidates) -> str:
    whose = list(dict.fromkeys(address for one in known for address in one.addresses))
    instead = f"; it holds one of {', '.join(whose[:MAX_NAMED])}" if whose else ""
    return f"There is no certificate of {address} in {candidates.where}{instead}."
