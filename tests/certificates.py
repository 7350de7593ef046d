"""Throw-away certificate authorities: people with S/MIME certificates, made in a line.

office = Authority().intermediate().issue("office@example.com")
Surroundings(tmp_path, identities={"office": office.as_identity("office")})
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from postwerk.engine import Identity
from postwerk.engine.certificates import read_certificate

KeyKind = Literal["rsa", "p256", "p384", "p521", "brainpool", "ed25519"]
Usage = Literal["sign", "encrypt", "both", "any", "tls"]
"""`any`: the certificate restricts nothing; `tls`: it is for a web server."""
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)
CURVES: dict[str, ec.EllipticCurve] = {
    "p256": ec.SECP256R1(),
    "p384": ec.SECP384R1(),
    "p521": ec.SECP521R1(),
    "brainpool": ec.BrainpoolP256R1(),
}


@lru_cache(maxsize=256)  # an RSA key takes a tenth of a second
def key_of(owner: str, kind: KeyKind) -> PrivateKey:
    """The private key of this name; the same in all tests of a process."""
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(CURVES[kind])


@dataclass(frozen=True)
class Issued:
    """A person's certificate with its key, and the intermediate certificates, its issuer first."""

    certificate: x509.Certificate
    key: PrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def address(self) -> str:
        """The first that the certificate is for."""
        return read_certificate(self.der).addresses[0]

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self, passphrase: str | None = None) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, _protection(passphrase))

    def key_der(self, passphrase: str | None = None) -> bytes:
        return self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, _protection(passphrase))

    def as_identity(self, name: str = "office") -> Identity:
        chain = tuple(one.public_bytes(Encoding.DER) for one in self.chain)
        return Identity(name=name, certificate=self.der, key=self.key_der(), chain=chain)

    def as_p12(self, passphrase: str | None, *, also: Iterable[x509.Certificate] = ()) -> bytes:
        """A P12 file with the chain and further certificates, in an order that nobody should rely on."""
        assert not isinstance(self.key, ed25519.Ed25519PrivateKey)
        others = [*also, *reversed(self.chain)]
        return pkcs12.serialize_key_and_certificates(
            b"Ann", self.key, self.certificate, others, _protection(passphrase)
        )


class Authority:
    """A certificate authority: a root, or one below it."""

    def __init__(self, name: str = "Test Root", *, above: Authority | None = None, key: KeyKind = "p256") -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = key_of(f"authority {name}", key)
        self.above = above
        self._serials = count(0x1001)
        self.certificate = self._certificate()

    @property
    def pem(self) -> bytes:
        """What a trusting program is given."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """This authority and those above it, without the root."""
        return (self.certificate, *self.above.chain) if self.above else ()

    def intermediate(self, name: str = "Test Intermediate", *, key: KeyKind = "p256") -> Authority:
        return Authority(name, above=self, key=key)

    def issue(
        self,
        address: str | tuple[str, ...],
        *,
        key: KeyKind = "rsa",
        usage: Usage = "both",
        not_before: datetime = LONG_AGO,
        not_after: datetime = FAR_AHEAD,
        name: str = "Ann Müller",
        in_subject: bool = False,
        other_names: tuple[x509.GeneralName, ...] = (),
        owner: str | None = None,
    ) -> Issued:
        """A certificate for one or several addresses, in the SAN or, as old ones have it, in the subject.

        The same address has the same key of a kind, unless it is told whose it is.
        """
        addresses = (address,) if isinstance(address, str) else address
        own = key_of(owner or " ".join(addresses), key)
        in_name = [x509.NameAttribute(NameOID.EMAIL_ADDRESS, one) for one in addresses if in_subject]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), *in_name])
        builder = self._builder(subject, own, not_before, not_after)
        if not in_subject:
            names = x509.SubjectAlternativeName([*(x509.RFC822Name(one) for one in addresses), *other_names])
            builder = builder.add_extension(names, critical=False)
        builder = _with_usage(builder, usage, is_rsa=key == "rsa")
        return Issued(builder.sign(self.key, hashes.SHA256()), own, self.chain)

    def _certificate(self) -> x509.Certificate:
        builder = (self.above or self)._builder(self.name, self.key, LONG_AGO, FAR_AHEAD)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        return builder.sign((self.above or self).key, hashes.SHA256())

    def _builder(self, subject: x509.Name, key: PrivateKey, start: datetime, end: datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(next(self._serials))
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )


def bundle(*certificates: x509.Certificate, encoding: Encoding = Encoding.DER) -> bytes:
    """A .p7b file."""
    return pkcs7.serialize_certificates(list(certificates), encoding)


def _with_usage(builder: x509.CertificateBuilder, usage: Usage, *, is_rsa: bool) -> x509.CertificateBuilder:
    if usage == "any":
        return builder
    flags: dict[str, bool] = {}
    if usage in ("sign", "both", "tls"):
        flags["digital_signature"] = True
    if usage in ("encrypt", "both"):
        flags["key_encipherment" if is_rsa else "key_agreement"] = True
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if usage == "tls" else ExtendedKeyUsageOID.EMAIL_PROTECTION
    builder = builder.add_extension(_key_usage(**flags), critical=True)
    return builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)


def _key_usage(**flags: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: flags.get(name, False) for name in names})


def _protection(passphrase: str | None) -> serialization.KeySerializationEncryption:
    return serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
