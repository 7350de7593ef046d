"""The mail that came back inside a notice, and the text of the notice without it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from .entity import Part
from .fields import Head, read_head
from .hypertext import text_of
from .mail import ParsedMail, address_in, addresses_in, message_ids

_NESTED = frozenset({"message/rfc822", "message/global", "message/news", "message/partial"})
_HEADERS = frozenset({"text/rfc822-headers", "message/rfc822-headers", "message/global-headers", "text/rfc822-header"})
_HEADER_LINE = re.compile(
    r"(received|return-path|message-id|from|to|subject|date|mime-version|content-type|content-transfer-encoding|cc|sender"
    r"|reply-to|dkim-signature|delivered-to|x-[a-z0-9-]{2,40}|in-reply-to|references|importance|user-agent|thread-topic"
    r"|list-unsubscribe|precedence|envelope-to|domainkey-signature|authentication-results|received-spf)[ \t]*:",
    re.IGNORECASE,
)
_TELLING = frozenset({"received", "return-path", "message-id", "mime-version", "dkim-signature"})
_MARGIN = re.compile(r"[ \t>|]*")
_SEPARATOR = re.compile(
    r"[ \t]*(?:-{2,}|={3,}|_{5,}|\*{3,}|#{3,})[^\n]{0,100}?\b"
    r"(?:copy of (?:the|your|this)|original (?:message|mail|headers?)"
    r"|returned (?:message|mail)|message (?:headers?|text|follows|contents?)|unsent message|header(?:s)? (?:of|follow)"
    r"|undelivered message|ursprüngliche|originalnachricht|kopie|body of (?:the )?message|start of|below this line)\b",
    re.IGNORECASE,
)
_FOLLOWS = re.compile(
    r"[ \t>]*(?:the )?(?:original|returned|undelivered|unsent|first \w+ lines of the original|your|text of your)[ \t]?"
    r"(?:original |undelivered )?(?:message|mail|e-mail|headers?|message headers?)"
    r"(?: (?:follows|is|was|reads?|text|headers?|header follows)){0,2}"
    r"[ \t]*[:.]?[ \t]*$",
    re.IGNORECASE,
)
LOOK_AHEAD = 14
"""Lines within which a head shows itself: long Received fields take four each."""
MAX_LINES = 4_000
MAX_FOUND = 200


@dataclass(eq=False)
class Returned:
    """What a notice says, and what is known of the mail that it is about."""

    texts: list[str]
    """The texts of the notice, without the returned mail."""
    head: Head | None

    @cached_property
    def recipients(self) -> tuple[str, ...]:
        """To whom the mail went, as far as its head tells, in lower case."""
        if not self.head:
            return ()
        names = (
            "to",
            "cc",
            "bcc",
            "x-original-to",
            "delivered-to",
            "envelope-to",
            "x-rcpt-to",
            "resent-to",
            "apparently-to",
        )
        found = [one for name in names for text in self.head.texts(name) for one in addresses_in(text)[:MAX_FOUND]]
        return tuple(dict.fromkeys(one.lower() for one in found))

    @cached_property
    def senders(self) -> frozenset[str]:
        if not self.head:
            return frozenset()
        names = ("from", "sender", "return-path", "reply-to", "errors-to", "x-sender", "resent-from")
        return frozenset(address_in(self.head.text(name)).lower() for name in names) - {""}

    @cached_property
    def message_id(self) -> str:
        return next(iter(message_ids(self.head.text("message-id"))), "") if self.head else ""


def returned_in(mail: ParsedMail) -> Returned:
    """Cuts a mail into what is said and what came back."""
    texts: list[str] = []
    head: Head | None = None
    for part, text in _said(mail.root):
        if part.media_type in _NESTED:
            head = head or (part.parts[0].head if part.parts else None)
        elif part.media_type in _HEADERS:
            head = head or read_head(part.content, 0, len(part.content))[0]
        else:
            said, found = cut(text)
            texts.append(said)
            head = head or found
    return Returned(texts, head if head and head.fields else None)


def _said(part: Part) -> Iterator[tuple[Part, str]]:
    """The parts that are the notice's own, with their texts; nested mails stay closed."""
    if part.media_type in _NESTED or part.media_type in _HEADERS:
        yield part, ""
    elif part.parts:
        is_choice = part.media_type == "multipart/alternative"
        plain = is_choice and any(one.media_type == "text/plain" and one.text.strip() for one in part.parts)
        for one in part.parts:
            if not (plain and one.media_type == "text/html"):
                yield from _said(one)
    elif part.media_type == "text/html":
        yield part, text_of(part.text)
    elif part.media_type.startswith("text/"):
        yield part, part.text


def cut(text: str) -> tuple[str, Head | None]:
    """The text before the returned mail, and the head of that mail if it is there."""
    lines = text.split("\n", MAX_LINES)
    separated = None
    for number, line in enumerate(lines):
        if separated is None and number and (_SEPARATOR.match(line[:200]) or _FOLLOWS.match(line[:200])):
            separated = number
        if _HEADER_LINE.match(line, _margin(line)) and _is_head(lines, number):
            stop = separated if separated is not None and number - separated < LOOK_AHEAD else number
            return "\n".join(lines[:stop]), _head_at(lines, number)
    if separated is not None and _SEPARATOR.match(lines[separated][:200]):
        return "\n".join(lines[:separated]), None
    return text, None


def _margin(line: str) -> int:
    found = _MARGIN.match(line)
    return found.end() if found else 0


def _is_head(lines: list[str], start: int) -> bool:
    """Three fields close together, one of which only a mail's head has."""
    names = set()
    for line in lines[start : start + LOOK_AHEAD]:
        if found := _HEADER_LINE.match(line, _margin(line)):
            names.add(found[1].lower())
        elif not line.strip():
            break
    return len(names) >= 3 and bool(names & _TELLING or {"from", "to", "subject", "date"} <= names)


def _head_at(lines: list[str], start: int) -> Head:
    margin = lines[start][: _margin(lines[start])]
    kept = [line.removeprefix(margin) for line in lines[start : start + 400]]
    content = "\n".join(kept).encode("utf-8", "replace")
    return read_head(content, 0, len(content))[0]
