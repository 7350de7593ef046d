"""Encryption of bytes for the holders of certificates: CMS EnvelopedData and AuthEnvelopedData.

The library makes envelopes for RSA alone, and asn1crypto takes eight times as long as all the cryptography;
so the few structures are written here, and the library does the rest.

Source: RFC 5652 (CMS), RFC 5083 and RFC 5084 (AES-GCM), RFC 5753 (elliptic curves), RFC 8551, 2.3 and 2.7.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from asn1crypto import core, x509  # type: ignore[import-untyped]  # it ships no types
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ...engine.certificates import Certificate, key_kind, read_certificate

_INTEGER, _BITS, _OCTETS, _SEQUENCE, _SET = 0x02, 0x03, 0x04, 0x30, 0x31
_TAGGED, _CONSTRUCTED = 0x80, 0x20
_KEY_SIZE = 32
_GCM_TAG_SIZE = 16


def _tlv(tag: int, *parts: bytes) -> bytes:
    """Tag, length, value (X.690, 10.1)."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + body


def _oid(dotted: str) -> bytes:
    return bytes(core.ObjectIdentifier(dotted).dump())


_DATA = _oid("1.2.840.113549.1.7.1")
_ENVELOPED_DATA = _oid("1.2.840.113549.1.7.3")
_AUTH_ENVELOPED_DATA = _oid("1.2.840.113549.1.9.16.1.23")
_AES256_CBC = _oid("2.16.840.1.101.3.4.1.42")
_AES256_GCM = _oid("2.16.840.1.101.3.4.1.46")
_RSA = _tlv(_SEQUENCE, _oid("1.2.840.113549.1.1.1"), b"\x05\x00")
_EC_PUBLIC_KEY = _tlv(_SEQUENCE, _oid("1.2.840.10045.2.1"))
_AES256_WRAP = _tlv(_SEQUENCE, _oid("2.16.840.1.101.3.4.1.45"))
_SHARED_INFO = _tlv(
    _SEQUENCE,
    _AES256_WRAP,
    _tlv(_TAGGED | _CONSTRUCTED | 2, _tlv(_OCTETS, (8 * _KEY_SIZE).to_bytes(4))),  # suppPubInfo: bits of the key
)
_AGREEMENTS: tuple[tuple[int, bytes, hashes.HashAlgorithm], ...] = (
    (256, _oid("1.3.132.1.11.1"), hashes.SHA256()),  # dhSinglePass-stdDH-sha256kdf-scheme
    (384, _oid("1.3.132.1.11.2"), hashes.SHA384()),
    (1024, _oid("1.3.132.1.11.3"), hashes.SHA512()),
)
"""Up to which size of a curve, which key agreement."""


def _version(number: int) -> bytes:
    return _tlv(_INTEGER, bytes((number,)))


def envelope_cbc(content: bytes, recipients: Sequence[Certificate]) -> bytes:
    """EnvelopedData (DER) with AES-256-CBC."""
    key, start = os.urandom(_KEY_SIZE), os.urandom(16)
    padder, encryptor = PKCS7(128).padder(), Cipher(algorithms.AES256(key), modes.CBC(start)).encryptor()
    encrypted = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
    has_agreement = any(isinstance(_recipient(one.der).key, ec.EllipticCurvePublicKey) for one in recipients)
    enveloped = _tlv(
        _SEQUENCE,
        _version(2 if has_agreement else 0),  # RFC 5652, 6.1
        _recipient_infos(recipients, key),
        _encrypted_content(_tlv(_SEQUENCE, _AES256_CBC, _tlv(_OCTETS, start)), encrypted),
    )
    return _content_info(_ENVELOPED_DATA, enveloped)


def envelope_gcm(content: bytes, recipients: Sequence[Certificate]) -> bytes:
    """AuthEnvelopedData (DER) with AES-256-GCM."""
    key, nonce = os.urandom(_KEY_SIZE), os.urandom(12)
    encrypted = AESGCM(key).encrypt(nonce, content, None)
    parameters = _tlv(_SEQUENCE, _tlv(_OCTETS, nonce), _tlv(_INTEGER, bytes((_GCM_TAG_SIZE,))))
    enveloped = _tlv(
        _SEQUENCE,
        _version(0),
        _recipient_infos(recipients, key),
        _encrypted_content(_tlv(_SEQUENCE, _AES256_GCM, parameters), encrypted[:-_GCM_TAG_SIZE]),
        _tlv(_OCTETS, encrypted[-_GCM_TAG_SIZE:]),
    )
    return _content_info(_AUTH_ENVELOPED_DATA, enveloped)


def _content_info(content_type: bytes, content: bytes) -> bytes:
    return _tlv(_SEQUENCE, content_type, _tlv(_TAGGED | _CONSTRUCTED | 0, content))


def _encrypted_content(algorithm: bytes, encrypted: bytes) -> bytes:
    return _tlv(_SEQUENCE, _DATA, algorithm, _tlv(_TAGGED | 0, encrypted))


@dataclass(frozen=True, slots=True)
class _Recipient:
    identifier: bytes
    """IssuerAndSerialNumber: the very bytes of the certificate, for receivers compare them."""
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@lru_cache(maxsize=1024)
def _recipient(der: bytes) -> _Recipient:
    fields = x509.Certificate.load(der)["tbs_certificate"]
    identifier = _tlv(_SEQUENCE, fields["issuer"].dump(), fields["serial_number"].dump())
    key = read_certificate(der).parsed.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise TypeError(f"There is no envelope for a key of the kind {key_kind(key)}.")  # it must not be chosen
    return _Recipient(identifier, key)


def _recipient_infos(recipients: Sequence[Certificate], key: bytes) -> bytes:
    infos = [_recipient_info(_recipient(one.der), key) for one in recipients]
    return _tlv(_SET, *sorted(infos))


def _recipient_info(recipient: _Recipient, key: bytes) -> bytes:
    if isinstance(recipient.key, rsa.RSAPublicKey):
        return _key_transport(recipient.identifier, recipient.key, key)
    return _key_agreement(recipient.identifier, recipient.key, key)


def _key_transport(identifier: bytes, public: rsa.RSAPublicKey, key: bytes) -> bytes:
    encrypted = public.encrypt(key, padding.PKCS1v15())  # what every mail program reads; OAEP is not
    return _tlv(_SEQUENCE, _version(0), identifier, _RSA, _tlv(_OCTETS, encrypted))


def _key_agreement(identifier: bytes, public: ec.EllipticCurvePublicKey, key: bytes) -> bytes:
    scheme, digest = next((oid, digest) for size, oid, digest in _AGREEMENTS if public.curve.key_size <= size)
    own = ec.generate_private_key(public.curve)
    shared = own.exchange(ec.ECDH(), public)
    wrapped = aes_key_wrap(X963KDF(digest, _KEY_SIZE, _SHARED_INFO).derive(shared), key)
    point = own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    originator = _tlv(_TAGGED | _CONSTRUCTED | 1, _EC_PUBLIC_KEY, _tlv(_BITS, b"\x00", point))
    return _tlv(
        _TAGGED | _CONSTRUCTED | 1,
        _version(3),
        _tlv(_TAGGED | _CONSTRUCTED | 0, originator),
        _tlv(_SEQUENCE, scheme, _AES256_WRAP),
        _tlv(_SEQUENCE, _tlv(_SEQUENCE, identifier, _tlv(_OCTETS, wrapped))),
    )
