"""A second look at a server that could not be used, for a person who waits for the reason. Nothing is sent to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from aiosmtplib.errors import SMTPException
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ..accounts import Account, Security
from .connection import connection_of
from .dialogue import printable
from .faults import Diagnosis, Fault, speaks_tls

SECONDS = 10
MOST_NAMES = 5


async def looked_closer(account: Account, diagnosis: Diagnosis) -> Diagnosis:
    """The diagnosis with what a look at the certificate, or a try with TLS, brings to light."""
    if diagnosis.fault is Fault.SILENT and account.security is not Security.TLS:
        return speaks_tls(account) if await _takes_tls(account) else diagnosis
    if diagnosis.fault not in _WORDS:
        return diagnosis
    certificate = await _certificate(account)
    return diagnosis if certificate is None else _WORDS[diagnosis.fault](account, certificate, diagnosis)


async def _takes_tls(account: Account) -> bool:
    try:
        async with asyncio.timeout(min(SECONDS, account.timeouts.connect)):
            _, writer = await asyncio.open_connection(account.host, account.port, ssl=_trusting_nobody())
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _certificate(account: Account) -> x509.Certificate | None:
    """What the server shows; None when it shows none now, or none that can be read."""
    smtp = connection_of(account, _trusting_nobody())
    try:
        async with asyncio.timeout(min(SECONDS, account.timeouts.connect)):
            await smtp.connect()
        shown: ssl.SSLObject | None = smtp.get_transport_info("ssl_object")
        data = shown.getpeercert(binary_form=True) if shown is not None else None
        return x509.load_der_x509_certificate(data) if data else None
    except (SMTPException, OSError, TimeoutError, ValueError):
        return None
    finally:
        smtp.close()


def _trusting_nobody() -> ssl.SSLContext:
    """Any certificate will do to look at it; no word of ours goes over such a connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _other_name(account: Account, certificate: x509.Certificate, before: Diagnosis) -> Diagnosis:
    names = list(dict.fromkeys(_names(certificate)))
    if not names:
        return replace(before, words=f"The certificate of {account.where} names no server.")
    shown = ", ".join(repr(one) for one in names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")
    plain = next((one for one in names if "*" not in one), None)
    remedy = f"Write the host as the certificate names it: {plain}" if plain else "Write the host as it names it"
    words = f"The certificate of {account.where} can't be trusted: it is for {shown}, not for {account.host!r}."
    return replace(before, words=words, remedy=f"{remedy}. If that is another firm's server, check the host.")


def _not_in_time(account: Account, certificate: x509.Certificate, before: Diagnosis) -> Diagnosis:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    is_early = datetime.now(UTC) < start
    told = f"is valid only from {start:%Y-%m-%d} on" if is_early else f"has expired on {end:%Y-%m-%d}"
    return replace(before, words=f"The certificate of {account.where} can't be trusted: it {told}.")


def _unknown_issuer(account: Account, certificate: x509.Certificate, before: Diagnosis) -> Diagnosis:
    print_ = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    if certificate.issuer == certificate.subject:
        told = "it was issued by nobody but itself (self-signed)"
    else:
        told = f"it was issued by {printable(certificate.issuer.rfc4514_string())!r}, which this machine does not know"
    words = f"The certificate of {account.where} can't be trusted: {told}. Its SHA-256 is {print_}."
    return replace(before, words=words)


_WORDS = {
    Fault.CERTIFICATE_NAME: _other_name,
    Fault.CERTIFICATE_EXPIRED: _not_in_time,
    Fault.CERTIFICATE_SELF_SIGNED: _unknown_issuer,
    Fault.CERTIFICATE_UNTRUSTED: _unknown_issuer,
}


def _names(certificate: x509.Certificate) -> Iterator[str]:
    """The names that it is for; the common name counts only for people."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        yield from (printable(str(one.value)) for one in common)
        return
    yield from (printable(one) for one in found.get_values_for_type(x509.DNSName))
    yield from (str(one) for one in found.get_values_for_type(x509.IPAddress))
