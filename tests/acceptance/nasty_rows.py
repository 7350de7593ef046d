"""300 customers whose data is as odd as real data is, and odder; each row with a token that no other row has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from random import Random
from unicodedata import normalize

from openpyxl import Workbook
from postwerk.engine import Scalar

COUNT = 300

NAMES = (
    ("Jürgen", "Müller-Lüdenscheidt"), ("Đặng", "Łukasz Kőszegi"), ("Zoë", "O'Brien"), ("Ἀλέξανδρος", "Παπαδόπουλος"),
    ("Ольга", "Щербакова"), ("מרים", "בן־דוד"), ("محمد", "الأحمد"), ("Anna 🎉👩‍👩‍👧", "Groß"), ("李", "小龙"),
    ("Hans <Hansi>", "Meier"), ('Karl "Kalle"', "Schmidt, Dr."), ("Semi;kolon", "Komma, Punkt."),
    ("100%", "Rabatt %s %d"),
    ("None", "nan"), ("{{ x }}", "{% raw %}"), ("{{ 7 * 7 }}", "{# weg #}"), ("NULL", "true"), ("=1+1", "+49 30 1234"),
    ('-2', "\'=1"), ("</p><script>alert(1)</script>", "& Söhne &amp; Co."), ("Robert'); DROP TABLE", "outbox;--"),
    ("Wolfgang", "Amadeus " + "Theophilus Gottlieb " * 9 + "Mozart"), ("  Erika", "Mustermann"), ("ﬁne", "Ǆungla ß ẞ"),
    ("=?utf-8?q?Cc=3A?=", "Bcc: eve"), ("\u200bUnsichtbar\ufeff", "Müller"), ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", "İstanbul ı"),
)  # fmt: skip
"""First and last names, as headers and texts must carry them."""
FORM_NAMES = (
    "Jürgen Müller-Lüdenscheidt", "Łukasz Kowalski", "Zoë O'Brien", "Hans <Hansi> Meier (Köln)", "100% Größe & Söhne",
    'Karl "Kalle" Schmidt, Dr.', "{{ x }} {% raw %}", "None", "=SUMME(A1:A9)",
    "\\(Backslash\\) 50 €", "Søren Ångström Æ",
)  # fmt: skip
"""Names that the form's font can show."""
NOTES = (
    "Eine Zeile.", "Erste_x000D_\nZweite_x000D_\n_x000D_\nVierte", "Glocke_x0007_ und Nul_x0000_ im Text",
    "<b>fett</b> <img src=x onerror=alert(1)> &nbsp; </body></html>", "{{ email }} {{ x }} {% for i in range(9) %}",
    "nan", "@SUM(A1:A9)", "None", "{% raw %}", "{% endraw %}{{ run }}", '=HYPERLINK("http://böse.example";"Klick")',
    "0049", "1e5", "\ttab\tb\t",
    "Leerraum am Ende   \nFrom der Leitung\n.\n..\n-- \nKeine Unterschrift", "z" * 3000, "ä" * 1500,
    "a\u2028b\u2029c\x85d",
    "(cid:12) und =cid:logo2", "Größe 10\u00a0mm × 5\u202fm – „Zitat“", "\u202eumgekehrt\u202c", "🙂" * 200,
    "=3D =C3=BC =\n=20", "שלום, עולם! مرحبا", "C:\\Neu\\Tabelle", "Zeile\nmit 'Apostroph', \"Anführung\" und `Akut`",
)  # fmt: skip
LOCALS = ("j.mueller", "o'brien", "info+neu", "a_b-c", "x!#$%&*/=?^`{|}~y", "GROSS.klein", "1", "k" * 50)
DOMAINS = (
    "kunde.example", "müller-söhne.example", "παράδειγμα.example", "例え.example", "xn--mller-kva.example",
    "straße.example", "sub.a-b.kunde.example",
)  # fmt: skip
CITIES = (
    "Köln",
    "Łódź",
    "Zürich",
    "Москва",
    "東京",
    "Ümlaut & Söhne",
    "100% Rabatt",
    "'s-Hertogenbosch",
    "ﬂach",
    "🎉",
    "a=b;c",
)
"""They stand in file names."""
PASSWORDS = (
    "Grüße aus Köln", 'mit "Anführung"', "O'Brien's Wort", "{{ x }} geheim", "100 % sicher", "ß€ Ä", "пароль",
    "C:\\>$HOME `x`",
    "--password=a", "Mu\u0308ller zerlegt", "null", "A; B, C", "<&>",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A customer, as the list holds it."""

    number: str
    token: str
    first_name: str
    last_name: str
    form_name: str
    email: str
    city: str
    note: str
    amount: Decimal
    due: date
    is_paid: bool
    iban: str
    pdf_password: str

    @cached_property
    def text(self) -> str:
        """The note as its reader sees it: Excel's escapes are characters, and all line ends alike."""
        plain = self.note.replace("_x000D_", "\r").replace("_x0007_", "\x07").replace("_x0000_", "\ufffd")
        return plain.replace("\r\n", "\n")

    @property
    def typed_password(self) -> str:
        """What a keyboard gives: an ü is one character."""
        return normalize("NFC", self.pdf_password)

    @property
    def money(self) -> str:
        """As Germans write it, by nobody's library."""
        whole, _, cents = f"{self.amount:,.2f}".partition(".")
        return f"{whole.replace(',', '.')},{cents}\u00a0€"

    @property
    def cells(self) -> tuple[Scalar, ...]:
        """As they stand in the list: amounts and dates are texts in some rows, as people type them."""
        if int(self.number) % 7:
            return astuple(self)
        typed = {
            "amount": self.money.replace("\u00a0", " "),
            "due": f" {self.due:%d.%m.%Y} ",
            "email": f" {self.email} ",
        }
        return tuple(typed.get(field.name, getattr(self, field.name)) for field in fields(self))

    @property
    def envelope(self) -> str:
        """The address as the server is told it: the domain in ASCII."""
        local, _, domain = self.email.rpartition("@")
        return f"{local}@{'.'.join(ASCII.get(label, label) for label in domain.split('.'))}"

    @property
    def file_name(self) -> str:
        return f"Rechnung {self.number} für {self.city} {self.token}.pdf"


ASCII = {
    "müller-söhne": "xn--mller-shne-kcb9d", "παράδειγμα": "xn--hxajbheg2az3al", "例え": "xn--r8jz45g",
    "straße": "xn--strae-oqa",
}  # fmt: skip
"""Labels of domains as DNS knows them (IDNA 2008)."""


def nasty_rows(count: int = COUNT) -> tuple[Row, ...]:
    """The same rows each time."""
    return tuple(_rows(count))


def _rows(count: int) -> Iterator[Row]:
    chance = Random("nasty rows")
    for at in range(count):
        first_name, last_name = NAMES[at % len(NAMES)]
        token = f"T{chance.getrandbits(64):016x}"
        yield Row(
            number=f"{at + 1:06}",
            token=token,
            first_name=first_name,
            last_name=last_name,
            form_name=FORM_NAMES[at % len(FORM_NAMES)],
            email=f"{LOCALS[at % len(LOCALS)]}{at}@{DOMAINS[at % len(DOMAINS)]}",
            city=CITIES[at % len(CITIES)],
            note=NOTES[at % len(NOTES)],
            amount=Decimal(chance.randrange(1, 100_000_000)) / 100,
            due=date(2026, 1, 1) + timedelta(days=at),
            is_paid=at % 3 == 0,
            iban=f"DE{chance.randrange(10**20):020}",
            pdf_password=f"{PASSWORDS[at % len(PASSWORDS)]} {chance.getrandbits(40):010x}",
        )


def save_list(path: Path, rows: tuple[Row, ...], sheet: str = "Kunden & Söhne") -> None:
    """As an analyst's Excel saves it: text that looks like a formula is text."""
    book = Workbook()
    page = book.worksheets[0]
    page.title = sheet
    page.append([field.name for field in fields(Row)])
    for at, row in enumerate(rows, 2):
        for place, value in enumerate(row.cells, 1):
            cell = page.cell(at, place, value)
            if isinstance(value, str):
                cell.data_type = "s"
    book.save(path)
    book.close()
