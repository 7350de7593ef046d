"""What servers say when they refuse a mail, and which reason that is. Data only; `reasons` weighs it.

Software (Postfix, Exim, Exchange, qmail, sendmail, …) and large providers speak here, in English and what else they
speak. A pattern that would fit one host only does not belong here. Where several rows match, the upper one wins: most
of the order is from the special to the general, so that "mailbox full, user unknown" is a full mailbox.
"""

from __future__ import annotations

from ..verdict import Reason
from . import contents, hosts, recipients
from .first import FIRST
from .providers import PROVIDER_CODES
from .weak import WEAK

STRONG: tuple[tuple[Reason, str], ...] = (
    *FIRST,
    (Reason.MAILBOX_FULL, recipients.MAILBOX_FULL),
    (Reason.EXCEEDS_LIMIT, hosts.EXCEEDS_LIMIT),
    (Reason.TOO_BIG, hosts.TOO_BIG),
    (Reason.SUSPENDED, recipients.SUSPENDED),
    (Reason.HAS_MOVED, recipients.HAS_MOVED),
    (Reason.NOT_ACCEPT, recipients.NOT_ACCEPT),
    (Reason.NO_RELAYING, hosts.NO_RELAYING),
    (Reason.STARTTLS, hosts.STARTTLS),
    (Reason.AUTH_FAILURE, hosts.AUTH_FAILURE),
    (Reason.SPEEDING, hosts.SPEEDING),
    (Reason.TOO_MANY_CONNECTIONS, hosts.TOO_MANY_CONNECTIONS),
    (Reason.FILTERED, recipients.FILTERED),
    (Reason.REQUIRE_PTR, hosts.REQUIRE_PTR),
    (Reason.NOT_COMPLIANT, contents.NOT_COMPLIANT),
    (Reason.BAD_REPUTATION, hosts.BAD_REPUTATION),
    (Reason.HOST_UNKNOWN, recipients.HOST_UNKNOWN),
    (Reason.CONTENT, contents.CONTENT),
    (Reason.REJECTED, hosts.REJECTED),
    (Reason.VIRUS, contents.VIRUS),
    (Reason.BLOCKED, contents.BLOCKED),
    (Reason.SPAM, contents.SPAM),
    (Reason.USER_UNKNOWN, recipients.USER_UNKNOWN),
)
"""They name the cause whatever the code says."""

__all__ = ["PROVIDER_CODES", "STRONG", "WEAK"]
