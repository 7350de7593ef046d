"""What servers say of the sender, of the sending host, and of how much it sends. One pattern a line."""

from __future__ import annotations

EXCEEDS_LIMIT = r"""
    message header size exceeds
    bytes per individual header
    header size limits?
    limit of (\S+ ){0,2}attachments
    recipsizelimit
"""

TOO_BIG = r"""
    (message|mail|e-?mail|file|attachment|nachricht|inbound|incoming|outgoing|content|body\
        |data) (\S+ ){0,4}(is |was |ist )?(too|zu) (big|large|long|gro(ß|ss)|lang)\b
    (message|mail|e-?mail|inbound|incoming|header|attachment) size (\S+ ){0,4}(exceed|larger|greater|limit)
    (exceed(s|ed|ing)?|over|larger than|bigger than|greater than|reached) (\S+ ){0,4}(message|mail|e-?mail\
        |inbound|incoming|maximum|max|fixed|allowed|file|limit) (\S+ ){0,2}size
    (maximum|max)\.? (\S+ ){0,3}(message|mail|e-?mail) size
    (max|maximum) (message|e-?mail|mail|file) size (\S+ ){0,2}exceed
    message length (exceed|too)
    size limit
    line limit exceeded
    exceed(s|ed)? (\S+ ){0,2}size limit
    taille (limite|maximale)
    (nachricht|e-?mail|mail) (\S+ ){0,4}(größer als|zu groß)
    (maximale|zulässige|erlaubte) (\S+ ){0,2}(nachrichten|mail|größe)
    message file too
    too large message
"""

NO_RELAYING = r"""
not authori[sz]ed to send (email|mail) directly
    relay(ing)? (access |to |mail |of |from |for |through |is |was |attempt |\S+@\S+ |<\S+> |not )*(denied\
        |not permitted|not allowed|prohibited|refused|rejected|disabled|forbidden|restricted\
        |not authori[sz]ed|attempt)
    (not|n't|denied|unable|cannot|refuse\S*|no|insecure|prohibit\S*|reject\S*|disallow\S*|forbid\S*|never\
        |credentials for|unauthori[sz]ed|third[- ]party|as a|open) (\S+ ){0,3}relay(ing|ed)?\b
    relay access
    authentication when attempting to send to a non-local
    (domain|domain or user) (isn't|is not) in my list of allowed
    not (a )?gateway
    not local host
    specified domain is not allowed
    (we |do )(don't|not) handle mail for
    relaying mail to
    use of smtp as (a )?mail gate
    use smtp of your provider
    email address is not verified
    weiterleitung (\S+ ){0,3}(nicht erlaubt|verweigert)
"""

STARTTLS = r"""
    starttls
    (requires?|required|must|need|enforce[sd]?) (\S+ ){0,4}(tls|ssl|encryption)\b
    (tls|tls/ssl\S*|encryption|ssl) (\S+ ){0,3}(required|handshake|fail|not available|negotiation)
    mta-sts
    certificate (\S+ ){0,4}(expired|not trusted|untrusted|verif|mismatch|invalid|fail)
    dane|dnssec
    (ciphers|high-strength)
"""

AUTH_FAILURE = r"""
    \b(spf|dkim|dmarc|sender[ -]?id|sender policy framework)\b\)? (\S+ ){0,7}\(?(fail|not pass|didn't pass\
        |did not|policy|reject|invalid|quarantin|validat|verif|error|none|align|unauth|violat|record|settings\
        |configuration|check|sender invalid|authentication|-all|domain)
    (fail|failed|failing|fails|pass|not pass|violat\S+|due to|because of|per|bad|missing|invalid|no|with\
        |either|both|against|verifier|inspect|without|has an|using) (\S+ ){0,6}\(?(spf|dkim|dmarc\
        |sender[ -]?id)\b
    (spf|dkim|dmarc) ?[=:] ?(fail|none|did not)
    sender policy framework
    s dmarc policy
    unauthenticated (e-?mail|mail|message)
    (because|as) (the sender|it) is unauthenticated
    //spf\.pobox\.com|openspf
    required authentication level
    authentication requirements
    (fails? to pass|does not have|doesn't have) authentication
    domain authentication fail
    per it's spf
    not allowed to send (from|mail)\S* (\S+ ){0,4}(spf|_401)
    sender authentication
    to add a dmarc record
"""

SPEEDING = r"""
(daily|hourly|per hour|per day|per minute) (\S+ ){0,4}limit
daily (sending|message|user) quota
(sending|submission|relay) (limit|quota) (\S+ )?exceeded
submission quota
exceeded permitted limits
(mail|email|e-mail|message|server|\]) (has been|was) (temporarily )?rate limited
has exceeded their limit
    (please )?try again slower
    receiving mails? (too quickly|at a rate)
    (has|have) sent (\S+ ){0,3}too many
    (too many|max|maximum|exceed\S*) (\S+ ){0,5}(messages|recipients|e-?mails|mails) (this|per|in an|an|today\
        |in this|each|in one) ?(hour|minute|day|session|second)?
    due to excessive volume
    frequency of receiving messages
    (sending|connecting|mailing) (mail |messages |too )*(fast|quickly|frequently)
    mail sent from your ip address has been temporarily rate limited
    messages per session
    mailbox unavailable or access denined
"""

TOO_MANY_CONNECTIONS = r"""
thread limit exceeded
tenant has exceeded
maximum number of connections
    too many (\S+ ){0,4}(connections?|sessions?|connects)
    (connections?|sessions?) (\S+ ){0,2}(limit|rate|frequency)
    (maximum|max|concurrent|simultaneous) (\S+ ){0,3}(connections?|sessions?|sending rate|message per connection)
    max messages? per connection
    max emails per hour
    throttling failure
    daily message quota
    too many (recipients|errors from your ip|messages)
    trop de connexions
    made numerous attempts
    frequency limited
    (outbound|inbound) thread limit
    message threshold exceeded
    letter sending limit
    (requested action aborted|esmtp): try again later
    account service is temporarily unavailable
"""

REQUIRE_PTR = r"""
    reverse[ -](dns|lookup|mapping|hostname|resolution|record)
    \bptr\b
    \brdns\b
    (cannot|can't|could not|unable to) (find|resolve) your (host ?name|address|ip)
    ip name lookup failed
    no ptr|missing ptr
    unresolvable relay
    domain \S+ mismatches client ip
    dns (lookup|check) failure
    unverifyable sending
    forward dns entry
    fix reverse
    no reverse
    dns ptr
"""

BAD_REPUTATION = r"""
    (poor|bad|low|negative|none/bad|very low) (\S+ ){0,3}reputation
    reputation (score|problem|issue|is|of|too|-|filter|service|check|list)
    (due to|because of|based on) (\S+ ){0,4}reputation
    internal resources are temporarily unavailable
    connection rejected by policy
    unexpected volume or user complaints
"""

REJECTED = r"""
verification failed for
sender denied
bad outbound sender
sender (was )?not authenticated
not in allowed-senders
mail sending denied
from unregistered domains
not member article|reject mail from
    sender(\S* \S+){0,2}? (address |domain |verify |verification |email |e-mail )*(is |was |has been \
        |been )*(rejected|refused|invalid|unknown|black ?listed|blocked|forbidden|not allowed|failed|denied\
        |unverified|unauthori[sz]ed|not pre-?approved|not verified|is spammer|empty|listed at)
    (invalid|unroutable|unverified|unknown|unresolvable|bad|empty|null|forbidden|blocked|spoofed|fake\
        |banned) (envelope |mail |e-?mail |header )*(sender|senders|from|originator)\b
    (null|empty) (\S+ ){0,2}(sender|envelope|address|reverse)
    (sender|envelope|from|mail ?from|originating)( address)? (\S+ ){0,4}(black|block|bad|deny\
        |reject)[ -]?(list|mailfrom)
    badmailfrom|badsendermx|sendernoa|bogus mail
    (email|e-mail|mail|your|sender|from) (address|domain) (\S+ ){0,3}(has been |is |was )(black-?listed\
        |blocked|banned)
    (email address|identity|identities) (is|are) not verified
    [eé]metteur (invalide|inconnu)
    mail ?from (not owned|\S+ not allowed|domain)
    administrative prohibition
    envelope (blocked|rejected)
    batv
    backscatter
    purported responsible
    without a valid sender domain
    domain of sender
    (is|are) not (a )?(member|subscribed|permitted|allowed) (\S+ ){0,2}(to post|to submit|of (the|this) list)
    not allowed to post
    permission to post
    (group|gruppe|groupe|grupo|gruppo|groep|グループ|群组|群組|그룹|групп|المجموعة|grup|skupin|csoport\
        |ryhm).{0,160}(permission|berechtigung|autoris|permiso|permiss|autorizza|toestemming|権限|权限|權限|권한\
        |разрешени|прав|مصرح|uprawnie|opr[aá]vn|behörighet|tillad|oikeu)
    senderfilter
    fully qualified email address required
    not a registered gateway user
    returned mail not accepted
    server does not accept mail from
    reject mail from
    not member article
    access to submit messages
    (do not|don't|not) accept mail from (this|your) (domain|address|sender)
    (permanently|be permanently) deferred
    due to unresolvable
    rule imposed mailbox access
    no third-party dsns
    spam reporting address
    (invalid|dead) domain, see
    is a dead domain
    outgoing mail suspension
    unsigned dsn
    recursive cname
    sender is in my
    isn't on the recipient's list
    sending to/from an address that has been blacklisted
    delivery not authori[sz]ed, message refused
    mail rejected by destination domain
    (absender|absenderadresse|absenderdomain) (\S+ ){0,4}(abgelehnt|unbekannt|ungültig|gesperrt|blockiert\
        |existiert nicht)
"""
