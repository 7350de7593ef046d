from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import pkcs12  # type: ignore[import-untyped]  # it ships no types
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from postwerk.engine import ConfigError, Identity
from postwerk.runtime.keyfiles import describe, load_certificates, load_identity

from tests.certificates import Authority, Issued, KeyKind, bundle
from tests.foreign import call

ROOT = Authority()
INTERMEDIATE = ROOT.intermediate()
ANN = INTERMEDIATE.issue("ann@example.com")
PASSPHRASE = "Schlüssel 7"


def is_whole(identity: Identity, issued: Issued) -> bool:
    """Whether it has this certificate and the key that belongs to it."""
    key = load_der_private_key(identity.key.get_secret_value(), None)
    return identity.certificate == issued.der and key.public_key() == issued.certificate.public_key()


def openssl_p12(folder: Path, issued: Issued, *options: str, passphrase: str = "geheim") -> bytes:
    (folder / "cert.pem").write_bytes(issued.pem)
    (folder / "key.pem").write_bytes(issued.key_pem())
    files = ("-in", folder / "cert.pem", "-inkey", folder / "key.pem", "-passout", f"pass:{passphrase}")
    done = call("openssl", "pkcs12", "-export", *options, *files)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384", "brainpool"])
def test_a_p12_file_gives_certificate_key_and_chain(kind: KeyKind) -> None:
    issued = INTERMEDIATE.issue("ann@example.com", key=kind)

    identity = load_identity("office", issued.as_p12(PASSPHRASE), passphrase=PASSPHRASE)

    assert identity.name == "office"
    assert is_whole(identity, issued)
    assert identity.chain == (INTERMEDIATE.certificate.public_bytes(Encoding.DER),)


def test_the_chain_begins_with_the_issuer_and_leaves_out_the_root_and_strangers() -> None:
    lower = INTERMEDIATE.intermediate("Test Sub-Intermediate")
    issued = lower.issue("ann@example.com")
    stranger = Authority("Stranger").issue("bob@example.com")

    content = issued.as_p12(PASSPHRASE, also=(ROOT.certificate, stranger.certificate))
    identity = load_identity("office", content, passphrase=PASSPHRASE)

    expected = [one.public_bytes(Encoding.DER) for one in (lower.certificate, INTERMEDIATE.certificate)]
    assert list(identity.chain) == expected


def test_two_authorities_of_the_same_name_are_told_apart_by_the_signature() -> None:
    impostor = Authority("Test Root", key="p384").intermediate("Test Intermediate", key="p384")

    content = ANN.as_p12(None, also=(impostor.certificate,))

    assert load_identity("office", content).chain == (INTERMEDIATE.certificate.public_bytes(Encoding.DER),)


@pytest.mark.parametrize("passphrase", [None, ""])
def test_a_p12_file_without_a_passphrase_is_read(passphrase: str | None) -> None:
    assert is_whole(load_identity("office", ANN.as_p12(None), passphrase=passphrase), ANN)


def test_a_p12_file_of_openssl_with_an_empty_passphrase_is_read(tmp_path: Path) -> None:
    assert is_whole(load_identity("office", openssl_p12(tmp_path, ANN, passphrase="")), ANN)


@pytest.mark.parametrize("algorithm", ["PBE-SHA1-RC2-40", "PBE-SHA1-3DES", "PBE-SHA1-RC4-128"])
def test_an_old_p12_file_is_read_where_the_machine_can(tmp_path: Path, algorithm: str) -> None:
    content = openssl_p12(tmp_path, ANN, "-legacy", "-certpbe", algorithm, "-keypbe", algorithm)

    assert is_whole(load_identity("office", content, passphrase="geheim"), ANN)


def test_for_an_outdated_lock_the_message_says_how_to_write_the_file_anew(tmp_path: Path) -> None:
    content = openssl_p12(tmp_path, ANN, "-legacy")

    with pytest.raises(ConfigError, match=r"RC2 or RC4.*write the file anew: 'openssl pkcs12 -legacy"):
        load_identity("office", content, passphrase="falsch")


def test_a_wrong_passphrase_of_a_p12_file_is_told() -> None:
    with pytest.raises(ConfigError, match=r"^The passphrase does not open the PFX or P12 file") as caught:
        load_identity("office", ANN.as_p12(PASSPHRASE), passphrase="falsch")

    assert caught.value.field == "passphrase"


def test_a_missing_passphrase_of_a_p12_file_is_told() -> None:
    with pytest.raises(ConfigError, match=r"^The PFX or P12 file is protected by a passphrase: give it\.$"):
        load_identity("office", ANN.as_p12(PASSPHRASE))


def test_a_p12_file_without_a_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_bytes(ANN.pem)
    content = call("openssl", "pkcs12", "-export", "-nokeys", "-in", tmp_path / "cert.pem", "-passout", "pass:x")

    with pytest.raises(ConfigError, match=r"^The PFX or P12 file was exported without its private key\. Give"):
        load_identity("office", content.stdout, passphrase="x")


def two_in_one(first: Issued, second: Issued, passphrase: str) -> bytes:
    """A P12 file with two people's keys, as some exports of a whole key store are."""
    safes = [
        safe for issued in (first, second) for safe in pkcs12.Pfx.load(issued.as_p12(passphrase)).authenticated_safe
    ]
    whole = {"content_type": "data", "content": pkcs12.AuthenticatedSafe(safes).dump()}
    return bytes(pkcs12.Pfx({"version": "v3", "auth_safe": whole}).dump())


@pytest.mark.parametrize("sign_first", [True, False])
def test_of_two_pairs_the_one_for_signing_is_taken(sign_first: bool) -> None:
    signing = INTERMEDIATE.issue("ann@example.com", usage="sign", owner="ann signs")
    encrypting = INTERMEDIATE.issue("ann@example.com", usage="encrypt", owner="ann reads")
    pairs = (signing, encrypting) if sign_first else (encrypting, signing)

    identity = load_identity("office", two_in_one(*pairs, "x"), passphrase="x")

    assert is_whole(identity, signing)


def test_of_two_pairs_for_signing_the_newer_is_taken() -> None:
    old = INTERMEDIATE.issue("ann@example.com", owner="ann old", not_before=datetime(2024, 1, 1, tzinfo=UTC))
    new = INTERMEDIATE.issue("Ann@Example.com", owner="ann new", not_before=datetime(2025, 1, 1, tzinfo=UTC))

    assert is_whole(load_identity("office", two_in_one(new, old, "x"), passphrase="x"), new)
    assert is_whole(load_identity("office", two_in_one(old, new, "x"), passphrase="x"), new)


def test_a_file_with_two_people_is_refused() -> None:
    bob = INTERMEDIATE.issue("bob@example.com", name="Bob")

    with pytest.raises(
        ConfigError, match=r"^The file holds several people: 'CN=Ann Müller' .*'CN=Bob'.*Export the one"
    ):
        load_identity("office", two_in_one(ANN, bob, "x"), passphrase="x")


@pytest.mark.parametrize("kind", ["rsa", "p256"])
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("layout", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_certificate_with_its_key_file_is_read(kind: KeyKind, encoding: Encoding, layout: PrivateFormat) -> None:
    issued = INTERMEDIATE.issue("ann@example.com", key=kind)
    key = issued.key.private_bytes(encoding, layout, NoEncryption())

    identity = load_identity("office", issued.certificate.public_bytes(encoding), key=key)

    assert is_whole(identity, issued)


@pytest.mark.parametrize("layout", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_protected_key_file_is_opened_with_its_passphrase(layout: PrivateFormat) -> None:
    key = ANN.key.private_bytes(Encoding.PEM, layout, BestAvailableEncryption(PASSPHRASE.encode()))

    assert is_whole(load_identity("office", ANN.pem, key=key, passphrase=PASSPHRASE), ANN)


def test_a_protected_der_key_is_opened_with_its_passphrase() -> None:
    assert is_whole(load_identity("office", ANN.der, key=ANN.key_der(PASSPHRASE), passphrase=PASSPHRASE), ANN)


def test_a_needless_passphrase_is_ignored() -> None:
    assert is_whole(load_identity("office", ANN.pem, key=ANN.key_pem(), passphrase="x"), ANN)


def test_a_wrong_passphrase_of_a_key_file_is_told() -> None:
    with pytest.raises(ConfigError, match=r"^The passphrase does not open the private key") as caught:
        load_identity("office", ANN.pem, key=ANN.key_pem(PASSPHRASE), passphrase="falsch")

    assert caught.value.field == "passphrase"


def test_a_missing_passphrase_of_a_key_file_is_told() -> None:
    with pytest.raises(ConfigError, match=r"^The private key is protected by a passphrase: give it\.$"):
        load_identity("office", ANN.pem, key=ANN.key_pem(PASSPHRASE))


def test_one_pem_file_with_key_certificate_and_chain_in_any_order_is_read() -> None:
    content = INTERMEDIATE.pem + ANN.key_pem() + ROOT.pem + ANN.pem

    identity = load_identity("office", content)

    assert is_whole(identity, ANN)
    assert identity.chain == (INTERMEDIATE.certificate.public_bytes(Encoding.DER),)


def test_a_p7b_file_with_its_key_file_is_read() -> None:
    content = bundle(ROOT.certificate, ANN.certificate, INTERMEDIATE.certificate)

    identity = load_identity("office", content, key=ANN.key_pem())

    assert is_whole(identity, ANN)
    assert len(identity.chain) == 1


def test_a_key_of_another_certificate_is_refused() -> None:
    other = INTERMEDIATE.issue("bob@example.com", key="p256")

    with pytest.raises(
        ConfigError,
        match=r"^The private key \(EC secp256r1\) belongs to none of the certificates: 'CN=Ann Müller' .* RSA 2048",
    ) as caught:
        load_identity("office", ANN.pem, key=other.key_pem())

    assert caught.value.field == "key"


def test_a_certificate_without_a_key_is_refused() -> None:
    for content in (ANN.pem, ANN.der):
        with pytest.raises(ConfigError, match=r"^The file holds no private key.*Give the key file beside"):
            load_identity("office", content)


def test_swapped_files_are_noticed() -> None:
    with pytest.raises(ConfigError, match=r"holds no certificate, but a private key.*swapped\?$"):
        load_identity("office", ANN.key_pem(), key=ANN.pem)


def test_a_key_file_beside_a_p12_file_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^A PFX or P12 file holds its key: leave the key file out\.$"):
        load_identity("office", ANN.as_p12(None), key=ANN.key_pem())


def test_a_kind_of_key_that_smime_lacks_is_refused() -> None:
    issued = INTERMEDIATE.issue("ann@example.com", key="ed25519")

    with pytest.raises(ConfigError, match=r"^The private key is of the kind Ed25519; S/MIME needs RSA or EC\.$"):
        load_identity("office", issued.pem, key=issued.key_pem())


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"\x30\x82\x01", b"-----BEGIN CERTIFICATE-----\n%%%"])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"^The certificate file is of no use: This ") as caught:
        load_identity("office", content, key=ANN.key_pem())

    assert caught.value.field == "file"


def test_a_damaged_key_is_refused() -> None:
    damaged = ANN.key_pem().replace(b"M", b"A", 40)

    with pytest.raises(ConfigError, match=r"^The private key is damaged"):
        load_identity("office", ANN.pem, key=damaged)


def test_the_facts_of_an_identity_are_those_that_openssl_tells() -> None:
    issued = INTERMEDIATE.issue("ann@example.com", not_after=datetime(2027, 5, 1, 12, tzinfo=UTC))

    facts = describe(load_identity("office", issued.as_p12(None)))

    shown = call("openssl", "x509", "-noout", "-fingerprint", "-sha256", "-enddate", "-email", data=issued.pem)
    fingerprint, end, address = shown.stdout.decode().splitlines()
    assert fingerprint == f"sha256 Fingerprint={facts.fingerprint}"
    assert end == f"notAfter={facts.not_after:%b %e %H:%M:%S %Y} GMT"
    assert (address,) == facts.addresses
    assert (facts.subject, facts.issuer) == ("CN=Ann Müller", "CN=Test Intermediate")
    assert (facts.key_kind, facts.chain_length) == ("RSA 2048", 1)


def test_an_expired_identity_is_loaded_and_its_end_is_told() -> None:
    issued = INTERMEDIATE.issue("ann@example.com", not_after=datetime(2021, 1, 1, tzinfo=UTC))

    assert describe(load_identity("office", issued.as_p12(None))).not_after == datetime(2021, 1, 1, tzinfo=UTC)


def test_an_identity_that_can_only_read_says_so() -> None:
    issued = INTERMEDIATE.issue("ann@example.com", usage="encrypt")

    facts = describe(load_identity("office", issued.as_p12(None)))

    assert facts.signing_objection == "is not for signing (its key usage is keyEncipherment, not digitalSignature)"
    assert facts.encryption_objection is None


def test_the_key_is_in_no_text_of_an_identity() -> None:
    identity = load_identity("office", ANN.as_p12(None))

    assert str(identity.key.get_secret_value()) not in repr(identity)
    assert load_certificates(ANN.pem) == (identity.certificate,)
