"""Words that name a reason when neither stronger words nor a telling status do."""

from __future__ import annotations

from ..verdict import Reason

WEAK: tuple[tuple[Reason, str], ...] = (
    (Reason.SPAM, r"""
        \bspam
        \b(uce|ube)\b
        unsolicited
        bulk mail|mass mail
        (rejected|refused|blocked|denied) (\S+ ){0,3}(by|due to|because of) (\S+ ){0,3}(filter|content)
        bayes
    """),
    (Reason.POLICY, r"""
        x-dg-ref header is too long
        same message-id
        (for|due to|by|violates?|local|security|company|our|organi[sz]ation\S*|denied by|breaches|of|content|this\
            |usage|site|mail|email|server|corporate|group|domain) (\S+ ){0,3}polic(y|ies)
        polic(y|ies) (\S+ ){0,2}(violation|reasons?|restriction|reject|prohibit)
        policy (violation|reasons?)
        organi[sz]ational settings
        protocol violation
        header (error|are not accepted)
        message given low priority
        messages with multiple
        not accepting mail with
        (closed|members?-only) (mailing )?list
        by non-member
        not subscribed to this group
        captcha
        illegal attachment
        attachment (\S+ ){0,4}(forbidden|not allowed|blocked|prohibited|banned|not accepted)
        (forbidden|prohibited|blocked|banned|disallowed|dangerous) (\S+ ){0,2}(attachment|file|extension)
        images or other attachments
        presents a potential
        using a mass mailer
        anti-spoofing
        data before greeting
        richtlinie
        transport ?rule
        restricted to
    """),
    (Reason.SECURITY, r"""
        sicherheitsgr
        too many login attempts
        no identity changes
        application-specific password
        (with|through) your web browser
        username and password
        exchange server authentication
        smtp authentication
        authenti(c|fic)ation (\S+ ){0,3}(required|failed|failure|credentials|turned|invalid|requise|data\
            |not allowed|error)
        (requires?|need|needs|must|without|please|on|incorrect|invalid|bad|wrong) (\S+ ){0,4}(authenticat\S*\
            |smtp auth|login|password|credentials)
        not authori[sz]ed
        authentification
        not subscribed to ses
        verification failure
        unauthenticated senders
        failed to authenticate
        security (reasons?|risk|issue|problem|violation)
        account (is )?under attack
        delivery not authori[sz]ed
        don't authenticate
    """),
    (Reason.NETWORK, r"""
        lost connection with
        dns query failed
        nonexistentdomain
        routing loop
        too many hops
        hop count
        exceeded \d+ hops
        (mail|routing|forwarding|message|delivery)[ -]?loop(ing)?
        loop(s|ing)? (detected|found|count)
        message( is)? looping
        no route to host
        (host|network) (is )?(unreachable|not reachable|down)
        (dns|name ?server|name server) (\S+ ){0,4}(fail\S*|error|timeout|timed|problem|servfail|malformed|reply\
            |no relevant)
        dns records for the destination
        host not found,? try again
        host name lookup fail
        malformed (or unexpected )?name server reply
        network (error|problem|failure)
        could not connect and send
        unrouteable mail domain
        unable to resolve route
        had no relevant answers
        the incorrect hostname
        nicht erreichbar
        (keine|verbindung) (\S+ ){0,4}(verbindung|fehlgeschlagen|nicht|hergestellt|abgebrochen)
        hop limit
    """),
    (Reason.SYSTEM, r"""
        (server|agent) busy
        failed to be replicated
        suspiciousremoteservererror
        temporary server error
        misconfigured forwarding
        policy size per transaction
        has temporarily rejected
        no healthy
        mdb properties
        (system|server|local|internal|configuration|mail system|software|ldap|database|i/o\
            |disk) (\S+ ){0,2}(error|failure|misconfigur\S*|config)
        (aliasing/forwarding|mail) loop broken
        can't create (\S+ )?output
        could not load drd
        interrupted system call
        encountered an error while
        create a mail loop
        local (configuration )?error
        loop was found in the mail exchanger
        loops? back to (me|myself)
        queue file write
        no mdb
        (is |are )?misconfigured
        service (is )?(currently |temporarily )?(unavailable|not available)
        temporary (local )?(problem|error|system)
        temporarily (unavailable|not available|rejected|deferred)
        timeout waiting for input
        transaction failed
        operation now in progress
        unable to connect (\S+ )?daemon
        not unique
        server temporarily
        unable to (process|verify)
        message ended early
        interner (server)?fehler
        technisch\S+ (problem|fehler|störung)
        problem occurred
        delivery error
    """),
    (Reason.EXPIRED, r"""
        (connection|operation|conversation|delivery|message|session|connect|host|connected|server|timeout|read\
            |write) (\S+ ){0,6}(timed out|timeout|timed-out|time out|expired)
        could not find a gateway
        delivery attempts will continue
        (delivery|message|queue|retry|session|connection) (time |has |lifetime |period |timeout )*expired
        failed to deliver to domain
        (giving|gave) up
        failing for a long time
        (has been|message|was|is) (delayed|deferred)
        not been collected
        retry time(out)? (not reached|exceeded)
        did not respond
        (is |are )?not responding
        not delivered within
        (in|within) (the |our |its |this )?(mail |allowed )?queue (for |period|too)
        multiple retries
        failed \d+ attempts
        after \d+ (\S+ )?(tries|attempts|retries|days|hours)
        (could not|cannot|can't|not) be delivered (\S+ ){0,3}(for|within|after) (\S+ ){0,3}(days?|hours?|than|minutes)
        (more than|over|after|past) \d+ (\S+ )?(days?|hours?)
        too long
        \bdeferred\b
        zeitüberschreitung
        warteschlange
        (seit|innerhalb|nach) (\S+ ){0,3}(tagen|stunden)
        journal messages? past
        not answer
    """),
    (Reason.NETWORK, r"""
        (unable|couldn't|could not|cannot|can't|failed|failure)( to)? (connect|establish|reach|contact)
        connection (failed|failure|error)
    """),
    (Reason.SYSTEM_FULL, r"""
        mail system full
        (system|disk|file ?system|spool|server|partition) (is )?full
        insufficient (system|resources|memory|system storage|system resources)
        (low on|out of) (\S+ )?(memory|resources)
        insufficientresources
    """),
    (Reason.NOT_ACCEPT, r"""
        (does not|doesn't|not|cannot|can't) accept(ing)? (any )?(mail|messages|e-?mail)
    """),
    (Reason.MAILER, r"""
        \|\| exit
        procmail
        bin/mai?l?drop
        command (failed|died|output|time limit)
        mailer error
        pipe to \|
        x-unix
        (exited|exit|terminated|died) (\S+ ){0,3}(status|code|unexpectedly|abnormally|signal)
        (can't|cannot|couldn't|unable to) (exec|execute|run|open|create)
        (program|process|script|filter) (\S+ ){0,3}(failed|exited|returned|failure)
        user defined signal
    """),
    (Reason.BLOCKED, r"""
        \bblocked\b
        (black|block) ?list
        access denied
        connection (refused|closed|lost|dropped|reset)
        banned
        refused to talk
        refused
    """),
    (Reason.REJECTED, r"""
        (mail|message|sender|e-?mail)( was| has been| is)? (rejected|refused)
    """),
    (Reason.SYNTAX, r"""
        (hello|mail|rcpt|ehlo/helo) first
        no data after bdat
        smtp protocol violation
        unrecognized authentication type
        argument not permitted
        syntax error
        (command|parameter|argument|verb) (\S+ ){0,3}(unrecogni[sz]ed|not (recogni[sz]ed|implemented|understood\
            |supported)|invalid|unknown|out of)
        (unrecogni[sz]ed|unknown|unimplemented|invalid|bad|improper|unsupported) (\S+ )?(command|parameter\
            |argument|sequence|address syntax)
        (bad|improper|out of|wrong) (command )?(sequence|order)
        need (mail|rcpt|helo|ehlo|data)
        malformed address
    """),
    (Reason.USER_UNKNOWN, r"""
        recipients?( address)? rejected
        address rejected
    """),
)  # fmt: skip
"""In order."""
