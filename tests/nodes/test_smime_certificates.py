from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from postwerk.engine import (
    ConfigError,
    Mailbox,
    Refused,
)
from postwerk.nodes.smime.encrypt import EncryptSMIME

from tests.certificates import Issued, bundle
from tests.nodes.encrypted_mails import (
    ANN,
    BOB,
    EVE,
    MESSAGE,
    ROOT,
    decrypt,
    mail_of,
    refusal,
    surroundings,
)
from tests.surroundings import NOW, Surroundings


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


def test_a_certificate_that_is_replaced_in_its_file_is_found_after_some_seconds(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "ann.pem").write_bytes(ROOT.issue("ann@example.com", usage="sign").pem)
    node, ctx = EncryptSMIME(folder="certs"), surroundings(tmp_path)

    before = node.run(MESSAGE, ctx)
    (tmp_path / "certs" / "ann.pem").write_bytes(ANN.pem)
    ctx.now += timedelta(seconds=10)
    after = node.run(MESSAGE, ctx)

    assert "is not for encryption" in refusal(before)
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
        ("Müller" * 50, r"^The text in the record is of no use: This holds no certificate\."),
        ("-----BEGIN CERTIFICATE-----\nMIIB", r"^The text in the record is of no use: .* or a damaged one"),
    ],
)
def test_a_cell_that_is_of_no_use_is_refused(tmp_path: Path, cell: str, said: str) -> None:
    (tmp_path / "notes.txt").write_text("Notizen")

    with pytest.raises(Refused, match=said) as caught:
        EncryptSMIME(certificate=cell).run(MESSAGE, surroundings(tmp_path))

    assert caught.value.field == "certificate"
