"""A good script: calamine, jinja2, the standard library's MIME classes, smtplib on four connections, a line a mail.

The careful script differs in one thing: it assembles the MIME text by hand.
Run: python -m tests.bench.others.good_merge LIST TEXT HTML PORT JOURNAL
"""

from __future__ import annotations

import sys
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formataddr, formatdate, make_msgid

from jinja2 import Template

from .careful_merge import SENDER, Mail, Row, merge


def build(row: Row, text: Template, html: Template) -> Mail:
    parts = [MIMEText(text.render(row), "plain", "utf-8"), MIMEText(html.render(row), "html", "utf-8")]
    mail = MIMEMultipart("alternative", _subparts=parts)
    mail["From"], mail["To"] = SENDER, formataddr((str(row["name"]), str(row["email"])))
    mail["Subject"], mail["Date"] = f"Invoice {row['customer_no']}", formatdate()
    mail["Message-ID"] = make_msgid(domain="example.com")
    return str(row["email"]), mail.as_bytes()


if __name__ == "__main__":
    merge(build, *sys.argv[1:])
