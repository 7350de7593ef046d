"""Somebody else's programs look at every mail of a run over 300 rows with nasty data.

openssl verifies and decrypts, qpdf and pdftotext open the forms, Python's and a Rust parser read the mails. The run is
done once; each test looks at all 600 mails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.utils import parseaddr
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from subprocess import CompletedProcess
from typing import TypeVar

import pytest
from asn1crypto import cms  # type: ignore[import-untyped]  # it ships no types

from ..engine.mails import assert_fits_the_wire, body, normal, read, read_foreign, shape
from ..foreign import call, needs
from .conftest import add_account
from .nasty_mailing import BY_CURVE, BY_RSA, ROOT, SENDER, TERMS, Mailing, mailed
from .nasty_rows import COUNT, Row
from .post_office import post_office
from .program import Program

Given = TypeVar("Given")
Found = TypeVar("Found")

TOKEN = re.compile(rb"T[0-9a-f]{16}")
OUTSIDE = " \u200b\ufeff"
"""What nobody sees at the edge of a name, and what is left out there."""
AT_ONCE = 4


@dataclass(frozen=True)
class Letter:
    """A mail or entity, read by the parser of the standard library."""

    content: bytes

    @cached_property
    def mail(self) -> EmailMessage:
        return read(self.content)

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Attached files and inline images by their names, without the signature."""
        named = {str(part.get_filename()): decoded(part) for part in self.mail.walk() if part.get_filename()}
        return {name: content for name, content in named.items() if name != "smime.p7s"}

    def part(self, kind: str) -> str:
        """The text or the HTML that a reader sees."""
        return body(self.mail.get_body((kind,)))

    def recipient(self) -> tuple[str, str]:
        """Name and address in To. The newer parser of the library leaves spaces between encoded words of a name."""
        header = BytesHeaderParser().parsebytes(self.content)["To"]
        name, address = parseaddr(" ".join(header.splitlines()))
        return str(make_header(decode_header(name))), address

    def places(self) -> Iterator[bytes]:
        """Wherever something could be read."""
        yield self.content
        for part in self.mail.walk():
            yield from (f"{name}: {value}".encode() for name, value in part.items())
            yield str(part.get_filename()).encode()
            yield decoded(part)


@dataclass(frozen=True)
class Opened:
    """A customer's two mails, and what foreign programs make of them."""

    row: Row
    signed: Letter
    outside: Letter
    """The encrypted mail as it arrived."""
    secret: Letter
    """The MIME entity that openssl found in it."""
    form: Path
    """The locked form, as it was attached."""
    form_text: str
    unlocked: bytes
    """The form as qpdf unlocks it, nothing compressed."""

    @cached_property
    def everything(self) -> bytes:
        """All that could be seen: raw mails, each part decoded, each header, file names, the form locked and open."""
        letters = (self.signed, self.outside, self.secret)
        return b"\n".join(
            (*(place for letter in letters for place in letter.places()), self.unlocked, self.form_text.encode())
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("foreign")


@pytest.fixture(scope="module")
def mailing(folder: Path) -> Mailing:
    for program in ("openssl", "qpdf", "pdftotext"):
        needs(program)
    postwerk = Program(folder / "workspace")
    with post_office() as office:
        assert postwerk("init", postwerk.workspace).code == 0
        add_account(postwerk, "office", office.port)
        return mailed(postwerk, office, folder / "flow")


@pytest.fixture(scope="module")
def opened(folder: Path, mailing: Mailing) -> tuple[Opened, ...]:
    """Each customer's mails, opened with what that customer has: key and password."""
    (folder / "root.pem").write_bytes(ROOT.pem)
    for row in mailing.rows:
        _lay_out(folder, mailing, row)
    return at_once(mailing.rows, lambda row: _opened(folder, mailing, row))


def _lay_out(folder: Path, mailing: Mailing, row: Row) -> None:
    person = mailing.people[row.number]
    (folder / f"{row.number}.eml").write_bytes(mailing.signed[row.number].content)
    (folder / f"{row.number}.secret.eml").write_bytes(mailing.secret[row.number].content)
    (folder / f"{row.number}.cert.pem").write_bytes(person.pem)
    (folder / f"{row.number}.key.pem").write_bytes(person.key_pem())


def _opened(folder: Path, mailing: Mailing, row: Row) -> Opened:
    signed, outside = Letter(mailing.signed[row.number].content), Letter(mailing.secret[row.number].content)
    form = folder / f"{row.number}.pdf"
    form.write_bytes(signed.files[row.file_name])
    text = call("pdftotext", "-layout", "-upw", row.typed_password, form, "-")
    plain = call("qpdf", f"--password={row.typed_password}", "--decrypt", "--qdf", form, "-")
    decrypted = decrypt(folder, row, row)
    assert (text.returncode, plain.returncode, decrypted.returncode) == (0, 0, 0), (row, text.stderr, plain.stderr)
    return Opened(row, signed, outside, Letter(decrypted.stdout), form, text.stdout.decode(), plain.stdout)


def at_once(given: Iterable[Given], look: Callable[[Given], Found]) -> tuple[Found, ...]:
    """Foreign programs are waited for in threads."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(pool.map(look, given))


def decoded(part: EmailMessage) -> bytes:
    """A part's bytes without their transfer encoding; of a multipart there are none of its own."""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def decrypt(folder: Path, mail: Row, whose: Row) -> CompletedProcess[bytes]:
    return call(
        "openssl", "cms", "-decrypt", "-in", folder / f"{mail.number}.secret.eml",
        "-recip", folder / f"{whose.number}.cert.pem", "-inkey", folder / f"{whose.number}.key.pem",
    )  # fmt: skip


def verify(folder: Path, mail: Path, *, signer: Path) -> CompletedProcess[bytes]:
    """What openssl says of a signature when it knows the root alone."""
    return call(
        "openssl", "cms", "-verify", "-purpose", "smimesign", "-CAfile", folder / "root.pem", "-signer", signer,
        "-in", mail,
    )  # fmt: skip


def neighbours(opened: tuple[Opened, ...]) -> list[tuple[Opened, Opened]]:
    """Each customer with the next one."""
    return list(zip(opened, (*opened[1:], opened[0]), strict=True))


def test_each_row_became_two_mails_in_its_own_envelope(mailing: Mailing) -> None:
    assert mailing.report["mails"] == {"sent": 2 * COUNT}
    assert mailing.report["totals"]["endings"] == {"done": COUNT, "failed": 0}
    assert mailing.report["failures"] == []
    assert len({mail.recipients for mail in mailing.signed.values()}) == COUNT


def test_openssl_accepts_every_signature_by_rsa(folder: Path, mailing: Mailing, opened: tuple[Opened, ...]) -> None:
    def look(one: Opened) -> CompletedProcess[bytes]:
        number = one.row.number
        return verify(folder, folder / f"{number}.eml", signer=folder / f"{number}.signer.pem")

    results = at_once(opened, look)

    assert [done.stderr for done in results if done.returncode] == []
    signers = {(folder / f"{row.number}.signer.pem").read_bytes() for row in mailing.rows}
    assert signers == {BY_RSA.pem}


def test_openssl_accepts_every_signature_on_a_curve_within_the_encryption(
    folder: Path, opened: tuple[Opened, ...]
) -> None:
    def look(one: Opened) -> CompletedProcess[bytes]:
        mail = folder / f"{one.row.number}.opened.eml"
        mail.write_bytes(one.secret.content)
        return verify(folder, mail, signer=folder / f"{one.row.number}.signer2.pem")

    results = at_once(opened, look)

    assert [done.stderr for done in results if done.returncode] == []
    assert {(folder / f"{one.row.number}.signer2.pem").read_bytes() for one in opened} == {BY_CURVE.pem}


def test_only_its_recipient_opens_an_encrypted_mail(folder: Path, mailing: Mailing, opened: tuple[Opened, ...]) -> None:
    results = at_once(neighbours(opened), lambda pair: decrypt(folder, pair[0].row, pair[1].row))

    assert [done.returncode for done in results if done.returncode == 0] == []
    for one in opened:
        envelope = cms.ContentInfo.load(decoded(one.outside.mail))["content"]
        assert len(envelope["recipient_infos"]) == 1
        assert envelope["encrypted_content_info"]["content_encryption_algorithm"].encryption_cipher == "aes"
        assert envelope["encrypted_content_info"]["content_encryption_algorithm"].key_length == 32


def test_qpdf_opens_a_form_with_its_own_password_and_no_other(opened: tuple[Opened, ...]) -> None:
    def check(form: Path, password: str) -> CompletedProcess[bytes]:
        return call("qpdf", f"--password={password}", "--check", form)

    own = at_once(opened, lambda one: check(one.form, one.row.typed_password))
    others = at_once(neighbours(opened), lambda pair: check(pair[0].form, pair[1].row.typed_password))
    none = at_once(opened, lambda one: check(one.form, ""))

    assert [done.stdout + done.stderr for done in own if done.returncode] == []
    assert all(b"R = 6" in done.stdout and b"AESv3" in done.stdout for done in own), "AES-256"
    assert {done.returncode for done in (*others, *none)} == {2}
    assert all(b"invalid password" in done.stderr for done in (*others, *none))


def test_pdftotext_finds_the_values_of_the_row(opened: tuple[Opened, ...]) -> None:
    for one in opened:
        row, shown = one.row, re.sub(r"\s+", " ", one.form_text)
        assert row.number in re.sub(r"\s", "", one.form_text), "in cells, a digit each"
        for value in (row.form_name, row.money, f"{row.due:%d.%m.%Y}", row.token, row.iban):
            assert re.sub(r"\s+", " ", value) in shown, (row.number, value)
        assert ("\N{CHECK MARK}" in shown or "✔" in shown or "4" in one.form_text) or not row.is_paid


def test_two_parsers_find_text_html_image_and_files(mailing: Mailing, opened: tuple[Opened, ...]) -> None:
    for one in opened:
        form = one.form.read_bytes()
        files = {one.row.file_name: form, TERMS: mailing.terms, "Logo Müller.png": mailing.logo}
        for letter in (one.signed, one.secret):
            found = read_foreign(letter.content)
            foreign_files = {file.filename: bytes(file.content) for file in found.attachments}

            assert shape(letter.mail) == (
                "signed",
                ("mixed", ("alternative", "plain", ("related", "html", "png")), "pdf", "plain"),
                "pkcs7-signature",
            )
            assert letter.files == files
            assert files.items() <= foreign_files.items()
            assert [normal(text) for text in found.text_plain] == [letter.part("plain")]
            assert [normal(html) for html in found.text_html] == [letter.part("html")]


def test_a_reader_sees_the_very_values_of_the_row(opened: tuple[Opened, ...]) -> None:
    for one in opened:
        row, name = one.row, f"{one.row.first_name} {one.row.last_name}"
        expected = (
            f"Guten Tag {name},\n\n"
            f"Ihre Kundennummer ist {row.number}, Ihr Zeichen {row.token}.\n"
            f"Bitte zahlen Sie {row.money} bis zum {row.due:%d.%m.%Y}.\nNotiz: {row.text}\nEnde {row.token}"
        )
        for letter in (one.signed, one.secret):
            page = Page.of(letter.part("html"))

            assert letter.part("plain") == expected
            assert page.texts["name"] == page.titles["name"] == name
            assert page.texts["note"] == row.text
            assert (page.texts["token"], page.texts["amount"]) == (row.token, row.money)
            assert page.tags == ["html", "body", "p", "img", "p", "b", "p", "i", "i", "pre"], "no cell makes a tag"


class Page(HTMLParser):
    """HTML as a browser takes it: tags in order, and the text of those with an id."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.titles: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.inside = ""

    @classmethod
    def of(cls, html: str) -> Page:
        page = cls()
        page.feed(html)
        page.close()
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.inside = given.get("id") or ""
        self.texts[self.inside] = ""
        self.titles[self.inside] = given.get("title") or ""

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        self.texts[self.inside] = self.texts.get(self.inside, "") + data


def test_headers_say_whom_the_mail_is_for(opened: tuple[Opened, ...]) -> None:
    for one in opened:
        row = one.row
        for letter in (one.signed, one.outside):
            mail = letter.mail
            assert letter.recipient() == (f"{row.first_name} {row.last_name}".strip(OUTSIDE), row.envelope)
            assert (mail["From"].addresses[0].addr_spec, mail["X-Zeichen"]) == (SENDER, row.token)
            assert len(mail.get_all("Message-ID", [])) == len(mail.get_all("Date", [])) == 1
        assert one.signed.mail["Subject"] == f"Ihre Rechnung {row.token} für {row.first_name}".strip()
        assert one.outside.mail["Subject"] == f"Vertraulich {row.token} für {row.last_name}".strip()


def test_every_mail_keeps_to_the_wire(mailing: Mailing) -> None:
    for mail in (*mailing.signed.values(), *mailing.secret.values()):
        assert_fits_the_wire(mail.content)


def test_no_value_of_one_row_is_in_the_mail_of_another(opened: tuple[Opened, ...]) -> None:
    for one in opened:
        assert set(TOKEN.findall(one.everything)) == {one.row.token.encode()}


def test_no_password_is_anywhere_in_clear(mailing: Mailing, opened: tuple[Opened, ...]) -> None:
    for one in opened:
        for written in {one.row.pdf_password, one.row.typed_password}:
            assert written not in mailing.told
            for coding in ("utf-8", "utf-16-le", "utf-16-be", "latin-1"):
                assert written.encode(coding, "replace") not in one.everything
