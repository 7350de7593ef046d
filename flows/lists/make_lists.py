"""Makes the lists of the example flows. Run in the repository: python -m flows.lists.make_lists

Every person, firm, address and account is invented: the domains end with `.example` (RFC 2606), and the IBANs have
right check digits but bank codes that no bank has.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from openpyxl import Workbook
from openpyxl.cell import Cell, MergedCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

HERE = Path(__file__).parent
FLOWS = HERE.parent
MADE = datetime(2026, 3, 2, 8, 0, 0)
BANK_CODES = {"DE": "90012345", "AT": "99915", "GB": "TSTB999915", "DK": "9999", "CH": "99915"}
"""German bank codes begin with 1 to 8; the others are not assigned either."""
ACCOUNT_DIGITS = {"DE": 10, "AT": 11, "GB": 8, "DK": 10, "CH": 12}
WORDS = ("Anker", "Birke", "Deich", "Fähre", "Granit", "Heide", "Kompass", "Leuchtturm", "Möwe", "Nebel", "Segel")

Cells = Sequence[str | int | float | date | None]


class Table(NamedTuple):
    """A sheet: its header and rows."""

    header: tuple[str, ...]
    rows: tuple[Cells, ...]


def people(file: str) -> Iterator[list[str]]:
    """The rows of a text file whose cells stand between bars; its first line names them."""
    _, *lines = (HERE / file).read_text("utf-8").splitlines()
    return ([cell.strip() for cell in line.split("|")] for line in lines)


def digits(seed: str, count: int) -> str:
    """Digits that look like chance and are the same each time."""
    return str(int(sha256(seed.encode()).hexdigest(), 16))[-count:]


def iban(country: str, seed: str) -> str:
    """An IBAN with right check digits (ISO 13616), in groups of four as people write it."""
    account = BANK_CODES[country] + digits(f"account {seed}", ACCOUNT_DIGITS[country])
    as_number = "".join(str(int(one, 36)) for one in f"{account}{country}00")
    plain = f"{country}{98 - int(as_number) % 97:02}{account}"
    return " ".join(re.findall(".{1,4}", plain))


def password(seed: str) -> str:
    """What the firm and the customer have agreed on: `Leuchtturm-4711`."""
    return f"{WORDS[int(digits(f'word {seed}', 3)) % len(WORDS)]}-{digits(f'password {seed}', 4)}"


def invoices() -> Table:
    """Customers of an office supplier. Four rows are not in order, others are merely untidy."""
    header = (
        "customer_no", "company", "salutation", "first_name", "last_name", "street", "city", "country", "language",
        "email", "invoice_no", "invoice_date", "due_date", "amount", "iban", "delivery", "paid", "pdf_password",
    )  # fmt: skip
    rows: list[Cells] = []
    for number, row in enumerate(people("customers.txt")):
        company, salutation, first, last, street, city, country, language, email, amount, delivery, paid = row
        customer = f"{20417 + 13 * number}"
        issued = date(2026, 3, 2) + timedelta(days=number // 20)
        rows.append((
            customer, company or None, salutation, first, last, street, city, country, language, email,
            f"2026-{1180 + number}", issued, issued + timedelta(days=14), _amount(amount), iban(country, customer),
            delivery, paid, password(customer),
        ))  # fmt: skip
    return Table(header, tuple(_with_mistakes(header, rows)))


def _amount(text: str) -> float | str:
    """A number, unless somebody has typed it as text."""
    return float(text) if re.fullmatch(r"\d+\.\d\d", text) else text


def _with_mistakes(header: tuple[str, ...], rows: list[Cells]) -> Iterator[Cells]:
    """What happens in lists that several people keep."""
    mistakes = {
        9: ("email", "kontakt(at)tischlerei-bruhn.example"),
        18: ("pdf_password", None),
        27: ("iban", _mistyped(str(rows[27][header.index("iban")]))),
        39: ("amount", "auf Anfrage"),
    }
    for number, row in enumerate(rows):
        cells = list(row)
        if number in mistakes:
            column, wrong = mistakes[number]
            cells[header.index(column)] = wrong
        yield tuple(cells)


def _mistyped(account: str) -> str:
    """Two neighbouring digits have changed places."""
    at = next(one for one in range(10, len(account) - 1) if _is_swap(account[one], account[one + 1]))
    return account[:at] + account[at + 1] + account[at] + account[at + 2 :]


def _is_swap(first: str, second: str) -> bool:
    return first != second and first.isdigit() and second.isdigit()


def payslips() -> Table:
    """Employees with their pay of one month."""
    header = (
        "Personal-Nr", "Anrede", "Vorname", "Nachname", "E-Mail", "Sprache", "Monat", "Steuerklasse", "Brutto",
        "Steuern", "Sozialversicherung", "Netto", "IBAN", "PDF-Passwort",
    )  # fmt: skip
    rows = []
    for number, (salutation, first, last, address, language, tax_class, gross) in enumerate(people("employees.txt")):
        staff_no = f"{101 + 7 * number:05}"
        pay = float(gross)
        tax = round(pay * TAX_SHARES[int(tax_class)] + max(0.0, pay - 3200) * 0.14, 2)
        social = round(pay * 0.2075, 2)
        rows.append((
            staff_no, salutation, first, last, f"{address}@nordlicht.example", language, date(2026, 2, 28),
            int(tax_class), pay, tax, social, round(pay - tax - social, 2), iban("DE", f"staff {staff_no}"),
            password(f"staff {staff_no}"),
        ))  # fmt: skip
    return Table(header, tuple(rows))


TAX_SHARES = {1: 0.12, 2: 0.105, 3: 0.055, 4: 0.12, 5: 0.235, 6: 0.27}
"""Of the gross pay; invented, and roughly what German employees know."""


def subscribers() -> Table:
    """Readers of a newsletter: those who said yes, those who have left, and those who never said anything."""
    header = (
        "Kundennummer", "Anrede", "Vorname", "Nachname", "Firma", "E-Mail", "Sprache", "Newsletter", "Einwilligung am",
        "Abgemeldet am", "Abmeldecode",
    )  # fmt: skip
    rows = []
    for number, row in enumerate(people("subscribers.txt")):
        salutation, first, last, company, email, language, consent, since, left = row
        code = sha256(f"subscriber {number}".encode()).hexdigest()[:16]
        customer = f"{30210 + 17 * number}"
        rows.append((customer, salutation, first, last, company, email, language, consent, since, left, code))
    return Table(header, tuple(rows))


def workbook_bytes(title: str, table: Table) -> bytes:
    """The table as a tidy sheet, the same bytes each time."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = title
    for row in (table.header, *table.rows):
        sheet.append(list(row))
    _dress(sheet)
    book.properties.creator, book.properties.created = "Nordlicht Bürotechnik GmbH", MADE
    made = io.BytesIO()
    book.save(made)
    return _timeless(made.getvalue())


def _dress(sheet: Worksheet) -> None:
    for cell in sheet[1]:
        cell.font, cell.fill = Font(bold=True, color="FFFFFF"), PatternFill("solid", fgColor="0D576B")
        cell.alignment = Alignment(vertical="center")
    for number, column in enumerate(sheet.iter_cols(), 1):
        for cell in column[1:]:
            _format(cell)
        widest = max(len(_shown(cell.value)) for cell in column)
        sheet.column_dimensions[get_column_letter(number)].width = min(42, widest + 3)
    sheet.freeze_panes, sheet.auto_filter.ref = "A2", sheet.dimensions


def _format(cell: Cell | MergedCell) -> None:
    if isinstance(cell.value, date):
        cell.number_format = "DD.MM.YYYY"
    elif isinstance(cell.value, float):
        cell.number_format = '#,##0.00 "€"'
    elif isinstance(cell.value, str):
        cell.number_format = "@"


def _shown(value: object) -> str:
    if isinstance(value, date):
        return f"{value:%d.%m.%Y}"
    return f"{value:,.2f} €" if isinstance(value, float) else str(value)


def _timeless(content: bytes) -> bytes:
    """The same workbook without the time at which it was saved."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            part = before.read(name)
            if name == "docProps/core.xml":
                part = re.sub(
                    rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>%b" % f"{MADE:%Y-%m-%dT%H:%M:%SZ}".encode(), part
                )
            after.writestr(zipfile.ZipInfo(name, MADE.timetuple()[:6]), part, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def csv_bytes(table: Table) -> bytes:
    """The table as a German Excel saves it: semicolons, Windows-1252, CRLF."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerows((table.header, *table.rows))
    return text.getvalue().encode("cp1252")


def main() -> None:
    for name, content in (
        ("invoice-mailing/invoices.xlsx", workbook_bytes("Invoices", invoices())),
        ("payslips/payslips.xlsx", workbook_bytes("Abrechnung", payslips())),
        ("newsletter/subscribers.csv", csv_bytes(subscribers())),
    ):
        (FLOWS / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
