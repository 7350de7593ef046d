"""From what a report or a notice says of a recipient to a failure with its reason and its evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from .codes import action_of, replies, statuses
from .delivery_status import Group
from .notice import ADDRESS, Mention
from .reasons import HARD, Said, judge
from .verdict import Evidence, Failure, Reason

FAILED = frozenset({"failed", "failure", "fail", "expired", "undeliverable", "bounced", "error", "dropped"})
_PASSED = frozenset({"delivered", "relayed", "expanded", "deliverable"})
DELAYED = "delayed"
_TYPE = re.compile(r"^\s*[\w-]{1,20}\s*;\s*")
"""`smtp;`, `rfc822;`, `dns;` before a value."""
_LOCAL = re.compile(r"\s*x-(?:unix|postfix)\s*;", re.IGNORECASE)
"""A program on the machine, and no server, gave the diagnostic (RFC 3464, 2.3.6)."""
LONGEST = 4_000
"""Characters of a diagnostic that are kept and shown."""


def action(group: Group) -> str:
    """What became of the recipient; where Action is missing or odd, the status tells it."""
    said = group.get("action").split()
    word = said[0].strip("();,.").lower() if said else ""
    if word in FAILED or word in _PASSED or word == DELAYED:
        return word
    return action_of(_status(group)) or "failed"


def failure_of(group: Group, context: str) -> Failure:
    """A failure from a report for machines. The context is the notice for people beside it."""
    comment = group.get("status").partition("(")[2].rstrip(") ")
    diagnostic = (_TYPE.sub("", group.get("diagnostic-code")) or comment)[:LONGEST]
    final, original, actual = (
        _recipient(group.get(name)) for name in ("final-recipient", "original-recipient", "x-actual-recipient")
    )
    recipient = next((one for one in (final, original, actual) if is_address(one)), final or original)
    said = Said(diagnostic, _status(group), action=action(group), context=context)
    host = _TYPE.sub("", group.get("remote-mta")).strip()
    found = _judged(recipient, said, "Diagnostic-Code", host=host, original=original)
    if found.reason in (Reason.ON_HOLD, Reason.SYSTEM) and _LOCAL.match(group.get("diagnostic-code")):
        evidence = Evidence(f"reason {Reason.MAILER}", "Diagnostic-Code", group.get("diagnostic-code")[:80])
        return replace(found, reason=Reason.MAILER, is_hard=False, evidence=(evidence, *found.evidence[1:]))
    if category := _by_category(group):
        evidence = Evidence(f"reason {category}", "X-PowerMTA-BounceCategory", group.get("x-powermta-bouncecategory"))
        return replace(found, reason=category, is_hard=category in HARD, evidence=(evidence, *found.evidence[1:]))
    return found


def _by_category(group: Group) -> Reason | None:
    return _CATEGORIES.get(group.get("x-powermta-bouncecategory").lower())


_CATEGORIES = {
    "bad-domain": Reason.HOST_UNKNOWN, "bad-mailbox": Reason.USER_UNKNOWN, "inactive-mailbox": Reason.SUSPENDED,
    "message-expired": Reason.EXPIRED, "no-answer-from-host": Reason.NETWORK, "policy-related": Reason.POLICY,
    "quota-issues": Reason.MAILBOX_FULL, "relaying-issues": Reason.NO_RELAYING, "spam-related": Reason.SPAM,
    "virus-related": Reason.VIRUS, "content-related": Reason.CONTENT, "bad-configuration": Reason.SYSTEM,
    "bad-connection": Reason.NETWORK, "protocol-errors": Reason.SYNTAX, "routing-errors": Reason.NETWORK,
}  # fmt: skip
"""What PowerMTA, which wrote the report, made of the reply."""


def failure_in(mention: Mention, text: str) -> Failure:
    """A failure from a notice for people."""
    return _judged(mention.address, Said(mention.said[:LONGEST] or text[:2_000], context=text[:6_000]), "body")


def distinct(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Each recipient once, with the most telling of what is said."""
    found: dict[str, Failure] = {}
    for one in failures:
        known = found.get(one.recipient.lower())
        if known is None or (known.reason is Reason.ON_HOLD and one.reason is not Reason.ON_HOLD):
            found[one.recipient.lower()] = one
    return tuple(found.values())


def is_address(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    return bool(local) and "." in domain


def _status(group: Group) -> str:
    return next(iter(statuses(group.get("status"))), "")


def _recipient(value: str) -> str:
    text = _TYPE.sub("", value.replace("\n", " ")).strip()
    found = ADDRESS.search(text)
    return found[0].rstrip(".") if found else text.strip("<>\"' ")[:320]


def _judged(recipient: str, said: Said, place: str, *, host: str = "", original: str = "") -> Failure:
    said = _with_codes(said)
    found = judge(said)
    if found.reason is Reason.ON_HOLD and said.context:
        place, said = "body", _told_by_context(said)
        found = judge(said)
    evidence = (Evidence(f"reason {found.reason}", place, found.why), *_evidence(said, place))
    return Failure(
        recipient, original, said.status, said.reply, said.diagnostic, found.reason, found.is_hard,
        host or _host(said.diagnostic), evidence,
    )  # fmt: skip


def _evidence(said: Said, place: str) -> tuple[Evidence, ...]:
    told = (
        (f"status {said.status}", said.status),
        (f"reply {said.reply}", said.reply),
        ("said", said.diagnostic[:300]),
    )
    return tuple(Evidence(claim, place, words) for claim, words in told if words)


def _with_codes(said: Said) -> Said:
    """The codes within the diagnostic; its status weighs more than the report's unless it says nothing."""
    codes, answered = statuses(said.diagnostic), replies(said.diagnostic)
    status = codes[0] if codes and (not said.status or not codes[0].endswith(".0")) else said.status
    return Said(said.diagnostic, status, answered[-1] if answered else "", said.action, said.context)


def _told_by_context(said: Said) -> Said:
    """The notice for people in the place of a diagnostic that tells nothing."""
    codes, answered = statuses(said.context), replies(said.context)
    return Said(
        said.context[:LONGEST],
        said.status or next(iter(codes), ""),
        said.reply or next(iter(answered), ""),
        said.action,
    )


_HOST = re.compile(
    r"(?:\bhost|while talking to|remote server|server|relay:?|mx) ([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8})",
    re.IGNORECASE,
)


def _host(diagnostic: str) -> str:
    """The remote server, where a notice names it: `host mx.example.com [192.0.2.1]`."""
    found = _HOST.search(diagnostic)
    return found[1].lower() if found else ""
