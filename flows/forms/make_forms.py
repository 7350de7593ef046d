"""Makes the forms of the example flows. Run in the repository: python -m flows.forms.make_forms"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.nodes.pdf_forms import A4, MM, REQUIRED, Color, FormMaker, Look, Rect, pdf_bytes

FLOWS = Path(__file__).parent.parent

INK: Color = (0.11, 0.13, 0.17)
MUTED: Color = (0.40, 0.44, 0.50)
ACCENT: Color = (0.05, 0.34, 0.42)
RULE: Color = (0.80, 0.83, 0.86)
TINT: Color = (0.945, 0.963, 0.968)
WHITE: Color = (1, 1, 1)

LEFT, RIGHT = 25.0, 190.0
"""Margins in millimetres (DIN 5008)."""
VALUES = RIGHT - 47.3
"""Where the fields with amounts begin, so that their texts end below the heading of their column."""
PLAIN = Look(size=10, color=INK, ground=TINT, thickness=0)
STRONG = replace(PLAIN, font="/HeBo", size=11)
BUTTON = Look(color=ACCENT, border=MUTED, ground=WHITE, thickness=0.75)

COMPANY = "Nordlicht Bürotechnik GmbH"
FOOTER = (
    (COMPANY, "Hafenstraße 12", "24103 Kiel"),
    ("Telefon 0431 555 01-0", "post@nordlicht.example", "www.nordlicht.example"),
    ("Amtsgericht Kiel, HRB 0000", "Geschäftsführung: Inken Petersen", "USt-IdNr. DE 000 000 000"),
    ("Förde Bank Kiel", "IBAN DE89 3704 0044 0532 0130 00", "Gläubiger-ID DE98 ZZZ 0999 9999 999"),
)


class Letter(FormMaker):
    """A business letter: places are millimetres from the upper left corner."""

    def write(
        self, x: float, y: float, text: str, size: float = 9, color: Color = INK, bold: bool = False, align: float = 0
    ) -> None:
        self.text(x * MM, A4[1] - y * MM, text, size, color, bold, align)

    def rule(self, y: float, left: float = LEFT, right: float = RIGHT, color: Color = RULE, width: float = 0.5) -> None:
        self.line(left * MM, A4[1] - y * MM, right * MM, A4[1] - y * MM, color, width)

    def fill(self, x: float, y: float, width: float, height: float, color: Color) -> None:
        self.area(place(x, y, width, height), color)

    def head(self) -> None:
        """The company's mark and name, and the band above them."""
        self.fill(0, 0, 210, 4, ACCENT)
        for step, height in enumerate((4.5, 7.0, 9.5)):
            self.fill(LEFT + step * 3.1, 26.5 - height, 2.3, height, ACCENT if step < 2 else (0.93, 0.62, 0.20))
        self.write(LEFT + 12, 21.6, "Nordlicht", 17, INK, bold=True)
        self.write(LEFT + 12.1, 26.4, "Bürotechnik GmbH", 9, MUTED)

    def foot(self) -> None:
        self.rule(271)
        for column, lines in zip((0, 42, 82, 121), FOOTER, strict=True):
            for row, line in enumerate(lines):
                self.write(LEFT + column, 275.6 + row * 3.7, line, 6.8, MUTED, bold=row == 0)

    def label(self, x: float, y: float, text: str) -> None:
        self.write(x, y, text, 7.5, MUTED)


def place(x: float, y: float, width: float, height: float) -> Rect:
    """A rectangle by its upper left corner, in millimetres from the upper left of the page."""
    top = A4[1] - y * MM
    return (round(x * MM, 2), round(top - height * MM, 2), round((x + width) * MM, 2), round(top, 2))


def invoice() -> bytes:
    letter = Letter(PLAIN, "Rechnung")
    letter.head()
    _address(letter)
    _facts(
        letter, 46,
        [("Rechnungsnummer", "InvoiceNo"), ("Kundennummer", "CustomerNo"), ("Rechnungsdatum", "InvoiceDate"),
         ("Zahlbar bis", "DueDate")],
    )  # fmt: skip
    letter.write(LEFT, 103, "Rechnung", 20, INK, bold=True)
    letter.write(LEFT, 112, "Vielen Dank für Ihren Auftrag. Für unsere Leistungen berechnen wir Ihnen:", 10)
    _invoice_table(letter)
    _payment(letter)
    letter.write(LEFT, 240, "Bei Fragen zu dieser Rechnung hilft Ihnen unsere Buchhaltung gern weiter.", 10)
    letter.write(LEFT, 249, "Mit freundlichen Grüßen", 10)
    letter.write(LEFT, 255, f"Ihre {COMPANY}", 10)
    letter.foot()
    return _finished(letter)


def _address(letter: Letter) -> None:
    """The address field of a window envelope (DIN 5008, form B)."""
    letter.write(LEFT, 48, f"{COMPANY} · Hafenstraße 12 · 24103 Kiel", 6.5, MUTED)
    letter.rule(49.2, LEFT, LEFT + 80)
    for number, salutation in enumerate(("Frau", "Herr", "Divers")):
        letter.write(LEFT + 4.6 + number * 19, 56.4, salutation, 9)
    letter.radio(
        "Salutation",
        {f"/{one}": place(LEFT + number * 19, 53.4, 3.6, 3.6) for number, one in enumerate(("Frau", "Herr", "Divers"))},
        BUTTON,
        TU="Anrede",
    )
    for number, (name, title) in enumerate(
        (("Name", "Name"), ("Street", "Straße und Hausnummer"), ("City", "PLZ und Ort"))
    ):
        letter.text_field(name, place(LEFT, 60 + number * 7.4, 80, 6.6), replace(PLAIN, size=11), REQUIRED, TU=title)


def _facts(letter: Letter, top: float, facts: Sequence[tuple[str, str]]) -> None:
    for number, (label, name) in enumerate(facts):
        y = top + number * 9.2
        letter.label(125, y + 4.5, label)
        letter.text_field(name, place(153, y, 37, 6.6), PLAIN, Q=2, TU=label)
        letter.rule(y + 7.9, 125, RIGHT)


def _invoice_table(letter: Letter) -> None:
    letter.fill(LEFT, 119, RIGHT - LEFT, 8, ACCENT)
    letter.write(LEFT + 3, 124.3, "Pos.", 8.5, WHITE, bold=True)
    letter.write(LEFT + 16, 124.3, "Leistung", 8.5, WHITE, bold=True)
    letter.write(RIGHT - 3, 124.3, "Betrag", 8.5, WHITE, bold=True, align=1)
    letter.write(LEFT + 3, 134, "1", 10)
    letter.write(LEFT + 16, 134, "Miete und Wartung der Bürogeräte", 10, bold=True)
    letter.write(LEFT + 16, 139, "laut Rahmenvertrag, einschließlich Verbrauchsmaterial", 8.5, MUTED)
    letter.rule(144)
    letter.label(LEFT + 16, 150.3, "Im Betrag sind 19 % Umsatzsteuer enthalten.")
    letter.rule(155, color=ACCENT, width=1)
    letter.write(LEFT + 3, 162.6, "Rechnungsbetrag", 11, bold=True)
    letter.twin(
        "Amount",
        [place(VALUES, 129.5, 45, 6.6), place(VALUES, 157.3, 45, 7.4)],
        STRONG,
        Q=2,
        TU="Rechnungsbetrag",
    )
    letter.rule(167.6, color=ACCENT, width=1)


def _payment(letter: Letter) -> None:
    letter.write(LEFT, 182, "Zahlung und Zustellung", 11, ACCENT, bold=True)
    letter.rule(184.4)
    letter.label(LEFT, 190.6, "Wir buchen den Betrag von diesem Konto ab (IBAN)")
    letter.text_field("Iban", place(LEFT, 192, 92, 6.6), PLAIN, TU="IBAN")
    letter.label(127, 190.6, "Zustellung künftiger Rechnungen")
    letter.choice("Delivery", place(127, 192, 63, 6.6), ["Post", "E-Mail"], PLAIN, TU="Zustellung")
    letter.checkbox("Paid", place(LEFT, 204, 4, 4), "/Ja", BUTTON, TU="Bereits bezahlt")
    letter.write(LEFT + 6.4, 207.2, "Bereits bezahlt. Dieses Dokument dient als Quittung.", 9)
    letter.fill(LEFT, 215, 1, 12, (0.93, 0.62, 0.20))
    letter.write(LEFT + 4, 219.8, "Bitte prüfen Sie Ihre Angaben.", 9, bold=True)
    letter.write(LEFT + 4, 224.8, "Änderungen nehmen wir bis drei Werktage vor der Fälligkeit entgegen.", 9)


def payslip() -> bytes:
    letter = Letter(PLAIN, "Entgeltabrechnung")
    letter.head()
    letter.write(RIGHT, 21.6, "Vertraulich", 9, (0.72, 0.20, 0.16), bold=True, align=1)
    letter.write(RIGHT, 26.4, "Nur für die genannte Person bestimmt", 7.5, MUTED, align=1)
    letter.write(LEFT, 52, "Entgeltabrechnung", 20, INK, bold=True)
    letter.label(LEFT, 60.4, "Abrechnungsmonat")
    letter.text_field("Month", place(LEFT, 62, 60, 7.4), STRONG, TU="Abrechnungsmonat")
    letter.fill(LEFT, 76, RIGHT - LEFT, 0.35, ACCENT)
    _employee(letter)
    _payslip_table(letter)
    letter.write(LEFT, 191, "Überweisung", 11, ACCENT, bold=True)
    letter.rule(193.4)
    letter.label(LEFT, 199.6, "Der Auszahlungsbetrag geht auf dieses Konto (IBAN)")
    letter.text_field("Iban", place(LEFT, 201, 92, 6.6), PLAIN, TU="IBAN")
    letter.write(
        LEFT, 220, "Bitte bewahren Sie diese Abrechnung auf: Sie gilt als Nachweis gegenüber Behörden und Banken.", 9
    )
    letter.write(LEFT, 225, "Fragen beantwortet die Personalabteilung: personal@nordlicht.example", 9)
    letter.foot()
    return _finished(letter)


def _employee(letter: Letter) -> None:
    letter.label(LEFT, 83, "Name")
    letter.text_field("Name", place(LEFT, 84.6, 78, 6.6), PLAIN, TU="Name")
    letter.label(109, 83, "Personalnummer")
    letter.text_field("PersonnelNo", place(109, 84.6, 42, 6.6), PLAIN, TU="Personalnummer")
    letter.label(157, 83, "Steuerklasse")
    classes = [str(number) for number in range(1, 7)]
    letter.choice("TaxClass", place(157, 84.6, 33, 6.6), classes, PLAIN, TU="Steuerklasse")


def _payslip_table(letter: Letter) -> None:
    letter.fill(LEFT, 102, RIGHT - LEFT, 8, ACCENT)
    letter.write(LEFT + 3, 107.3, "Bezeichnung", 8.5, WHITE, bold=True)
    letter.write(RIGHT - 3, 107.3, "Betrag", 8.5, WHITE, bold=True, align=1)
    rows = (
        ("Gross", "Gesamtbrutto", "Gehalt, Zulagen und geldwerte Vorteile"),
        ("Tax", "Steuern", "Lohnsteuer, Solidaritätszuschlag, Kirchensteuer"),
        ("Social", "Sozialversicherung", "Kranken-, Pflege-, Renten- und Arbeitslosenversicherung"),
    )
    for number, (name, title, note) in enumerate(rows):
        y = 110 + number * 15
        letter.write(LEFT + 3, y + 6.6, title, 10, bold=True)
        letter.write(LEFT + 3, y + 11.2, note, 8, MUTED)
        if name != "Gross":
            letter.write(VALUES - 3, y + 8.8, "–", 10, MUTED, align=1)
        letter.text_field(name, place(VALUES, y + 4.2, 45, 6.8), PLAIN, Q=2, TU=title)
        letter.rule(y + 15)
    letter.fill(LEFT, 160, RIGHT - LEFT, 15, TINT)
    letter.rule(160, color=ACCENT, width=1)
    letter.write(LEFT + 3, 169.2, "Auszahlungsbetrag", 12, bold=True)
    letter.text_field("Net", place(VALUES - 10, 163.2, 55, 8.6), replace(STRONG, size=13, ground=None), Q=2, TU="Netto")
    letter.rule(175, color=ACCENT, width=1)


def _finished(letter: Letter) -> bytes:
    pdf = letter.finished()
    pdf.docinfo["/Author"] = COMPANY
    pdf.Root.Lang = "de-DE"
    return pdf_bytes(pdf, deterministic_id=True)


def main() -> None:
    for name, content in (("invoice-mailing/invoice.pdf", invoice()), ("payslips/payslip.pdf", payslip())):
        path = FLOWS / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        print(f"{path.relative_to(FLOWS)}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
