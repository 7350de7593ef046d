from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from subprocess import CompletedProcess
from typing import Literal

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from postwerk.engine import (
    PROBLEM,
    Column,
    ConfigError,
    Document,
    Expression,
    Facet,
    Item,
    Letterhead,
    Mailbox,
    Message,
    Refused,
    SealedMessage,
)
from postwerk.engine.binding import deferred_fields, facet_of
from postwerk.engine.mime import compose, entity
from postwerk.nodes.smime import Encrypted, EncryptSMIME, SignSMIME

from tests.certificates import Authority, Issued, KeyKind, bundle
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


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384", "p521", "brainpool"])
@pytest.mark.parametrize("algorithm", ["aes256-cbc", "aes256-gcm"])
def test_openssl_decrypts_to_the_very_content(
    tmp_path: Path, kind: KeyKind, algorithm: Literal["aes256-cbc", "aes256-gcm"]
) -> None:
    issued = ROOT.issue("ann@example.com", key=kind)

    given = EncryptSMIME(algorithm=algorithm).run(MESSAGE, surroundings(tmp_path, issued))

    done = decrypt(tmp_path, mail_of(given.message), issued)
    assert done.returncode == 0, done.stderr
    assert done.stdout == entity(MESSAGE)
    assert given.uncertified is None


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 111, 112, 127, 128, 255, 256, 65_535, 65_536])
def test_content_of_any_size_is_decrypted(tmp_path: Path, size: int) -> None:
    sealed = SealedMessage(head=MESSAGE.head, entity=b"x" * size)

    given = EncryptSMIME().run(sealed, surroundings(tmp_path, ANN))

    assert decrypt(tmp_path, mail_of(given.message), ANN).stdout == sealed.entity


def test_every_recipient_can_read_it_and_nobody_else(tmp_path: Path) -> None:
    given = EncryptSMIME().run(TO_BOTH, surroundings(tmp_path, ANN, BOB))

    mail = mail_of(given.message)
    assert decrypt(tmp_path, mail, ANN).stdout == entity(TO_BOTH)
    assert decrypt(tmp_path, mail, BOB).stdout == entity(TO_BOTH)
    stranger = decrypt(tmp_path, mail, EVE)
    assert stranger.returncode != 0
    assert b"Abrechnung" not in stranger.stdout


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_a_renewed_key_does_not_open_it(tmp_path: Path, kind: KeyKind) -> None:
    issued = ROOT.issue("ann@example.com", key=kind)
    other_key = Issued(issued.certificate, ROOT.issue("ann@example.com", key=kind, owner="ann later").key)

    given = EncryptSMIME().run(MESSAGE, surroundings(tmp_path, issued))

    done = decrypt(tmp_path, mail_of(given.message), other_key)
    assert b"Abrechnung" not in done.stdout
    assert done.stdout != entity(MESSAGE)


def test_a_change_is_noticed_with_gcm(tmp_path: Path) -> None:
    given = EncryptSMIME(algorithm="aes256-gcm").run(MESSAGE, surroundings(tmp_path, ANN))
    lines = mail_of(given.message).split(b"\r\n")
    lines[-10] = lines[-10].swapcase()

    assert decrypt(tmp_path, b"\r\n".join(lines), ANN).returncode != 0


def test_signed_then_encrypted_is_decrypted_then_verified(tmp_path: Path) -> None:
    office = ROOT.intermediate().issue("office@example.com")
    ctx = surroundings(tmp_path, ANN)
    ctx.identities = {"office": office.as_identity()}

    given = EncryptSMIME().run(SignSMIME(identity="office").run(MESSAGE, ctx), ctx)

    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    (tmp_path / "inner").write_bytes(decrypt(tmp_path, mail_of(given.message), ANN).stdout)
    done = call("openssl", "cms", "-verify", "-CAfile", tmp_path / "root.pem", "-in", tmp_path / "inner")
    assert done.returncode == 0, done.stderr
    assert done.stdout == entity(MESSAGE)
    parsed = message_from_bytes(done.stdout, policy=default)
    assert [part.get_filename() for part in parsed.iter_attachments()] == ["Lohn März, Müller.pdf"]


def test_encrypted_then_signed_is_verified_then_decrypted(tmp_path: Path) -> None:
    ctx = surroundings(tmp_path, ANN)
    ctx.identities = {"office": ROOT.intermediate().issue("office@example.com").as_identity()}
    encrypted = EncryptSMIME().run(MESSAGE, ctx).message
    assert encrypted is not None

    mail = mail_of(SignSMIME(identity="office").run(encrypted, ctx))

    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    outer = call("openssl", "cms", "-verify", "-CAfile", tmp_path / "root.pem", data=mail)
    assert outer.returncode == 0, outer.stderr
    assert decrypt(tmp_path, outer.stdout, ANN).stdout == entity(MESSAGE)


@pytest.mark.parametrize(
    ("algorithm", "smime_type"), [("aes256-cbc", "enveloped-data"), ("aes256-gcm", "authEnveloped-data")]
)
def test_the_mail_is_what_the_standard_names(
    tmp_path: Path, algorithm: Literal["aes256-cbc", "aes256-gcm"], smime_type: str
) -> None:
    given = EncryptSMIME(algorithm=algorithm).run(MESSAGE, surroundings(tmp_path, ANN))

    mail = mail_of(given.message)
    parsed = message_from_bytes(mail)
    assert parsed.get_content_type() == "application/pkcs7-mime"
    assert parsed.get_param("smime-type") == smime_type
    assert parsed.get_param("name") == parsed.get_filename() == "smime.p7m"
    assert parsed["Subject"] is not None
    assert max(map(len, mail.split(b"\r\n"))) <= 78


def test_nothing_of_the_content_is_readable_and_the_head_stays(tmp_path: Path) -> None:
    given = EncryptSMIME().run(MESSAGE, surroundings(tmp_path, ANN))

    assert given.message is not None
    assert given.message.is_encrypted
    assert given.message.head is MESSAGE.head
    assert b"Abrechnung" not in given.message.entity


def test_no_two_mails_have_the_same_key(tmp_path: Path) -> None:
    ctx = surroundings(tmp_path, BOB)
    message = MESSAGE.changed(head=MESSAGE.head.changed(to=(BOB_BOX,)), attachments=())

    bodies = {EncryptSMIME().run(message, ctx).model_dump_json() for _ in range(3)}

    assert len(bodies) == 3


def test_the_newest_certificate_that_can_be_used_is_taken(tmp_path: Path) -> None:
    def issued(year: int, **options: object) -> Issued:
        start = datetime(year, 1, 1, tzinfo=UTC)
        return ROOT.issue("ann@example.com", not_before=start, owner=f"ann {year}", **options)  # type: ignore[arg-type]

    wanted = issued(2024)
    others = (
        issued(2023),
        issued(2025, usage="sign"),
        issued(2027),
        issued(2022, not_after=datetime(2026, 1, 1, tzinfo=UTC)),
        ROOT.issue("ann@example.org", not_before=datetime(2025, 6, 1, tzinfo=UTC)),
    )
    ctx = Surroundings(tmp_path, kept_certificates={"ann@example.com": tuple(one.der for one in (*others, wanted))})

    given = EncryptSMIME().run(MESSAGE, ctx)

    assert decrypt(tmp_path, mail_of(given.message), wanted).returncode == 0


def test_why_no_certificate_can_be_used_is_told_for_each(tmp_path: Path) -> None:
    expired = ROOT.issue("ann@example.com", not_after=NOW - timedelta(days=1))
    early = ROOT.issue("ann@example.com", not_before=NOW + timedelta(days=1), not_after=NOW + timedelta(days=9))
    signing = ROOT.issue("ann@example.com", usage="sign")
    server = ROOT.issue("ann@example.com", usage="tls")

    given = EncryptSMIME().run(MESSAGE, surroundings(tmp_path, expired, early, signing, server))

    problem = refusal(given)
    assert problem.startswith(
        "No certificate of ann@example.com in the workspace can be used: 'CN=Ann Müller' (serial "
    )
    for said in ("expired on 2026-03-01 09:30 UTC", "is not valid before 2026-03-03", "is not for encryption"):
        assert said in problem


def test_who_has_no_certificate_goes_on_as_a_record_with_the_reason(tmp_path: Path) -> None:
    given = EncryptSMIME().run(TO_BOTH, surroundings(tmp_path, ANN))

    assert given.message is None
    assert given.uncertified is not None
    assert given.uncertified.values == {
        "name": "Ann",
        PROBLEM: "There is no certificate of Bob@Example.com in the workspace.",
    }


def test_without_a_record_a_missing_certificate_is_refused(tmp_path: Path) -> None:
    ctx = Surroundings(tmp_path, item=Item(key=("1",), value=MESSAGE))

    with pytest.raises(Refused, match=r"^There is no certificate of ann@example\.com in the workspace\.$"):
        EncryptSMIME().run(MESSAGE, ctx)


def test_a_bcc_recipient_is_refused(tmp_path: Path) -> None:
    message = MESSAGE.changed(head=MESSAGE.head.changed(bcc=(BOB_BOX,)))

    with pytest.raises(Refused, match=r"^The mail has a recipient in Bcc \(Bob@Example\.com\).*Send them a mail of"):
        EncryptSMIME().run(message, surroundings(tmp_path, ANN, BOB))


def test_an_encrypted_mail_is_not_encrypted_again(tmp_path: Path) -> None:
    once = EncryptSMIME().run(MESSAGE, surroundings(tmp_path, ANN)).message
    assert once is not None

    with pytest.raises(Refused, match=r"^This mail is encrypted already\."):
        EncryptSMIME().run(once, surroundings(tmp_path, ANN))


def test_an_address_with_umlauts_finds_its_certificate(tmp_path: Path) -> None:
    issued = ROOT.issue("Info@xn--mller-kva.example")
    message = MESSAGE.changed(head=MESSAGE.head.changed(to=(Mailbox(address="info@müller.example"),)))

    given = EncryptSMIME().run(message, surroundings(tmp_path, issued))

    assert decrypt(tmp_path, mail_of(given.message), issued).returncode == 0


def test_a_certificate_with_the_address_in_its_subject_is_found(tmp_path: Path) -> None:
    old = ROOT.issue("ann@example.com", in_subject=True)
    (tmp_path / "alt.cer").write_bytes(old.der)

    given = EncryptSMIME(certificate="alt.cer").run(MESSAGE, surroundings(tmp_path))

    assert decrypt(tmp_path, mail_of(given.message), old).returncode == 0


def test_certificates_are_found_in_all_kinds_of_files_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "Zertifikate für März"
    folder.mkdir()
    carl = ROOT.issue("carl@example.com", name="Carl")
    (folder / "Müller, Ann.CER").write_bytes(ANN.der)
    (folder / "rest.p7b").write_bytes(bundle(ROOT.certificate, BOB.certificate, encoding=Encoding.PEM))
    (folder / "more.pem").write_bytes(EVE.pem + carl.pem)
    (folder / "Liesmich.txt").write_text("Hier liegen die Zertifikate.")
    people = {"ann@example.com": ANN, "bob@example.com": BOB, "carl@example.com": carl, "eve@example.com": EVE}
    node = EncryptSMIME(folder="Zertifikate für März")

    for address, issued in people.items():
        message = MESSAGE.changed(head=MESSAGE.head.changed(to=(Mailbox(address=address),)))
        given = node.run(message, surroundings(tmp_path))
        assert decrypt(tmp_path, mail_of(given.message), issued).returncode == 0

    assert list(node.flaws(surroundings(tmp_path))) == []


def test_a_certificate_that_is_added_while_a_flow_runs_is_found(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "bob.pem").write_bytes(BOB.pem)
    node, ctx = EncryptSMIME(folder="certs"), surroundings(tmp_path)

    before = node.run(MESSAGE, ctx)
    (tmp_path / "certs" / "ann.pem").write_bytes(ANN.pem)
    after = node.run(MESSAGE, ctx)

    assert refusal(before) == "There is no certificate of ann@example.com in the folder 'certs'."
    assert after.message is not None


def test_a_bad_file_in_the_folder_stops_the_step_by_name(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "ann.pem").write_bytes(ANN.key_pem())

    with pytest.raises(ConfigError, match=r"^The file 'certs/ann\.pem' is of no use: .*but a private key"):
        EncryptSMIME(folder="certs").run(MESSAGE, surroundings(tmp_path))


def test_the_check_names_every_bad_file_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    for name, content in (("a.pem", b"junk"), ("b.cer", ANN.der), ("c.p7b", ANN.as_p12("x"))):
        (tmp_path / "certs" / name).write_bytes(content)

    flaws = list(EncryptSMIME(folder="certs").flaws(surroundings(tmp_path)))

    assert [flaw.message.split("'")[1] for flaw in flaws] == ["certs/a.pem", "certs/c.p7b"]
    assert {flaw.field for flaw in flaws} == {"folder"}


def test_the_check_names_a_missing_and_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    (missing,) = EncryptSMIME(folder="nowhere").flaws(surroundings(tmp_path))
    (empty,) = EncryptSMIME(folder="empty").flaws(surroundings(tmp_path))

    assert missing.message == "There is no file 'nowhere'."
    assert empty.message.startswith("The folder 'empty' holds no certificates. Put files there that end with .pem")


def test_a_cell_names_the_file_of_the_certificate(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "4711.pem").write_bytes(ANN.pem)

    plain = EncryptSMIME(certificate="certs/4711.pem").run(MESSAGE, surroundings(tmp_path))
    in_folder = EncryptSMIME(certificate=" 4711.pem ", folder="certs").run(MESSAGE, surroundings(tmp_path))

    for given in (plain, in_folder):
        assert decrypt(tmp_path, mail_of(given.message), ANN).returncode == 0


def test_a_cell_holds_the_certificate_itself(tmp_path: Path) -> None:
    pem = ANN.pem.decode()
    bare = "".join(pem.splitlines()[1:-1])

    for cell in (pem, pem.replace("\n", " "), bare):
        given = EncryptSMIME(certificate=cell).run(MESSAGE, surroundings(tmp_path))
        assert decrypt(tmp_path, mail_of(given.message), ANN).returncode == 0


@pytest.mark.parametrize("cell", ["", "  "])
def test_an_empty_cell_means_that_there_is_no_certificate(tmp_path: Path, cell: str) -> None:
    given = EncryptSMIME(certificate=cell).run(MESSAGE, surroundings(tmp_path, ANN))

    assert refusal(given) == (
        "There is no certificate of ann@example.com in the record (its cell for the certificate is empty)."
    )


def test_a_cell_with_somebody_elses_certificate_sends_nothing(tmp_path: Path) -> None:
    given = EncryptSMIME(certificate=EVE.pem.decode()).run(MESSAGE, surroundings(tmp_path, ANN))

    assert refusal(given) == (
        "There is no certificate of ann@example.com in the record; it holds one of eve@example.com."
    )


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("nobody.pem", r"^There is no file 'nobody\.pem'\. The record names it as its certificate\.$"),
        ("../outside.pem", r"^There is no file '\.\./outside\.pem'\."),
        ("notes.txt", r"^The file 'notes\.txt' is of no use: This holds no certificate\."),
        ("-----BEGIN CERTIFICATE-----\nMIIB", r"^The text in the record is of no use: .* or a damaged one"),
    ],
)
def test_a_cell_that_is_of_no_use_is_refused(tmp_path: Path, cell: str, said: str) -> None:
    (tmp_path / "notes.txt").write_text("Notizen")

    with pytest.raises(Refused, match=said) as caught:
        EncryptSMIME(certificate=cell).run(MESSAGE, surroundings(tmp_path))

    assert caught.value.field == "certificate"


def test_the_archive_can_read_it_too_and_is_no_recipient(tmp_path: Path) -> None:
    archive = ROOT.issue("archive@example.com", name="Archive")

    given = EncryptSMIME(also_for="archive@example.com").run(MESSAGE, surroundings(tmp_path, ANN, archive))

    assert decrypt(tmp_path, mail_of(given.message), archive).stdout == entity(MESSAGE)
    assert given.message is not None
    assert given.message.head.recipients == ("ann@example.com",)


def test_an_archive_without_a_certificate_is_told_by_the_check_and_refused(tmp_path: Path) -> None:
    node = EncryptSMIME(also_for="archive@example.com")
    said = "There is no certificate of archive@example.com in the workspace. Add one, or leave 'also_for' empty."

    (flaw,) = node.flaws(surroundings(tmp_path, ANN))

    assert (flaw.message, flaw.field) == (said, "also_for")
    with pytest.raises(Refused, match=r"^There is no certificate of archive@example\.com"):
        node.run(MESSAGE, surroundings(tmp_path, ANN))


def test_the_certificate_may_be_an_expression_and_counts_as_a_key() -> None:
    node = EncryptSMIME.model_validate({"certificate": "{{ certificate_file }}"})

    assert isinstance(node.certificate, Expression)
    assert deferred_fields(EncryptSMIME) == {"certificate"}
    assert facet_of(EncryptSMIME, "certificate") is Facet.KEY


def test_the_reason_is_a_column_of_those_without_certificate(tmp_path: Path) -> None:
    incoming = {"name": Column(name="name", is_sensitive=True)}

    columns = EncryptSMIME().columns(surroundings(tmp_path), incoming)

    assert set(columns["uncertified"]) == {"name", PROBLEM}
    assert columns["uncertified"]["name"].is_sensitive
    assert EncryptSMIME().columns(surroundings(tmp_path), {}) == {}


def test_only_the_record_leaves_by_the_port_of_those_without_certificate() -> None:
    """The step counts as a lock, so nothing of the mail may pass it in clear."""
    port = EncryptSMIME.ports.outputs["uncertified"]

    assert EncryptSMIME.locks
    assert port.is_reject
    assert port.type_text == "Record"


def test_its_examples_are_valid() -> None:
    for one in EncryptSMIME.examples:
        EncryptSMIME.model_validate(one)
