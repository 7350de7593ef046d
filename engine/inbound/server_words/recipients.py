"""What servers say of recipients: unknown, full, closed, moved, choosy. One pattern a line (see `phrases`)."""

from __future__ import annotations

MAILBOX_FULL = r"""
    (mail ?box|mail ?folder|mail ?dir|mail ?file|inbox|in-box|account|storage|postfach\
        |briefkasten)('s)? (\S+ ){0,4}(is |was |ist )?(too |already |currently |almost )?(full|voll|überfüllt)\b
    full (mail ?box|inbox|postfach)
    \bover ?(the |its |his |their |disk |storage |allowed |mail ?|email )*quota
    (disk|mail|storage|mail ?box|account|user|maildir|over|email|space|domain)('s)? ?(\S+ ){0,4}quota
    quota (\S+ ){0,5}(exceed|violat|full|reach|overdrawn|überschritten|over\b)
    exceed(s|ed|ing)? (\S+ ){0,5}quota
    quota ?exceeded
    overdrawn (\S+ ){0,3}quota
    over ?quota
    mail ?box (\S+ ){0,5}(exceed|reached)(s|ed|ing)? (\S+ ){0,5}(limit|size|storage|space|capacity)
    (exceed|reached)(s|ed|ing)? (\S+ ){0,4}(mail ?box|storage) (\S+ ){0,2}(limit|size|capacity|space|allocation)
    mail ?box (size|space|storage|disk) (\S+ ){0,2}(limit|full|exceed)
    (mail ?box|recipient|user|account) would exceed
    exceeded (the local limit|storage allocation)
    (not|n't) (have |be |having )?(enough|sufficient) (disk |storage |free |mail ?box )*space
    (insufficient|out of|no|not enough|lack of) (mail ?box |storage |free |disk |mail )*(space|storage\
        |room) ?(left|in|for|available|on device|remaining|and|to)?
    out of storage
    space has been used up
    too much mail data
    too many messages (on|in) the (server|mail ?box)
    exceeding receiving limits
    account storage limit
    recipient reached disk
    (kontingent|speicherplatz|speicher|quota) (\S+ ){0,5}(überschritten|voll|erschöpft|aufgebraucht|ausgeschöpft)
    bo[iî]te (\S+ ){0,4}pleine
    (casilla|buz[oó]n|cuota) (\S+ ){0,4}(llen[oa]|excedid[oa])
    casella (\S+ ){0,4}piena
    caixa (\S+ ){0,5}(cheia|lotada)
    skrzynka (\S+ ){0,3}pe[lł]na
    storeonly|storagequota|mailboxfull|quotaexceeded
    переполнен
    容量(超過|を超)
"""

SUSPENDED = r"""
banned recipient
mail ?box cannot be accessed
    (account|mail ?box|user|recipient|address|domain|konto|postfach|e-?mail|addressee|customer\
        |subscriber)( account| you| that| tried| to| reach| address| id| \S+@\S+| for| of| or)*:? (is |are \
        |was |has been |have been |ist |wurde |been |currently |temporarily |a |now |permanently )*(suspended\
        |disabled|deactivated|frozen|temporar\S+ locked|locked|discontinued|terminated|gesperrt|deaktiviert\
        |stillgelegt|archived|dormant|blocked due to|barred|on hold|expired|closed)
    email account that you tried to reach is (disabled|inactive)
    (disabled|deactivated|suspended|archived|frozen|terminated|expired) (user|account|mail ?box|recipient\
        |e-?mail|address|subscriber)
    inactive account
    invalid/inactive user
    (is )?currently suspended
    temporar(y|ily) (locked|suspended|disabled|inactive)
    has been (suspended|disabled|deactivated)
    a deactivated mail ?box
    account (\S+ ){0,3}(disabled|discontinued)
    unavailable: user is terminated
    suspend the service
    (mail ?box|account|user) (is )?(disabled|suspended|inactive)
    (user|account) (not active|inactive|is not active|is no longer active)
    account is locked
    destinataire (archiv|suspendu|bloqu)
    address no longer accepts mail
    user or domain is disabled
    is no longer valid
    mailbox was not used
    smtp;550 5\.2\.1
    mail receiving disabled for
"""

HAS_MOVED = r"""
    has been replaced by
    recipient no longer on server
    (has|have) (been )?moved (to|and|away)
    (user|recipient|address|mail ?box|person|subscriber|account) (\S+ ){0,2}(has |have )?(been )?moved
    (has|have) (a )?(new|changed) (e-?mail )?address
    new (e-?mail )?address (is|:)
    neue (e-?mail-?)?adresse (lautet|ist|:)
    no longer (at|with|works? (at|for|here)|working|employed)
    (nicht mehr) (bei|in|für) (uns|unser\S*|dem|dieser|diesem) (\S+ )?(unternehmen|firma|tätig|beschäftigt)
"""

NOT_ACCEPT = r"""
no mail-enabled subscriptions
system not accepting network
    null ?mx
    (indicate[sd]?|advertises?|advertised) no (smtp|mail) service
    (host|domain|server|host/domain|recipient domain|recipient's domain|destination)( \S+)? (does not|doesn't\
        |do not|never|no longer) accepts? (any )?(e-?mail|mail|messages|smtp)
    mail receiving disabled
    smtp protocol returned a permanent error
    no route for current request
    name server: \.: host not found
    no mx record found for domain
    account inbounds disabled
    couldn't find a mail exchanger or ip address
    does not accept mail \(
"""

FILTERED = r"""
    account is protected by
    has restricted sms
    (is |are |is currently )?not accepting any (mail|messages)
    message rejected due to user rules
    not found recipient account
    refuse to receive mail
    only accepting mail from
    (due to|because of) (the )?recipient (preferences|settings|filter)
    recipient'?s? (preferences|privacy settings|personal)
    refuses to receive this mail
    user reject
    blocked by the recipient
    (rejected|refused|blocked) by (the )?(recipient|user)\b
    not in the list mail address management
    bounced address
    (recipient|user|empfänger) (\S+ ){0,3}(has blocked|blocks|refuses|declined|rejected) (\S+ ){0,3}(you\
        |sender|mail|message|e-?mail|your)
    vom empfänger (\S+ ){0,3}(abgelehnt|blockiert|gesperrt)
"""

HOST_UNKNOWN = r"""
    host or domain name not found
    domain name not found
    (recipient|destination|mail|email|e-mail|this|the|remote|that|your)? ?(domain|host|hostname|host name\
        |domain name|mail domain|domain part|mail server) (\S+ ){0,3}(does not exist|doesn't exist\
        |could not be found|can't be found|cannot be found|is unknown|is not reachable|isn't reachable\
        |must exist|not known|non-?existent|is invalid|existiert nicht|nicht gefunden)
    (no such|unknown|unresolvable|nonexistent|non-existent) (mail )?(host|domain|hostname|mail server|site)
    host (name )?(is )?unknown
    host unreachable
    name or service not known
    no such (domain|host)
    mail domain (\S+ ){0,5}is unknown
    unknown domain name
    (unroutable|unrouteable) address
    account or domain may not exist
    553 (\S+ )?[a-z0-9-]+(\.[a-z0-9-]+)+ does not exist
    nxdomain
    (domäne|domain|rechner|host|zieldomain) (\S+ ){0,3}(unbekannt|nicht gefunden|existiert nicht|nicht vorhanden)
    lookup (\S+ ){0,3}(nxdomain|not found)
    mx records? point to non-?existent
    (no|without) (valid |any )?(mx|a|dns|mail exchanger) ?(record|records|host)
    (all )?host (address )?lookups? (\S+ )?failed permanently
    address resolution of
"""

USER_UNKNOWN = r"""
    (unknown|invalid|unrecogni[sz]ed|nonexistent|non-existent|non existent|undefined|illegal|bad|incorrect\
        |inactive|no such|no valid|no|wrong|unknown or illegal|unbekannter|ungültige[rs]?)[ _-](virtual \
        |local |destination |or |disabled |invalid |e-?mail |final |delivery |envelope |rcpt \
        |unknown )*(users?|recipients?|mail ?box|addresse?s?|accounts?|addressee|alias|username|userid|person\
        |persons?|rcpt|local[- ]?part|e-?mail|empfänger|benutzer|nutzer|mail ?box path|subscriber|name|here\
        |one|id)\b
    (user|recipient|mail ?box|address|account|addressee|alias|rcpt|username|userid|person|subscriber|adresse\
        |empfänger|benutzer|nutzer|adressat|postfach|konto|name|spectator|e-?mail address|mail address\
        |addresses|recipients|users|client|destination) ?(\S+ ){0,2}(is |was |are |were |does |do |did \
        |could |can |ist |be |been |has |sind |also |currently |address |in |to |account |here \
        |local )*(unknown|not found|not be found|not known|not exist|not exists|not valid|not recogni[sz]ed\
        |not listed|not located|not ok|not present|not local|not accepted|not here|not available|invalid\
        |undefined|nonexistent|non-existent|unavaill?able|unavaiable|unbekannt|nicht gefunden|nicht bekannt\
        |ungültig|nicht vorhanden|nicht erreichbar|existiert nicht|unrecogni[sz]ed|undeliverable|n't exist\
        |no longer (exists?|available|valid|in use|active|accepted|supported)|deleted|removed|cancelled\
        |canceled|gelöscht|missing|inactive|wrong|unrouteable|unverified|refused|doesn't|disappeared)
    (does not|doesn't|do not|don't|didn't|did not|doesnt|dosn't|does no|not) exists?\b
    recipient( address)? rejected: (access denied|undeliverable)
    user-?unknown|recipnotfound|recipientnotfound|badrcptto|validrcptto|badrecipientto|bad_?recipient|chkuser\
        |invalid-recipient
    no[t]? (\S+ )?(such|a known|a valid|an active|a local|a registered|our|in my) (\S+ ){0,2}(user|recipient\
        |mail ?box|address|person|account|customer|member|list of|validrcptto|valid user)
    not (a )?(valid|known|local|active|registered|existing|recogni[sz]ed) (\S+ )?(user|recipient|mail ?box\
        |address|account|customer|subscriber|member|e-?mail|here)
    not (present |listed |found )?in (\S+ ){0,3}(directory|address ?book|user ?(list|base|database)|alias\
        |recipient (list|table|map)|table|database|recipients)
    (in|from) name directory
    unknown in (\S+ ){0,3}(table|database)
    rejected recipients?
    (there is|there's) no (one|such|user|mail ?box|account|person)
    no (account|mail ?box|user|person|recipient|one|body) (\S+ ){0,4}(here|name|found|address|available|known\
        |exists)
    nobody by that name
    missing home directory
    can't accept user
    (we |i )?(do not|don't|cannot|can't|could not|couldn't) (have|find|locate|verify\
        |deliver to) (\S+ ){0,3}(user|mail ?box|account|recipient|address|addressee|him|her|anyone)\b
    (e-?mail|the) address (\S+ ){0,8}(couldn't be found|could not be found|wasn't found|was not found\
        |not found|is wrong|wrong or no longer)
    your message (\S+ ){0,4}(wasn't|couldn't|could not|was not) (\S+ ){0,4}because the address
    weil die adresse
    refuses to accept your mail
    envelope recipient (has been denied|is in)
    not email addresses
    mail ?box (\S+ ){0,3}(unavailable|not allowed)
    (utilisateur|destinataire|usager|adresse|compte) (\S+ ){0,4}(inconnue?|invalide|inexistante?)
    nessun utente
    utente (\S+ ){0,3}(sconosciuto|inesistente)
    (usuario|destinatario|cuenta|direcci[oó]n|buz[oó]n|usu[aá]rio|destinat[aá]rio\
        |conta) (\S+ ){0,3}(desconocid|desconhecid|inexistente|no existe|n[aã]o existe|inv[aá]lid)
    no existe (\S+ ){0,2}(usuario|persona|cuenta|buz)
    (existiert|gibt es) (\S+ ){0,4}nicht
    (benutzer|empfänger|postfach|konto|adresse) (\S+ ){0,4}nicht
    gebruiker (\S+ ){0,3}onbekend
    no thank you rejected
    (user|mail ?box) name (\S+ ){0,2}not
    isn't in my list of allowed rcpthosts|user isn't in
    (user|rcpt) (\S+ ){0,2}(disabled|not known)
    (нет|не существует|не найден|неизвестн)\S* ?(\S+ ){0,3}(пользовател|почтов|получател|адрес|ящик)?
    (пользовател|почтов|получател|адрес|ящик)\S* (\S+ ){0,3}(не найден|не существует|неизвест)
    宛先(不明|が見つかりません)|ユーザー?(が|は)?(不明|見つかりません)
    5\.1\.1\W+(bad|unknown|invalid|user|recipient|mail ?box|no |the email)
    \(#5\.1\.1\)
"""
