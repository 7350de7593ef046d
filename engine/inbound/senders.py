"""Signs that a mail was written by a mail server: who sends it, and what the subject says."""

from __future__ import annotations

import re
from functools import lru_cache

from .mail import ParsedMail
from .phrases import Phrases

_DAEMON = re.compile(
    r"(?:mailer[-_.]?daemon|mail[-_.]?daemon|postmaster|mmdf|mail[-_.]?er|mail[-_.]?deliver\w*|mailsys|mail[-_.]?system"
    r"|microsoftexchange[0-9a-f]*|smtp[-_.]?daemon|bounce[sd]?|bounces?[-_.+].*|no-?reply-?bounce|uucp|mta|lmtp|dsn"
    r"|symantec_antivirus\w*|mdaemon|mailadmin|exchange|undeliverable)@?",
    re.IGNORECASE,
)
_SHOWN = re.compile(
    r"mail(?:er)?[ -]?(?:delivery|daemon)|delivery (?:sub)?system|delivery (?:agent|service|notification)|postmaster"
    r"|(?:system|mail) administrator|mail system|systemadministrator|internet mail|message transfer|mailservice"
    r"|microsoft outlook|mail router",
    re.IGNORECASE,
)
_PROGRAM = re.compile(r"mail(?:er)?[-_.]?daemon|mail delivery|delivery subsystem|^\s*<>", re.IGNORECASE)
_SUBJECTS: dict[str, str] = {
    "failure": r"""
        undeliver(able|ed)
        returned (mail|message|to sender|e-?mail)
        (mail|message|e-?mail|delivery|nondeliverable|non-delivery|deliver)( \S+){0,4} (fail(ed|ure|s)?|error\
            |problem|impossible|rejected|unsuccessful|returned|bounced|not delivered|undelivered|aborted|refused)
        fail(ed|ure)( \S+){0,3} (delivery|notice|to deliver|notification|mail|message)
        failure notice
        delivery (status )?(notification|report|status|failure|has failed|error|problem|incomplete)
        delivery-?(failure|status|report)
        (could|can|was|were|has|have|did|is) ?not (be |been )?(delivered|sent|reach)
        couldn't( \S+){0,2} deliver
        unable to deliver
        (non|not)[- ]?(delivery|deliverable|delivered)
        bounced (mail|message)
        mail (system error|status report|delivery)
        message status
        (user|recipient|mailbox|address) unknown
        unzustellbar
        nicht zugestellt
        nicht zustellbar
        zustell(ung|status|fehler)
        übermittlung(sstatus)?
        benachrichtigung( \S+){0,2} (zum|über)( \S+){0,3} zustell
        unbekannter empfänger
        fehler bei( \S+){0,3} (zustellung|übermittlung|versand)
        rückmeldung zum nachrichtenstatus
        e-?mail konnte nicht
        (échec|echec)( \S+){0,5} (remise|livraison|distribution|envoi)
        non remis
        courrier( \S+){0,3} non
        no se (ha )?(podido|pudo) entregar
        error( \S+){0,3} entrega
        mancat[oa] (consegna|recapito)
        impossibile recapitare
        correo devuelto
        devuelto al remitente
        n[aã]o (foi )?(poss[ií]vel )?entreg
        ej levererat
        onbestelbaar
        niet bezorgd
        не ?доставлен
        недоставленное
        (配信|配送|送信)( ?\S*){0,3}(できません|失敗|エラー|不能)
        退信
        退回
        mail could not
        warning from uucp
        considered unsolicited bulk
        banned contents? from
        virus( \S+){0,4} (in|from|found|detected)
        spam( \S+){0,3} (rejected|blocked)
        rejected (mail|message|posting|e-?mail)
        mensaje( \S+){0,3} (rechazado|no entregado)
        your message( \S+){0,6} (rejected|blocked|refused|not)
        (mail|message) blocked
        email address (not|no longer)
        auto(matically)? (rejected|discard)
        nachricht( \S+){0,4} (abgelehnt|abgewiesen|nicht)
    """,
    "delay": r"""
        delay(ed)?
        warning:? (could not|message|mail)
        (still|not yet)( \S+){0,4} (undelivered|delivered|queued|trying)
        delivery (is )?(delayed|deferred|pending)
        verzögert
        verspätet
        temporarily
        retard
        transient
    """,
}


_STILL_TRYING = r"""
    (has|have|was) (been |not yet been |be )?(delayed|postponed|deferred)
    not yet (been |be )?delivered
    (will|shall) (be retried|retry|continue (to try|trying)|keep (on )?trying|try again)
    still being retried
    warning (message )?only
    (delivery )?attempts will continue
    continue to (try|attempt|retry)
    will continue (trying|attempts)
    retried until it is
    you do not need to resend
    (wird|werden) (weiterhin|weiter|erneut) (\S+ ){0,6}(versuch|zugestellt|zuzustellen)
    (verzögert|noch nicht zugestellt)
    weitere zustellversuche
"""
_GIVEN_UP = r"""
    failed permanently
    (giving|gave|given) up
    permanent (error|failure|fatal)
    (not be|no further|will not) (\S+ ){0,3}(retried|attempts|try again|further)
    not going to try again
    endgültig
"""


@lru_cache(maxsize=1)
def _promises() -> Phrases[str]:
    return Phrases([("given up", _GIVEN_UP), ("still trying", _STILL_TRYING)])


def is_still_trying(text: str) -> bool:
    """Whether a notice says that the server goes on: then it is no failure yet."""
    found = _promises().first(text)
    return found is not None and found[0] == "still trying"


@lru_cache(maxsize=1)
def _subjects() -> Phrases[str]:
    return Phrases(_SUBJECTS.items())


def subject_says(subject: str) -> frozenset[str]:
    """`failure`, `delay`, or nothing."""
    return frozenset(key for key, _ in _subjects().found(subject)) if subject else frozenset()


def from_server(mail: ParsedMail) -> str:
    """What in the head shows that a mail server wrote this; empty when nothing does."""
    if "x-failed-recipients" in mail.head:
        return "X-Failed-Recipients"
    sender = mail.head.text("from")
    if sender.replace(" ", "") == "<>":
        return "From: <>"
    if _DAEMON.match(mail.sender) or _DAEMON.fullmatch(sender.partition("@")[0].strip(" <\"'")):
        return f"From: {mail.sender or sender}"
    if _SHOWN.search(sender[:200]):
        return f"From: {sender[:100]}"
    return ""


def is_daemon(mail: ParsedMail) -> bool:
    """Whether it is the program itself that writes, and no person in charge of it."""
    return "x-failed-recipients" in mail.head or bool(_PROGRAM.search(mail.head.text("from")[:200]))


def has_empty_path(mail: ParsedMail) -> bool:
    """Whether the envelope had no sender, which reports and automatic answers have in common (RFC 5321, 4.5.5)."""
    values = mail.head.texts("return-path")
    return bool(values) and values[0].replace(" ", "") in ("<>", "", '<"">')
