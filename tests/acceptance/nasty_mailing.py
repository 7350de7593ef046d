"""One run over the nasty rows: each customer gets two mails with a locked form, one signed, one encrypted too."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from ..certificates import Authority, Issued
from ..nodes.pdf_forms import COMB, MULTILINE, FormMaker
from .flow_document import save_flow
from .nasty_rows import Row, nasty_rows, save_list
from .post_office import Kept, PostOffice
from .program import Program

SENDER, BOUNCES = "buero@mueller.example", "bounces@mueller.example"
SUBJECT, SECRET_SUBJECT = (
    "Ihre Rechnung {{ token }} für {{ first_name }}",
    "Vertraulich {{ token }} für {{ last_name }}",
)
TERMS = "AGB für Geschäftskunden – Größe 10 %.txt"
TEXT = """\
Guten Tag {{ first_name }} {{ last_name }},

Ihre Kundennummer ist {{ number }}, Ihr Zeichen {{ token }}.
Bitte zahlen Sie {{ amount | money }} bis zum {{ due | date('dd.MM.yyyy') }}.
Notiz: {{ note }}
Ende {{ token }}
"""
HTML = """\
<!DOCTYPE html><html lang="de"><body>
<p><img src="cid:logo" alt="Müller & Söhne"></p>
<p>Guten Tag <b id="name" title="{{ first_name }} {{ last_name }}">{{ first_name }} {{ last_name }}</b>,</p>
<p>Ihr Zeichen: <i id="token">{{ token }}</i>, zu zahlen: <i id="amount">{{ amount | money }}</i></p>
<pre id="note">{{ note }}</pre>
</body></html>
"""
ROOT = Authority("Müller Wurzel-CA")
BELOW = ROOT.intermediate("Müller Zwischen-CA")
BY_RSA = BELOW.issue(SENDER, name="Büro RSA")
BY_CURVE = BELOW.issue(SENDER, key="p256", name="Büro EC", usage="sign")
RSA_EVERY = 15
"""An RSA key takes a tenth of a second to make, one on a curve nothing."""


@dataclass
class Mailing:
    """What the program was given, what it said, and what arrived."""

    rows: tuple[Row, ...]
    people: dict[str, Issued]
    """By number."""
    report: dict[str, Any]
    told: str
    """All that it printed in the whole test."""
    signed: dict[str, Kept]
    """By number."""
    secret: dict[str, Kept]
    logo: bytes
    terms: bytes


def mailed(program: Program, office: PostOffice, folder: Path) -> Mailing:
    """Runs the flow, from the command line, over all rows."""
    rows = nasty_rows()
    people = {row.number: _person(at, row) for at, row in enumerate(rows)}
    logo, terms = png(), "Es gelten unsere Größen.\r\n".encode("cp1252") * 50
    _lay_out(folder, rows, people, logo, terms)
    _add_identities(program, folder)
    checked = program("check", folder / "flow.json")
    ended = program("run", folder / "flow.json", "--json")
    assert (checked.code, checked.err) == (0, ""), checked
    assert (ended.code, ended.err) == (0, ""), ended
    listed = program("outbox", "list", "--json")
    signed, secret = ({row.number: _of(office, row, sender) for row in rows} for sender in (SENDER, BOUNCES))
    return Mailing(rows, people, ended.json, ended.out + listed.out, signed, secret, logo, terms)


def _of(office: PostOffice, row: Row, sender: str) -> Kept:
    """The only mail to this customer with this envelope sender."""
    (mail,) = [one for one in office.mails if (one.sender, one.recipients) == (sender, (row.envelope,))]
    return mail


def _person(at: int, row: Row) -> Issued:
    return ROOT.issue(row.envelope, key="p256" if at % RSA_EVERY else "rsa", usage="both", name=f"Kunde {row.number}")


def _lay_out(folder: Path, rows: tuple[Row, ...], people: dict[str, Issued], logo: bytes, terms: bytes) -> None:
    certificates = folder / "Zertifikate der Kunden"
    certificates.mkdir(parents=True)
    for at, row in enumerate(rows):
        (certificates / f"{row.number}.pem").write_bytes(people[row.number].pem)
        if at % 10 == 0:
            _add_decoys(certificates, row)
    save_list(folder / "Kundenliste März.xlsx", rows)
    (folder / "Formular für Rechnungen.pdf").write_bytes(form())
    (folder / "Logo Müller.png").write_bytes(logo)
    (folder / TERMS).write_bytes(terms)
    (folder / "Anschreiben für alle.txt").write_text(TEXT, "utf-8")
    (folder / "Anschreiben für alle.html").write_text(HTML, "utf-8")
    _save_flow(folder)


def _add_decoys(folder: Path, row: Row) -> None:
    """Certificates of the same address that must not be chosen: one has expired, one can only sign."""
    expired = ROOT.issue(
        row.envelope, key="p256", not_after=datetime(2024, 1, 1, tzinfo=UTC), owner=f"old {row.number}"
    )
    newer = datetime(2025, 6, 1, tzinfo=UTC)
    signing = ROOT.issue(row.envelope, key="p256", usage="sign", not_before=newer, owner=f"sign {row.number}")
    (folder / f"{row.number} alt.cer").write_bytes(expired.der)
    (folder / f"{row.number} neu.crt").write_bytes(signing.pem)


def _add_identities(program: Program, folder: Path) -> None:
    (folder / "Büro.p12").write_bytes(BY_RSA.as_p12("Grüße & Küsse"))
    (folder / "büro.pem").write_bytes(BY_CURVE.pem + b"".join(one.public_bytes(Encoding.PEM) for one in BY_CURVE.chain))
    (folder / "büro.key").write_bytes(BY_CURVE.key_pem("noch ein 'Kennwort'"))
    added = program("identity", "add", "büro-rsa", folder / "Büro.p12", secret="Grüße & Küsse")
    assert added.code == 0, added
    added = program(
        "identity", "add", "büro-ec", folder / "büro.pem", "--key", folder / "büro.key", secret="noch ein 'Kennwort'"
    )
    assert added.code == 0, added


def _save_flow(folder: Path) -> None:
    letter = {
        "to": "{{ first_name }} {{ last_name }} <{{ email }}>", "text_file": "Anschreiben für alle.txt",
        "html_file": "Anschreiben für alle.html", "images": {"logo": "Logo Müller.png"}, "attach": [TERMS],
        "headers": {"X-Zeichen": "{{ token }}"},
    }  # fmt: skip
    fields = {
        "Number": "{{ number }}", "Name": "{{ form_name }}", "Amount": "{{ amount | money }}", "Due": "{{ due }}",
        "Token": "{{ token }}", "IBAN": "{{ iban }}", "Paid": "{{ is_paid }}", "Text": "Zeile 1\n{{ form_name }}",
    }  # fmt: skip
    name = "Rechnung {{ number }} für {{ city }} {{ token }}"
    source = {
        "file": "{{ inputs.list }}", "sheet": "Kunden & Söhne", "key": "number", "sensitive": ["iban", "pdf_password"],
    }  # fmt: skip
    rules = {
        "email": {"required": True, "type": "email"}, "amount": {"required": True, "type": "number", "unit": "€"},
        "due": {"required": True, "type": "date", "formats": ["dd.MM.yyyy"]},
        "pdf_password": {"required": True, "trim": False, "secret": True, "min_length": 8},
    }  # fmt: skip
    save_flow(
        folder,
        {
            "read": ("ReadExcel", source),
            "check": ("ValidateRecords", {"rules": rules}),
            "form": ("FillPDF", {"form": "Formular für Rechnungen.pdf", "fields": fields, "name": name}),
            "lock": ("EncryptPDF", {"password": "{{ pdf_password }}"}),
            "mail": ("FillTemplate", {**letter, "subject": SUBJECT}),
            "sign": ("SignSMIME", {"identity": "büro-rsa"}),
            "send": ("SendSMTP", {"account": "office"}),
            "letter": ("FillTemplate", {**letter, "subject": SECRET_SUBJECT, "sensitive": True}),
            "seal": ("SignSMIME", {"identity": "büro-ec"}),
            "encrypt": ("EncryptSMIME", {"folder": "Zertifikate der Kunden"}),
            "post": ("SendSMTP", {"account": "office", "envelope_sender": BOUNCES}),
        },
        """read.records > check.record
           check.good > form.record
           form.document > lock.document
           check.good > mail.record
           lock.document > mail.attachments
           mail.message > sign.message
           sign.message > send.message
           check.good > letter.record
           lock.document > letter.attachments
           letter.message > seal.message
           seal.message > encrypt.message
           encrypt.message > post.message""",
        id="rechnungen",
        name="Rechnungen für März – „böse“ Daten",
        inputs={"list": {"type": "file", "default": "Kundenliste März.xlsx"}},
    )


def form() -> bytes:
    """A form with a cell for each digit of the number, and fields of one line and of several."""
    maker = FormMaker(title="Rechnung")
    maker.text_field("Number", (50, 760, 170, 780), flags=COMB, MaxLen=6)
    for at, name in enumerate(("Name", "Amount", "Due", "Token", "IBAN")):
        maker.text(50, 735 - 40 * at, f"{name}:")
        maker.text_field(name, (120, 730 - 40 * at, 540, 750 - 40 * at))
    maker.checkbox("Paid", (50, 500, 64, 514))
    maker.text_field("Text", (50, 400, 540, 480), flags=MULTILINE)
    return maker.content()


def png() -> bytes:
    """One red pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\xff\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
