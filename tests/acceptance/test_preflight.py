"""Before the first of 4,000 mails leaves, every row has been looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..nodes.pdf_forms import FormMaker
from ..nodes.workbooks import workbook
from .flow_document import save_flow
from .post_office import PostOffice
from .program import Program

ROWS = 4_000
BAD_ROW = 3_999
PLACE = "Rechnungen März.xlsx, sheet 'Beträge', row 3999, column 'Kennwort'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of 4,000 customers. The one in row 3,999 has no password."""
    folder = tmp_path_factory.mktemp("preflight")
    rows = (
        [f"{at:05}", f"kunde{at}@example.com", "" if at == BAD_ROW else f"Kennwort {at}"] for at in range(2, ROWS + 2)
    )
    workbook(folder / "Rechnungen März.xlsx", [["Nr", "Mail", "Kennwort"], *rows], "Beträge")
    form = FormMaker()
    form.text_field("Nr", (50, 700, 300, 720))
    (folder / "form.pdf").write_bytes(form.content())
    return folder


READ = ("ReadExcel", {"file": "Rechnungen März.xlsx", "sheet": "Beträge", "key": "Nr"})
MAIL = ("FillTemplate", {"to": "{{ Mail }}", "subject": "Rechnung {{ Nr }}", "text": "Anbei."})
SEND = ("SendSMTP", {"account": "office"})


def locked_forms(folder: Path) -> Path:
    """Each customer gets a form, locked with the password of the row."""
    return save_flow(
        folder,
        {
            "read": READ,
            "form": ("FillPDF", {"form": "form.pdf", "fields": {"Nr": "{{ Nr }}"}, "name": "Rechnung {{ Nr }}"}),
            "lock": ("EncryptPDF", {"password": "{{ Kennwort }}"}),
            "mail": MAIL,
            "send": SEND,
        },
        """read.records > form.record
           form.document > lock.document
           read.records > mail.record
           lock.document > mail.attachments
           mail.message > send.message""",
        id="rechnungen",
    )


def checked_rows(folder: Path) -> Path:
    """Rows without a password are skipped, and the others are written to."""
    return save_flow(
        folder,
        {
            "read": READ,
            "check": ("ValidateRecords", {"rules": {"Kennwort": {"required": True}}}),
            "mail": MAIL,
            "send": SEND,
        },
        """read.records > check.record
           check.good > mail.record
           mail.message > send.message""",
        id="rechnungen",
        settings={"bad_rows": "skip"},
    )


def test_a_missing_password_in_row_3999_is_named_before_anything_leaves(
    postwerk: Program, office: PostOffice, folder: Path
) -> None:
    ended = postwerk("run", locked_forms(folder))

    assert ended.code == 1
    assert f"{PLACE}: step 'lock': The password is empty." in ended.err
    assert "1 of 4,000 items are not in order, so no mail has left." in ended.out
    assert office.connections == 0
    states = {mail["state"] for mail in postwerk("outbox", "list", "--json").json["mails"]}
    assert states == {"cancelled"}


def test_a_flow_may_skip_bad_rows_and_the_others_are_sent(postwerk: Program, office: PostOffice, folder: Path) -> None:
    ended = postwerk("run", checked_rows(folder), "--json")

    assert ended.code == 3
    assert ended.json["state"] == "finished"
    assert ended.json["mails"] == {"sent": ROWS - 1}
    (failure,) = ended.json["failures"]
    assert failure["place"] == PLACE
    assert (failure["step"], failure["key"], failure["column"]) == ("check", "03999", "Kennwort")
    assert failure["source"] == {"file": "Rechnungen März.xlsx", "sheet": "Beträge", "row": BAD_ROW}
    assert office.recipients == sorted(f"kunde{at}@example.com" for at in range(2, ROWS + 2) if at != BAD_ROW)


def test_a_dry_run_catches_every_mail_and_opens_no_connection(
    postwerk: Program, office: PostOffice, folder: Path
) -> None:
    ended = postwerk("run", checked_rows(folder), "--dry-run", "--limit", "3", "--json")

    assert ended.code == 0
    assert ended.json["mails"] == {"captured": 3}
    first = postwerk("outbox", "list", "--json").json["mails"][0]
    assert "Subject: Rechnung 00002" in postwerk("outbox", "show", str(first["id"])).out
    assert office.connections == 0
