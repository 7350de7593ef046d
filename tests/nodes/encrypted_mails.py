"""Mails to encrypt, the people that they are for, and openssl to open them."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

from postwerk.engine import Document, Letterhead, Mailbox, Message, SealedMessage
from postwerk.engine.mime import compose
from postwerk.nodes.smime.encrypt import Encrypted

from tests.certificates import Authority, Issued
from tests.foreign import call
from tests.surroundings import NOW, Surroundings, item

ROOT = Authority()
ANN = ROOT.issue("ann@example.com")
BOB = ROOT.issue("bob@example.com", key="p256", name="Bob")
EVE = ROOT.issue("eve@example.com", name="Eve")
ANN_BOX, BOB_BOX = Mailbox(address="ann@example.com"), Mailbox(address="Bob@Example.com", name="Bob")
MESSAGE = Message(
    head=Letterhead(to=(ANN_BOX,), subject="Ihre Abrechnung für März"),
    text="Guten Tag,\n\nanbei die Abrechnung. Schöne Grüße\n",
    attachments=(Document(name="Lohn März, Müller.pdf", content=b"%PDF\xff\x00\r\n" * 130_000),),
)
TO_BOTH = MESSAGE.changed(head=MESSAGE.head.changed(cc=(BOB_BOX,)))


def surroundings(folder: Path, *known: Issued) -> Surroundings:
    """A workspace that keeps these certificates."""
    kept: dict[str, tuple[bytes, ...]] = {}
    for one in known:
        address = one.address.casefold()
        kept[address] = (*kept.get(address, ()), one.der)
    return Surroundings(folder, kept_certificates=kept, item=item(name="Ann"))


def mail_of(message: SealedMessage | None) -> bytes:
    assert message is not None
    sender = Mailbox(address="office@example.com")
    return compose(message.head, message.entity, message_id="<1@example.com>", date=NOW, sender=sender)


def decrypt(folder: Path, mail: bytes, whose: Issued) -> CompletedProcess[bytes]:
    """What openssl makes of a mail with somebody's certificate and key."""
    (folder / "mail.eml").write_bytes(mail)
    (folder / "cert.pem").write_bytes(whose.pem)
    (folder / "key.pem").write_bytes(whose.key_pem())
    return call(
        "openssl", "cms", "-decrypt", "-in", folder / "mail.eml",
        "-recip", folder / "cert.pem", "-inkey", folder / "key.pem",
    )  # fmt: skip


def refusal(given: Encrypted) -> str:
    """Why no mail was made."""
    assert given.message is None
    assert given.uncertified is not None
    return given.uncertified.complaint
