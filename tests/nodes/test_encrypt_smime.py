from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any, Literal

import pytest
from asn1crypto import cms  # type: ignore[import-untyped]  # it ships no types
from postwerk.engine import (
    PROBLEM,
    Column,
    Columns,
    Item,
    Letterhead,
    Message,
    Node,
    PerItem,
    Record,
    Refused,
    Resources,
    SealedMessage,
    Templates,
)
from postwerk.engine.binding import Binder, make_node
from postwerk.engine.check import check
from postwerk.engine.flow import Flow, Step
from postwerk.engine.mime import entity
from postwerk.nodes.smime.encrypt import Encrypted, EncryptSMIME
from postwerk.nodes.smime.sign import SignSMIME

from tests.certificates import Issued, KeyKind
from tests.foreign import call
from tests.nodes.encrypted_mails import (
    ANN,
    BOB,
    BOB_BOX,
    EVE,
    MESSAGE,
    ROOT,
    TO_BOTH,
    decrypt,
    mail_of,
    surroundings,
)
from tests.surroundings import Surroundings


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


def enveloped(given: Encrypted) -> Any:
    """The EnvelopedData, as asn1crypto reads it."""
    assert given.message is not None
    body = b64decode(given.message.entity.partition(b"\r\n\r\n")[2])
    return cms.ContentInfo.load(body, strict=True)["content"]


def test_no_two_mails_are_encrypted_alike(tmp_path: Path) -> None:
    ctx = surroundings(tmp_path, ANN)

    found = [enveloped(EncryptSMIME().run(MESSAGE, ctx))["encrypted_content_info"] for _ in range(3)]

    assert len({one["encrypted_content"].native for one in found}) == 3
    assert len({one["content_encryption_algorithm"]["parameters"].native for one in found}) == 3


@pytest.mark.parametrize(("kind", "version"), [("rsa", "v0"), ("p256", "v2")])
def test_the_envelope_has_the_version_that_its_recipients_ask_for(tmp_path: Path, kind: KeyKind, version: str) -> None:
    issued = ROOT.issue("ann@example.com", key=kind)

    found = enveloped(EncryptSMIME().run(MESSAGE, surroundings(tmp_path, issued)))

    assert found["version"].native == version


def test_who_reads_in_two_roles_has_one_key(tmp_path: Path) -> None:
    issued = ROOT.issue(("ann@example.com", "bob@example.com"))
    ctx = Surroundings(tmp_path, kept_certificates=dict.fromkeys(("ann@example.com", "bob@example.com"), (issued.der,)))

    given = EncryptSMIME(also_for="Ann@example.com").run(TO_BOTH, ctx)

    assert len(enveloped(given)["recipient_infos"]) == 1
    assert decrypt(tmp_path, mail_of(given.message), issued).stdout == entity(TO_BOTH)


def test_a_mail_to_nobody_is_refused(tmp_path: Path) -> None:
    message = MESSAGE.changed(head=Letterhead(to=()))

    with pytest.raises(Refused, match=r"^The mail has no recipient in To or Cc\. Give it one\.$"):
        EncryptSMIME().run(message, surroundings(tmp_path, ANN))


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


@pytest.mark.parametrize(
    ("value", "is_found"), [(ANN.pem.decode(), True), ("ann.pem", True), ("", False), (None, False)]
)
def test_a_column_holds_the_certificate_of_each_record(tmp_path: Path, value: str | None, is_found: bool) -> None:
    (tmp_path / "ann.pem").write_bytes(ANN.pem)
    step = Step(node="EncryptSMIME", params={"certificate": "{{ certificate }}"})
    template = make_node(step, EncryptSMIME, {}, Templates())

    node = Binder.of(template, Templates()).bind({"certificate": value})
    assert isinstance(node, EncryptSMIME)
    given = node.run(MESSAGE, surroundings(tmp_path, ANN))

    assert (given.message is not None) == is_found
    assert list(template.flaws(surroundings(tmp_path))) == []


def test_the_reason_is_a_column_of_those_without_certificate(tmp_path: Path) -> None:
    incoming = {"name": Column(name="name", is_sensitive=True)}

    columns = EncryptSMIME().columns(surroundings(tmp_path), incoming)

    assert set(columns["uncertified"]) == {"name", PROBLEM}
    assert columns["uncertified"]["name"].is_sensitive
    assert EncryptSMIME().columns(surroundings(tmp_path), {}) == {}


class People(Node):
    """A source of records with a sensitive column."""

    title = "People"

    def columns(self, resources: Resources, incoming: Columns) -> dict[str, Columns]:
        names = {"name": False, "salary": True, "certificate": True}
        return {"records": {name: Column(name=name, is_sensitive=secret) for name, secret in names.items()}}

    def run(self) -> Iterator[Record]:
        yield Record(key="1", values={})


class Write(Node):
    """A draft from a record."""

    title = "Write"
    declares_needs = True

    text: PerItem[str] = ""

    def run(self, record: Record) -> Message:
        return MESSAGE


class Post(Node):
    """Sends whatever mail it gets."""

    title = "Post"
    declares_needs = True
    leaves = True

    def run(self, message: Message | SealedMessage) -> None:
        return None


def problems_of(folder: Path, *wires: str, other_text: str = "") -> list[str]:
    """What the check says of a flow in which a salary is written, encrypted and sent."""
    steps = {
        "people": {"node": "People"},
        "write": {"node": "Write", "params": {"text": "{{ salary }}"}},
        "encrypt": {"node": "EncryptSMIME", "params": {"certificate": "{{ certificate }}"}},
        "other": {"node": "Write", "params": {"text": other_text}},
        "post": {"node": "Post"},
    }
    used = {end.split(".")[0] for wire in wires for end in wire.split(" -> ")}
    flow = Flow.model_validate(
        {
            "id": "payslips",
            "name": "Payslips",
            "steps": {name: step for name, step in steps.items() if name in used},
            "wires": [dict(zip(("from", "to"), wire.split(" -> "), strict=True)) for wire in wires],
        }
    )
    classes = {one.__name__: one for one in (People, Write, EncryptSMIME, Post)}
    return [one.code for one in check(flow, classes, surroundings(folder)) if one.severity == "error"]


WRITTEN = ("people.records -> write.record", "write.message -> encrypt.message")
REST = ("encrypt.uncertified -> other.record", "other.message -> post.message")


def test_what_is_sensitive_may_leave_after_it(tmp_path: Path) -> None:
    assert problems_of(tmp_path, *WRITTEN[:1], "write.message -> post.message") == ["sensitive-in-clear"]
    assert problems_of(tmp_path, *WRITTEN, "encrypt.message -> post.message") == []


def test_those_without_certificate_can_be_written_to_but_not_of_what_is_sensitive(tmp_path: Path) -> None:
    assert problems_of(tmp_path, *WRITTEN, *REST, other_text="{{ name }}: {{ problem }}") == []
    assert problems_of(tmp_path, *WRITTEN, *REST, other_text="{{ salary }}") == ["sensitive-in-clear"]


def test_the_unencrypted_mail_has_no_way_out(tmp_path: Path) -> None:
    assert problems_of(tmp_path, *WRITTEN, "encrypt.uncertified -> post.message") == ["type-mismatch"]


def test_its_examples_are_valid() -> None:
    for one in EncryptSMIME.examples:
        EncryptSMIME.model_validate(one)
