"""EncryptSMIME: application/pkcs7-mime for the holders of certificates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ...engine import (
    PROBLEM,
    Category,
    Column,
    Columns,
    ColumnType,
    ConfigError,
    Context,
    Facet,
    Flaw,
    Message,
    Node,
    Outputs,
    PerItem,
    Record,
    Refused,
    Reject,
    Resources,
    SealedMessage,
)
from ...engine.certificates import Certificate
from ...engine.mime import entity
from ...engine.mime.transfer import base64_body
from .choose import choose
from .envelope import envelope_cbc, envelope_gcm
from .sources import Candidates, folder_flaws, in_cell, in_folder, kept

_WAYS = {"aes256-cbc": (envelope_cbc, b"enveloped-data"), "aes256-gcm": (envelope_gcm, b"authEnveloped-data")}


class Encrypted(Outputs):
    """The encrypted mail, or the record of those that it can't be encrypted for."""

    message: SealedMessage | None = None
    uncertified: Annotated[Record | None, Reject] = None


class EncryptSMIME(Node):
    """Encrypt a mail with S/MIME, so that only its recipients can read it.

    Text, images and attachments are encrypted; the subject and the addresses stay readable. Every recipient, in To
    and in Cc, needs a certificate. Certificates come from the workspace, from a `folder` of files, or from the
    file or text that a column names (`certificate`). Of several, the newest is taken that is valid now, has the
    recipient's address, and is for the encryption of mail.

    `message` gives the encrypted mail. When a recipient has no usable certificate, no mail is made, and
    `uncertified` gives the record with the reason in the column `problem`: wire it to a step that writes to these
    people in another way, with a locked PDF, say. Unwired, such an item fails with the same reason.

    Whoever fills the workspace, the folder or the column vouches for the certificates: who issued them is not asked,
    nor whether they were revoked.

    To sign and encrypt, put SignSMIME before this step.

    Raises:
        Refused: there is no recipient; one is in Bcc (an encrypted mail tells all its readers for whom it is); the
            mail is encrypted already; or the file in `certificate` is missing or damaged.

    Source: RFC 8551, 3.3 (enveloped-data) and 3.4 (authEnveloped-data); AES-256, its key under RSA (PKCS #1 v1.5)
    or elliptic curve Diffie-Hellman (RFC 5753).
    """

    title: ClassVar[str] = "Encrypt (S/MIME)"
    category: ClassVar[Category] = Category.SECURITY
    locks: ClassVar[bool] = True  # `uncertified` holds nothing of the mail: only the record, whose columns keep marks
    declares_needs: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"folder": "certificates", "also_for": "archive@example.com"},
        {"certificate": "{{ certificate_file }}"},
    )

    folder: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "A folder with the recipients' certificates (.pem, .cer, .crt, .der, .p7b). "
            "Empty: the certificates that the workspace keeps."
        ),
    )
    certificate: Annotated[PerItem[str] | None, Facet.KEY] = Field(
        default=None,
        description=(
            "The recipient's certificate itself: the name of its file (in the folder above, if there is one), or its "
            "text (PEM). An empty cell means that there is none."
        ),
    )
    also_for: str | None = Field(
        default=None,
        min_length=3,
        description=(
            "An address of your own that can open every mail too, so that your archive stays readable. The mail is "
            "not sent to it. Its certificate comes from the folder or the workspace."
        ),
    )
    algorithm: Literal["aes256-cbc", "aes256-gcm"] = Field(
        default="aes256-cbc",
        description=(
            "aes256-cbc is read by every mail program; aes256-gcm also detects changes, but older programs "
            "can't read it."
        ),
    )

    def columns(self, resources: Resources, incoming: Columns) -> Mapping[str, Columns]:
        del resources
        if not incoming:  # they can't be told
            return {}
        return {"uncertified": {**incoming, PROBLEM: Column(name=PROBLEM, type=ColumnType.TEXT)}}

    def flaws(self, resources: Resources) -> Iterable[Flaw]:
        if self.folder is not None:
            yield from folder_flaws(resources, self.folder)
        yield from self._broken_cell(resources)
        yield from self._closed_archive(resources)

    def run(self, message: Message | SealedMessage, ctx: Context) -> Encrypted:
        _check(message)
        choices = self._choices(message.head.recipients, ctx)
        problems = [one for one in choices if isinstance(one, str)]
        if problems:
            return Encrypted(uncertified=_with_problem(ctx.item.record, " ".join(problems)))
        readers = [one for one in choices if isinstance(one, Certificate)] + self._archive(ctx)
        content = message.entity if isinstance(message, SealedMessage) else entity(message)
        envelope, kind = _WAYS[self.algorithm]
        sealed = _pkcs7_mime(envelope(content, _each_once(readers)), kind)
        return Encrypted.model_construct(
            message=SealedMessage.model_construct(head=message.head, entity=sealed, is_encrypted=True)
        )

    def _choices(self, addresses: Iterable[str], ctx: Context) -> list[Certificate | str]:
        given = self._given(ctx)
        return [choose(one, given or self._stored(ctx, one), ctx.now) for one in addresses]

    def _archive(self, resources: Resources) -> list[Certificate]:
        if not self.also_for:
            return []
        chosen = choose(self.also_for, self._stored(resources, self.also_for), resources.now)
        if isinstance(chosen, str):
            raise Refused(f"{chosen} Add one, or leave 'also_for' empty.", field="also_for")
        return [chosen]

    def _given(self, resources: Resources) -> Candidates | None:
        if self.certificate is None:
            return None
        return in_cell(resources, self.folder, self.certificate.strip())

    def _stored(self, resources: Resources, address: str) -> Candidates:
        return kept(resources, address) if self.folder is None else in_folder(resources, self.folder, address)

    def _broken_cell(self, resources: Resources) -> Iterable[Flaw]:
        if isinstance(self.certificate, str):  # the same for all items; an expression isn't known yet
            try:
                self._given(resources)
            except Refused as error:
                yield Flaw(message=error.message, field="certificate")

    def _closed_archive(self, resources: Resources) -> Iterable[Flaw]:
        try:
            self._archive(resources)
        except (ConfigError, Refused) as error:
            yield Flaw(message=error.message, field="also_for")


def _check(message: Message | SealedMessage) -> None:
    if isinstance(message, SealedMessage) and message.is_encrypted:
        raise Refused("This mail is encrypted already. Take one of the two steps that encrypt it out of the flow.")
    if not message.head.recipients:
        raise Refused("The mail has no recipient in To or Cc. Give it one.", field="to")
    if message.head.bcc:
        raise Refused(
            f"The mail has a recipient in Bcc ({message.head.bcc[0].address}), and an encrypted mail tells all its "
            "readers for whom it is. Send them a mail of their own; for your archive, use 'also_for'."
        )


def _each_once(readers: Iterable[Certificate]) -> list[Certificate]:
    """One person may have several addresses, and be the archive too."""
    return list({one.der: one for one in readers}.values())


def _with_problem(record: Record | None, problem: str) -> Record:
    if record is None:  # a mail that descends from no record
        raise Refused(problem)
    return record.with_values(**{PROBLEM: problem})


def _pkcs7_mime(encrypted: bytes, kind: bytes) -> bytes:
    return (
        b'Content-Type: application/pkcs7-mime; smime-type=%b;\r\n name="smime.p7m"\r\n'
        b"Content-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="smime.p7m"\r\n\r\n'
        b"%b\r\n"
    ) % (kind, base64_body(encrypted))
