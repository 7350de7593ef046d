"""What servers say of what was sent, and of hosts that send such things. One pattern a line."""

from __future__ import annotations

NOT_COMPLIANT = r"""
missing a valid (address|message-id)
unicode character in a disallowed
encoded-word syntax
not a valid rfc
must be rfc
message is malformed
    duplicate header
    (not|isn't|non)[- ]?(rfc|compliant with rfc|conform\S* to rfc)
    not rfc ?\d* ?compliant
    rfc ?5322( |-)?(compliant|violation)
    (message|header|headers|mail|e-?mail)s? (\S+ ){0,4}not (\S+ ){0,3}(compliant|comply)
    rfcmessagenoncompliant
    multiple (\S+ ){0,4}(header|headers|instances|from|addresses)
    (blank|multiple|several|more than one|missing|empty) (from|from:|date|to|subject|message-id)\b
    (missing|without|lacks?|no|invalid) (\S+ ){0,3}(from|date|message-id|to|subject):? header
    ip addresses are not allowed as a from
"""

CONTENT = r"""
    (8-?bit|8bitmime|binary|bare line ?feed|stray line ?feeds?|bare lf|nul characters?|unnecessary base64)
    (invalid|malformed|improperly|improper|broken|illegal) (\S+ ){0,2}(mime|content|header|headers|charset\
        |encoding|binary|characters)
    mime (\S+ ){0,3}(exceed|error|complexity|headers|depth)
    header size exceeds
    too many (received|mime|nested|attachments)
    message (header size|depth)
    too many related errors
"""

VIRUS = r"""
(due to|because of) (a )?(virus|malware)
virus: \S
    (virus|viruses|malware|trojan|worm|phishing/malicious\S*) (\S+ ){0,4}(detected|found|infected|content\
        |reject|blocked|removed|gefunden|erkannt|signature)
    infected (with|message|mail|file|attachment)
    (contains?|containing|has|with|detected|enthält) (a |the |einen? )?(\S+ ){0,2}(virus|malware|trojan|worm)\b
    potentially executable
    recent viruses
    prohibited virus
    infizier
    virenfund
    security policies.{0,10}(virus|mc\S+)
    mcspamsignature|mcvirus
    detected by \S+ mail$
    virus infected
"""

BLOCKED = r"""
    blocked (using|by \S+ using)
    (client|sending|sender|your|this|the|remote|source|connecting)?'?s? ?(ip|ips|ip address|ip-adresse\
        |client host|hostname|mail server|mailserver|network|netblock|remotehost|relay|mta)( address(es)?\
        | \[?\d+[\d.:a-f]+\]?| at| \S+)? (\S+ ){0,3}(is |are |was |has been |have been |been |ist |wurde \
        |temporarily |currently |being |in |on |an |a |the |our |is_|lists? )*(block\w*|black-?list\w*|banned\
        |listed|barred|rejected|denied|refused|rbl|spamhaus|dnsbl|geblockt|gesperrt|suspicious|disallowed\
        |restricted)
    (black-?listed|blocklisted|block-?listed) (by|on|in|at|with|per)
(ip|host|address|client|server|domain|\d) (\S+ ){0,3}listed (by|on|in|at)
    \b(rbl|dnsbl|dnsrbl|attrbl|sbl|xbl|pbl|zen|blackhole|drbl|orbs)\b
    spamhaus|spamcop|sorbs|barracudacentral|abuseat|cloudmark|uceprotect|njabl|invaluement\
        |proofpoint.com/dnsbl|mailspike
    (on|in) (a|an|our|the|my|your|their|his|multi-?) ?(\S+ )?(black|block|deny|reject|ban)[ -]?list
    (multi-|customer )?(black|block) ?list
    (bad|extreme bad|dynamic|banned|suspected spam|invalid|spam) (\S+ )?(ip|ips|ip profile|sender ip|sending ip)\b
    dynamic (ip|address|host)
    hosts? with dynamic
    (helo|ehlo)
    client host rejected
    (access|mail|message|messages|email|e-?mail|connections?) (from|by) (\S+ ){1,4}(is |was |are |been \
        |has been |temporarily )*(blocked|refused|denied|rejected based|deferred due|not accepted)
    connections? (not|will not be) accepted
    connections? (denied|dropped|was dropped|refused by|reset by)
    (is |not )not allowed to (connect|send mail from)
    not allowed to connect
    after initial connection
    service not available,? closing transmission
    (open|rejecting open) proxy
    smtp server of your isp
    not currently accepting mail from your
    no access from mail server
    (server|this) access forbidden
    forbidden by your ip
    looks suspiciously like
    go away
    currently sending spam
    you are sending spam
    too many (spams|unwanted|invalid recipients|bad commands)
    user complaints
    confirm this mail server
    server requires confirmation
    not passed validation
    refused - see
    blocked - see
    refused,? see http
    domain does not exist:
    esmtp not accepting
    host network,? not allowed
    no valid recipients from
    no matches to nameserver
    said: 5\d\d blocked
    listed as abusive
    (rejected|refused|denied) (based on|by|due to|because of) (\S+ ){0,3}(blacklist|blocklist|rbl|listing)
    service refused?,? (please|veuillez)
    temporarily unavailable due to.{0,20}blacklist
    ip not in whitelist
    closing connection\. \d
    greylist|graylist|grey-list
    unusual rate of
    sender address blocked
    recipient temporarily unavailable
    access denied, (please try|banned|bad|rejected)
    does not accept email over ipv6
    invalid domain name
    my name was rejected
    relay quota
    reject(ed)? due to (\S+ ){0,3}spamhaus
    \(bl\)
    veuillez essayer plus tard
    adresse ip (\S+ ){0,3}(bloqu|blacklist)
"""

SPAM = r"""
nature of the content
content filter agent
filtered by outbound scanning
    \bspam (message|content|detected|refused|rejected|rejection|blocked|check|score|email|mail|not accepted\
        |filter|points|or virus|block|contents|probability|classification|is embedded|exceeded|engine|scanner)
    (as|is|be|like|for|contains?|probable|possible|suspected|to|probably|considered|of|with|identified|looks?\
        |looked|a) (a |the |being |possible |suspected |probable )*(spam|spammy|junk|uce|ube|spamming)\b
    spam-?like|antispam|anti-spam|spamassassin|spambouncer|spamprofiler
    (unsolicited|bulk)( bulk)? (e-?mail|mail|message|advertis|commercial)
    (appears?|considered|classified|detected|identified) (\S+ ){0,3}(unsolicited|bulk)
    bulk\.advertising
    - spam\W*$
    \bspam\W*$
    \(spam\)
    reject, id=
    content (\S+ ){0,2}(rejected|denied|filter|unacceptable|matched|not acceptable|blocked)
    (rejecting|banned|unacceptable|rejected because of|rejected due to) (\S+ ){0,2}content
    (url|uri)(\S*| \S+)? (\S+ ){0,2}(black-?list|block)
    blacklisted url
    \b(surbl|uribl|dbl|urlbl\S*)\b
    message (was |has been )?(filtered|refused by)
    (rejected|not accepted) (\S+ )?(for|by) (possible|recurrent)
    recurrent pattern
    our system has detected that this message
    our filters? rate
    temporarily blocked by our filter
    (mail|message) score
    mail rej(ected|ete)\W
    blocked for abuse
    local uribl
    no spam please
    denied due to spam
    spam, |spam\.
    you(r|'re) (\S+ ){0,3}spam
    content judged to be spam
    (werbung|unerwünschte)
    too much spam
    spam complaints
"""
