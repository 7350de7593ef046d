"""What servers say, and which reason that is. One line of a server a row; every address is made up."""

from __future__ import annotations

import re

import pytest
from postwerk.engine.inbound import Reason
from postwerk.engine.inbound.codes import replies, statuses
from postwerk.engine.inbound.phrases import Phrases
from postwerk.engine.inbound.reasons import Said, judge
from postwerk.engine.inbound.server_words import PROVIDER_CODES, STRONG, WEAK
from postwerk.engine.inbound.verdict import Reason as Word

AT_RCPT = "(in reply to RCPT TO command)"

ROWS: dict[str, tuple[Reason, bool | None]] = {
    "550 5.1.1 <ann@kunde.example>: Recipient address rejected: User unknown in virtual table": (
        Reason.USER_UNKNOWN,
        True,
    ),
    "550 Requested action not taken: mailbox unavailable": (Reason.USER_UNKNOWN, True),
    "550 Benutzer unbekannt": (Reason.USER_UNKNOWN, True),
    "550 5.1.1 Empfängeradresse existiert nicht": (Reason.USER_UNKNOWN, True),
    "550 5.4.1 Recipient address rejected: Access denied": (Reason.USER_UNKNOWN, True),
    "550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416": (Reason.USER_UNKNOWN, True),
    "450 4.1.1 <ann@kunde.example>: unverified address": (Reason.ON_HOLD, None),
    "450 4.1.1 <ann@kunde.example>: Recipient address rejected: User unknown": (Reason.USER_UNKNOWN, None),
    "550 5.1.1 queue file write error": (Reason.USER_UNKNOWN, None),
    "553 5.1.2 Host unknown": (Reason.HOST_UNKNOWN, True),
    "Host or domain name not found. Name service error: Host not found, try again": (Reason.NETWORK, False),
    "556 5.1.10 Recipient address has null MX": (Reason.NOT_ACCEPT, True),
    "550 5.1.6 recipient no longer on server": (Reason.HAS_MOVED, True),
    "552 5.2.2 Das Postfach ist voll": (Reason.MAILBOX_FULL, False),
    "452 4.2.2 The recipient's inbox is out of storage space": (Reason.MAILBOX_FULL, False),
    "550 5.2.1 The email account that you tried to reach is disabled": (Reason.SUSPENDED, False),
    "450 4.2.1 mailbox unavailable. The user is receiving mail too quickly": (Reason.SPEEDING, False),
    "550 5.2.1 has sent to too many recipients this hour. IB607": (Reason.SPEEDING, False),
    "421 4.7.0 too many connections from your host": (Reason.TOO_MANY_CONNECTIONS, False),
    "552 5.3.4 Message size exceeds fixed limit": (Reason.TOO_BIG, False),
    "550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient": (Reason.EXCEEDS_LIMIT, False),
    "554 5.7.1 <ann@kunde.example>: Relay access denied": (Reason.NO_RELAYING, False),
    "550 5.7.1 <office@example.com>: Sender address rejected: not owned by user": (Reason.REJECTED, False),
    "550 5.7.133 sender not authenticated for group": (Reason.REJECTED, False),
    "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using dnsbl.example": (Reason.BLOCKED, False),
    "550 5.7.1 IP=192.0.2.7 - A problem occurred. (BL)": (Reason.BLOCKED, False),
    "450 4.2.0 Recipient address rejected: Greylisted": (Reason.BLOCKED, False),
    "550 5.7.26 This mail is unauthenticated, SPF did not pass": (Reason.AUTH_FAILURE, False),
    "550 5.7.515 Access denied, sending domain does not meet the level": (Reason.AUTH_FAILURE, False),
    "554 Bad DNS PTR resource record": (Reason.REQUIRE_PTR, False),
    "550 5.7.1 likely suspicious due to the very low reputation of the sending domain": (Reason.BAD_REPUTATION, False),
    "554 5.7.1 Message identified as spam": (Reason.SPAM, False),
    "554 5.7.1 rejected due to virus: Eicar": (Reason.VIRUS, False),
    "554 5.7.9 Message not accepted for policy reasons": (Reason.POLICY, False),
    "550 5.7.1 This message is not RFC 5322 compliant": (Reason.NOT_COMPLIANT, False),
    "530 5.7.0 Must issue a STARTTLS command first": (Reason.STARTTLS, False),
    "535 5.7.8 Error: authentication failed": (Reason.SECURITY, False),
    "delivery temporarily suspended: connect to mx: Connection timed out": (Reason.EXPIRED, False),
    "554 5.4.6 Hop count exceeded - possible mail loop": (Reason.NETWORK, False),
    "452 4.3.1 Insufficient system storage": (Reason.SYSTEM_FULL, False),
    "451 4.3.0 Temporary lookup failure: server configuration error": (Reason.SYSTEM, False),
    "500 5.5.2 Syntax error, command unrecognized": (Reason.SYNTAX, False),
    "550 5.6.0 invalid MIME content": (Reason.CONTENT, False),
    "550 You have been blocked by the recipient": (Reason.FILTERED, False),
    "550 sorry": (Reason.ON_HOLD, None),
}


@pytest.mark.parametrize("said", ROWS)
def test_what_a_server_says_has_a_reason(said: str) -> None:
    codes, answered = statuses(said), replies(said)

    found = judge(Said(said, next(iter(codes), ""), next(iter(answered), ""), context=AT_RCPT))

    assert (found.reason, found.is_hard) == ROWS[said]


def test_a_continued_reply_is_read_as_one_sentence() -> None:
    said = "550-5.7.1 The message was refused because the sending 550-5.7.1 domain has a very low 550 5.7.1 reputation."

    assert judge(Said(said, "5.7.1", "550")).reason is Reason.BAD_REPUTATION


def test_names_of_hosts_and_people_are_no_words_of_the_server() -> None:
    said = "host spam.blocked.example[192.0.2.1] said: 550 5.1.1 <spam@policy.reasons.example> User unknown"

    found = judge(Said(said, "5.1.1", "550"))

    assert (found.reason, found.is_hard) == (Reason.USER_UNKNOWN, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("550 5.1.1 no", ["5.1.1"]), ("host 5.1.1.2 said no", []), ("sendmail 8.12.8", []),
        ("5.0.0 then 5.1.1", ["5.1.1", "5.0.0"]),
        ("(#5.7.1)", ["5.7.1"]), ("version 4.5.6.7", []),
    ],
)  # fmt: skip
def test_status_codes_are_told_from_addresses_and_versions(text: str, expected: list[str]) -> None:
    assert statuses(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("550 no", ["550"]),
        ("450-later", ["450"]),
        ("550 bytes", []),
        ("192.0.2.550", []),
        ("id 4550", []),
        ("a-550-b", []),
    ],
)
def test_replies_are_told_from_other_numbers(text: str, expected: list[str]) -> None:
    assert replies(text) == expected


@pytest.mark.parametrize("table", [STRONG, WEAK, PROVIDER_CODES])
def test_every_phrase_is_lower_case_and_names_no_address(table: tuple[tuple[Word, str], ...]) -> None:
    lines = [line for _, lines in table for line in lines.splitlines()]

    assert Phrases(table).found("nothing of all this") == []
    assert [line for line in lines if re.search(r"\w@\w", line.replace("x@x", ""))] == []
    assert [line for line in lines if any(one.isupper() and one not in "SWDB" for one in line)] == []
