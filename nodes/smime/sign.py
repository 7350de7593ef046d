"""SignSMIME: multipart/signed with a detached CMS signature."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, ClassVar, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from pydantic import Field

from ...engine import (
    Category,
    ConfigError,
    Context,
    Flaw,
    Identity,
    Mailbox,
    Message,
    Node,
    Refused,
    Resources,
    SealedMessage,
)
from ...engine.certificates import Certificate, read_certificate
from ...engine.mime import entity
from ...engine.mime.transfer import base64_body

_OPTIONS = (PKCS7Options.Binary, PKCS7Options.DetachedSignature)
"""Sign the very bytes that are sent, and keep them out of the signature."""


class SignSMIME(Node):
    """Sign a mail with S/MIME, so that the recipient sees who wrote it and that nobody changed it.

    The mail stays readable in every mail program; the signature is a part beside it (`smime.p7s`). It covers the
    text, the images and the attachments, but not the subject and the addresses. The certificates between yours and
    the root are sent along, so that recipients need nothing but the root.

    To sign and encrypt, put this step before EncryptSMIME: then only the recipient sees who signed. A mail that is
    encrypted already is signed outside.

    Choose an identity whose certificate is for the address that the mail comes from: mail programs warn otherwise.

    Raises:
        Refused: the identity has expired or is not valid yet, or the mail names a sender that the certificate
            is not for.

    Source: RFC 8551, 3.5.3 (multipart/signed); SHA-256 with RSA (PKCS #1 v1.5) and curves up to 256 bits,
    SHA-384 and SHA-512 with longer ones (RFC 5754).
    """

    title: ClassVar[str] = "Sign (S/MIME)"
    category: ClassVar[Category] = Category.SECURITY
    declares_needs: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"identity": "office"},)

    identity: str = Field(
        min_length=1,
        description="The identity that signs; add one with 'postwerk identity add'.",
        json_schema_extra={"identity": True},
    )

    def flaws(self, resources: Resources) -> Iterable[Flaw]:
        try:
            signer = _signer_of(resources.identity(self.identity))
        except (ConfigError, Refused) as error:
            yield Flaw(message=error.message, field="identity")
            return
        for objection in (signer.certificate.date_objection(resources.now), signer.certificate.signing_objection):
            if objection:
                yield Flaw(message=_unfit(self.identity, signer.certificate, objection), field="identity")

    def run(self, message: Message | SealedMessage, ctx: Context) -> SealedMessage:
        signer = _signer_of(ctx.identity(self.identity))
        self._check(signer, message.head.sender, ctx.now)
        content = message.entity if isinstance(message, SealedMessage) else entity(message)
        signed = _multipart_signed(content, signer.sign(content), signer.digest_name)
        is_encrypted = isinstance(message, SealedMessage) and message.is_encrypted
        return SealedMessage.model_construct(head=message.head, entity=signed, is_encrypted=is_encrypted)

    def _check(self, signer: _Signer, sender: Mailbox | None, now: datetime) -> None:
        certificate = signer.certificate
        objection = certificate.date_objection(now) or certificate.signing_objection
        if objection:
            raise Refused(_unfit(self.identity, certificate, objection), field="identity")
        if sender and certificate.addresses and not certificate.is_for(sender.address):
            raise Refused(
                f"The mail comes from {sender.address}, but the identity {self.identity!r} is for "
                f"{', '.join(certificate.addresses)}. Choose the identity of {sender.address}, or another sender.",
                field="identity",
            )


def _unfit(identity: str, certificate: Certificate, objection: str) -> str:
    return f"The identity {identity!r} can't sign: its certificate {certificate.label} {objection}. Choose another one."


@dataclass(frozen=True, slots=True, eq=False)
class _Signer:
    """An identity, ready to sign."""

    certificate: Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]
    digest: hashes.SHA256 | hashes.SHA384 | hashes.SHA512

    @property
    def digest_name(self) -> bytes:
        """As `micalg` has it (RFC 8551, 3.5.3.2): `sha-256`."""
        return b"sha-%d" % (8 * self.digest.digest_size)

    def sign(self, content: bytes) -> bytes:
        """SignedData (DER) without the content, with the chain."""
        builder = PKCS7SignatureBuilder().set_data(content)
        builder = builder.add_signer(self.certificate.parsed, self.key, self.digest)
        for one in self.chain:
            builder = builder.add_certificate(one)
        return builder.sign(Encoding.DER, _OPTIONS)


def _signer_of(identity: Identity) -> _Signer:
    return _signer(identity.certificate, identity.key.get_secret_value(), identity.chain)


@lru_cache(maxsize=64)  # loading an RSA key takes as long as signing with it
def _signer(certificate: bytes, key: bytes, chain: tuple[bytes, ...]) -> _Signer:
    private = cast("rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey", load_der_private_key(key, None))
    parsed_chain = tuple(read_certificate(one).parsed for one in chain)
    return _Signer(read_certificate(certificate), private, parsed_chain, _digest(private))


def _digest(key: object) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    size = key.curve.key_size if isinstance(key, ec.EllipticCurvePrivateKey) else 0
    return hashes.SHA256() if size <= 256 else hashes.SHA384() if size <= 384 else hashes.SHA512()


def _multipart_signed(content: bytes, signature: bytes, digest_name: bytes) -> bytes:
    """The signed entity and its signature. The boundary can't be in an entity of which it is the digest."""
    boundary = b"=_%b" % sha256(content).hexdigest()[:40].encode()
    return (
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n'
        b' micalg=%b; boundary="%b"\r\n\r\n'
        b"This is a mail with an S/MIME signature.\r\n"
        b"--%b\r\n%b\r\n--%b\r\n"
        b'Content-Type: application/pkcs7-signature; name="smime.p7s"\r\n'
        b"Content-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="smime.p7s"\r\n\r\n'
        b"%b\r\n--%b--\r\n"
    ) % (digest_name, boundary, boundary, content, boundary, base64_body(signature), boundary)
