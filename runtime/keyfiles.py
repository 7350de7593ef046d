"""Files that hold a certificate with its private key, as authorities and mail programs hand them out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from asn1crypto import pkcs12 as pfx  # type: ignore[import-untyped]  # it ships no types
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)
from pydantic import SecretBytes

from ..engine import ConfigError, Identity, Refused, Value
from ..engine.certificates import Certificate, is_pkcs12, key_kind, load_certificates, read_certificate

__all__ = ["IdentityFacts", "describe", "load_certificates", "load_identity"]

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_PEM_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-[^-]+)*-----END [A-Z ]*PRIVATE KEY-----")
_OUTDATED = re.compile(rb"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01[\x01\x02\x05\x06]")
"""Object identifiers of RC4 and RC2 under a passphrase (RFC 7292, appendix C)."""


class IdentityFacts(Value):
    """What may be shown of an identity: nothing of its key but the kind."""

    name: str
    subject: str
    addresses: tuple[str, ...]
    issuer: str
    not_before: datetime
    not_after: datetime
    key_kind: str
    """`RSA 2048`, `EC secp256r1`."""
    fingerprint: str
    """SHA-256 of the certificate."""
    chain_length: int
    """Intermediate certificates that are sent along."""
    signing_objection: str | None
    """Why it can't sign mails, whatever the date."""
    encryption_objection: str | None


def describe(identity: Identity) -> IdentityFacts:
    """The facts of an identity.

    Raises:
        Refused: its certificate can't be read.
    """
    found = read_certificate(identity.certificate)
    return IdentityFacts(
        name=identity.name,
        subject=found.subject,
        addresses=found.addresses,
        issuer=found.issuer,
        not_before=found.not_before,
        not_after=found.not_after,
        key_kind=found.key_kind,
        fingerprint=found.fingerprint,
        chain_length=len(identity.chain),
        signing_objection=found.signing_objection,
        encryption_objection=found.encryption_objection,
    )


def load_identity(name: str, content: bytes, *, key: bytes | None = None, passphrase: str | None = None) -> Identity:
    """The identity in a PFX or P12 file, or in a certificate file (PEM, DER, .p7b) with its key (in it or beside it).

    Of several that could sign, the newest is taken. An expired one is loaded too.

    Raises:
        ConfigError: the passphrase does not open it, something is missing or damaged, or the key is another's. Its
            `field` is `file`, `key` or `passphrase`.
    """
    if is_pkcs12(content):
        if key is not None:
            raise ConfigError("A PFX or P12 file holds its key: leave the key file out.", field="key")
        keys, certificates = _from_pkcs12(content, passphrase)
    else:
        certificates = _certificates(content, key)
        keys = _private_keys(content if key is None else key, passphrase)
    certificate, private = _pair(keys, certificates)
    return Identity(
        name=name,
        certificate=certificate.der,
        key=SecretBytes(private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())),
        chain=tuple(_chain(certificate, certificates)),
    )


def _certificates(content: bytes, key: bytes | None) -> list[Certificate]:
    try:
        return _read(load_certificates(content))
    except Refused as error:
        swap = " Are the file and the key file swapped?" if key is not None and b"PRIVATE KEY-----" in content else ""
        raise ConfigError(f"The certificate file is of no use: {error.message}{swap}", field="file") from error


def _pair(keys: Sequence[_Key], certificates: Iterable[Certificate]) -> tuple[Certificate, _Key]:
    """The certificate to sign with and its key."""
    by_public = {_public_bytes(one.public_key()): one for one in keys}
    pairs = [(one, by_public[public]) for one in certificates if (public := _certified(one)) in by_public]
    if not pairs:
        raise _mismatch(keys, certificates)
    fit = [pair for pair in pairs if not pair[0].signing_objection] or pairs
    if len({pair[0].holders for pair in fit}) > 1:
        shown = "; ".join(pair[0].label for pair in fit)
        raise ConfigError(f"The file holds several people: {shown}. Export the one that you want.", field="file")
    return max(fit, key=lambda pair: pair[0].not_before)


def _mismatch(keys: Iterable[_Key], certificates: Iterable[Certificate]) -> ConfigError:
    kinds = ", ".join(key_kind(one) for one in keys)
    shown = "; ".join(f"{one.label} with {one.key_kind}" for one in certificates)
    return ConfigError(
        f"The private key ({kinds}) belongs to none of the certificates: {shown or 'there are none'}. "
        "Take the key that the certificate was asked for with.",
        field="key",
    )


def _certified(certificate: Certificate) -> bytes | None:
    try:
        return _public_bytes(certificate.parsed.public_key())
    except (UnsupportedAlgorithm, ValueError):
        return None


def _public_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _chain(certificate: Certificate, others: Iterable[Certificate]) -> Iterator[bytes]:
    """The certificates above this one, its issuer first, without the root: who trusts it has it."""
    last, left = certificate.parsed, [one.parsed for one in others]
    while above := next((one for one in left if _has_issued(one, last)), None):
        if above.issuer == above.subject:
            return
        yield above.public_bytes(Encoding.DER)
        left.remove(above)
        last = above


def _has_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    if issuer == certificate:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):  # another name, key or kind of key
        return False
    return True


def _private_keys(content: bytes, passphrase: str | None) -> list[_Key]:
    """The keys of a PEM or DER file."""
    if b"-----BEGIN" not in content:
        return [_loaded(load_der_private_key, content, passphrase)]
    blocks = _PEM_KEY.findall(content)
    if not blocks:
        raise _no_key("The file holds no private key")
    return [_loaded(load_pem_private_key, one, passphrase) for one in blocks]


_Loader = Callable[[bytes, bytes | None], PrivateKeyTypes]


def _loaded(load: _Loader, content: bytes, passphrase: str | None) -> _Key:
    try:
        return _supported(load(content, passphrase.encode() if passphrase else None))
    except TypeError as error:  # a passphrase too many, or too few
        if passphrase:
            return _loaded(load, content, None)
        raise ConfigError("The private key is protected by a passphrase: give it.", field="passphrase") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unopened(content, passphrase) from error


def _unopened(content: bytes, passphrase: str | None) -> ConfigError:
    if b"-----BEGIN" in content and b"ENCRYPTED" not in content:
        return ConfigError("The private key is damaged, or of a kind that is not known here.", field="key")
    if passphrase:
        text = "The passphrase does not open the private key, or the key file is damaged."
        return ConfigError(text, field="passphrase")
    return _no_key("The file holds no private key that can be read")


def _no_key(found: str) -> ConfigError:
    return ConfigError(
        f"{found}. Give the key file beside the certificate, or a PFX or P12 file, which holds both.", field="key"
    )


def _supported(key: PrivateKeyTypes) -> _Key:
    if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        return key
    raise ConfigError(f"The private key is of the kind {key_kind(key)}; S/MIME needs RSA or EC.", field="key")


def _from_pkcs12(content: bytes, passphrase: str | None) -> tuple[list[_Key], list[Certificate]]:
    secret = passphrase.encode() if passphrase else None
    try:
        loaded = pkcs12.load_pkcs12(content, secret)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _locked(content, passphrase) from error
    if loaded.key is None:
        raise _no_key("The PFX or P12 file was exported without its private key")
    held = ([loaded.cert] if loaded.cert else []) + loaded.additional_certs
    try:
        certificates = _read(one.certificate.public_bytes(Encoding.DER) for one in held)
    except Refused as error:
        raise ConfigError(f"The PFX or P12 file is of no use: {error.message}", field="file") from error
    try:
        keys = list(_keys_in(content, secret or b"")) or [loaded.key]
    except (ValueError, TypeError, KeyError, UnsupportedAlgorithm):  # an unusual one: the library read its first key
        keys = [loaded.key]
    return [_supported(one) for one in keys], certificates


def _keys_in(content: bytes, secret: bytes) -> Iterator[PrivateKeyTypes]:
    """All keys of a P12 file, where files usually have them. The library gives the first one only."""
    for safe in pfx.Pfx.load(content).authenticated_safe:
        bags = pfx.SafeContents.load(safe["content"].native) if safe["content_type"].native == "data" else ()
        for bag in bags:
            kind = bag["bag_id"].native
            if kind in ("key_bag", "pkcs8_shrouded_key_bag"):
                der = bytes(bag["bag_value"].untag().dump())
                yield load_der_private_key(der, None if kind == "key_bag" else secret)


def _read(ders: Iterable[bytes]) -> list[Certificate]:
    return [read_certificate(one) for one in ders]


def _locked(content: bytes, passphrase: str | None) -> ConfigError:
    text = (
        "The passphrase does not open the PFX or P12 file, or the file is damaged."
        if passphrase
        else "The PFX or P12 file is protected by a passphrase: give it."
    )
    if _OUTDATED.search(content):
        text += (
            " It is locked with RC2 or RC4, which are outdated and may be switched off on this machine. If the "
            "passphrase is right, write the file anew: 'openssl pkcs12 -legacy -in OLD -out all.pem', then "
            "'openssl pkcs12 -export -in all.pem -out NEW', and delete all.pem."
        )
    return ConfigError(text, field="passphrase")
