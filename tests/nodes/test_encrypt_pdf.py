"""EncryptPDF: what foreign programs need to open the result, and what is refused."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path
from typing import Any

import pikepdf
import pypdf
import pytest
from pikepdf import Encryption
from postwerk.engine import Document, Flaw, Record, Refused
from postwerk.nodes.pdf.encrypt_pdf import EncryptPDF
from postwerk.nodes.pdf.fill_pdf import FillPDF
from postwerk.nodes.pdf.opening import MAX_BYTES
from pydantic import SecretStr

from tests.foreign import call
from tests.nodes.pdf_forms import FormMaker, pdf_bytes
from tests.nodes.test_fill_pdf import signed_form, text_of
from tests.surroundings import Surroundings


def letter(text: str = "Sehr geehrte Frau Müller") -> FormMaker:
    maker = FormMaker()
    maker.text(100, 700, text)
    maker.text_field("Name", (100, 600, 300, 620))
    return maker


def document(content: bytes | None = None) -> Document:
    return Document(name="Brief.pdf", content=content or letter().content(), media_type="application/pdf")


def lock(password: str, content: bytes | None = None, **settings: Any) -> Document:
    """As the runtime calls it: the expression is a plain password by then."""
    node = EncryptPDF(password="{{ password }}", **settings)
    return node.model_copy(update={"password": SecretStr(password)}).run(document(content))


def opens(locked: Document, folder: Path, password: str) -> bool:
    """Whether qpdf opens it with this password, and finds nothing wrong inside."""
    (folder / "locked.pdf").write_bytes(locked.content)
    return call("qpdf", f"--password={password}", "--check", folder / "locked.pdf").returncode == 0


def lock_of(locked: Document, folder: Path, password: str) -> str:
    (folder / "locked.pdf").write_bytes(locked.content)
    return call("qpdf", f"--password={password}", "--show-encryption", folder / "locked.pdf").stdout.decode()


# The lock


def test_the_document_opens_with_its_password_and_with_no_other(tmp_path: Path) -> None:
    locked = lock("Geheim-4711")

    assert opens(locked, tmp_path, "Geheim-4711")
    assert not any(opens(locked, tmp_path, wrong) for wrong in ("", "geheim-4711", "Geheim-471", "Geheim-47110"))


def test_it_is_locked_with_aes_256(tmp_path: Path) -> None:
    shown = lock_of(lock("Geheim-4711"), tmp_path, "Geheim-4711")

    assert "R = 6" in shown
    assert [line for line in shown.splitlines() if "method" in line] == [
        f"{what} encryption method: AESv3" for what in ("stream", "string", "file")
    ]


def test_what_it_says_is_what_was_put_in(tmp_path: Path) -> None:
    (tmp_path / "locked.pdf").write_bytes(lock("Geheim-4711").content)

    assert (
        "Sehr geehrte Frau Müller"
        in call("pdftotext", "-upw", "Geheim-4711", tmp_path / "locked.pdf", "-").stdout.decode()
    )


def test_nothing_readable_is_left_outside_of_the_lock() -> None:
    maker = letter()
    maker.pdf.docinfo["/Title"] = "Abrechnung Müller"

    locked = lock("Geheim-4711", maker.content())

    assert not any(word in locked.content for word in (b"Abrechnung", b"geehrte", b"Helvetica", b"/Name"))


def test_the_name_and_the_type_of_the_document_stay() -> None:
    locked = lock("Geheim-4711")

    assert (locked.name, locked.media_type) == ("Brief.pdf", "application/pdf")


def test_the_recipients_password_is_not_the_owners() -> None:
    with pikepdf.open(io.BytesIO(lock("Geheim-4711").content), password="Geheim-4711") as pdf:
        assert pdf.user_password_matched
        assert not pdf.owner_password_matched


def test_no_two_documents_share_a_key() -> None:
    keys = set()
    for _ in range(3):
        with pikepdf.open(io.BytesIO(lock("Geheim-4711").content), password="Geheim-4711") as pdf:
            keys.add(pdf.encryption.encryption_key)

    assert len(keys) == 3


def test_the_recipient_may_print_and_copy_but_not_change(tmp_path: Path) -> None:
    shown = lock_of(lock("Geheim-4711"), tmp_path, "Geheim-4711")

    assert allowed(shown) == {
        "extract for any purpose",
        "extract for accessibility",
        "print low resolution",
        "print high resolution",
    }


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"allow_printing": False, "allow_copying": False}, set()),
        ({"allow_printing": False, "allow_copying": False, "allow_filling": True}, {"modify forms"}),
        (
            {"allow_printing": False, "allow_copying": False, "allow_changes": True},
            {"modify forms", "modify annotations", "modify other", "modify anything", "modify document assembly"},
        ),
    ],
)
def test_the_permissions_are_those_of_the_step(tmp_path: Path, settings: dict[str, Any], expected: set[str]) -> None:
    shown = lock_of(lock("Geheim-4711", **settings), tmp_path, "Geheim-4711")

    assert allowed(shown) == {"extract for accessibility", *expected}


def allowed(shown: str) -> set[str]:
    return {line.partition(":")[0] for line in shown.splitlines() if line.endswith(": allowed")}


def test_a_filled_form_can_be_locked(tmp_path: Path) -> None:
    (tmp_path / "form.pdf").write_bytes(letter().content())
    fill = FillPDF(form="form.pdf", fields={"Name": "Jürgen Łukasz"}, name="Brief.pdf")

    filled = fill.run(Record(key="1", values={}), Surroundings(tmp_path))
    locked = lock("Geheim-4711", filled.content)

    assert opens(locked, tmp_path, "Geheim-4711")
    reader = pypdf.PdfReader(io.BytesIO(locked.content), password="Geheim-4711")
    assert reader.get_fields()["Name"]["/V"] == "Jürgen Łukasz"  # type: ignore[index]
    assert "Jürgen" in text_of(filled)


# Passwords in all scripts


@pytest.mark.parametrize("password", ["Müßiggang", "Łódź 7", "пароль", "日本語だ", "x" * 127, "naïve café"])
def test_letters_of_all_scripts_open_the_document_as_they_are_typed(tmp_path: Path, password: str) -> None:
    locked = lock(password)

    assert opens(locked, tmp_path, password)
    assert pypdf.PdfReader(io.BytesIO(locked.content)).decrypt(password) == pypdf.PasswordType.USER_PASSWORD


@pytest.mark.parametrize(
    ("in_the_table", "typed"),
    [
        (unicodedata.normalize("NFD", "Müller"), "Müller"),
        ("Haus\u00a0Boot", "Haus Boot"),
        ("Schiff\u00adfahrt", "Schifffahrt"),
        ("ﬁsch-7", "fisch-7"),
        ("\uff14\uff17\uff11\uff11", "4711"),
    ],
)
def test_what_looks_alike_opens_alike(tmp_path: Path, in_the_table: str, typed: str) -> None:
    assert opens(lock(in_the_table), tmp_path, typed)


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "is empty. Give each recipient one"),
        ("abc", "has fewer than 4 characters"),
        ("x" * 128, "is longer than the 127 bytes"),
        ("ä" * 64, "is longer than the 127 bytes"),
        (" geheim", "begins or ends with a space"),
        ("geheim\n", "begins or ends with a space or a line break"),
        ("geh\x07eim", "holds at place 4 a character"),
        ("geheim😀", "holds at place 7 a character"),
        ("abc\u05d0\u05d1", "mixes letters"),
        ("\u00ad\u200b\u200d\ufeff", "has fewer than 4 characters"),
    ],
)
def test_a_password_that_would_not_open_everywhere_is_refused(password: str, words: str) -> None:
    with pytest.raises(Refused, match=f"^The password .*{words}") as error:
        lock(password)

    assert error.value.field == "password"
    assert not password or password not in error.value.message


def test_the_fewest_characters_can_be_set() -> None:
    assert lock("1", min_length=1)
    with pytest.raises(Refused, match="has fewer than 12 characters"):
        lock("elf Zeichen", min_length=12)


def test_the_password_is_in_no_representation_of_the_step() -> None:
    node = EncryptPDF(password="{{ password }}").model_copy(update={"password": SecretStr("Geheim-4711")})

    assert "Geheim" not in repr(node) + str(node) + node.model_dump_json()


def test_a_failure_does_not_tell_the_password() -> None:
    with pytest.raises(Refused) as error:
        lock("Geheim-4711", b"%PDF-1.7 nothing")

    assert "Geheim" not in repr(error.value) + str(error.value.__dict__)


# What can't be locked


def test_a_document_that_is_no_pdf_is_refused() -> None:
    with pytest.raises(Refused, match=r"^'Brief\.pdf' is no PDF: it does not begin with '%PDF-'"):
        lock("Geheim-4711", b"PK\x03\x04")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.97])
def test_a_damaged_document_is_refused_and_not_sent_in_part(part: float) -> None:
    content = letter().content()

    with pytest.raises(Refused, match=r"^'Brief\.pdf' is damaged: "):
        lock("Geheim-4711", content[: int(len(content) * part)])


@pytest.mark.parametrize("user", ["", "anders"])
def test_a_locked_document_is_refused(user: str) -> None:
    content = pdf_bytes(letter().finished(), encryption=Encryption(owner="chef", user=user, R=6))

    with pytest.raises(Refused, match=r"^'Brief\.pdf' is locked already, so its permissions are someone else's"):
        lock("Geheim-4711", content)


def test_a_signed_document_is_refused() -> None:
    with pytest.raises(Refused, match=r"^'Brief\.pdf' is signed, and any change breaks the signature"):
        lock("Geheim-4711", signed_form())


def test_a_text_about_signatures_is_not_a_signature() -> None:
    assert lock("Geheim-4711", pdf_bytes(letter("/ByteRange").finished(), compress_streams=False) + b"\n% /ByteRange\n")


def test_a_document_that_is_too_large_is_refused() -> None:
    with pytest.raises(Refused, match=r"has 100,000,001 bytes\. The most"):
        lock("Geheim-4711", b"%PDF-1.7\n".ljust(MAX_BYTES + 1))


# While the flow is edited


@pytest.mark.parametrize("password", ["geheim", "{{ 'geheim' }}", "{% if true %}geheim{% endif %}"])
def test_a_password_in_the_flow_is_a_flaw(tmp_path: Path, password: str) -> None:
    [flaw] = EncryptPDF(password=password).flaws(Surroundings(tmp_path))

    assert isinstance(flaw, Flaw)
    assert flaw.field == "password"
    assert "is written into the flow" in flaw.message
    assert "geheim" not in flaw.message


@pytest.mark.parametrize(
    "password", ["{{ pdf_password }}", '{{ record["Passwort"] }}', "PW-{{ customer_no }}", "{{ inputs.pw }}"]
)
def test_a_password_from_outside_has_no_flaws(tmp_path: Path, password: str) -> None:
    assert list(EncryptPDF(password=password).flaws(Surroundings(tmp_path))) == []


def test_it_locks_what_is_sensitive() -> None:
    assert EncryptPDF.locks


@pytest.mark.parametrize("example", EncryptPDF.examples)
def test_the_examples_are_good_parameters(example: dict[str, Any]) -> None:
    assert EncryptPDF(**example)
