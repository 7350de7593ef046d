from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from postwerk.engine import Document, InlineImage, Letterhead, Mailbox, Message, Refused, SealedMessage
from postwerk.engine.mime import compose, entity
from postwerk.nodes.smime.sign import SignSMIME

from tests.certificates import Authority, Issued, KeyKind, Usage
from tests.foreign import call
from tests.surroundings import NOW, Surroundings

ROOT = Authority()
INTERMEDIATE = ROOT.intermediate()
OFFICE = INTERMEDIATE.issue("office@example.com", name="Büro")
SENDER = Mailbox(address="office@example.com", name="Büro Müller, Köln")
HEAD = Letterhead(to=(Mailbox(address="ann@example.com"),), subject="Ihre Rechnung für März")
MESSAGE = Message(head=HEAD, text="Guten Tag,\n\nanbei die Rechnung.  \nFrom here on: ümläute.\n.\n")
RICH = MESSAGE.changed(
    html='<p>Schöne Grüße</p><img src="cid:logo">',
    images=(InlineImage(cid="logo", document=Document(name="logo.png", content=b"\x89PNG", media_type="image/png")),),
    attachments=(
        Document(name="Rechnung März, 4711.pdf", content=bytes(range(256)) * 40, media_type="application/pdf"),
        Document(name="Größe.bin", content=b"\r\n\n\r.\r\n" * 170_000),
    ),
)


def surroundings(folder: Path, issued: Issued = OFFICE) -> Surroundings:
    return Surroundings(folder, identities={"office": issued.as_identity()})


def mail_of(message: SealedMessage) -> bytes:
    return compose(message.head, message.entity, message_id="<1@example.com>", date=NOW, sender=SENDER)


def verify(folder: Path, mail: bytes, *options: str | Path, root: bytes = ROOT.pem) -> CompletedProcess[bytes]:
    """What openssl says of a mail, with what it takes for the signed content on its standard output."""
    (folder / "root.pem").write_bytes(root)
    (folder / "mail.eml").write_bytes(mail)
    return call(
        "openssl", "cms", "-verify", "-purpose", "smimesign", "-CAfile", folder / "root.pem",
        "-in", folder / "mail.eml", *options,
    )  # fmt: skip


@pytest.mark.parametrize("message", [MESSAGE, RICH], ids=["text", "with a file of 1 MB"])
def test_openssl_accepts_the_signature_and_finds_the_very_content(tmp_path: Path, message: Message) -> None:
    signed = SignSMIME(identity="office").run(message, surroundings(tmp_path))

    done = verify(tmp_path, mail_of(signed), "-signer", tmp_path / "signer.pem")

    assert done.returncode == 0, done.stderr
    assert done.stdout == entity(message)
    assert (tmp_path / "signer.pem").read_bytes() == OFFICE.pem


def test_the_signature_is_over_the_very_bytes_between_the_boundaries(tmp_path: Path) -> None:
    mail = mail_of(SignSMIME(identity="office").run(RICH, surroundings(tmp_path)))

    boundary = str(message_from_bytes(mail).get_boundary()).encode()
    _, content, signature, _ = re.split(rb"\r?\n?--%b(?:--)?\r\n" % boundary, mail)
    (tmp_path / "content").write_bytes(content)
    (tmp_path / "signature").write_bytes(b64decode(signature.partition(b"\r\n\r\n")[2]))
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    done = call(
        "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-CAfile", tmp_path / "root.pem",
        "-in", tmp_path / "signature", "-content", tmp_path / "content",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("kind", "micalg", "digest"),
    [
        ("rsa", "sha-256", b"sha256"),
        ("p256", "sha-256", b"sha256"),
        ("brainpool", "sha-256", b"sha256"),
        ("p384", "sha-384", b"sha384"),
        ("p521", "sha-512", b"sha512"),
    ],
)
def test_each_kind_of_key_signs_with_the_digest_that_fits_it(
    tmp_path: Path, kind: KeyKind, micalg: str, digest: bytes
) -> None:
    issued = INTERMEDIATE.issue("office@example.com", key=kind)

    mail = mail_of(SignSMIME(identity="office").run(MESSAGE, surroundings(tmp_path, issued)))

    assert message_from_bytes(mail).get_param("micalg") == micalg
    assert verify(tmp_path, mail).returncode == 0
    shown = call("openssl", "cms", "-cmsout", "-print", "-in", tmp_path / "mail.eml").stdout
    assert re.search(rb"digestAlgorithm:\s+algorithm: %b " % digest, shown)


def test_a_mail_program_finds_text_html_and_files(tmp_path: Path) -> None:
    mail = mail_of(SignSMIME(identity="office").run(RICH, surroundings(tmp_path)))

    parsed = message_from_bytes(mail, policy=default)

    assert (parsed.get_content_type(), parsed.get_param("protocol")) == (
        "multipart/signed",
        "application/pkcs7-signature",
    )
    assert [part.get_content_type() for part in parsed.iter_parts()] == [
        "multipart/mixed",
        "application/pkcs7-signature",
    ]
    files = {part.get_filename(): part.get_content() for part in parsed.walk() if part.get_filename()}
    assert files["Rechnung März, 4711.pdf"] == RICH.attachments[0].content
    assert files["Größe.bin"] == RICH.attachments[1].content
    assert "smime.p7s" in files
    body = parsed.get_body(("plain",))
    assert body is not None
    assert "ümläute" in body.get_content()


def test_the_chain_is_sent_along_and_the_root_is_not(tmp_path: Path) -> None:
    signed = SignSMIME(identity="office").run(MESSAGE, surroundings(tmp_path))

    done = verify(tmp_path, mail_of(signed), "-certsout", tmp_path / "sent.pem")

    assert done.returncode == 0
    sent = (tmp_path / "sent.pem").read_bytes()
    assert OFFICE.pem in sent
    assert INTERMEDIATE.pem in sent
    assert ROOT.pem not in sent


def test_the_time_and_what_we_can_decrypt_are_signed(tmp_path: Path) -> None:
    (tmp_path / "mail.eml").write_bytes(mail_of(SignSMIME(identity="office").run(MESSAGE, surroundings(tmp_path))))

    shown = call("openssl", "cms", "-cmsout", "-print", "-in", tmp_path / "mail.eml").stdout

    assert b"object: signingTime" in shown
    assert b"object: S/MIME Capabilities" in shown
    assert b"aes-256-cbc" in shown


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"anbei", b"ohne "), (b"smime.p7s", b"smime.p7t"), (b"plain", b"plaim"), (b"Guten", b"guten")],
)
def test_a_change_to_the_content_is_noticed_and_one_outside_is_not(tmp_path: Path, before: bytes, after: bytes) -> None:
    mail = mail_of(SignSMIME(identity="office").run(MESSAGE, surroundings(tmp_path)))
    assert before in mail

    changed = verify(tmp_path, mail.replace(before, after))

    assert (changed.returncode == 0) == (before == b"smime.p7s")


def test_a_signature_of_an_unknown_authority_is_noticed(tmp_path: Path) -> None:
    mail = mail_of(SignSMIME(identity="office").run(MESSAGE, surroundings(tmp_path)))

    done = verify(tmp_path, mail, root=Authority("Another Root").pem)

    assert done.returncode != 0


def test_a_finished_entity_is_signed_as_it_is(tmp_path: Path) -> None:
    content = b"Content-Type: text/plain\r\n\r\n--=_\r\nno line end"
    signed = SignSMIME(identity="office").run(SealedMessage(head=HEAD, entity=content), surroundings(tmp_path))

    done = verify(tmp_path, mail_of(signed))

    assert done.returncode == 0
    assert done.stdout == content
    assert not signed.is_encrypted


def test_a_signed_mail_can_be_signed_again(tmp_path: Path) -> None:
    once = SignSMIME(identity="office").run(MESSAGE, surroundings(tmp_path))
    twice = SignSMIME(identity="office").run(once, surroundings(tmp_path))

    done = verify(tmp_path, mail_of(twice))

    assert done.stdout == once.entity


def test_what_is_encrypted_stays_marked_so(tmp_path: Path) -> None:
    sealed = SealedMessage(head=HEAD, entity=b"Content-Type: application/pkcs7-mime\r\n\r\nMIIB", is_encrypted=True)

    assert SignSMIME(identity="office").run(sealed, surroundings(tmp_path)).is_encrypted


def test_the_head_stays_outside_and_as_it_was(tmp_path: Path) -> None:
    signed = SignSMIME(identity="office").run(MESSAGE, surroundings(tmp_path))

    assert signed.head is MESSAGE.head
    assert b"Subject" not in signed.entity


@pytest.mark.parametrize("address", ["Office@Example.com", "OFFICE@example.com"])
def test_a_sender_may_be_written_in_any_case(tmp_path: Path, address: str) -> None:
    message = MESSAGE.changed(head=HEAD.changed(sender=Mailbox(address=address)))

    assert SignSMIME(identity="office").run(message, surroundings(tmp_path)).entity


def test_a_sender_whom_the_certificate_is_not_for_is_refused(tmp_path: Path) -> None:
    message = MESSAGE.changed(head=HEAD.changed(sender=Mailbox(address="sales@example.com")))

    with pytest.raises(
        Refused,
        match=r"^The mail comes from sales@example\.com, but the identity 'office' is for office@example\.com\. Choose",
    ):
        SignSMIME(identity="office").run(message, surroundings(tmp_path))


def test_a_certificate_without_addresses_signs_for_any_sender(tmp_path: Path) -> None:
    message = MESSAGE.changed(head=HEAD.changed(sender=Mailbox(address="sales@example.com")))
    anonymous = INTERMEDIATE.issue(())

    assert SignSMIME(identity="office").run(message, surroundings(tmp_path, anonymous)).entity


def test_an_identity_is_refused_when_it_expires_while_the_flow_runs(tmp_path: Path) -> None:
    issued = INTERMEDIATE.issue("office@example.com", not_after=NOW + timedelta(hours=1))
    before = surroundings(tmp_path, issued)
    after = replace(before, now=NOW + timedelta(hours=2))

    assert SignSMIME(identity="office").run(MESSAGE, before).entity
    with pytest.raises(
        Refused, match=r"^The identity 'office' can't sign: its certificate .* expired on 2026-03-02 10:30"
    ):
        SignSMIME(identity="office").run(MESSAGE, after)


def test_the_check_is_content_with_a_good_identity_even_when_it_expires_soon(tmp_path: Path) -> None:
    issued = INTERMEDIATE.issue("office@example.com", not_after=NOW + timedelta(hours=1))

    assert list(SignSMIME(identity="office").flaws(surroundings(tmp_path, issued))) == []


def test_the_check_names_an_unknown_identity(tmp_path: Path) -> None:
    (flaw,) = SignSMIME(identity="nobody").flaws(surroundings(tmp_path))

    assert flaw.message == "There is no identity 'nobody'."
    assert flaw.field == "identity"


@pytest.mark.parametrize(
    ("not_before", "not_after", "said"),
    [
        (
            datetime(2020, 1, 1, tzinfo=UTC),
            datetime(2025, 12, 31, 23, 59, tzinfo=UTC),
            "expired on 2025-12-31 23:59 UTC",
        ),
        (
            datetime(2027, 1, 1, tzinfo=UTC),
            datetime(2028, 1, 1, tzinfo=UTC),
            "is not valid before 2027-01-01 00:00 UTC",
        ),
    ],
)
def test_the_check_names_the_date_of_an_identity_that_is_not_valid(
    tmp_path: Path, not_before: datetime, not_after: datetime, said: str
) -> None:
    issued = INTERMEDIATE.issue("office@example.com", not_before=not_before, not_after=not_after)

    (flaw,) = SignSMIME(identity="office").flaws(surroundings(tmp_path, issued))

    assert said in flaw.message
    assert flaw.message.endswith("Choose another one.")


@pytest.mark.parametrize(
    ("usage", "said"),
    [("encrypt", "is not for signing (its key usage is keyEncipherment"), ("tls", "is not for e-mail")],
)
def test_the_check_tells_that_an_identity_is_not_for_signing(tmp_path: Path, usage: Usage, said: str) -> None:
    issued = INTERMEDIATE.issue("office@example.com", usage=usage)

    (flaw,) = SignSMIME(identity="office").flaws(surroundings(tmp_path, issued))

    assert said in flaw.message
    with pytest.raises(Refused, match=r"^The identity 'office' can't sign"):
        SignSMIME(identity="office").run(MESSAGE, surroundings(tmp_path, issued))


def test_its_examples_are_valid() -> None:
    assert [SignSMIME.model_validate(one).identity for one in SignSMIME.examples] == ["office"]
