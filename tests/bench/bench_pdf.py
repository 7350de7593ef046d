"""FillPDF and EncryptPDF against what the library alone does. Run: python -m tests.bench.bench_pdf [ROWS]

The library's own way is one step: open, fill through its form API with looks, save with AES-256. Ours are two steps
with a document between them. Both fill the same form with the same values and lock it with each row's own password.
"""

from __future__ import annotations

import io
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pikepdf
from pikepdf import Encryption, Name
from pikepdf.form import ExtendedAppearanceStreamGenerator, Form
from postwerk.engine import Record
from postwerk.nodes.pdf.encrypt_pdf import EncryptPDF
from postwerk.nodes.pdf.fill_pdf import FillPDF
from pydantic import SecretStr

from ..surroundings import Surroundings

FOLDER = Path(__file__).parents[2] / "flows" / "invoice-mailing"
ROUNDS = 5
Row = dict[str, str]


def rows(count: int) -> Iterator[Row]:
    for number in range(count):
        yield {
            "Name": f"Jürgen Müller-Lüdenscheidt {number}", "Street": f"Königsallee {number} a",
            "City": "40215 Düsseldorf", "CustomerNo": f"K-{number:06}", "InvoiceNo": f"R-2026-{number:05}",
            "InvoiceDate": "02.03.2026", "DueDate": "16.03.2026", "Amount": f"{number},50 €",
            "Iban": "DE89 3704 0044 0532 0130 00", "Delivery": "E-Mail",
        }  # fmt: skip


def library(count: int, *, locked: bool = True) -> None:
    content = (FOLDER / "invoice.pdf").read_bytes()
    for row in rows(count):
        with pikepdf.open(io.BytesIO(content)) as pdf:
            form = Form(pdf, ExtendedAppearanceStreamGenerator)
            for name, value in row.items():
                form[name].value = value
            form["Paid"].checked = True
            form["Salutation"].value = Name.Frau
            lock = Encryption(owner=secrets.token_urlsafe(32), user=f"Geheim-{row['CustomerNo']}", R=6)
            pdf.save(io.BytesIO(), encryption=lock if locked else None)


def ours(count: int, *, locked: bool = True) -> None:
    surroundings = Surroundings(FOLDER)
    fill = FillPDF(form="invoice.pdf", fields={"Name": "{{ name }}"}, name="{{ name }}")
    lock = EncryptPDF(password=SecretStr("{{ password }}"))
    record = Record(key="1", values={})
    for row in rows(count):
        fields = {**row, "Paid": True, "Salutation": "Frau"}
        filler = fill.model_copy(update={"fields": fields, "name": f"Rechnung-{row['CustomerNo']}.pdf"})
        document = filler.run(record, surroundings)
        if locked:
            lock.model_copy(update={"password": SecretStr(f"Geheim-{row['CustomerNo']}")}).run(document)


def rate(work: Callable[[int], None], count: int) -> float:
    begin = time.process_time()
    work(count)
    return count / (time.process_time() - begin)


def measured(count: int) -> dict[str, float]:
    """Rows a second of one core, the best of several rounds; the ways take turns, so that noise meets all."""
    ways: dict[str, Callable[[int], None]] = {
        "library, filled and locked": library,
        "FillPDF and EncryptPDF": ours,
        "library, filled": lambda count: library(count, locked=False),
        "FillPDF": lambda count: ours(count, locked=False),
    }
    best = dict.fromkeys(ways, 0.0)
    for _ in range(ROUNDS):
        for name, way in ways.items():
            best[name] = max(best[name], rate(way, count))
    return best


def main() -> None:
    best = measured(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    for name, rows_a_second in best.items():
        print(f"{name:<28} {rows_a_second:8.0f} rows/s")
    locked = best["FillPDF and EncryptPDF"] / best["library, filled and locked"]
    filled = best["FillPDF"] / best["library, filled"]
    print(f"ratio: {locked:.0%} locked, {filled:.0%} filled only")


if __name__ == "__main__":
    main()
