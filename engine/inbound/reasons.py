"""Why a mail did not arrive, and whether the address is dead.

Words weigh most, for servers give one code for many things; then a telling status, weaker words, the reply. Where two
rows of words match, the upper one wins: the order is part of the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from .codes import VAGUE, meaning
from .notice import ADDRESS
from .phrases import Phrases, matching
from .server_words import PROVIDER_CODES, STRONG, WEAK
from .verdict import Reason

HARD = frozenset({Reason.USER_UNKNOWN, Reason.HOST_UNKNOWN, Reason.HAS_MOVED, Reason.NOT_ACCEPT})
"""The address is dead: mail to it will never arrive."""
_BY_REPLY = {
    "421": Reason.BLOCKED, "452": Reason.SYSTEM_FULL, "500": Reason.SYNTAX, "501": Reason.SYNTAX,
    "502": Reason.SYNTAX, "503": Reason.SYNTAX, "504": Reason.SYNTAX, "521": Reason.NOT_ACCEPT, "525": Reason.SUSPENDED,
    "530": Reason.SECURITY, "535": Reason.SECURITY, "552": Reason.MAILBOX_FULL, "556": Reason.NOT_ACCEPT,
}  # fmt: skip
"""The reasons of replies that come without words and status (RFC 5321, 4.2.3; RFC 7504)."""
_RCPT = re.compile(
    r"rcpt|does not like recipient|recipient address rejected|action not taken: mailbox unavailable|\(state 1[34]\)"
    r"|[45]\d\d[ -](?:#?[45]\.\d\.\d+ )?<[^<>]{1,320}>(?::|\.\.\.)",
    re.IGNORECASE,
)
_GREETING = re.compile(r"(?:after|reply\s+to)\s+(?:ehlo|helo|initial\s+connection)", re.IGNORECASE)
_MAIL = re.compile(r"(?:reply\s+to|after|>>>)\s{0,8}mail|sender was rejected|our mail from", re.IGNORECASE)
_DATA = re.compile(
    r"(?:reply\s+to|after)\s+(?:end\s+of\s+)?data|>>> ?(?:data|\.)|final data|after i sent the message", re.IGNORECASE
)
_SAID = re.compile(r"(?<![\w.\-/:=@\[+])[45]\d\d[ -](?!bytes)")
"""Where the reply of the server begins."""
_AGAIN = re.compile(r"(?<=[\w,.)])\s+[45]\d\d[- ](?:#?[45]\.\d{1,2}\.\d{1,3}\s)?")
"""Codes that stand before each further line of a reply."""
_SUSPENDED = re.compile(r"delivery temporarily suspended:\s*", re.IGNORECASE)
"""What Postfix says of its own queue, before the cause."""
_OVER = {
    Reason.TOO_BIG: (Reason.EXCEEDS_LIMIT,),
    Reason.SPAM: (Reason.USER_UNKNOWN,),
    Reason.CONTENT: (Reason.USER_UNKNOWN,),
    Reason.MAILBOX_FULL: (Reason.SYSTEM_FULL,),
    Reason.USER_UNKNOWN: (Reason.MAILBOX_FULL, Reason.SUSPENDED, Reason.REJECTED, Reason.HAS_MOVED, Reason.HOST_UNKNOWN,
                          Reason.FILTERED, Reason.NETWORK, Reason.TOO_BIG, Reason.EXCEEDS_LIMIT, Reason.AUTH_FAILURE,
                          Reason.REQUIRE_PTR),
    Reason.HOST_UNKNOWN: (Reason.REJECTED, Reason.USER_UNKNOWN),
    Reason.FILTERED: (Reason.MAILBOX_FULL, Reason.SUSPENDED),
}  # fmt: skip
"""Words, and the telling codes that weigh more than they do."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A reason, the pattern or code that says so, and whether the address is dead (None: unsure)."""

    reason: Reason
    why: str
    is_hard: bool | None


@dataclass(frozen=True, slots=True)
class Said:
    """What a server said of one recipient. The context is the rest of the notice: it tells at which command."""

    diagnostic: str = ""
    status: str = ""
    reply: str = ""
    action: str = "failed"
    context: str = ""

    @property
    def is_temporary(self) -> bool:
        return (self.status or self.reply).startswith("4")

    def at(self, command: re.Pattern[str]) -> bool:
        return bool(command.search(self.diagnostic) or command.search(self.context))


def judge(said: Said) -> Judgement:
    """Why the recipient was not reached."""
    reason, rule, is_sure = _reason(said)
    why = matching(rule, said.diagnostic) or rule
    if not is_sure or reason is Reason.ON_HOLD or (reason in HARD and _is_disputed(said)):
        return Judgement(reason, why, None)
    if reason in HARD and said.is_temporary:  # it may be there tomorrow
        return Judgement(reason, why, False if reason is Reason.NOT_ACCEPT else None)
    return Judgement(reason, why, reason in HARD)


_Found = tuple[Reason, str, bool]
"""A reason, the rule behind it, and whether it is sure."""


def _reason(said: Said) -> _Found:
    return next(found for found in _candidates(said) if found)


def _candidates(said: Said) -> Iterator[_Found | None]:
    """What may tell the reason, the most telling first."""
    core = _core(said.diagnostic)
    coded, by_code = meaning(said.status), f"status {said.status}"
    telling = coded if said.status.partition(".")[2] not in VAGUE else None
    yield _published(core)
    yield _worded(core, said, telling)
    yield (telling, by_code, True) if telling else None
    yield _weakly_worded(core, said)
    yield (coded, by_code, True) if coded else None
    yield (_BY_REPLY[said.reply], f"reply {said.reply}", True) if said.reply in _BY_REPLY else None
    yield (Reason.BLOCKED, "refused at the greeting", True) if said.at(_GREETING) else None
    yield (Reason.EXPIRED, "action delayed", True) if said.action == "delayed" else None
    yield Reason.ON_HOLD, "nothing that was said", False


def _published(core: str) -> _Found | None:
    code = _provider_codes().first(core) if core else None
    return (*code, True) if code else None


def _worded(core: str, said: Said, telling: Reason | None) -> _Found | None:
    """What the words say, unless a code that is made for another case stands beside them."""
    found = _strong().first(core) if core else None
    if not found:
        return None
    reason, rule = found
    if telling in _OVER.get(reason, ()) and not (reason is Reason.USER_UNKNOWN and said.at(_RCPT)):
        return None
    if reason is Reason.HOST_UNKNOWN and said.is_temporary:  # the name server, not the name
        return Reason.NETWORK, rule, True
    return _unknown_at(said, rule) if reason is Reason.USER_UNKNOWN else (reason, rule, True)


def _weakly_worded(core: str, said: Said) -> _Found | None:
    found = _weak().first(core) if core else None
    if not found:
        return None
    reason, rule = found
    if reason is Reason.BLOCKED and said.at(_MAIL) and not said.at(_RCPT):
        reason = Reason.REJECTED
    return reason, rule, reason is not Reason.USER_UNKNOWN


def _is_disputed(said: Said) -> bool:
    """Whether words also speak of the sender, the text, or a limit, or only a code says that the address is dead."""
    core = _core(said.diagnostic)
    strong = {reason for reason, _ in _strong().found(core)}
    weak = {reason for reason, _ in _weak().found(core)}
    return bool(strong & _DISPUTING or weak & ({Reason.SPAM, Reason.POLICY} if strong else _OTHERWISE))


_DISPUTING = frozenset({
    Reason.BLOCKED, Reason.SPAM, Reason.POLICY, Reason.AUTH_FAILURE, Reason.BAD_REPUTATION, Reason.REQUIRE_PTR,
    Reason.SPEEDING, Reason.TOO_MANY_CONNECTIONS, Reason.NO_RELAYING, Reason.VIRUS, Reason.MAILBOX_FULL, Reason.CONTENT,
})  # fmt: skip


_OTHERWISE = frozenset({
    Reason.SPAM, Reason.POLICY, Reason.SYSTEM, Reason.NETWORK, Reason.EXPIRED, Reason.MAILER, Reason.SECURITY,
    Reason.BLOCKED, Reason.SYSTEM_FULL,
})  # fmt: skip
"""What weak words may say beside a code; then a person decides which of the two is right."""


def _unknown_at(said: Said, rule: str) -> _Found:
    """Who is unknown depends on the command: the sender at MAIL, the recipient at RCPT, nobody surely after DATA."""
    if _RCPT.search(said.diagnostic):
        return Reason.USER_UNKNOWN, rule, True
    if said.at(_MAIL) and not said.at(_RCPT):
        return Reason.REJECTED, rule, True
    if said.status[1:4] == ".1." or said.at(_RCPT):
        return Reason.USER_UNKNOWN, rule, True
    return Reason.FILTERED if said.reply or said.at(_DATA) else Reason.USER_UNKNOWN, rule, False


def _core(diagnostic: str) -> str:
    """What the server said, without whom and where it said it: names of hosts and people hold words, too."""
    found = _SAID.search(diagnostic)
    text = _SUSPENDED.sub("", _AGAIN.sub(" ", diagnostic[found.start() :] if found else diagnostic))
    return ADDRESS.sub("x@x", text)


@lru_cache(maxsize=1)
def _strong() -> Phrases[Reason]:
    return Phrases(STRONG)


@lru_cache(maxsize=1)
def _weak() -> Phrases[Reason]:
    return Phrases(WEAK)


@lru_cache(maxsize=1)
def _provider_codes() -> Phrases[Reason]:
    return Phrases(PROVIDER_CODES)
