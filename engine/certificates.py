"""X.509 certificates of people: what a file holds, whom one is for, and what it may do (RFC 5280, RFC 8550)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from asn1crypto import cms, core, pkcs12  # type: ignore[import-untyped]  # it ships no types
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier, PublicKeyAlgorithmOID

from .addresses import ascii_address
from .errors import Refused

MAX_FILE = 10_000_000
"""Bytes of a certificate file; the bundle of all public authorities has about 250,000."""
MAX_SHOWN = 200
"""Characters of a certificate's name in a message: whoever made it may have written anything."""

_SMTP_UTF8_MAILBOX = ObjectIdentifier("1.3.6.1.5.5.7.8.9")
_E_MAIL_PURPOSES = {ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
_USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for damaged and odd certificates."""
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\s]*)-----END \1-----")


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """What we need to know of a certificate, read once."""

    der: bytes
    parsed: x509.Certificate
    subject: str
    """`CN=Ann Müller,O=Muster GmbH`."""
    issuer: str
    addresses: tuple[str, ...]
    """As the certificate has them: rfc822Name and SmtpUTF8Mailbox of the SAN, then emailAddress of the subject."""
    holders: frozenset[str]
    """The addresses, each as `comparable` makes it."""
    not_before: datetime
    not_after: datetime
    key_kind: str
    """`RSA 2048`, `EC secp256r1`."""
    usages: frozenset[str] | None
    """Key usages by their names in RFC 5280, 4.2.1.3; None when the certificate does not restrict them."""
    is_for_mail: bool
    """Its extended key usage allows e-mail, or is not given."""

    @property
    def fingerprint(self) -> str:
        """SHA-256, as openssl and Windows write it: `4F:0A:…`."""
        return self.parsed.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def label(self) -> str:
        """The certificate in a message."""
        return f"'{self.subject}' (serial {self.parsed.serial_number:X})"

    def is_for(self, address: str) -> bool:
        return comparable(address) in self.holders

    def date_objection(self, now: datetime) -> str | None:
        """Why it is not valid now."""
        if now > self.not_after:
            return f"expired on {_shown(self.not_after)}"
        if now < self.not_before:
            return f"is not valid before {_shown(self.not_before)}"
        return None

    @property
    def signing_objection(self) -> str | None:
        """Why its key must not sign mails, whatever the date."""
        if not self.key_kind.startswith(("RSA ", "EC ")):
            return f"has a key of the kind {self.key_kind}; S/MIME signatures need RSA or EC"
        return self._usage_objection("signing", "digitalSignature", "nonRepudiation")

    @property
    def encryption_objection(self) -> str | None:
        """Why mails must not be encrypted for it, whatever the date."""
        if self.key_kind.startswith("RSA "):
            return self._usage_objection("encryption", "keyEncipherment")
        if self.key_kind.startswith("EC "):
            return self._usage_objection("encryption", "keyAgreement")
        return f"has a key of the kind {self.key_kind}; S/MIME encryption needs RSA or EC"

    def _usage_objection(self, purpose: str, *wanted: str) -> str | None:
        if self.usages is not None and not self.usages.intersection(wanted):
            found = ", ".join(sorted(self.usages)) or "nothing"
            return f"is not for {purpose} (its key usage is {found}, not {wanted[0]})"
        return None if self.is_for_mail else "is not for e-mail (its extended key usage lacks emailProtection)"


@lru_cache(maxsize=2048)
def read_certificate(der: bytes) -> Certificate:
    """What a certificate says.

    Raises:
        Refused: it is damaged, or something in it has no meaning.
    """
    try:
        return _read(x509.load_der_x509_certificate(der), der)
    except _UNREADABLE as error:
        raise Refused(f"This can't be read as a certificate: {_detail(error)}.") from error


def _read(parsed: x509.Certificate, der: bytes) -> Certificate:
    extensions = parsed.extensions
    addresses = tuple(dict.fromkeys(_addresses(parsed)))
    return Certificate(
        der=der,
        parsed=parsed,
        subject=_name(parsed.subject),
        issuer=_name(parsed.issuer),
        addresses=addresses,
        holders=frozenset(map(_comparable_found, addresses)),
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        key_kind=_key_kind(parsed),
        usages=_usages(_extension(extensions, x509.KeyUsage)),
        is_for_mail=_is_for_mail(_extension(extensions, x509.ExtendedKeyUsage)),
    )


def _extension(extensions: x509.Extensions, kind: type[x509.ExtensionType]) -> Any:
    return next((one.value for one in extensions if isinstance(one.value, kind)), None)


def _usages(usage: x509.KeyUsage | None) -> frozenset[str] | None:
    if usage is None:
        return None
    return frozenset(shown for attribute, shown in _USAGES.items() if getattr(usage, attribute))


def _is_for_mail(purposes: x509.ExtendedKeyUsage | None) -> bool:
    return purposes is None or not _E_MAIL_PURPOSES.isdisjoint(purposes)


def _addresses(parsed: x509.Certificate) -> Iterator[str]:
    names: x509.SubjectAlternativeName | None = _extension(parsed.extensions, x509.SubjectAlternativeName)
    yield from names.get_values_for_type(x509.RFC822Name) if names else ()
    for other in names.get_values_for_type(x509.OtherName) if names else ():
        if other.type_id == _SMTP_UTF8_MAILBOX:  # RFC 9598
            yield str(core.UTF8String.load(other.value).native)
    for attribute in parsed.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        yield str(attribute.value)


def _key_kind(parsed: x509.Certificate) -> str:
    if parsed.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        return "RSASSA-PSS"  # such a key signs in no other way (RFC 4055, 3.1), which few mail programs read
    try:
        return key_kind(parsed.public_key())
    except (UnsupportedAlgorithm, ValueError):
        return f"unknown ({parsed.public_key_algorithm_oid.dotted_string})"


def key_kind(key: object) -> str:
    """The kind of a public or private key: `RSA 2048`, `EC secp256r1`, `Ed25519`."""
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return f"EC {key.curve.name}"
    return type(key).__name__.removesuffix("PublicKey").removesuffix("PrivateKey")


def _name(name: x509.Name) -> str:
    return _printable(name.rfc4514_string({NameOID.EMAIL_ADDRESS: "E"}))


def _printable(text: str) -> str:
    shown = "".join(one if one.isprintable() else "\ufffd" for one in text[: MAX_SHOWN + 1])
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"


def _detail(error: Exception) -> str:
    return _printable(" ".join(str(error).split())).rstrip(".")


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def comparable(address: str) -> str:
    """The address in the form in which equal ones are equal: domain in ASCII, all in lower case.

    Raises:
        Refused: its domain is none.
    """
    return ascii_address(address).casefold()


def _comparable_found(address: str) -> str:
    try:
        return comparable(address)
    except Refused:
        return address.casefold()


def load_certificates(content: bytes) -> tuple[bytes, ...]:
    """All certificates (DER) of a file, each once: PEM (one or many), DER, or PKCS #7 (.p7b) in either form.

    Raises:
        Refused: it holds none, or one that is damaged.
    """
    if len(content) > MAX_FILE:
        raise Refused(f"This has {len(content):,} bytes; a certificate file has at most {MAX_FILE:,}.")
    found = tuple(dict.fromkeys(_certificates(_as_ascii(content))))
    if not found:
        raise Refused(f"This holds no certificate{_instead(content)}. {_EXPECTED}")
    for one in found:
        read_certificate(one)
    return found


_EXPECTED = "A certificate as PEM or DER (.pem, .cer, .crt, .der) or a bundle of them (.p7b) is expected."


def _as_ascii(content: bytes) -> bytes:
    """PowerShell writes text as UTF-16."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace").encode("ascii", errors="replace")
    return content


def _certificates(content: bytes) -> Iterator[bytes]:
    blocks = list(pem_blocks(content))
    for label, der in blocks:
        if label in (b"CERTIFICATE", b"X509 CERTIFICATE"):
            yield der
        elif label in (b"PKCS7", b"CMS"):
            yield from _of_pkcs7(der)
    if not blocks and not is_pkcs12(content):
        der = content if content.startswith(b"\x30") else _decoded(content)
        yield from _of_pkcs7(der) if _is_pkcs7(der) else [der] if der.startswith(b"\x30") else []


def pem_blocks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Label and bytes of each PEM block (RFC 7468), also where line breaks were lost, as in a cell of a table."""
    for label, body in _PEM.findall(content):
        yield label, _decoded(body)


def _decoded(body: bytes) -> bytes:
    try:
        return binascii.a2b_base64(b"".join(body.split()), strict_mode=True)
    except binascii.Error:
        return b""


def is_pkcs12(content: bytes) -> bool:
    """Whether it is a PFX or P12 file (RFC 7292): keys and certificates under a passphrase."""
    return _asks(lambda: pkcs12.Pfx.load(content)["version"].native == "v3")


def _is_pkcs7(der: bytes) -> bool:
    return _asks(lambda: cms.ContentInfo.load(der)["content_type"].native == "signed_data")


def _asks(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except (ValueError, TypeError, KeyError, IndexError, OverflowError):  # what the reader meets in other files
        return False


def _of_pkcs7(der: bytes) -> list[bytes]:
    try:
        found = cms.ContentInfo.load(der)["content"]["certificates"]
        return [bytes(one.chosen.dump()) for one in found if one.name == "certificate"]
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise Refused(f"This PKCS #7 bundle is damaged: {_detail(error)}.") from error


def _instead(content: bytes) -> str:
    if is_pkcs12(content):
        return ", but somebody's private key with its certificates (PFX or P12)"
    if b"PRIVATE KEY-----" in content:
        return ", but a private key"
    return " or a damaged one" if b"-----BEGIN CERTIFICATE-----" in content else ""
