"""Umlauts, spaces and signs in the names of all files: list, flow, workspace, attachments, output."""

from __future__ import annotations

import mailbox
from pathlib import Path

import pytest
from openpyxl import load_workbook

from ..engine.mails import body, read, read_foreign
from .flow_document import save_flow
from .post_office import PostOffice
from .program import Ended, Program

LIST = "Kundenliste für März (Größe & Co).csv"
TERMS = "Geschäftsbedingungen 100 % – „Größe“; a=b, c'd.pdf"
LONG = f"Sehr {'lange ' * 20}Übersicht.txt"
SHORT = "Größe & Maß.txt"
REPORT = "Versandübersicht März.xlsx"
CITIES = ("Köln", "Łódź", "東京", "🎉")


@pytest.fixture
def firm(postwerk: Program, tmp_path: Path) -> Program:
    """The program in a workspace whose folder has a name with everything."""
    return Program(postwerk.workspace.rename(tmp_path / "Büro Müller & Söhne, 100 %"))


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    folder = tmp_path / "Abläufe 'neu'"
    folder.mkdir()
    rows = "".join(f"{at};kunde{at}@example.com;{city}\r\n" for at, city in enumerate(CITIES, 1))
    (folder / LIST).write_bytes(f"Kunden-Nr;E-Mail;Straße/Ort\r\n{rows}".encode("utf-8-sig"))
    (folder / TERMS).write_bytes(b"%PDF-1.7 terms")
    (folder / LONG).write_bytes(b"long")
    (folder / SHORT).write_bytes(b"short")
    column = "{{ record['Straße/Ort'] }}"
    path = save_flow(
        folder,
        {
            "read": ("ReadCSV", {"file": "{{ inputs.liste }}", "key": "Kunden-Nr"}),
            "mail": (
                "FillTemplate",
                {
                    "to": "{{ record['E-Mail'] }}", "subject": "Größe", "text": f"Gruß nach {column}",
                    "attach": [TERMS, LONG, SHORT],
                },
            ),
            "send": ("SendSMTP", {"account": "office"}),
            "save": ("SaveMail", {"folder": "Ausgang/März", "name": f"Müller & Söhne {column}", "account": "office"}),
            "report": ("WriteExcel", {"file": REPORT}),
        },
        """read.records > mail.record
           mail.message > send.message
           mail.message > save.message
           send.sent > report.records""",
        id="versand",
        inputs={"liste": {"type": "file", "default": "Kunden.csv"}},
    )  # fmt: skip
    return path.rename(folder / "Versand für März.json")


@pytest.fixture
def ended(firm: Program, office: PostOffice, flow: Path) -> Ended:
    ended = firm("run", flow, "--input", f"liste={LIST}", "--json")
    assert (ended.code, ended.err) == (0, ""), ended
    return ended


def test_attachments_keep_their_names_for_every_reader(office: PostOffice, ended: Ended) -> None:
    assert len(office.mails) == len(CITIES)
    for mail in office.mails:
        names = [part.get_filename() for part in read(mail.content).iter_attachments()]
        foreign = [file.filename for file in read_foreign(mail.content).attachments]

        assert names == foreign == [TERMS, LONG, SHORT]
        assert b"filename*=UTF-8''" in mail.content, "RFC 2231"
        assert b"filename*0*=UTF-8''" in mail.content, "what is long is in pieces"


def test_output_files_have_the_names_that_the_flow_gives(ended: Ended) -> None:
    output = Path(ended.json["output"])

    saved = {file.name: file.read_bytes() for file in (output / "Ausgang" / "März").iterdir()}
    assert saved.keys() == {f"Müller & Söhne {city}.eml" for city in CITIES}
    for city in CITIES:
        mail = read(saved[f"Müller & Söhne {city}.eml"])
        assert body(mail.get_body(("plain",))) == f"Gruß nach {city}"
    book = load_workbook(output / REPORT, read_only=True)
    header, *rows = book.worksheets[0].iter_rows(values_only=True)
    book.close()
    assert {row[header.index("Straße/Ort")] for row in rows} == set(CITIES)


def test_the_outbox_is_exported_to_a_file_of_any_name(firm: Program, tmp_path: Path, ended: Ended) -> None:
    file = tmp_path / "Größe, März.mbox"

    exported, again = firm("outbox", "export", file), firm("outbox", "export", file)

    assert exported.code == 0
    with file.open("rb") as content:
        assert content.read(5) == b"From "
    box = mailbox.mbox(file)
    subjects = {str(read(message.as_bytes())["Subject"]) for message in box}
    box.close()
    assert subjects == {"Größe"}
    assert again.code == 1
    assert "is there already. Name a new one." in again.err


def test_the_program_speaks_utf_8_where_the_system_has_no_language(firm: Program, flow: Path) -> None:
    """As under cron: LANG is not set."""
    bare = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "", "PYTHONIOENCODING": ""}

    ended = firm("check", flow.with_name("fehlt für März.json"), **bare)

    assert ended.code == 1
    assert "fehlt für März.json" in ended.err


def test_a_closed_pipe_ends_it_without_a_traceback(firm: Program) -> None:
    """As `postwerk nodes --json | head -c 1` does."""
    with firm.started("nodes", "--json") as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        told = running.stderr.read()

    assert "Traceback" not in told
