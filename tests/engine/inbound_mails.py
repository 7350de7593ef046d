"""Mails that come in, as servers and programs write them, put together here: every address and text is made up."""

from __future__ import annotations

OURS = "office@example.com"
OUR_ID = "<4711.rechnung@example.com>"
ORIGINAL = f"""\
Received: from app.example.com (app.example.com [192.0.2.7]) by mail.example.com; Mon, 2 Mar 2026 09:30:00 +0100
From: =?utf-8?q?B=C3=BCro_S=C3=BCd?= <{OURS}>
To: {{to}}
Subject: Ihre Rechnung 4711
Message-ID: {OUR_ID}
Date: Mon, 2 Mar 2026 09:30:00 +0100
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Sehr geehrte Damen und Herren, anbei die Rechnung.
"""


def wire(text: str) -> bytes:
    """The text as it goes over the wire."""
    return text.replace("\n", "\r\n").encode("utf-8")


def head(sender: str, subject: str, *further: str, path: str = "<>") -> str:
    lines = (
        f"Return-Path: {path}",
        "Received: from mx.example.net ([192.0.2.9]) by mail.example.com; Mon, 2 Mar 2026 10:00:00 +0100",
        f"From: {sender}",
        f"To: {OURS}",
        f"Subject: {subject}",
        "Date: Mon, 2 Mar 2026 10:00:00 +0100",
        "Message-ID: <answer.1@mx.example.net>",
        "MIME-Version: 1.0",
        *further,
    )
    return "\n".join(lines) + "\n"


def plain(sender: str, subject: str, text: str, *further: str, path: str = "<>") -> bytes:
    """A mail of one text."""
    return wire(head(sender, subject, *further, "Content-Type: text/plain; charset=utf-8", path=path) + "\n" + text)


def report(
    notice: str, fields: str, *, to: str = "ann@kunde.example", sender: str = "MAILER-DAEMON@mx.example.net",
    subject: str = "Undelivered Mail Returned to Sender", kind: str = "delivery-status", charset: str = "utf-8",
) -> bytes:  # fmt: skip
    """A multipart/report: a notice for people, fields for machines, the mail that is meant."""
    return wire(
        head(sender, subject, f'Content-Type: multipart/report; report-type={kind}; boundary="=_b"')
        + f"\n--=_b\nContent-Type: text/plain; charset={charset}\n\n{notice}"
        + f"\n--=_b\nContent-Type: message/{kind}\n\n{fields}"
        + f"\n--=_b\nContent-Type: message/rfc822\n\n{ORIGINAL.format(to=to)}\n--=_b--\n"
    )


def fields(to: str, status: str, diagnostic: str, action: str = "failed") -> str:
    return (
        "Reporting-MTA: dns; mx.example.net\nArrival-Date: Mon, 2 Mar 2026 09:30:05 +0100\n\n"
        f"Final-Recipient: rfc822; {to}\nOriginal-Recipient: rfc822;{to}\nAction: {action}\nStatus: {status}\n"
        f"Remote-MTA: dns; mail.kunde.example\nDiagnostic-Code: smtp; {diagnostic}\n"
    )


def postfix(to: str, status: str, diagnostic: str, command: str = "RCPT TO", action: str = "failed") -> bytes:
    notice = f"""\
This is the mail system at host mx.example.net.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

For further assistance, please send mail to postmaster.

<{to}>: host mail.kunde.example[192.0.2.25] said: {diagnostic} (in reply to
    {command} command)
"""
    return report(notice, fields(to, status, diagnostic, action), to=to)


def exim(to: str, said: str, *, is_delay: bool = False) -> bytes:
    """Exim without a report for machines."""
    told = (
        "A message that you sent has not yet been delivered to one or more of its\n"
        "recipients after more than 24 hours on the queue on mx.example.net.\n\n"
        f"The address to which the message has not yet been delivered is:\n\n  {to}\n    {said}\n\n"
        "No action is required on your part. Delivery attempts will continue for\n"
        "some time, and this warning may be repeated at intervals.\n"
        if is_delay
        else "A message that you sent could not be delivered to one or more of its\n"
        "recipients. This is a permanent error. The following address(es) failed:\n\n"
        f"  {to}\n    {said}\n"
    )
    copy = "------ This is a copy of the message, including all the headers. ------\n\n" + ORIGINAL.format(to=to)
    subject = (
        "Warning: message 1abc delayed 24 hours" if is_delay else "Mail delivery failed: returning message to sender"
    )
    text = f"This message was created automatically by mail delivery software.\n\n{told}\n{copy}"
    return plain("Mail Delivery System <Mailer-Daemon@mx.example.net>", subject, text, f"X-Failed-Recipients: {to}")


def qmail(to: str, said: str) -> bytes:
    text = f"""\
Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<{to}>:
{said}

--- Below this line is a copy of the message.

Return-Path: <{OURS}>
{ORIGINAL.format(to=to)}"""
    return plain("MAILER-DAEMON@mx.example.net", "failure notice", text)


def sendmail(to: str, said: str, command: str = "RCPT To") -> bytes:
    text = f"""\
The original message was received at Mon, 2 Mar 2026 09:30:05 +0100
from app.example.com [192.0.2.7]

   ----- The following addresses had permanent fatal errors -----
<{to}>
    (reason: {said})

   ----- Transcript of session follows -----
... while talking to mail.kunde.example.:
>>> {command}:<{to}>
<<< {said}

   ----- Original message follows -----
{ORIGINAL.format(to=to)}"""
    return plain("Mail Delivery Subsystem <MAILER-DAEMON@mx.example.net>", "Returned mail: see transcript", text)


def exchange_de(to: str, status: str, diagnostic: str) -> bytes:
    """Exchange in German: HTML for people, and a report."""
    notice = (
        "<html><body><p><b>Fehler bei der Nachrichtenzustellung an folgende Empf&auml;nger oder Gruppen:</b></p>"
        f'<p><a href="mailto:{to}">{to}</a><br>Die eingegebene E-Mail-Adresse konnte nicht gefunden werden.</p>'
        "<p>Diagnoseinformationen f&uuml;r Administratoren:</p><p>Generierender Server: mx</p></body></html>"
    )
    mail = report(
        notice, fields(to, status, diagnostic), to=to, sender="Microsoft Outlook <postmaster@kunde.example>",
        subject="Unzustellbar: Ihre Rechnung 4711",
    )  # fmt: skip
    return mail.replace(b"Content-Type: text/plain; charset=utf-8", b"Content-Type: text/html; charset=utf-8", 1)


def exchange_2003(to: str) -> bytes:
    text = f"""\
Your message

  To:      {to}
  Subject: Ihre Rechnung 4711
  Sent:    Mon, 2 Mar 2026 09:30:00 +0100

did not reach the following recipient(s):

{to} on Mon, 2 Mar 2026 09:30:07 +0100
    The e-mail account does not exist at the organization this message was sent to.
    Check the e-mail address, or contact the recipient directly to find out the correct address.
      <mx.example.net #5.1.1>
"""
    return plain("System Administrator <postmaster@kunde.example>", "Undeliverable: Ihre Rechnung 4711", text)


def gmx(to: str, said: str) -> bytes:
    """As GMX and Web.de write it."""
    text = f"""\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of
its recipients. This is a permanent error. The following address
failed:

"{to}":
SMTP error from remote server after RCPT command:
host: mail.kunde.example
{said}

--- The header of the original message is following. ---

{ORIGINAL.format(to=to)}"""
    return plain(
        "GMX Mailer Daemon <mailer-daemon@gmx.example>", "Mail delivery failed: returning message to sender", text
    )


def t_online(to: str, said: str) -> bytes:
    """As T-Online writes it."""
    text = f"""\
|------------------------- Message log follows: -------------------------|
 no valid recipients were found for this message
|------------------------- Failed addresses follow: ---------------------|
 <{to}> ... {said}
|------------------------- Message text follows: ------------------------|
{ORIGINAL.format(to=to)}"""
    return plain("Mail Delivery Subsystem <MAILER-DAEMON@mx.example.net>", "mail failed, returning to sender", text)


def gmail(to: str, status: str, diagnostic: str) -> bytes:
    notice = f"""\

** Address not found **

Your message wasn't delivered to {to} because the address couldn't be found, or is unable to receive mail.

The response from the remote server was:
{diagnostic}
"""
    return report(
        notice, fields(to, status, diagnostic), to=to, subject="Delivery Status Notification (Failure)",
        sender="Mail Delivery Subsystem <mailer-daemon@mx.example.net>",
    )  # fmt: skip


def complaint(kind: str = "abuse") -> bytes:
    stated = (
        f"Feedback-Type: {kind}\nUser-Agent: Feedback/1.0\nVersion: 1\nOriginal-Mail-From: <{OURS}>\n"
        "Original-Rcpt-To: <ann@kunde.example>\nReported-Domain: example.com\n"
    )
    return report(
        "This is an email abuse report.\n", stated, kind="feedback-report", sender="feedback@mx.example.net",
        subject="FW: Ihre Rechnung 4711",
    )  # fmt: skip


def receipt() -> bytes:
    stated = (
        "Reporting-UA: client.example.net; Mail 3\nFinal-Recipient: rfc822;ann@kunde.example\n"
        f"Original-Message-ID: {OUR_ID}\nDisposition: manual-action/MDN-sent-manually; displayed\n"
    )
    return report(
        "Ihre Nachricht wurde gelesen.\n", stated, kind="disposition-notification", sender="ann@kunde.example",
        subject="Gelesen: Ihre Rechnung 4711",
    )  # fmt: skip


def answer(subject: str, text: str, *further: str, path: str = "<>") -> bytes:
    """What Ann's programs, or Ann herself, write back."""
    return plain("Ann Müller <ann@kunde.example>", subject, text, f"In-Reply-To: {OUR_ID}", *further, path=path)
