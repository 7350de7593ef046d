"""`postwerk demo --once`: what a newcomer gets, looked at by foreign programs."""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from postwerk.runtime.demo import CERTIFIED, EXPIRED, furnish, open_demo
from python_calamine import CalamineWorkbook

from flows.lists import make_lists
from tests.acceptance.program import Ended, Program
from tests.foreign import call

Row = dict[str, Any]


@dataclass(frozen=True)
class Demo:
    """A demo that has run once."""

    program: Program
    ended: Ended

    @property
    def folder(self) -> Path:
        return self.program.workspace

    @cached_property
    def mails(self) -> list[bytes]:
        """As they went over the wire."""
        return [path.read_bytes() for path in sorted((self.folder / "mails").rglob("*.eml"))]

    @cached_property
    def by_recipient(self) -> dict[str, list[bytes]]:
        """By the address in the header To."""
        found: dict[str, list[bytes]] = {}
        for mail in self.mails:
            [mailbox] = parsed(mail)["To"].addresses
            found.setdefault(mailbox.addr_spec, []).append(mail)
        return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    program = Program(tmp_path_factory.mktemp("demo") / "workspace")
    return Demo(program, program("demo", "--once"))


def parsed(mail: bytes) -> EmailMessage:
    found = message_from_bytes(mail, policy=SMTP)
    assert isinstance(found, EmailMessage)
    return found


def rows_of(table: make_lists.Table) -> list[Row]:
    return [dict(zip(table.header, row, strict=True)) for row in table.rows]


def employee(name: str) -> Row:
    [found] = [row for row in rows_of(make_lists.payslips()) if row["E-Mail"] == f"{name}@nordlicht.example"]
    return found


def attached_pdf(mail: EmailMessage) -> bytes:
    [content] = [part.get_content() for part in mail.walk() if part.get_content_type() == "application/pdf"]
    assert isinstance(content, bytes)
    return content


def secrets_of(rows: list[Row], *columns: str) -> Iterator[bytes]:
    """What must not be readable in any mail, as it stands in the list and as a document shows it."""
    for value in (row[column] for row in rows for column in columns):
        if isinstance(value, float):
            yield f"{value:,.2f}".translate({ord(","): ".", ord("."): ","}).encode()
        elif value is not None:
            yield from (value.encode(), value.replace(" ", "").encode())


def test_it_runs_all_three_flows_and_says_what_became_of_every_row(demo: Demo) -> None:
    assert demo.ended.code == 0, demo.ended
    table = [line.split()[:5] for line in demo.ended.out.splitlines()[1:4]]
    assert table == [
        ["invoice-mailing", "52", "48", "4", "0"],
        ["newsletter", "46", "36", "10", "0"],
        ["payslips", "44", "44", "0", "0"],
    ]
    assert len(demo.mails) == 48 + 36 + 44


def test_what_it_suggests_to_try_next_works(demo: Demo) -> None:
    commands = re.findall(r"^  \S*postwerk (.+)$", demo.ended.out, re.MULTILINE)

    assert len(commands) >= 4
    for command in commands:
        ended = demo.program(*command.split())
        assert ended.code == 0, (command, ended)


def test_the_rows_that_were_set_aside_are_written_with_their_reasons(demo: Demo) -> None:
    [report] = (demo.folder / "output").rglob("rejected rows.xlsx")

    header, *rows = CalamineWorkbook.from_path(str(report)).get_sheet_by_index(0).to_python()

    problems = {str(row[header.index("last_name")]): str(row[header.index("problem")]) for row in rows}
    assert problems.keys() == {"Bruhn", "Petersen", "Weißgerber", "Übersee"}
    for name, word in (("Bruhn", "email"), ("Petersen", "pdf_password"), ("Weißgerber", "iban"), ("Übersee", "amount")):
        assert f"Column {word!r}" in problems[name]


def test_the_signature_of_an_invoice_mail_holds(demo: Demo, tmp_path: Path) -> None:
    [mail] = demo.by_recipient["lukasz.wojcik@posteo.example"]
    (tmp_path / "mail.eml").write_bytes(mail)

    ended = call(
        "openssl", "cms", "-verify", "-in", tmp_path / "mail.eml", "-CAfile", demo.folder / "people" / "ca.pem",
        "-purpose", "smimesign", "-out", tmp_path / "content",
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    assert "Sehr geehrter Herr Wójcik" in parsed((tmp_path / "content").read_bytes()).get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_an_invoice_opens_with_the_password_of_its_row_and_with_no_other(demo: Demo, tmp_path: Path) -> None:
    rows = rows_of(make_lists.invoices())
    row, other = (next(row for row in rows if row["last_name"] == name) for name in ("Wójcik", "Möller"))
    (tmp_path / "invoice.pdf").write_bytes(attached_pdf(parsed(demo.by_recipient[row["email"]][0])))

    right = call("qpdf", f"--password={row['pdf_password']}", "--check", tmp_path / "invoice.pdf")
    wrong = call("qpdf", f"--password={other['pdf_password']}", "--check", tmp_path / "invoice.pdf")
    text = call("pdftotext", "-upw", row["pdf_password"], tmp_path / "invoice.pdf", "-").stdout.decode()

    assert right.returncode == 0, right.stderr
    assert wrong.returncode == 2
    assert b"invalid password" in wrong.stderr
    assert all(one in text for one in ("Łukasz Wójcik", row["iban"], row["invoice_no"], "89,90"))


@pytest.mark.parametrize("name", CERTIFIED[:3])
def test_an_encrypted_payslip_opens_with_its_owners_key(demo: Demo, tmp_path: Path, name: str) -> None:
    row = employee(name)
    [mail] = demo.by_recipient[row["E-Mail"]]
    (tmp_path / "mail.eml").write_bytes(mail)

    opened = call(
        "openssl", "cms", "-decrypt", "-in", tmp_path / "mail.eml", "-recip", demo.folder / "people" / f"{name}.pem"
    )
    other = call(
        "openssl",
        "cms",
        "-decrypt",
        "-in",
        tmp_path / "mail.eml",
        "-recip",
        demo.folder / "people" / f"{CERTIFIED[3]}.pem",
    )

    assert opened.returncode == 0, opened.stderr
    assert other.returncode != 0
    (tmp_path / "payslip.pdf").write_bytes(attached_pdf(parsed(opened.stdout)))
    text = call("pdftotext", tmp_path / "payslip.pdf", "-").stdout.decode()
    assert f"{row['Vorname']} {row['Nachname']}" in text
    assert row["IBAN"] in text


def test_who_has_no_valid_certificate_gets_the_document_locked(demo: Demo, tmp_path: Path) -> None:
    row = employee(EXPIRED)
    [mail] = demo.by_recipient[row["E-Mail"]]
    (tmp_path / "payslip.pdf").write_bytes(attached_pdf(parsed(mail)))

    text = call("pdftotext", "-upw", row["PDF-Passwort"], tmp_path / "payslip.pdf", "-").stdout.decode()
    [report] = (demo.folder / "output").rglob("without certificate.xlsx")

    assert row["IBAN"] in text
    _, *lines = CalamineWorkbook.from_path(str(report)).get_sheet_by_index(0).to_python()
    assert len(lines) == 44 - len(CERTIFIED)
    assert [line for line in lines if row["E-Mail"] in line and "expired" in str(line[-1])]


def test_every_employee_gets_one_mail_and_those_with_certificates_an_encrypted_one(demo: Demo) -> None:
    for row in rows_of(make_lists.payslips()):
        kinds = [parsed(mail).get_content_type() for mail in demo.by_recipient[row["E-Mail"]]]
        is_certified = row["E-Mail"].split("@")[0] in CERTIFIED
        assert kinds == ["application/pkcs7-mime" if is_certified else "multipart/signed"]


def test_nothing_sensitive_is_readable_in_any_mail(demo: Demo) -> None:
    """All parts are looked at as they came, and with their transfer encodings undone."""
    readable = [
        content
        for mail in demo.mails
        for content in (mail, *(part.get_payload(decode=True) for part in parsed(mail).walk()))
        if isinstance(content, bytes)
    ]

    secrets = {*secrets_of(rows_of(make_lists.invoices()), "iban", "pdf_password")}
    secrets |= {*secrets_of(rows_of(make_lists.payslips()), "Brutto", "Steuern", "Netto", "IBAN", "PDF-Passwort")}

    assert len(secrets) > 350
    assert [one for one in secrets for content in readable if one in content] == []
    assert any(b"2026-1181" in content for content in readable), "the search finds what is readable"
    documents = [content for content in readable if content.startswith(b"%PDF")]
    assert len(documents) == 48 + 44 - len(CERTIFIED)
    for content in documents:
        with pytest.raises(pikepdf.PasswordError):
            pikepdf.open(BytesIO(content))


def test_a_newsletter_can_be_left_with_one_click_and_brings_its_pictures(demo: Demo) -> None:
    [mail] = [one for one in demo.by_recipient["m.stoss@lesezeichen.example"] if b"List-Id" in one]

    letter = parsed(mail)

    [row] = [row for row in rows_of(make_lists.subscribers()) if row["Nachname"] == "Stoß"]
    assert f"<https://news.nordlicht.example/unsubscribe/{row['Abmeldecode']}>" in letter["List-Unsubscribe"]
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "Guten Tag Frau Stoß," in letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    html = letter.get_body(("html",)).get_content()  # type: ignore[union-attr]
    images = {str(part["Content-ID"]).strip("<>") for part in letter.walk() if part.get_content_type() == "image/png"}
    assert set(re.findall(r'src="cid:([^"]+)"', html)) == images
    assert len(images) == 2


def test_the_newsletter_goes_to_nobody_who_has_not_agreed_or_has_left(demo: Demo) -> None:
    letters = [parsed(mail) for mail in demo.mails if b"List-Id" in mail]
    silent = [row for row in rows_of(make_lists.subscribers()) if row["Newsletter"] != "ja" or row["Abgemeldet am"]]

    assert len(silent) == 10
    assert not [row for row in silent for letter in letters if row["E-Mail"] in str(letter["To"])]


def test_private_keys_can_be_read_by_their_owner_alone(demo: Demo) -> None:
    keys = [
        path for path in (demo.folder / "people").iterdir() if path.suffix in (".pem", ".p12") and path.name != "ca.pem"
    ]

    assert len(keys) == 2 * (len(CERTIFIED) + 1)
    assert {path.stat().st_mode & 0o077 for path in keys} == {0}


def test_a_second_demo_in_the_same_folder_keeps_what_was_changed(demo: Demo, tmp_path: Path) -> None:
    program = Program(tmp_path / "again")
    assert program("demo", "--once").code == 0
    template = program.workspace / "flows" / "payslips" / "signature.txt"
    template.write_text("Meine Signatur\n", "utf-8")
    (program.workspace / "flows" / "newsletter" / "logo.png").unlink()
    keys = (program.workspace / "people" / "ca.pem").read_bytes()

    again = program("demo", "--once")

    assert again.code == 0, again
    assert template.read_text("utf-8") == "Meine Signatur\n"
    assert (program.workspace / "people" / "ca.pem").read_bytes() == keys
    with sqlite3.connect(program.workspace / "postwerk.db") as store:
        assert store.execute("select count(*) from runs").fetchone() == (6,)
    store.close()


def test_the_sandbox_stays_open_for_further_runs_until_it_is_ended(tmp_path: Path) -> None:
    program = Program(tmp_path / "open")
    with program.started("demo") as process:
        assert process.stderr is not None
        assert any("The mail sandbox is open on 127.0.0.1:" in line for line in process.stderr)

        run = program("run", "newsletter", "--limit", "3")
        process.send_signal(signal.SIGINT)

        assert process.wait(20) == 0
    assert run.code == 0, run
    assert len(list((program.workspace / "mails").iterdir())) == 48 + 36 + 44 + 3


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    program = Program(tmp_path / "mine")
    program.workspace.mkdir()
    (program.workspace / "letter.txt").write_text("mine", "utf-8")

    ended = program("demo", "--once")

    assert ended.code == 1
    assert "is there already and is no workspace of the demo. Name another one: --workspace DIR" in ended.words
    assert [path.name for path in program.workspace.iterdir()] == ["letter.txt"]


def test_a_flow_that_somebody_has_broken_is_told_and_the_others_run(tmp_path: Path) -> None:
    program = Program(tmp_path / "broken")
    with open_demo(program.workspace) as made:
        asyncio.run(furnish(made, port=9))
    (program.workspace / "flows" / "payslips" / "payslip.de.txt").write_text("{{ Gehalt }}", "utf-8")

    ended = program("demo", "--once")

    assert ended.code == 1
    assert "'Gehalt'" in ended.words
    assert [line.split()[2] for line in ended.out.splitlines()[1:4]] == ["48", "36", "0"]
