"""What a mail costs: ours against the standard library's two ways. Run: python -m tests.bench.bench_mime"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from email import policy
from email.encoders import encode_base64
from email.header import Header
from email.message import EmailMessage
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, formataddr

from postwerk.engine import Document, Letterhead, Mailbox, Message
from postwerk.engine.addresses import parse_mailbox
from postwerk.engine.mime import compose, entity

WHEN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
OFFICE = Mailbox(address="office@example.com", name="Büro Süd")
NAME, ADDRESS, SUBJECT = "Jürgen Müller", "j.mueller@example.com", "Ihre Rechnung 4711 für März 2026"
TEXT = "Sehr geehrter Herr Müller,\n\n" + "anbei finden Sie Ihre Rechnung über die Lieferung.\n" * 12
HTML = "<p>Sehr geehrter Herr Müller,</p>\n" + "<p>anbei finden Sie Ihre Rechnung über die Lieferung.</p>\n" * 18
PDF = Document(name="Rechnung-4711.pdf", content=bytes(range(256)) * 164, media_type="application/pdf")


def ours(pdf: Document | None) -> bytes:
    head = Letterhead(to=(Mailbox(address=ADDRESS, name=NAME),), subject=SUBJECT)
    message = Message(head=head, text=TEXT, html=HTML, attachments=(pdf,) if pdf else ())
    return compose(head, entity(message), message_id="<1@example.com>", date=WHEN, sender=OFFICE)


def email_message(pdf: Document | None) -> bytes:
    mail = EmailMessage(policy.SMTP)
    mail["From"], mail["To"] = formataddr((OFFICE.name, OFFICE.address)), formataddr((NAME, ADDRESS))
    mail["Subject"], mail["Date"], mail["Message-ID"] = SUBJECT, WHEN, "<1@example.com>"
    mail.set_content(TEXT)
    mail.add_alternative(HTML, subtype="html")
    if pdf:
        mail.add_attachment(pdf.content, "application", "pdf", filename=pdf.name)
    return mail.as_bytes()


def email_mime(pdf: Document | None) -> bytes:
    texts = MIMEMultipart("alternative", _subparts=[MIMEText(TEXT), MIMEText(HTML, "html")])
    mail = texts
    if pdf:
        file = MIMEApplication(pdf.content, "pdf", encode_base64)
        file.add_header("Content-Disposition", "attachment", filename=pdf.name)
        mail = MIMEMultipart("mixed", _subparts=[texts, file])
    mail["From"], mail["To"] = formataddr((OFFICE.name, OFFICE.address)), formataddr((NAME, ADDRESS))
    mail["Subject"], mail["Date"] = str(Header(SUBJECT, "utf-8")), format_datetime(WHEN)
    mail["Message-ID"] = "<1@example.com>"
    return mail.as_bytes(policy=policy.compat32.clone(linesep="\r\n"))


def microseconds(call: Callable[[], object]) -> float:
    call()
    count, _ = timeit.Timer(call).autorange()
    return min(timeit.repeat(call, number=max(1, count // 4), repeat=7)) / max(1, count // 4) * 1e6


def main() -> None:
    print(f"{'':24}{'2 KB':>12}{'with 41 KB PDF':>18}   (µs a mail, best of 7)")
    for title, way in (("ours", ours), ("EmailMessage", email_message), ("email.mime, compat32", email_mime)):
        print(f"{title:24}{microseconds(lambda: way(None)):12.0f}{microseconds(lambda: way(PDF)):18.0f}")  # noqa: B023
    print(f"{'parse_mailbox, plain':24}{microseconds(lambda: parse_mailbox(ADDRESS)):12.1f}")
    print(f"bytes: {len(ours(None)):,} and {len(ours(PDF)):,}")


if __name__ == "__main__":
    main()
