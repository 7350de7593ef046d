"""Words that would be misread by the tables of single reasons: these rows come first."""

from __future__ import annotations

from ..verdict import Reason

FIRST: tuple[tuple[Reason, str], ...] = (
    (Reason.REJECTED, r"""
        sending this from a different address or alias
        (in reply to|after|to) mail from.{0,40}access denied
        access denied \(in reply to mail from
        all recipient addresses rejected ?: access denied
        server does not accept mail from
        backscatter
        from: domain is invalid
        valid-address-filter
    """),
    (Reason.NOT_ACCEPT, r"""
        account inbounds disabled
    """),
    (Reason.SYSTEM, r"""
        aliasing/forwarding loop
        create a mail loop
    """),
    (Reason.NETWORK, r"""
        dns records for the destination
        unrouteable mail domain
        host not found,? try again
    """),
    (Reason.TOO_MANY_CONNECTIONS, r"""
        throttling failure
    """),
    (Reason.USER_UNKNOWN, r"""
        domain or user (isn't|is not) in my list
        x@x>? not ?found
        recipient ?notfound
    """),
    (Reason.SPAM, r"""
        blocked for abuse
        failed (\S+ )?antispam checks
        blacklisted url
        spam( or |/)virus
    """),
    (Reason.BLOCKED, r"""
        unusual rate of
        blocked by (\S+ )?(dnsbl|rbl)\b
        (bad )?sender('s)? ip address
        rejected based on blacklist
        domain does not exist:
        submit messages to this e-mail system
    """),
)  # fmt: skip
"""In order."""
