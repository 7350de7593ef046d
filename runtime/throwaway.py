"""Throw-away certificates for the demo: an authority, and the people that it vouches for. Nobody else trusts them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
KeyKind = Literal["rsa", "ec"]

YEAR = timedelta(days=365)
PASSPHRASE = "demo"  # of files that mail programs import: some refuse a file without one


@dataclass(frozen=True)
class Person:
    """A certificate with its key, and the authority's certificate that vouches for it."""

    certificate: x509.Certificate
    key: Key
    issuer: x509.Certificate

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM)

    def write(self, folder: Path, name: str) -> None:
        """Two files that only this user may read: for openssl (.pem), and for mail programs (.p12)."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write_private(folder / f"{name}.pem", key + self.pem)
        _write_private(folder / f"{name}.p12", self.p12(name))

    def p12(self, name: str) -> bytes:
        lock = BestAvailableEncryption(PASSPHRASE.encode())
        return pkcs12.serialize_key_and_certificates(name.encode(), self.key, self.certificate, [self.issuer], lock)


@dataclass(frozen=True)
class Authority:
    """A certificate authority of its own, for two years from yesterday on."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, name: str) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        start = datetime.now(UTC) - timedelta(days=1)
        builder = _builder(subject, subject, key, start, start + 2 * YEAR)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(self, address: str, name: str, *, kind: KeyKind = "ec", ended: bool = False) -> Person:
        """A certificate to sign and encrypt mail: valid now, or until a month ago."""
        key = _new_key(kind)
        end = datetime.now(UTC) + (timedelta(days=-30) if ended else YEAR)
        builder = _builder(_name(name), self.certificate.subject, key, end - 2 * YEAR, end)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.RFC822Name(address)]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        to_encrypt = "key_encipherment" if kind == "rsa" else "key_agreement"
        builder = builder.add_extension(_usage("digital_signature", to_encrypt), critical=True)
        return Person(builder.sign(self.key, hashes.SHA256()), key, self.certificate)


def _new_key(kind: KeyKind) -> Key:
    return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*flags: str) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name in flags for name in names})


def _write_private(path: Path, content: bytes) -> None:
    path.touch(0o600)
    path.write_bytes(content)
