"""Notices for people: who was not reached, and what was said of whom. The structure of lines decides, not the maker."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .codes import replies, statuses

_LOCAL = r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.+[\w!#$%&'*+/=?^`{|}~-]+)*\.?"
_DOMAIN = r"(?:[\w-]{1,63}\.)*[\w-]{1,63}|\[[\d.:a-fA-F]{3,45}\]"
ADDRESS = re.compile(rf"""(?<![\w.+/=@-])(?:"[^"\n@]{{1,64}}"|(?=[^\s@<>]{{1,128}}@){_LOCAL})@(?:{_DOMAIN})""")
_ALONE = re.compile(
    r"[\s>*•·\-–]*(?:\d+\)\s*|smtp;\s*|rfc822;\s*|[45]\d\d[ -](?:#?[45]\.\d\.\d{1,3}\s)?)?[<\[\"'(]*$", re.IGNORECASE
)
_CLOSED = re.compile(r"[>\])\"']*\s*(?:$|[:;,(\[<]|(?:on|am|le|el|il|op)\s|\.\.\.|\s-+\s)")
_LABELLED = re.compile(
    r"(?:\bto|\brcpt|userid|recipients?|address(?:es|ee)?|user|mailbox|account|empfänger(?:adresse)?|adresse|\ban|\bfor|\bnach"
    r"|destinataire|destinatario|destinatário|final-recipient|original-recipient|reach|failed|undeliverable to)"
    r"(?:\(s\)|\(es\))?(?: address| named| is| was| to)?[\s:=;*]{0,12}(?:rfc822;\s*|smtp:\s*|mailto:)?[<\[\"'(]{0,3}$",
    re.IGNORECASE,
)
_COLON = re.compile(r":\s{0,4}[<\"'(]{0,2}$")
_NOT_MEANT = re.compile(
    r"(?:\bfrom|sender|mail from|message-id|\bcontact|reply[- ]to|\bid|return[- ]path|\bsigned|envelope-from|absender"
    r"|orig(?:inal)?[- _]?from|\bvon|(?:please|or|and) (?:write|mail|send|e-?mail)(?: it)?(?: to)?|e-?mail:|help"
    r"|assistance|questions|forwarded from"
    r"|reply to|respond to|in-reply-to|references|x-[\w-]+|cc|bcc|by|sent by|on behalf of|problem to|administrator"
    r"|support|owner|message sent by)(?: address| of| is| at| me| us| to)?[\s:=;(]{0,6}(?:mailto:)?[<\[\"'(]{0,3}$",
    re.IGNORECASE,
)
_ORIGIN = re.compile(r"\((?:ultimately )?(?:generated|expanded) from:?\s{0,4}<?$", re.IGNORECASE)
"""Before the address that was written to, when an alias led elsewhere: meant only if nothing else is told."""
_OFFICIAL = re.compile(r"(?:mailer-daemon|postmaster|abuse|mail-daemon|mailerdaemon)@", re.IGNORECASE)
_TROUBLE = re.compile(
    r"unknown|fail|undeliver|not (?:be )?(?:found|known|exist|deliver)|n't|reject|refus|denied|disabled|full|quota"
    r"|invalid|no such|unbekannt|nicht|error|unable|unavailable|inactive|blocked|bounce|timed out|expired",
    re.IGNORECASE,
)
MAX_LINES = 600
MAX_LINE = 2_000
MAX_ADDRESSES = 500
STANDS_ALONE = 4
"""The weight of an address that has a line to itself, or begins one: that is how notices list whom they mean."""
NEAR = 12
"""Lines after a recipient that may belong to its error."""


@dataclass(slots=True)
class Mention:
    """An address in a notice, how much speaks for it being meant, and what was said of it."""

    address: str
    weight: int
    line: int
    said: str = ""


def mentions(text: str, known: Iterable[str], own: Iterable[str]) -> list[Mention]:
    """The recipients that a notice means: the addresses with the most weight, each with what was said of it.

    Args:
        known: to whom the returned mail went.
        own: addresses of ours and of the server that writes; they are only meant when the mail went to them.
    """
    lines = [line[:MAX_LINE] for line in text.split("\n")[:MAX_LINES]]
    known, own = frozenset(known), frozenset(own)
    best: dict[str, Mention] = {}
    for one in _weighed(lines, known, own):
        folded = one.address.lower()
        if folded not in best or one.weight > best[folded].weight:
            best[folded] = one
    if not best:
        return []
    top = max(one.weight for one in best.values())
    if top <= 1:
        return []
    meant = sorted((one for one in best.values() if one.weight >= min(top, STANDS_ALONE)), key=lambda one: one.line)
    for number, one in enumerate(meant):
        following = meant[number + 1].line if number + 1 < len(meant) else len(lines)
        one.said = _said(lines, one.line, following)
    return meant


def _weighed(lines: list[str], known: frozenset[str], own: frozenset[str]) -> Iterator[Mention]:
    count = 0
    for number, line in enumerate(lines):
        if "@" not in line:
            continue
        for found in ADDRESS.finditer(line):
            count += 1
            if count > MAX_ADDRESSES:
                return
            address = found[0].rstrip(".")
            if (weight := _weight(line, found.start(), found.end(), address.lower(), known, own)) > 0:
                yield Mention(address, weight, number)


def _weight(line: str, start: int, end: int, address: str, known: frozenset[str], own: frozenset[str]) -> int:
    before = line[max(0, start - 60) : start]
    stands_alone = bool(_ALONE.fullmatch(line[:start]) and _CLOSED.match(line, end))
    if _ORIGIN.search(before):
        return 2
    if address in known:
        weight = 1 if _NOT_MEANT.search(before) else 3
    elif address in own:
        return 2 if stands_alone else 0
    elif _OFFICIAL.match(address) or "." not in address.rpartition("@")[2] or _NOT_MEANT.search(before):
        return 0
    else:
        weight = 0
    if stands_alone:
        weight += STANDS_ALONE
    elif _LABELLED.search(before) or (_COLON.search(before) and _TROUBLE.search(line)):
        weight += 2
    if replies(line) or statuses(line) or _TROUBLE.search(line):
        weight += 1
    return weight


def _said(lines: list[str], start: int, following: int) -> str:
    """From a recipient's line to the end of what is said of it."""
    stop = min(following, start + NEAR) if following > start else start + NEAR
    said: list[str] = []
    empty = 0
    for line in lines[start:stop]:
        empty = empty + 1 if not line.strip() else 0
        if empty > 1 and len(said) > 2:
            break
        said.append(line)
    return "\n".join(said).strip()
