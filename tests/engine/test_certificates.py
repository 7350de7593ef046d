from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import cms  # type: ignore[import-untyped]  # it ships no types
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from postwerk.engine import Refused
from postwerk.engine.certificates import load_certificates, read_certificate

from tests.certificates import FAR_AHEAD, LONG_AGO, Authority, KeyKind, Usage, bundle

ROOT = Authority()
ANN = ROOT.issue("ann@example.com")
BOB = ROOT.issue("bob@example.com", key="p256", name="Bob")
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_certificate_file_gives_its_certificate(encoding: Encoding) -> None:
    assert load_certificates(ANN.certificate.public_bytes(encoding)) == (ANN.der,)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_p7b_bundle_gives_all_its_certificates(encoding: Encoding) -> None:
    found = load_certificates(bundle(ANN.certificate, BOB.certificate, encoding=encoding))

    assert sorted(found) == sorted((ANN.der, BOB.der))


def test_a_bundle_in_the_loose_encoding_of_old_programs_is_read() -> None:
    """BER, whose outer lengths are left open, where DER is asked for."""
    content_info = cms.ContentInfo.load(bundle(ANN.certificate))
    signed_data = b"\x30\x80" + content_info["content"].contents + b"\0\0"
    loose = b"\x30\x80" + content_info["content_type"].dump() + b"\xa0\x80" + signed_data + b"\0\0" * 2

    assert load_certificates(loose) == (ANN.der,)


def test_a_pem_bundle_gives_each_certificate_once() -> None:
    content = b"subject=CN = Ann\n" + ANN.pem + b"\xef\xbb\xbf" + BOB.pem + ANN.pem + ANN.key_pem()

    assert load_certificates(content) == (ANN.der, BOB.der)


def test_a_certificate_is_read_as_cells_and_shells_spoil_it() -> None:
    one_line = ANN.pem.replace(b"\n", b" ")
    windows = ANN.pem.replace(b"\n", b"\r\n")
    powershell = ANN.pem.decode().encode("utf-16")
    bare = base64.b64encode(ANN.der)

    for content in (one_line, windows, powershell, bare):
        assert load_certificates(content) == (ANN.der,)


@pytest.mark.parametrize(
    ("content", "instead"),
    [
        (b"", ""),
        (b"%PDF-1.7", ""),
        (ANN.key_pem(), ", but a private key"),
        (ANN.as_p12("geheim"), r", but somebody's private key with its certificates \(PFX or P12\)"),
        (ANN.pem[:400], " or a damaged one"),
    ],
)
def test_a_file_without_certificates_is_refused_and_told_apart(content: bytes, instead: str) -> None:
    with pytest.raises(Refused, match=rf"^This holds no certificate{instead}\. A certificate as PEM or DER"):
        load_certificates(content)


def test_a_damaged_certificate_is_refused() -> None:
    damaged = ANN.pem.replace(b"M", b"A", 20)

    with pytest.raises(Refused, match=r"^This can't be read as a certificate: "):
        load_certificates(damaged)


def test_a_huge_file_is_refused_unread() -> None:
    with pytest.raises(Refused, match=r"^This has 10,000,001 bytes; a certificate file has at most 10,000,000\.$"):
        load_certificates(b"0" * 10_000_001)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # the library's, for a broken one
@given(st.data())
def test_whatever_is_broken_in_a_file_only_refusal_comes_of_it(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([ANN.der, ANN.pem, bundle(ANN.certificate), ANN.as_p12(None)]))
    content = bytearray(whole)
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)):
        content[place] = value
    end = data.draw(st.integers(0, len(content)))

    try:
        found = load_certificates(bytes(content[:end]))
    except Refused:
        return

    assert found


def test_what_a_certificate_says_is_read() -> None:
    found = read_certificate(BOB.der)

    assert found.subject == "CN=Bob"
    assert found.issuer == "CN=Test Root"
    assert found.addresses == ("bob@example.com",)
    assert found.key_kind == "EC secp256r1"
    assert (found.not_before, found.not_after) == (LONG_AGO, FAR_AHEAD)


def test_addresses_are_found_in_the_subject_and_in_the_alternative_names() -> None:
    old = read_certificate(ROOT.issue(("ann@example.com", "a.mueller@example.com"), in_subject=True).der)
    new = read_certificate(ROOT.issue(("ann@example.com", "a.mueller@example.com")).der)

    assert old.addresses == new.addresses == ("ann@example.com", "a.mueller@example.com")
    assert old.label.startswith("'E=a.mueller@example.com,E=ann@example.com,CN=Ann Müller'")


def test_an_address_with_umlauts_is_found() -> None:
    text = "jürgen@müller.de".encode()
    mailbox = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), bytes((0x0C, len(text))) + text)  # UTF8String
    issued = ROOT.issue("info@xn--mller-kva.de", other_names=(mailbox,))

    found = read_certificate(issued.der)

    assert found.is_for("info@müller.de")
    assert found.is_for("JÜRGEN@Müller.de".lower())
    assert not found.is_for("jurgen@müller.de")


def test_an_address_is_compared_without_regard_to_case() -> None:
    found = read_certificate(ROOT.issue("Ann.Mueller@EXAMPLE.com").der)

    assert found.is_for("ann.mueller@example.COM")
    assert not found.is_for("ann.muller@example.com")


def test_a_certificate_objects_to_dates_outside_of_its_own() -> None:
    issued = ROOT.issue("ann@example.com", not_before=NOW, not_after=NOW + timedelta(days=1))
    found = read_certificate(issued.der)

    assert found.date_objection(NOW) is None
    assert found.date_objection(NOW + timedelta(days=1)) is None
    assert found.date_objection(NOW - timedelta(seconds=1)) == "is not valid before 2026-03-02 00:00 UTC"
    assert found.date_objection(NOW + timedelta(days=1, seconds=1)) == "expired on 2026-03-03 00:00 UTC"


@pytest.mark.parametrize(
    ("usage", "kind", "signing", "encryption"),
    [
        ("both", "rsa", None, None),
        ("any", "rsa", None, None),
        ("any", "p384", None, None),
        ("both", "p256", None, None),
        ("sign", "rsa", None, "is not for encryption (its key usage is digitalSignature, not keyEncipherment)"),
        ("sign", "p256", None, "is not for encryption (its key usage is digitalSignature, not keyAgreement)"),
        ("encrypt", "rsa", "is not for signing (its key usage is keyEncipherment, not digitalSignature)", None),
        ("tls", "rsa", "is not for e-mail (its extended key usage lacks emailProtection)", "is not for encryption"),
        ("any", "ed25519", "has a key of the kind Ed25519; S/MIME signatures need RSA or EC", "has a key of the kind"),
    ],
)
def test_a_certificate_objects_to_what_its_key_is_not_for(
    usage: Usage, kind: KeyKind, signing: str | None, encryption: str | None
) -> None:
    found = read_certificate(ROOT.issue("ann@example.com", usage=usage, key=kind).der)

    assert found.signing_objection == signing
    assert (found.encryption_objection or "").startswith(encryption or "")
    assert bool(found.encryption_objection) == bool(encryption)


def test_a_name_cannot_smuggle_lines_into_a_message() -> None:
    found = read_certificate(ROOT.issue("ann@example.com", name="Ann\r\nBcc: eve@example.com\x1b[2J \u202egro").der)

    assert found.subject.isprintable()
