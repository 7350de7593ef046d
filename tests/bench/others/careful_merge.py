"""A careful script: calamine, jinja2, a MIME text of fixed structure, smtplib on four connections, a line a mail.

What it does not do: check before it sends, keep what it sent, know what was on its way when it was killed, retry.
Run: python -m tests.bench.others.careful_merge LIST TEXT HTML PORT JOURNAL
"""

from __future__ import annotations

import sys
import threading
from base64 import encodebytes
from collections.abc import Callable, Iterator
from email.header import Header
from email.utils import formataddr, formatdate, make_msgid
from pathlib import Path
from queue import Queue
from smtplib import SMTP

from jinja2 import Environment, StrictUndefined, Template
from python_calamine import CalamineWorkbook

CONNECTIONS = 4
SENDER = "office@example.com"
BOUNDARY = "=_4f1c9b7e2d"
PART = "--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{text}\r\n"

Mail = tuple[str, bytes]
Row = dict[str, object]
Build = Callable[[Row, Template, Template], Mail]


def rows(path: str) -> Iterator[Row]:
    table = CalamineWorkbook.from_path(path).get_sheet_by_index(0).iter_rows()
    header = [str(cell) for cell in next(iter(table))]
    for row in table:
        yield dict(zip(header, row, strict=False))


def build(row: Row, text: Template, html: Template) -> Mail:
    address, subject = str(row["email"]), f"Invoice {row['customer_no']}"
    head = (
        f"From: {SENDER}\r\nTo: {formataddr((str(row['name']), address))}\r\n"
        f"Subject: {Header(subject, 'utf-8').encode()}\r\nDate: {formatdate()}\r\n"
        f"Message-ID: {make_msgid(domain='example.com')}\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/alternative; boundary="{BOUNDARY}"\r\n\r\n'
    )
    parts = "".join(
        PART.format(boundary=BOUNDARY, kind=kind, text=encodebytes(template.render(row).encode()).decode("ascii"))
        for kind, template in (("plain", text), ("html", html))
    )
    return address, f"{head}{parts}--{BOUNDARY}--\r\n".encode()


def send(port: int, mails: Queue[Mail | None], journal: Path, lock: threading.Lock) -> None:
    with SMTP("127.0.0.1", port, local_hostname="example.com") as server, journal.open("a") as kept:
        while (mail := mails.get()) is not None:
            server.sendmail(SENDER, mail[0], mail[1])
            with lock:
                kept.write(f"{mail[0]}\n")
                kept.flush()


def merge(build: Build, listed: str, text_file: str, html_file: str, port: str, journal: str) -> None:
    """Builds on one thread, sends on four."""
    text = Environment(undefined=StrictUndefined).from_string(Path(text_file).read_text("utf-8"))
    html = Environment(undefined=StrictUndefined, autoescape=True).from_string(Path(html_file).read_text("utf-8"))
    mails: Queue[Mail | None] = Queue(maxsize=200)
    lock = threading.Lock()
    senders = [threading.Thread(target=send, args=(int(port), mails, Path(journal), lock)) for _ in range(CONNECTIONS)]
    for sender in senders:
        sender.start()
    for row in rows(listed):
        mails.put(build(row, text, html))
    for _ in senders:
        mails.put(None)
    for sender in senders:
        sender.join()


if __name__ == "__main__":
    merge(build, *sys.argv[1:])
