"""How many mails a second are read and told apart, on one core. Run: python -m tests.bench.bench_inbound [FOLDER]"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from email import message_from_bytes, policy
from pathlib import Path

from postwerk.engine import Document
from postwerk.engine.inbound import analyse, parse_mail

from ..engine.inbound_mails import answer, complaint, exchange_de, exim, gmail, gmx, plain, postfix, qmail, sendmail
from ..engine.mails import draft, written

ANN = "ann@kunde.example"
PDF = Document(name="Rechnung.pdf", content=bytes(range(256)) * 164, media_type="application/pdf")
KINDS: dict[str, tuple[bytes, ...]] = {
    "bounces": (
        postfix(ANN, "5.1.1", "550 5.1.1 User unknown"), exim(ANN, "550 mailbox is full"), qmail(ANN, "552 over quota"),
        sendmail(ANN, "550 5.7.1 Relaying denied"), gmx(ANN, "550 account is disabled"),
        exchange_de(ANN, "5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound"),
        gmail(ANN, "5.7.1", "550-5.7.1 Our system has detected that this message is likely unsolicited mail."),
    ),
    "answers and complaints": (answer("Abwesenheit", "Im Urlaub."), complaint()),
    "letters of 2 KB": (plain(ANN, "AW: Rechnung", "Sehr geehrte Damen und Herren,\n" * 60, path=f"<{ANN}>"),),
    "letters with a PDF of 41 KB": (written(draft("Guten Tag", "<p>Guten Tag</p>", attachments=(PDF,))),),
}  # fmt: skip
SECONDS = 1.0


def rate(call: Callable[[bytes], object], mails: Sequence[bytes]) -> float:
    """Mails a second; what is built once (the automata of the phrases) is not counted."""
    for mail in mails:
        call(mail)
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < SECONDS:
        for mail in mails:
            call(mail)
        count += len(mails)
    return count / passed


def read(content: bytes) -> object:
    mail = parse_mail(content)
    return mail.subject, mail.text, [one.content for one in mail.attachments]


def read_by_library(content: bytes) -> object:
    """The standard library's newer reader, as its manual uses it."""
    mail = message_from_bytes(content, policy=policy.default)
    body = mail.get_body(("plain", "html"))
    return mail["subject"], body and body.get_content(), [one.get_content() for one in mail.iter_attachments()]


def main() -> None:
    kinds = dict(KINDS)
    if len(sys.argv) > 1:
        kinds["mails of the folder"] = tuple(path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*.eml")))
    print(f"{'mails a second, one core':30}{'told apart':>12}{'read whole':>12}{'library':>12}")
    for name, mails in kinds.items():
        # the library raises on some real mails, so it reads only those that we wrote
        library = f"{rate(read_by_library, mails):12,.0f}" if name in KINDS and "bounces" not in name else f"{'–':>12}"
        print(f"{name:30}{rate(analyse, mails):12,.0f}{rate(read, mails):12,.0f}{library}")


if __name__ == "__main__":
    main()
