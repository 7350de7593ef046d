"""Bad input: a clear sentence, the right exit code, no traceback, and nothing lost.

That no traceback is shown is asserted for every call, in `Program`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from msoffcrypto.format.ooxml import OOXMLFile  # type: ignore[import-untyped]  # it ships no types

from ..certificates import Authority
from ..nodes.pdf_forms import FormMaker, pdf_bytes
from ..nodes.workbooks import package, workbook
from .flow_document import merge, save_flow
from .post_office import PostOffice
from .program import Program

ROWS = [["no", "name", "email"], ["1", "Jörg", "joerg@example.com"], ["2", "Ann", "ann@example.com"]]
EVERYBODY = ["ann@example.com", "joerg@example.com"]
MEGABYTE = 1024**2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A list that is in order."""
    folder = tmp_path / "flow"
    folder.mkdir()
    workbook(folder / "good.xlsx", ROWS)
    return folder


def locked_workbook(path: Path) -> None:
    plain = workbook(path.with_name("plain.xlsx"), ROWS)
    with plain.open("rb") as source, path.open("wb") as target:
        OOXMLFile(source).encrypt("geheim", target)


def cut_workbook(path: Path) -> None:
    path.write_bytes(workbook(path, ROWS).read_bytes()[:-300])


def flipped_workbook(path: Path) -> None:
    content = bytearray(workbook(path, ROWS).read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def zip_bomb(path: Path) -> None:
    package(path, f"<sheetData>{' ' * 70 * MEGABYTE}</sheetData>")


def mixed_csv(path: Path) -> None:
    lines = ("no;name;email\r\n1;Jürgen;a@example.com\r\n".encode(), "2;Müller;b@example.com\r\n".encode("cp1252"))
    path.write_bytes(b"".join(lines))


BAD_LISTS: Mapping[str, tuple[str, Callable[[Path], object], str]] = {
    "locked": ("locked.xlsx", locked_workbook, "locked.xlsx is protected with a password. Open it in Excel, take"),
    "cut": ("cut.xlsx", cut_workbook, "cut.xlsx is damaged: File is not a zip file. Open it in Excel, which may"),
    "flipped": ("flipped.xlsx", flipped_workbook, "flipped.xlsx is damaged: "),
    "bomb": ("bomb.xlsx", zip_bomb, "bomb.xlsx is refused: its part xl/worksheets/sheet1.xml unpacks to 73,400,432"),
    "mixed": ("mixed.csv", mixed_csv, "mixed.csv mixes two encodings: line 2, column 4 holds UTF-8 (the bytes C3 BC), "
              "line 3, column 4 does not"),
    "missing": ("goood.xlsx", lambda _: None, "There is no file 'goood.xlsx' in "),
    "outside": ("../workspace/secret.key", lambda _: None,
                "The file '../workspace/secret.key' lies outside of the flow's folder. Copy it into that folder."),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD_LISTS)
def test_a_list_that_can_not_be_read_is_refused_before_the_run(
    postwerk: Program, office: PostOffice, folder: Path, bad: str
) -> None:
    file, make, sentence = BAD_LISTS[bad]
    make(folder / file)

    ended = postwerk("run", merge(folder, file))

    assert ended.code == 1
    assert f"error step 'read': {sentence}" in ended.err
    assert ended.err.endswith("The flow was not started.\n")
    assert office.connections == 0


def test_once_the_list_is_mended_the_same_flow_runs(postwerk: Program, office: PostOffice, folder: Path) -> None:
    flow = merge(folder, "list.xlsx")
    cut_workbook(folder / "list.xlsx")
    refused = postwerk("run", flow)
    workbook(folder / "list.xlsx", ROWS)

    ended = postwerk("run", flow)

    assert (refused.code, ended.code, ended.err) == (1, 0, "")
    assert office.recipients == EVERYBODY


def test_a_list_that_changes_between_check_and_resume_is_not_mixed(postwerk: Program, folder: Path) -> None:
    """What was checked is what is sent."""
    flow = merge(folder, "good.xlsx")
    queued = postwerk("run", flow, "--no-wait", "--json")
    workbook(folder / "good.xlsx", [*ROWS[:1], ["1", "Eve", "eve@example.com"]])

    resumed = postwerk("runs", "resume", queued.json["id"], "--json")

    assert (queued.code, resumed.code) == (0, 0), resumed
    assert resumed.json["mails"] == {"sent": 2}
    mails = postwerk("outbox", "list", "--json").json["mails"]
    assert sorted(one for mail in mails for one in mail["recipients"]) == EVERYBODY


def blank_pdf(path: Path) -> None:
    pdf = pikepdf.Pdf.new()
    pdf.add_blank_page()
    path.write_bytes(pdf_bytes(pdf))


def form(path: Path) -> None:
    maker = FormMaker()
    maker.text_field("Name", (50, 700, 300, 720))
    path.write_bytes(maker.content())


def locked_form(path: Path) -> None:
    form(path)
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.save(path, encryption=pikepdf.Encryption(user="geheim", owner="geheim"))


def cut_form(path: Path) -> None:
    form(path)
    path.write_bytes(path.read_bytes()[:-500])


BAD_FORMS: Mapping[str, tuple[Callable[[Path], object], str]] = {
    "blank": (blank_pdf, "The form 'form.pdf' has no fields. Add text fields to it in a PDF editor, or choose another"),
    "locked": (locked_form, "The form 'form.pdf' is locked already, so its permissions are someone else's."),
    "cut": (cut_form, "The form 'form.pdf' is damaged: "),
    "text": (lambda path: path.write_bytes(b"Hallo"), "The form 'form.pdf' is no PDF: it does not begin with '%PDF-'."),
}


@pytest.mark.parametrize("bad", BAD_FORMS)
def test_a_form_that_can_not_be_filled_is_refused(postwerk: Program, folder: Path, bad: str) -> None:
    make, sentence = BAD_FORMS[bad]
    make(folder / "form.pdf")
    flow = save_flow(
        folder,
        {
            "read": ("ReadExcel", {"file": "good.xlsx", "key": "no"}),
            "form": ("FillPDF", {"form": "form.pdf", "fields": {"Name": "{{ name }}"}, "name": "Brief {{ no }}"}),
            "mail": ("FillTemplate", {"to": "{{ email }}", "subject": "Brief", "text": "Anbei."}),
            "send": ("SendSMTP", {"account": "office"}),
        },
        """read.records > form.record
           read.records > mail.record
           form.document > mail.attachments
           mail.message > send.message""",
    )

    ended = postwerk("run", flow)

    assert ended.code == 1
    assert f"step 'form': {sentence}" in ended.err


class TestRows:
    """Rows that can't be sent are told with their place; a flow may leave them out."""

    BAD = (
        ["3", "Eve\nBcc: all@example.com", "eve@example.com"],
        ["4", "List", "x@example.com, y@example.com"],
        ["5", "Leer", None],
        ["6", "Kein", "keine-adresse"],
        ["7", "Zeile", "z@example.com\r\nBcc: all@example.com"],
    )
    SENTENCES = (
        "row 4, column 'name': step 'mail': The subject holds a line break (U+000A) after 'Für Eve'. A header is one "
        "line of text: take it out of the data or the template.",
        "row 5, column 'email': step 'mail': The address in 'to' holds two addresses: x@example.com, y@example.com. "
        "Write one, or allow several recipients in this step.",
        "row 6, column 'email': step 'mail': The address in 'to' is empty. An address such as ann@example.com",
        "row 7, column 'email': step 'mail': The address in 'to' is no address: 'keine-adresse'.",
        "row 8, column 'email': step 'mail': The address in 'to' holds a line break",
    )
    MAIL: Mapping[str, Any] = {"subject": "Für {{ name }}"}

    @pytest.fixture(autouse=True)
    def _bad_list(self, folder: Path) -> None:
        workbook(folder / "bad.xlsx", [*ROWS, *self.BAD])

    def test_each_is_told_with_its_place_and_nobody_gets_a_mail(
        self, postwerk: Program, office: PostOffice, folder: Path
    ) -> None:
        ended = postwerk("run", merge(folder, "bad.xlsx", mail=self.MAIL))

        assert ended.code == 1
        for sentence in self.SENTENCES:
            assert f"bad.xlsx, sheet 'Kunden', {sentence}" in ended.err
        assert "5 of 7 items are not in order, so no mail has left." in ended.out
        assert office.connections == 0

    def test_where_bad_rows_may_be_skipped_the_others_are_sent(
        self, postwerk: Program, office: PostOffice, folder: Path
    ) -> None:
        flow = merge(folder, "bad.xlsx", mail=self.MAIL, settings={"bad_rows": "skip"})

        ended = postwerk("run", flow, "--json")

        assert ended.code == 3
        assert sorted(failure["key"] for failure in ended.json["failures"]) == ["3", "4", "5", "6", "7"]
        assert office.recipients == EVERYBODY
        assert b"all@example.com" not in b"".join(mail.content for mail in office.mails)

    def test_a_bad_row_among_the_first_matters_not_when_only_some_are_wanted(
        self, postwerk: Program, office: PostOffice, folder: Path
    ) -> None:
        ended = postwerk("run", merge(folder, "bad.xlsx", mail=self.MAIL), "--limit", "2")

        assert ended.code == 0
        assert office.recipients == EVERYBODY


class TestTemplates:
    def test_an_unknown_name_in_a_template_file_is_refused_with_its_line(self, postwerk: Program, folder: Path) -> None:
        (folder / "brief.txt").write_text("Guten Tag,\n\nliebe {{ nmae }}\n", "utf-8")

        ended = postwerk("run", merge(folder, "good.xlsx", mail={"text": None, "text_file": "brief.txt"}))

        assert ended.code == 1
        assert (
            "Step 'mail' needs the column 'nmae' (template brief.txt, line 3), which does not reach it. "
            "Did you mean 'name'?" in ended.err
        )

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (
                "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
                "it takes more than 100,000 steps; is there an endless loop?",
            ),
            ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "calls itself without end."),
            ("{{ name * 99999999 }}", "'*' takes numbers, and found text and a number"),
            ("{{ ''.__class__.__mro__ }}", "'__class__' of text is not for templates"),
        ],
        ids=["loop", "recursion", "size", "escape"],
    )
    def test_a_template_that_would_not_end_or_gets_out_is_stopped(
        self, postwerk: Program, office: PostOffice, folder: Path, text: str, sentence: str
    ) -> None:
        ended = postwerk("run", merge(folder, "good.xlsx", mail={"text": text}))

        assert ended.code == 1
        assert "good.xlsx, sheet 'Kunden', row 2" in ended.err
        assert sentence in ended.err
        assert office.connections == 0

    def test_a_template_that_is_not_utf_8_is_refused_with_its_line(self, postwerk: Program, folder: Path) -> None:
        (folder / "brief.txt").write_bytes("Guten Tag,\nschöne Grüße\n".encode("cp1252"))

        ended = postwerk("run", merge(folder, "good.xlsx", mail={"text": None, "text_file": "brief.txt"}))

        assert ended.code == 1
        assert "The template 'brief.txt' is not UTF-8: byte 0xF6 in line 2. Save it as UTF-8" in ended.err


class TestIdentities:
    ROOT = Authority()
    ANN, BOB = ROOT.issue("ann@example.com", key="p256"), ROOT.issue("bob@example.com", key="p256")
    OLD = ROOT.issue("old@example.com", key="p256", not_after=datetime(2024, 2, 29, tzinfo=UTC))

    @pytest.fixture(autouse=True)
    def _files(self, folder: Path) -> None:
        files = {
            "ann.pem": self.ANN.pem, "ann.key": self.ANN.key_pem("geheim"), "ann.p12": self.ANN.as_p12("geheim"),
            "bob.key": self.BOB.key_pem(), "old.p12": self.OLD.as_p12("geheim"), "list.p12": b"PK\x03\x04 Liste",
        }  # fmt: skip
        for name, content in files.items():
            (folder / name).write_bytes(content)

    @pytest.mark.parametrize(
        ("words", "secret", "sentence"),
        [
            ("ann.pem --key bob.key", None, "The private key (EC secp256r1) belongs to none of the certificates: "),
            ("ann.pem", None, "The file holds no private key. Give the key file beside the certificate, or a PFX"),
            ("ann.pem --key ann.key", None, "The private key is protected by a passphrase: give it."),
            ("ann.key --key ann.pem", None, "Are the file and the key file swapped?"),
            ("ann.p12", "falsch", "The passphrase does not open the PFX or P12 file, or the file is damaged."),
            ("ann.p12", None, "The PFX or P12 file is protected by a passphrase: give it."),
            ("list.p12", None, "The certificate file is of no use: This holds no certificate."),
            ("nobody.p12", None, "nobody.p12' can't be read: No such file or directory."),
        ],
        ids=[
            "mismatched",
            "keyless",
            "locked key",
            "swapped",
            "wrong passphrase",
            "locked",
            "no certificate",
            "missing",
        ],
    )
    def test_one_that_is_of_no_use_is_refused(
        self, postwerk: Program, folder: Path, words: str, secret: str | None, sentence: str
    ) -> None:
        given = [folder / word if "." in word else word for word in words.split()]

        ended = postwerk("identity", "add", "ann", *given, secret=secret)

        assert ended.code == 1
        assert sentence in ended.err
        assert ended.out == ""

    def test_what_was_refused_replaces_nothing(self, postwerk: Program, folder: Path) -> None:
        added = postwerk("identity", "add", "ann", folder / "ann.p12", secret="geheim")
        refused = postwerk("identity", "add", "ann", folder / "ann.pem", "--key", folder / "bob.key")

        assert (added.code, refused.code) == (0, 1)
        (kept,) = postwerk("identity", "list", "--json").json["identities"]
        assert (kept["name"], kept["addresses"]) == ("ann", ["ann@example.com"])

    def test_an_expired_one_is_kept_with_a_warning_and_signs_nothing(self, postwerk: Program, folder: Path) -> None:
        added = postwerk("identity", "add", "old", folder / "old.p12", secret="geheim")
        flow = save_flow(
            folder,
            {
                "read": ("ReadExcel", {"file": "good.xlsx", "key": "no"}),
                "mail": ("FillTemplate", {"to": "{{ email }}", "subject": "Brief", "text": "Anbei."}),
                "sign": ("SignSMIME", {"identity": "old"}),
                "send": ("SendSMTP", {"account": "office"}),
            },
            """read.records > mail.record
               mail.message > sign.message
               sign.message > send.message""",
        )
        ended = postwerk("run", flow)

        assert added.code == 0
        assert "expired on 2024-02-29 00:00 UTC. Steps that sign will refuse it." in added.err
        assert ended.code == 1
        assert "The identity 'old' can't sign: its certificate" in ended.err
        assert "bad identity old: has expired on 2024-02-29" in postwerk("doctor").out


class TestFlows:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ('{"postwerk": 1,', "This flow is no JSON: "),
            ("[]", "This is no flow: a flow is a JSON object."),
            ('{"postwerk": 99}', "This flow is of format 99; this program knows up to 1. Update Postwerk."),
            ('{"postwerk": 1, "id": "x", "name": "X", "stpes": {}}', "stpes: there is no such entry."),
            ('{"postwerk": 1, "postwerk": 1}', "'postwerk' is there twice in one object"),
        ],
    )
    def test_a_document_that_is_no_flow_is_refused(
        self, postwerk: Program, folder: Path, content: str, sentence: str
    ) -> None:
        (folder / "flow.json").write_text(content, "utf-8")

        ended = postwerk("run", folder / "flow.json", "--json")

        assert ended.code == 1
        assert sentence in ended.err
        assert sentence in ended.json["error"]

    def test_wrong_usage_has_an_exit_code_of_its_own(self, postwerk: Program, folder: Path) -> None:
        flow = merge(folder, "good.xlsx")

        assert postwerk("run").code == 2
        assert postwerk("run", flow, "--limit", "viele").code == 2
        assert "'liste' is no NAME=VALUE." in (ended := postwerk("run", flow, "--input", "liste")).err
        assert ended.code == 2

    def test_an_unknown_input_is_told_with_the_nearest(self, postwerk: Program, folder: Path) -> None:
        flow = merge(folder, "good.xlsx", inputs={"list": {"type": "file", "default": "good.xlsx"}})

        ended = postwerk("run", flow, "--input", "lsit=other.xlsx")

        assert ended.code == 1
        assert ended.err == "The flow 'flow' has no input 'lsit'. Did you mean 'list'?\n"


class TestWorkspace:
    def test_a_second_program_is_told_who_runs_a_flow_and_the_first_goes_on(
        self, postwerk: Program, office: PostOffice, folder: Path
    ) -> None:
        flow = merge(folder, "good.xlsx")
        office.may_answer.clear()
        with postwerk.started("run", flow) as first:
            assert office.is_reached.wait(60)
            second = postwerk("run", flow)
            looking = postwerk("outbox", "list", "--json")
            office.may_answer.set()
            out, err = first.communicate(timeout=60)

        assert second.code == 1
        assert f"is in use by process {first.pid} (postwerk run {flow}). Wait until it has ended" in second.err
        assert {mail["state"] for mail in looking.json["mails"]} <= {"queued", "sending"}, "others may look"
        assert (first.returncode, err) == (0, ""), out
        assert office.recipients == EVERYBODY

    def test_a_full_disk_is_told_nothing_is_lost_and_the_run_goes_on_when_there_is_room(
        self, postwerk: Program, office: PostOffice, folder: Path
    ) -> None:
        people = [[str(at), "Ann", f"ann{at}@example.com"] for at in range(40)]
        workbook(folder / "many.xlsx", [ROWS[0], *people])
        (folder / "terms.pdf").write_bytes(b"%PDF" * 75_000)
        flow = merge(folder, "many.xlsx", mail={"attach": ["terms.pdf"]})

        ended = replace(postwerk, room=3 * MEGABYTE)("run", flow, "--json")

        assert ended.code == 1
        assert "is full, so nothing new can be kept. What was kept before is safe. Make room" in ended.json["message"]
        assert office.connections == 0

        resumed = postwerk("runs", "resume", ended.json["id"], "--json")

        assert resumed.code == 0, resumed
        assert office.recipients == sorted(email for _, _, email in people), "each once"

    def test_a_disk_that_fills_up_while_mails_leave_loses_none_and_sends_none_twice(
        self, postwerk: Program, office: PostOffice, folder: Path
    ) -> None:
        people = [[str(at), "Ann", f"ann{at}@example.com"] for at in range(200)]
        workbook(folder / "many.xlsx", [ROWS[0], *people])
        run = postwerk("run", merge(folder, "many.xlsx"), "--no-wait", "--json").json["id"]

        with replace(postwerk, room=100_000).started("runs", "resume", run) as resumed:
            assert resumed.stderr is not None
            told = resumed.stderr.readline()
            resumed.send_signal(signal.SIGINT)
            rest = resumed.communicate(timeout=60)[1]
        before = postwerk("runs", "show", run, "--json").json["mails"]
        ended = postwerk("runs", "resume", run, "--json")

        assert "postwerk.db' is full, so nothing new can be kept. What was kept before is safe. Make room" in told
        assert "Traceback" not in rest
        assert before["queued"] > 0, "it did fill up"
        assert ended.code in (0, 3)
        assert office.recipients == sorted(email for _, _, email in people), "each once"
        assert ended.json["mails"].get("in_doubt", 0) + ended.json["mails"]["sent"] == len(people)

    def test_a_folder_that_is_no_workspace_is_told(self, postwerk: Program, folder: Path) -> None:
        ended = Program(folder)("outbox", "list")

        assert ended.code == 1
        assert ended.err == f"{str(folder)!r} is no workspace. Make one: postwerk init {folder}\n"

    def test_no_workspace_is_made_over_something_else(self, postwerk: Program, folder: Path) -> None:
        ended = postwerk("init", folder)

        assert ended.code == 1
        assert ended.err == f"{str(folder)!r} is not empty. Name a folder that is empty or does not exist.\n"
        assert {file.name for file in folder.iterdir()} == {"good.xlsx"}
