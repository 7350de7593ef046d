"""What the analyser says of the mails that come back."""

from __future__ import annotations

import pytest
from postwerk.engine.inbound import Kind, Reason, analyse

from .inbound_mails import (
    ORIGINAL,
    OUR_ID,
    OURS,
    answer,
    complaint,
    exchange_2003,
    exchange_de,
    exim,
    fields,
    gmail,
    gmx,
    head,
    plain,
    postfix,
    qmail,
    receipt,
    report,
    sendmail,
    t_online,
    wire,
)

ANN = "ann@kunde.example"
UNKNOWN, FULL = "550 5.1.1 <ann@kunde.example>: Recipient address rejected: User unknown", "552 5.2.2 Mailbox full"

BOUNCES = {
    "Postfix, unknown": (postfix(ANN, "5.1.1", UNKNOWN), Reason.USER_UNKNOWN, True),
    "Postfix, full": (postfix(ANN, "5.2.2", "552 5.2.2 Quota exceeded"), Reason.MAILBOX_FULL, False),
    "Postfix, spam": (postfix(ANN, "5.7.1", "554 5.7.1 Message rejected as spam", "end of DATA"), Reason.SPAM, False),
    "Postfix, no such host": (
        postfix(ANN, "5.4.4", "Host or domain name not found. Name service error for name=kunde.example"),
        Reason.HOST_UNKNOWN,
        True,
    ),
    "Postfix, expired": (postfix(ANN, "4.4.1", "connect to mail.kunde.example: Connection timed out"),
                         Reason.EXPIRED, False),
    "Exim, unknown": (
        exim(ANN, f"SMTP error from remote mail server after RCPT TO:<{ANN}>:\n    550 no such user here"),
        Reason.USER_UNKNOWN,
        True,
    ),
    "Exim, no route": (exim(ANN, "Unrouteable address"), Reason.HOST_UNKNOWN, True),
    "Exim, blocked": (
        exim(ANN, "SMTP error from remote mail server after initial connection:\n    554 go away"),
        Reason.BLOCKED,
        False,
    ),
    "qmail, unknown": (qmail(ANN, "Sorry, no mailbox here by that name. (#5.1.1)"), Reason.USER_UNKNOWN, True),
    "qmail, full": (qmail(ANN, "192.0.2.25 failed after I sent the message.\nRemote host said: 552 quota exceeded"),
                    Reason.MAILBOX_FULL, False),
    "sendmail, unknown": (sendmail(ANN, UNKNOWN), Reason.USER_UNKNOWN, True),
    "sendmail, relay": (sendmail(ANN, "550 5.7.1 Relaying denied"), Reason.NO_RELAYING, False),
    "Exchange in German": (exchange_de(ANN, "5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound"),
                           Reason.USER_UNKNOWN, True),
    "Exchange 2003": (exchange_2003(ANN), Reason.USER_UNKNOWN, True),
    "GMX, unknown": (gmx(ANN, "5.1.1 user unknown"), Reason.USER_UNKNOWN, True),
    "GMX, closed": (gmx(ANN, "550 account is disabled"), Reason.SUSPENDED, False),
    "T-Online, host": (t_online(ANN, "unknown host"), Reason.HOST_UNKNOWN, True),
    "Gmail, unknown": (gmail(ANN, "5.1.1", "550-5.1.1 The email account that you tried to reach does not exist."),
                       Reason.USER_UNKNOWN, True),
    "DMARC": (postfix(ANN, "5.7.26", "550 5.7.26 Unauthenticated email is not accepted due to domain's DMARC policy"),
              Reason.AUTH_FAILURE, False),
    "no reverse DNS": (postfix(ANN, "5.7.25", "550 5.7.25 The IP address has no PTR record"),
                       Reason.REQUIRE_PTR, False),
    "moved": (postfix(ANN, "5.1.6", "550 5.1.6 recipient no longer on server"), Reason.HAS_MOVED, True),
    "null MX": (postfix(ANN, "5.1.10", "550 5.1.10 Domain does not accept mail (nullMX)"), Reason.NOT_ACCEPT, True),
    "too big": (postfix(ANN, "5.3.4", "552 5.3.4 Message size exceeds fixed limit", "MAIL FROM"),
                Reason.TOO_BIG, False),
    "virus": (postfix(ANN, "5.7.1", "554 5.7.1 Virus found: Eicar", "end of DATA"), Reason.VIRUS, False),
    "German words": (postfix(ANN, "5.0.0", "550 Empfänger unbekannt"), Reason.USER_UNKNOWN, True),
    "full in German": (postfix(ANN, "5.0.0", "550 Das Postfach ist voll"), Reason.MAILBOX_FULL, False),
    "a program that failed": (
        report("Sorry.\n", fields(ANN, "5.3.0", "255").replace("smtp; 255", "x-unix; 255")), Reason.MAILER, False,
    ),
    "unknown sender": (postfix(ANN, "5.0.0", "550 user does not exist", "MAIL FROM"), Reason.REJECTED, False),
}  # fmt: skip


@pytest.mark.parametrize("name", BOUNCES)
def test_a_bounce_tells_recipient_reason_and_whether_the_address_is_dead(name: str) -> None:
    mail, reason, is_hard = BOUNCES[name]

    verdict = analyse(mail)

    assert (verdict.kind, verdict.reason, verdict.is_hard) == (Kind.BOUNCE, reason, is_hard)
    assert [one.recipient for one in verdict.failures] == [ANN]
    assert not verdict.is_auto_reply


@pytest.mark.parametrize("name", sorted(set(BOUNCES) - {"Exchange 2003"}))
def test_a_bounce_tells_which_mail_of_ours_is_meant(name: str) -> None:
    assert analyse(BOUNCES[name][0]).original_message_id == OUR_ID


@pytest.mark.parametrize("name", BOUNCES)
def test_the_same_bounce_with_other_line_ends_is_the_same_bounce(name: str) -> None:
    mail, reason, is_hard = BOUNCES[name]

    for end in (b"\n", b"\r"):
        verdict = analyse(mail.replace(b"\r\n", end))
        assert (verdict.kind, verdict.reason, verdict.is_hard) == (Kind.BOUNCE, reason, is_hard)


def test_each_claim_has_its_evidence() -> None:
    [failure] = analyse(postfix(ANN, "5.1.1", UNKNOWN)).failures

    found = {one.claim: (one.place, one.said) for one in failure.evidence}

    assert found["reason userunknown"] == ("Diagnostic-Code", "address rejected: User unknown")
    assert found["status 5.1.1"] == ("Diagnostic-Code", "5.1.1")
    assert found["reply 550"] == ("Diagnostic-Code", "550")
    assert (failure.status, failure.reply, failure.remote_host) == ("5.1.1", "550", "mail.kunde.example")


def test_a_report_names_every_recipient_with_its_own_reason() -> None:
    two = fields(ANN, "5.1.1", UNKNOWN) + "\n" + "\n".join(fields("bob@kunde.example", "5.2.2", FULL).split("\n")[3:])

    verdict = analyse(report("Two failed.\n", two))

    assert [(one.recipient, one.reason, one.is_hard) for one in verdict.failures] == [
        (ANN, Reason.USER_UNKNOWN, True), ("bob@kunde.example", Reason.MAILBOX_FULL, False),
    ]  # fmt: skip
    assert verdict.is_hard is None


def test_a_notice_names_every_recipient() -> None:
    mail = qmail(ANN, "Sorry, no mailbox here by that name. (#5.1.1)\n\n<bob@kunde.example>:\nUser is over quota")

    found = [(one.recipient, one.reason) for one in analyse(mail).failures]

    assert found == [(ANN, Reason.USER_UNKNOWN), ("bob@kunde.example", Reason.MAILBOX_FULL)]


def test_what_stands_below_the_line_is_not_the_notice() -> None:
    text = f"<{ANN}>:\nno such user. (#5.1.1)\n\n--- Below this line is a copy.\n\n<bob@kunde.example>:\nno\n"

    verdict = analyse(plain("MAILER-DAEMON@mx.example.net", "failure notice", text))

    assert [one.recipient for one in verdict.failures] == [ANN]


def test_a_recipient_reported_twice_is_one_with_the_more_telling_reason() -> None:
    stated = fields(ANN, "5.1.1", UNKNOWN) + "\n" + "\n".join(fields(ANN, "5.0.0", "550 no").split("\n")[3:])

    assert [one.reason for one in analyse(report("Sorry.\n", stated)).failures] == [Reason.USER_UNKNOWN]


def test_a_block_without_a_recipient_belongs_to_the_one_before() -> None:
    stated = f"Reporting-MTA: dns; mx\n\nFinal-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.0.0\n\n"
    stated += "Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 552 mailbox is full\n"

    verdict = analyse(report("Sorry.\n", stated))

    assert [(one.recipient, one.reason) for one in verdict.failures] == [(ANN, Reason.MAILBOX_FULL)]


def test_a_report_in_the_midst_of_a_text_is_found() -> None:
    text = "Your mail was not delivered.\n\n" + fields(ANN, "5.1.1", UNKNOWN)

    verdict = analyse(plain("MAILER-DAEMON@mx.example.net", "Delivery report", text))

    assert (verdict.kind, [one.recipient for one in verdict.failures]) == (Kind.BOUNCE, [ANN])


def test_an_address_that_is_refused_only_after_the_text_is_left_to_a_person() -> None:
    verdict = analyse(postfix(ANN, "5.0.0", "550 no such user", "end of DATA"))

    assert (verdict.reason, verdict.is_hard) == (Reason.FILTERED, None)


def test_a_bounce_that_says_nothing_is_unsure() -> None:
    verdict = analyse(report("Sorry.\n", fields(ANN, "5.0.0", "550 no")))

    assert (verdict.kind, verdict.reason, verdict.is_hard) == (Kind.BOUNCE, Reason.ON_HOLD, None)


def test_an_address_does_not_die_of_words_that_speak_of_the_sender_too() -> None:
    said = "550 The account or domain may not exist, or is blacklisted by our policy"

    assert analyse(report("Sorry.\n", fields(ANN, "5.0.0", said))).is_hard is None


def test_a_temporary_status_never_kills_an_address() -> None:
    verdict = analyse(report("Later.\n", fields(ANN, "4.1.1", "451 4.1.1 lookup error")))

    assert verdict.is_hard is not True


DELAYS = {
    "Postfix": postfix(ANN, "4.4.1", "connect to mail.kunde.example: Connection timed out", action="delayed"),
    "Exim": exim(ANN, "Delay reason: 451 try again later", is_delay=True),
    "German": plain(
        "Mailer-Daemon <mailer-daemon@mx.example.net>",
        "Verzögerte Zustellung",
        f"Ihre Nachricht an\n\n<{ANN}>\n\nkonnte noch nicht zugestellt werden. Weitere Zustellversuche folgen.\n",
    ),
}


@pytest.mark.parametrize("name", DELAYS)
def test_what_is_still_tried_is_a_delay_and_no_bounce(name: str) -> None:
    verdict = analyse(DELAYS[name])

    assert (verdict.kind, verdict.is_bounce) == (Kind.DELAYED, False)
    assert [one.recipient for one in verdict.failures] == [ANN]


def test_a_report_of_success_is_no_bounce() -> None:
    assert analyse(report("Arrived.\n", fields(ANN, "2.1.5", "250 OK", "delivered"))).kind is Kind.DELIVERED


ANSWERS = {
    "RFC 3834": answer("Re: Ihre Rechnung", "Away.", "Auto-Submitted: auto-replied", path="<ann@kunde.example>"),
    "Exchange in German": answer(
        "Automatische Antwort: Ihre Rechnung 4711", "Ich bin im Urlaub.", "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
    ),
    "vacation(1)": answer("away from my mail", "I am on vacation.", "Precedence: junk", "X-Vacation: yes"),
    "a header of a program": answer("Ihre Mail", "Danke.", "X-Autoreply: yes", path="<ann@kunde.example>"),
    "subject and no sender": answer("Abwesenheitsnotiz: Ihre Rechnung 4711", "Bin ab Montag wieder da."),
    "subject in English": answer("Out of Office: Ihre Rechnung 4711", "Back on Monday."),
    "encoded subject": answer("=?utf-8?b?UsOpcG9uc2UgYXV0b21hdGlxdWU=?=: Rechnung", "Je suis absent."),
    "a ticket system": answer(
        "[Ticket#1] Eingangsbestätigung", "Wir haben Ihre Anfrage erhalten.", "Auto-Submitted: auto-replied",
        "Precedence: bulk", path="<support@kunde.example>",
    ),
    "no sender, and nothing else": answer("AW: Ihre Rechnung 4711", "Danke!"),
    "its own subject": answer("Automatische Antwort: Rechnung", "Danke!", path=f"<{ANN}>"),
    "body and no sender": answer(
        "Ihre Rechnung 4711", "Ich bin bis zum 12. März nicht im Büro. Diese Nachricht wurde automatisch erstellt."
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_an_automatic_answer_is_one_and_names_our_mail(name: str) -> None:
    verdict = analyse(ANSWERS[name])

    assert (verdict.kind, verdict.is_auto_reply, verdict.original_message_id) == (Kind.AUTO_REPLY, True, OUR_ID)
    assert verdict.evidence


def test_a_filter_that_asks_for_proof_is_a_challenge() -> None:
    text = (
        "To control spam, I now allow mail only from senders I have approved.\nPlease click the link to be approved.\n"
    )

    verdict = analyse(answer("Re: Ihre Rechnung", text, "Auto-Submitted: auto-replied"))

    assert (verdict.kind, verdict.is_auto_reply) == (Kind.CHALLENGE, True)


PEOPLE = {
    "an answer": answer("AW: Ihre Rechnung 4711", "Vielen Dank, wir überweisen.", path=f"<{ANN}>"),
    "about a holiday": answer("Urlaub vom 3. bis 14. August", "Ich möchte Urlaub nehmen.", path=f"<{ANN}>"),
    "an answer to a program": answer(
        "AW: Automatische Antwort: Rechnung", "Dann bis Montag, danke.", path=f"<{ANN}>"
    ),
    "about a parcel": answer("Delivery failed", "The parcel was returned to sender.", path=f"<{ANN}>"),
    "a bounce passed on": answer(
        "Fwd: Undelivered Mail Returned to Sender",
        f"Was ist das?\n\n> <{ANN}>: 550 5.1.1 User unknown\n> Final-Recipient: rfc822; {ANN}\n>\n"
        + "".join(f"> {line}\n" for line in ORIGINAL.format(to=ANN).splitlines()),
        path=f"<{ANN}>",
    ),
    "Exchange suppresses answers": answer("AW: Rechnung", "Anbei.", "X-Auto-Response-Suppress: DR", path=f"<{ANN}>"),
    "a mailing list": plain(
        "Ann <ann@kunde.example>", "[liste] Abwesenheit", "Ich bin bald im Urlaub.", "List-Id: <liste.example.org>",
        "Precedence: bulk", path="<liste-bounces@example.org>",
    ),
    "a warning of a full mailbox": plain(
        "postmaster@example.com", "Ihr Postfach ist fast voll", f"Das Postfach\n\n{OURS}\n\nist zu 95 % voll.\n",
        path="<postmaster@example.com>",
    ),
    "a list of what lies in quarantine": plain(
        "Postmaster <postmaster@example.com>", "Quarantäne", "Spam detected:\n\n<werbung@shop.example> (Angebot)\n",
        path="<postmaster@example.com>",
    ),
    "a newsletter": plain("news@kunde.example", "Angebote", "Kaufen.", "Precedence: bulk", path="<n@kunde.example>"),
}  # fmt: skip


@pytest.mark.parametrize("name", PEOPLE)
def test_what_a_person_wrote_is_an_ordinary_mail(name: str) -> None:
    assert analyse(PEOPLE[name]).kind is Kind.ORDINARY


def test_a_complaint_names_recipient_and_mail() -> None:
    verdict = analyse(complaint())

    assert (verdict.kind, verdict.is_complaint, verdict.reason) == (Kind.COMPLAINT, True, Reason.FEEDBACK)
    assert ([one.recipient for one in verdict.failures], verdict.original_message_id) == ([ANN], OUR_ID)


def test_feedback_that_something_is_no_spam_is_no_complaint() -> None:
    assert not analyse(complaint("not-spam")).is_complaint


def test_a_read_receipt_names_our_mail() -> None:
    verdict = analyse(receipt())

    assert (verdict.kind, verdict.original_message_id) == (Kind.RECEIPT, OUR_ID)


def test_a_sending_service_reports_as_json() -> None:
    text = (
        '{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"ann@kunde.example",'
        '"action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}]},'
        '"mail":{"commonHeaders":{"messageId":"<4711.rechnung@example.com>"}}}\n\n--\nUnsubscribe\n'
    )

    verdict = analyse(plain("no-reply@service.example", "Notification", text, path="<x@service.example>"))

    assert (verdict.kind, verdict.is_hard, verdict.original_message_id) == (Kind.BOUNCE, True, OUR_ID)


SERVICE = '{"notificationType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"ann@kunde.example"}]}}'
CHALLENGE = "I now allow mail only from senders I have approved.\nPlease click the link to be approved.\n"
PASSED_ON = {
    "bounce": postfix(ANN, "5.1.1", "550 5.1.1 User unknown"),
    "answer": ANSWERS["Exchange in German"],
    "complaint": complaint(),
    "receipt": receipt(),
    "service": plain("no-reply@service.example", "Notification", SERVICE),
    "challenge": answer("Re: Ihre Rechnung", CHALLENGE),
}


@pytest.mark.parametrize("text", ["", "FYI\n"])
@pytest.mark.parametrize("name", PASSED_ON)
def test_what_a_person_passes_on_in_an_attached_mail_is_not_said_by_that_person(name: str, text: str) -> None:
    lines = head(
        "Bob <bob@kunde.example>", "Fwd: Neues", "Content-Type: multipart/mixed; boundary=o", path="<bob@kunde.example>"
    )
    before = wire(f"{lines}\n--o\nContent-Type: text/plain\n\n{text}\n--o\nContent-Type: message/rfc822\n\n")

    verdict = analyse(before + PASSED_ON[name] + b"\r\n--o--\r\n")

    assert analyse(PASSED_ON[name]).kind is not Kind.ORDINARY
    assert (verdict.kind, verdict.failures) == (Kind.ORDINARY, ())


def test_a_program_that_passes_a_challenge_on_asks_for_nothing() -> None:
    sender, kind = "noreply@archiv.example", "Content-Type: message/rfc822"
    before = wire(head(sender, "Archiv", kind, path=f"<{sender}>") + "\n")

    assert analyse(plain(sender, "Archiv", CHALLENGE, path=f"<{sender}>")).kind is Kind.CHALLENGE
    assert analyse(before + PASSED_ON["challenge"]).kind is Kind.ORDINARY


def test_our_own_address_and_the_servers_are_no_recipients() -> None:
    text = f"Message from\n{OURS}\nfailed. Contact postmaster@mx.example.net.\n\n<{ANN}>:\n550 5.1.1 unknown user\n"

    verdict = analyse(plain("postmaster@mx.example.net", "Undeliverable mail", text))

    assert [one.recipient for one in verdict.failures] == [ANN]
