"""What most people write first: openpyxl, EmailMessage, smtplib, one mail after another.

Run: python -m tests.bench.others.plain_merge LIST TEXT HTML PORT
"""

from __future__ import annotations

import sys
from email.message import EmailMessage
from pathlib import Path
from smtplib import SMTP

from jinja2 import Template
from openpyxl import load_workbook


def main(listed: str, text_file: str, html_file: str, port: str) -> None:
    text = Template(Path(text_file).read_text("utf-8"))
    html = Template(Path(html_file).read_text("utf-8"), autoescape=True)
    table = load_workbook(listed, read_only=True).worksheets[0].iter_rows(values_only=True)
    header = [str(cell) for cell in next(table)]
    with SMTP("127.0.0.1", int(port), local_hostname="example.com") as server:
        for cells in table:
            row = dict(zip(header, cells, strict=True))
            mail = EmailMessage()
            mail["From"], mail["To"] = "office@example.com", str(row["email"])
            mail["Subject"] = f"Invoice {row['customer_no']}"
            mail.set_content(text.render(row))
            mail.add_alternative(html.render(row), subtype="html")
            server.send_message(mail)


if __name__ == "__main__":
    main(*sys.argv[1:])
