"""Whatever bytes come: something comes out, in time that grows with their number and no faster."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postwerk.engine.inbound import Kind, parse_mail
from postwerk.engine.inbound.analyse import analyse_mail

from .inbound_mails import answer, complaint, exchange_de, exim, gmx, postfix, qmail, receipt, sendmail, t_online

ANN = "ann@kunde.example"
SEEDS = (
    postfix(ANN, "5.1.1", "550 5.1.1 user unknown"), exim(ANN, "550 no such user"), qmail(ANN, "unknown. (#5.1.1)"),
    exchange_de(ANN, "5.1.10", "550 5.1.10 not found"), sendmail(ANN, "550 user unknown"), gmx(ANN, "550 no"),
    t_online(ANN, "unknown user"), complaint(), receipt(), answer("Abwesenheit", "Im Urlaub."),
)  # fmt: skip
PIECES = (
    b"\r", b"\n", b"\r\n", b"\r\r\n", b"\0", b"=?utf-8?q?", b"=?x?b?", b"?=", b"Content-Type: ", b"multipart/mixed; ",
    b"boundary=", b"--=_b", b"--=_b--\n", b"message/rfc822", b"\n\n", b"Final-Recipient: rfc822;", b"Action: failed\n",
    b"Status: 5.1.1\n", b"Content-Transfer-Encoding: base64\n", b"charset=idna", b"charset=utf-16", b"charset=utf-7",
    b"+2AA-", b"begin 644 x\n", b"\xff\xfe", b"\xed\xa0\x80", b'"', b";", b"<", b">", b"@", b"&#x110000;", b"<!--",
    b"550 5.1.1 ", b"\x78\x9f\x3e\x22", b'{"notificationType":"Bounce","bounce":[[[', b"*0*=utf-8''%", b"From ",
    b"a@b.de",
)  # fmt: skip
SECONDS = 1.0
"""For a mail of about 300 KB; what takes quadratic time takes minutes."""


def looked_at(content: bytes) -> Kind:
    """Everything that can be asked of a mail, and that it can be written down."""
    mail = parse_mail(content)
    verdict = analyse_mail(mail)
    attachments = [(one.name, one.media_type, len(one.content)) for one in (*mail.attachments, *mail.enclosed)]
    said = [one.said for one in verdict.evidence] + [one.diagnostic for one in verdict.failures]
    asked = [mail.subject, mail.sender, mail.text, mail.html, mail.references, str(mail.date), attachments, said]
    json.dumps(asked, ensure_ascii=False).encode("utf-8")
    return verdict.kind


edits = st.lists(
    st.tuples(
        st.floats(0, 1), st.integers(0, 40), st.sampled_from(PIECES) | st.binary(max_size=20), st.integers(1, 30)
    ),
    max_size=8,
)


@given(st.sampled_from(SEEDS), edits)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_spoilt_mail_raises_nothing(seed: bytes, changes: list[tuple[float, int, bytes, int]]) -> None:
    assert looked_at(spoilt(seed, changes)) in Kind


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=30), max_size=60).map(b"".join))
@settings(max_examples=300, deadline=None)
def test_any_bytes_raise_nothing(content: bytes) -> None:
    assert looked_at(content) in Kind


@pytest.mark.soak
@given(st.sampled_from(SEEDS), edits)
@settings(max_examples=100_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_hundred_thousand_spoilt_mails_raise_nothing(
    seed: bytes, changes: list[tuple[float, int, bytes, int]]
) -> None:
    assert looked_at(spoilt(seed, changes)) in Kind


def spoilt(seed: bytes, changes: list[tuple[float, int, bytes, int]]) -> bytes:
    """At each place some bytes are taken out and a piece is put in, so many times."""
    content = seed
    for place, taken, piece, times in changes:
        at = int(place * len(content))
        content = content[:at] + piece * times + content[at + taken :]
    return content


BOUNCE = b"From: MAILER-DAEMON@x.de\nReturn-Path: <>\nSubject: failure notice\n"
DSN = BOUNCE + b"Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; "
REPEATED: dict[str, tuple[bytes, bytes]] = {
    "openings of encoded words": (b"Subject: ", b"=?a?q?x"), "encoded words": (b"Subject: ", b"=?utf-8?q?x?= "),
    "semicolons": (b"Content-Type: text/plain; ", b";"), "quotes": (b"Content-Type: text/plain; ", b';"'),
    "continued parameters": (b"Content-Type: text/plain; ", b"a*0=b;"),
    "backslashes": (b'Content-Type: a/b; a="', b"\\"),
    "opened comments": (b"From: ", b"("), "letters without an at": (b"From: ", b"a"), "dots": (b"From: ", b"a."),
    "opened references": (b"References: ", b"<a"), "carriage returns": (b"", b"\r"),
    "odd lines": (b"A: b\n", b"odd\nA: b\n"),
    "boundaries": (b"Content-Type: multipart/mixed; boundary=a\n\n", b"--a\n"),
    "near boundaries": (b"Content-Type: multipart/mixed; boundary=a\n\n", b"--ab\n"),
    "undeclared boundaries": (b"Content-Type: multipart/mixed\n\n", b"--aaaa\n"),
    "nested mails": (b"", b"Content-Type: message/rfc822\n\n"),
    "nested parts": (b"", b"Content-Type: multipart/mixed; boundary=b\n\n--b\n"),
    "padding": (b"Content-Transfer-Encoding: base64\n\n", b"QQ==\n"),
    "equal signs": (b"Content-Transfer-Encoding: quoted-printable\n\n", b"=   "), "begins": (b"\n", b"begin 644 x\n"),
    "angles": (b"Content-Type: text/html\n\n", b"<"), "titles": (b"Content-Type: text/html\n\n", b"<title>"),
    "comments": (b"Content-Type: text/html\n\n", b"<!--"), "entities": (b"Content-Type: text/html\n\n", b"&#x"),
    "addresses": (BOUNCE + b"\n", b"<a@b.de>: 550 5.1.1 unknown\n"), "at signs": (BOUNCE + b"\n", b"@"),
    "heads": (BOUNCE + b"\n", b"Received: x\nFrom: y\n"), "dashes": (BOUNCE + b"\n", b"-"),
    "recipients": (DSN, b"a@b.de\nAction: failed\nStatus: 5.1.1\n\nFinal-Recipient: rfc822; "), "codes": (DSN, b"5.1."),
    "folds": (DSN + b"a@b.de\nDiagnostic-Code: smtp; 550\n", b" x\n"), "brackets": (b'\n{"notificationType":', b"["),
    "idna": (b"Content-Type: text/plain; charset=idna\n\n", b"\xc3\xa4."),
    "tnef": (b"Content-Type: application/ms-tnef\n\n\x78\x9f\x3e\x22aa",
             b"\x02\x05\x90\x06\x00\x04\0\0\0\xff\xff\xff\xff\0\0"),
}  # fmt: skip


@pytest.mark.parametrize("name", REPEATED)
def test_a_mail_of_one_thing_many_times_takes_no_quadratic_time(name: str) -> None:
    start, piece = REPEATED[name]
    content = start + piece * (300_000 // len(piece))
    looked_at(content[:2_000])  # what is built once is not counted

    assert seconds(lambda: looked_at(content)) < SECONDS


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start
