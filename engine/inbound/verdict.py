"""What the analyser says of a mail, and on what evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a mail is."""

    BOUNCE = "bounce"
    """It did not arrive, and will not."""
    DELAYED = "delayed"
    """It has not arrived yet; the server goes on trying."""
    DELIVERED = "delivered"
    """It has arrived, or left for where no reports come from."""
    AUTO_REPLY = "auto_reply"
    CHALLENGE = "challenge"
    """Somebody's filter asks the sender to prove to be a person."""
    COMPLAINT = "complaint"
    RECEIPT = "receipt"
    """It was displayed, or deleted unread."""
    ORDINARY = "ordinary"


class Reason(StrEnum):
    """Why a mail did not arrive, in the words of Sisimai, which others use, too."""

    USER_UNKNOWN = "userunknown"
    HOST_UNKNOWN = "hostunknown"
    HAS_MOVED = "hasmoved"
    NOT_ACCEPT = "notaccept"
    """The host takes no mail at all."""
    MAILBOX_FULL = "mailboxfull"
    SUSPENDED = "suspend"
    FILTERED = "filtered"
    """The recipient's own rules refused it, or the recipient was refused once the text was known."""
    TOO_BIG = "mesgtoobig"
    EXCEEDS_LIMIT = "exceedlimit"
    EMAIL_TOO_LARGE = "emailtoolarge"
    REJECTED = "rejected"
    """The sender's address was refused."""
    BLOCKED = "blocked"
    """The sending host was refused."""
    BAD_REPUTATION = "badreputation"
    AUTH_FAILURE = "authfailure"
    """SPF, DKIM or DMARC."""
    REQUIRE_PTR = "requireptr"
    """The sending host has no name, or a wrong one."""
    NO_RELAYING = "norelaying"
    NOT_COMPLIANT = "notcompliantrfc"
    SPEEDING = "speeding"
    RATE_LIMITED = "ratelimited"
    TOO_MANY_CONNECTIONS = "toomanyconn"
    SPAM = "spamdetected"
    VIRUS = "virusdetected"
    CONTENT = "contenterror"
    POLICY = "policyviolation"
    SECURITY = "securityerror"
    STARTTLS = "failedstarttls"
    EXPIRED = "expired"
    NETWORK = "networkerror"
    SYSTEM = "systemerror"
    SYSTEM_FULL = "systemfull"
    MAILER = "mailererror"
    SYNTAX = "syntaxerror"
    ON_HOLD = "onhold"
    """Nothing that is said tells why."""
    FEEDBACK = "feedback"
    """No failure, but a complaint."""
    VACATION = "vacation"
    """No failure, but an automatic answer."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why we claim something: what was claimed, where it stood, and what stood there."""

    claim: str
    place: str
    said: str


@dataclass(frozen=True, slots=True)
class Failure:
    """One recipient whom a mail did not reach."""

    recipient: str
    original_recipient: str = ""
    """The address before aliases and forwards changed it, where the report tells it."""
    status: str = ""
    """RFC 3463."""
    reply: str = ""
    """The three digits of the SMTP reply."""
    diagnostic: str = ""
    """What the server said."""
    reason: Reason | None = None
    is_hard: bool | None = None
    """Whether the address is dead. None: unsure, a person decides."""
    remote_host: str = ""
    evidence: tuple[Evidence, ...] = ()

    @property
    def is_permanent(self) -> bool | None:
        """Whether the server said no for good (5yz, 5.y.z); None when it gave no code."""
        code = self.status or self.reply
        return code[0] == "5" if code else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a mail is."""

    kind: Kind
    failures: tuple[Failure, ...] = ()
    """For bounces and delays: the recipients concerned. Empty when the mail does not tell them."""
    reason: Reason | None = None
    original_message_id: str = ""
    """Of the mail that this one is about, with brackets; empty when it is not told."""
    evidence: tuple[Evidence, ...] = ()

    @property
    def is_bounce(self) -> bool:
        return self.kind is Kind.BOUNCE

    @property
    def is_auto_reply(self) -> bool:
        """Whether a program answered in somebody's place. A rule must never answer it."""
        return self.kind in (Kind.AUTO_REPLY, Kind.CHALLENGE)

    @property
    def is_complaint(self) -> bool:
        return self.kind is Kind.COMPLAINT

    @property
    def is_hard(self) -> bool | None:
        """Hard when every failure is; None as soon as one is unsure or they differ."""
        found = {one.is_hard for one in self.failures}
        return found.pop() if len(found) == 1 else None
