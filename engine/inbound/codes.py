"""Status codes (RFC 3463, RFC 7372, IANA) and SMTP replies (RFC 5321, 4.2) in what servers say."""

from __future__ import annotations

import re

from .verdict import Reason

_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,2}\.\d{1,3})(?![\d]|\.\d)")
_REPLY = re.compile(
    r"(?<![\w.\-/:=@\[+])(4[2357]\d|5[0-57]\d)(?=[ \-#:;,.\t\n)]|$)(?!\.\d)(?! (?:bytes|kb|mb|seconds|hours))"
)
_ACTION = {"2": "delivered", "4": "delayed", "5": "failed"}

MEANINGS: dict[str, Reason] = {
    "1.0": Reason.USER_UNKNOWN, "1.1": Reason.USER_UNKNOWN, "1.2": Reason.HOST_UNKNOWN, "1.3": Reason.USER_UNKNOWN,
    "1.4": Reason.FILTERED, "1.6": Reason.HAS_MOVED, "1.7": Reason.REJECTED, "1.8": Reason.REJECTED,
    "1.9": Reason.SYSTEM, "1.10": Reason.NOT_ACCEPT,
    "2.0": Reason.FILTERED, "2.1": Reason.FILTERED, "2.2": Reason.MAILBOX_FULL, "2.3": Reason.EXCEEDS_LIMIT,
    "2.4": Reason.FILTERED,
    "3.0": Reason.SYSTEM, "3.1": Reason.SYSTEM_FULL, "3.2": Reason.NOT_ACCEPT, "3.3": Reason.SYSTEM,
    "3.4": Reason.TOO_BIG, "3.5": Reason.SYSTEM, "3.6": Reason.SYSTEM,
    "4.0": Reason.NETWORK, "4.1": Reason.EXPIRED, "4.2": Reason.NETWORK, "4.3": Reason.SYSTEM,
    "4.4": Reason.HOST_UNKNOWN, "4.5": Reason.SYSTEM_FULL, "4.6": Reason.NETWORK, "4.7": Reason.EXPIRED,
    "4.14": Reason.NETWORK,
    "5.1": Reason.SYNTAX, "5.2": Reason.SYNTAX, "5.3": Reason.TOO_MANY_CONNECTIONS, "5.4": Reason.SYSTEM,
    "5.5": Reason.SYSTEM, "5.6": Reason.SYNTAX,
    "6.0": Reason.CONTENT, "6.1": Reason.CONTENT, "6.2": Reason.CONTENT, "6.3": Reason.CONTENT, "6.5": Reason.CONTENT,
    "6.6": Reason.CONTENT, "6.7": Reason.CONTENT, "6.8": Reason.CONTENT, "6.9": Reason.CONTENT,
    "7.0": Reason.SECURITY, "7.1": Reason.SECURITY, "7.2": Reason.FILTERED, "7.5": Reason.SECURITY,
    "7.7": Reason.SECURITY, "7.8": Reason.SECURITY, "7.9": Reason.SECURITY, "7.10": Reason.SECURITY,
    "7.13": Reason.SUSPENDED, "7.15": Reason.SECURITY, "7.16": Reason.TOO_BIG, "7.17": Reason.HAS_MOVED,
    "7.18": Reason.HAS_MOVED,
    "7.20": Reason.AUTH_FAILURE, "7.21": Reason.AUTH_FAILURE, "7.22": Reason.AUTH_FAILURE,
    "7.23": Reason.AUTH_FAILURE, "7.24": Reason.AUTH_FAILURE, "7.25": Reason.REQUIRE_PTR,
    "7.26": Reason.AUTH_FAILURE, "7.27": Reason.NOT_ACCEPT, "7.28": Reason.SPAM, "7.29": Reason.AUTH_FAILURE,
    "7.30": Reason.STARTTLS,
}  # fmt: skip
"""The last two numbers of a status, and the reason when no words tell more."""
_TEMPORARY: dict[str, Reason | None] = {
    "1.0": None, "1.1": None, "1.2": None, "1.3": None, "1.4": None, "1.10": None,
    "2.0": None, "2.1": Reason.BLOCKED, "3.0": None, "3.4": None, "4.0": None, "4.4": Reason.NETWORK,
    "4.8": Reason.NETWORK, "5.1": None, "5.2": None, "5.3": Reason.SYSTEM, "5.4": None, "7.0": None,
    "7.1": Reason.BLOCKED, "7.2": Reason.BLOCKED,
}  # fmt: skip
"""Where 4.y.z means another thing than 5.y.z: most codes are only useful for permanent failures (RFC 3463, 3)."""
VAGUE = frozenset({"0.0", "1.0", "2.0", "3.0", "4.0", "5.0", "1.4", "5.1", "5.2", "5.4", "4.7", "4.1"}) | {
    tail for tail, reason in MEANINGS.items() if reason is Reason.SECURITY
}
"""Codes that servers give for anything; words weigh more."""


def statuses(text: str) -> list[str]:
    """All status codes in a text, the most telling first."""
    found = dict.fromkeys(_STATUS.findall(text))
    return sorted(found, key=_vagueness)


def _vagueness(status: str) -> int:
    tail = status.partition(".")[2]
    if tail == "0.0":
        return 2
    return 1 if tail.endswith(".0") else 0


def replies(text: str) -> list[str]:
    """All SMTP replies of failure in a text, in their order."""
    return list(dict.fromkeys(_REPLY.findall(text)))


def action_of(status: str) -> str:
    """What a status without an Action field means."""
    return _ACTION.get(status[:1], "")


def meaning(status: str) -> Reason | None:
    """What a status says by itself."""
    tail = status.partition(".")[2]
    if status.startswith("4") and tail in _TEMPORARY:
        return _TEMPORARY[tail]
    return MEANINGS.get(tail) or {"6": Reason.CONTENT, "7": Reason.SECURITY}.get(tail.partition(".")[0])
