"""Whole mailings through the command line, against others' ways on the same data and sink, in turn.

Run: python -m tests.bench.bench_mailing [MAILS [DOCUMENTS]]
"""

from __future__ import annotations

import json
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from openpyxl import Workbook

from ..certificates import Authority
from ..foreign import needs

ROUNDS = 3
FORM = Path(__file__).parents[2] / "flows" / "invoice-mailing" / "invoice.pdf"
TEXT = "Dear {{ name }},\n\nplease find your invoice {{ customer_no }} over {{ amount }} EUR, due {{ due }}.\n" + (
    "We thank you for your order and are glad to help you with any question that you may have.\n" * 5
)
HTML = "<html><body><p>Dear {{ name }},</p><p>your invoice <b>{{ customer_no }}</b> over {{ amount }} EUR.</p>" + (
    "<p>We thank you for your order and are glad to help you with any question that you may have.</p>\n" * 8
)
OTHERS = "tests.bench.others"


def postwerk() -> str:
    return str(Path(sys.executable).parent / "postwerk")


def write_list(path: Path, rows: int) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Invoices")
    sheet.append(["customer_no", "name", "email", "amount", "due", "iban", "pdf_password"])
    for number in range(rows):
        due = date(2026, 3, 1 + number % 28).isoformat()
        sheet.append([
            f"K{number:06}", f"Jürgen Müller {number}", f"kunde{number}@example.com", f"{number}.50", due,
            "DE89370400440532013000", f"Geheim-{number:06}",
        ])  # fmt: skip
    book.save(path)


def flow(name: str, *, bad_rows: str, has_document: bool = False, is_signed: bool = False) -> str:
    steps: dict[str, object] = {
        "read": {"node": "ReadExcel", "params": {"file": "list.xlsx", "key": "customer_no"}},
        "mail": {"node": "FillTemplate", "params": {
            "to": "{{ name }} <{{ email }}>", "subject": "Invoice {{ customer_no }}", "text_file": "mail.txt",
            "html_file": "mail.html"} if not has_document else {
            "to": "{{ email }}", "subject": "Invoice {{ customer_no }}", "text": "Dear {{ name }}"}},
        "send": {"node": "SendSMTP", "params": {"account": "office"}},
    }  # fmt: skip
    wires = [("read.records", "mail.record")]
    if has_document:
        fields = {
            "Name": "{{ name }}",
            "CustomerNo": "{{ customer_no }}",
            "Amount": "{{ amount }}",
            "Iban": "{{ iban }}",
        }
        steps["form"] = {"node": "FillPDF", "params": {"form": "form.pdf", "fields": fields, "name": "invoice.pdf"}}
        steps["lock"] = {"node": "EncryptPDF", "params": {"password": "{{ pdf_password }}"}}
        wires += [
            ("read.records", "form.record"),
            ("form.document", "lock.document"),
            ("lock.document", "mail.attachments"),
        ]
    if is_signed:
        steps["sign"] = {"node": "SignSMIME", "params": {"identity": "office"}}
    wires += [("mail.message", "sign.message"), ("sign.message", "send.message")] if is_signed else [
        ("mail.message", "send.message")
    ]  # fmt: skip
    return json.dumps({
        "postwerk": 1, "id": name, "name": name, "settings": {"bad_rows": bad_rows}, "steps": steps,
        "wires": [{"from": source, "to": target} for source, target in wires],
    })  # fmt: skip


@contextmanager
def sink() -> Iterator[int]:
    """A server that takes everything, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with subprocess.Popen([needs("smtp-sink"), "-u", "postfix", f"127.0.0.1:{port}", "1000"]) as process:
        try:
            _await(port)
            yield port
        finally:
            process.terminate()


def _await(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("smtp-sink did not start")


def prepare(folder: Path, port: int, rows: int) -> None:
    write_list(folder / "list.xlsx", rows)
    (folder / "mail.txt").write_text(TEXT, "utf-8")
    (folder / "mail.html").write_text(HTML, "utf-8")
    shutil.copy(FORM, folder / "form.pdf")
    identity = Authority().issue("office@example.com", key="rsa")
    (folder / "office.pem").write_bytes(identity.pem)
    (folder / "office.key").write_bytes(identity.key_pem())
    for name, options in FLOWS.items():
        (folder / f"{name}.json").write_text(flow(name, **options), "utf-8")
    (folder / "port").write_text(str(port), "utf-8")


FLOWS: dict[str, dict[str, Any]] = {
    "preflight": {"bad_rows": "stop"},
    "streaming": {"bad_rows": "skip"},
    "documents": {"bad_rows": "stop", "has_document": True},
    "signed": {"bad_rows": "stop", "has_document": True, "is_signed": True},
}


def ours(folder: Path, port: int, name: str) -> float:
    """Seconds of `postwerk run`, in a new workspace."""
    workspace = folder / "workspace"
    shutil.rmtree(workspace, ignore_errors=True)
    place = ["--workspace", str(workspace)]
    server = ["--host", "127.0.0.1", "--port", str(port), "--security", "none", "--connections", "10"]
    _call([postwerk(), "init", str(workspace)], folder)
    _call([postwerk(), "account", "add", "office", *server, "--sender", "office@example.com", *place], folder)
    key = ["office", "office.pem", "--key", "office.key"]
    _call([postwerk(), "identity", "add", *key, *place], folder)
    return _call([postwerk(), "run", f"{name}.json", "--json", *place], folder)


def other(module: str, *arguments: str) -> float:
    return _call([sys.executable, "-m", f"{OTHERS}.{module}", *arguments], Path.cwd())


def _call(command: Sequence[str], folder: Path) -> float:
    begin = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def compare(title: str, rows: int, ways: dict[str, Callable[[], float]]) -> None:
    """Prints a table: mails a second of whole commands, and how each way stands against the first."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            seconds[name].append(way())
    print(f"\n{title}: {rows:,} mails, whole commands, median of {ROUNDS}")
    first = statistics.median(next(iter(seconds.values())))
    for name, each in seconds.items():
        median = statistics.median(each)
        print(f"  {name:<44} {rows / median:8,.0f} mails/s   {first / median:5.2f}")


def main(mails: int = 10_000, documents: int = 1_000) -> None:
    with TemporaryDirectory() as place, sink() as port:
        folder = Path(place)
        prepare(folder, port, mails)
        files = (str(folder / name) for name in ("list.xlsx", "mail.txt", "mail.html"))
        merge = (*files, str(port), str(folder / "journal"))
        compare("Plain merge", mails, {
            "good script, email.mime": lambda: other("good_merge", *merge),
            "careful script, assembled MIME": lambda: other("careful_merge", *merge),
            "plain script, openpyxl and EmailMessage": lambda: other("plain_merge", *merge[:4]),
            "postwerk run, preflight": lambda: ours(folder, port, "preflight"),
            "postwerk run, bad_rows: skip": lambda: ours(folder, port, "streaming"),
        })  # fmt: skip
        write_list(folder / "list.xlsx", documents)
        work = (str(folder / "list.xlsx"), str(folder / "form.pdf"), str(port))
        identity = (str(folder / "office.pem"), str(folder / "office.key"))
        compare("Filled and locked PDF", documents, {
            "the libraries alone, all cores": lambda: other("library_documents", *work),
            "postwerk run, preflight": lambda: ours(folder, port, "documents"),
        })  # fmt: skip
        compare("Filled and locked PDF, signed", documents, {
            "the libraries alone, all cores": lambda: other("library_documents", *work, *identity),
            "postwerk run, preflight": lambda: ours(folder, port, "signed"),
        })  # fmt: skip


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
