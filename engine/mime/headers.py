"""Header fields: what may stand in one, RFC 2047 encoded words, folding."""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterable
from email.quoprimime import header_encode
from functools import lru_cache

from ..addresses import ascii_address
from ..errors import Refused
from ..values import Mailbox
from .transfer import MAX_LINE, half_character

CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
HALF = re.compile("[\ud800-\udfff]")
_PLAIN = re.compile(r"(?!.*=\?)[!-~]+(?: [!-~]+)*")
_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+"
_PHRASE = re.compile(rf"(?!.*=\?){_ATOM}(?: {_ATOM})*")
_QUOTABLE = re.compile(r"(?!.*=\?)[ -~]*")
_ADDRESS = re.compile(r"[^\s<>()\[\]:;@\\,\"]+@[^\s<>()\[\]:;@\\,\"]+")
"""Only what must not break out of its place in a header; `addresses` reads more strictly."""
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")
OURS = frozenset(
    {"from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id", "mime-version"}
    | {"return-path", "received", "received-spf", "authentication-results", "domainkey-signature"}
)
OUR_FAMILIES = ("content-", "resent-", "arc-", "dkim-")
_SPELLED = {"\r": "a line break", "\n": "a line break", "\t": "a tab", "\0": "a NUL character"}
FOLDED = 76
"""Characters of a line with an encoded word (RFC 2047, 2); we fold all headers there."""
_WORD = 63
"""Characters between `=?utf-8?q?` and `?=`: 75 in all (RFC 2047, 2)."""


def check_value(value: str, where: str) -> None:
    """Raises Refused when it holds what no header may hold: that would let data write headers of its own."""
    if value.isascii() and value.isprintable():
        return
    if found := CONTROL.search(value):
        what = _SPELLED.get(found[0], "a control character")
        raise Refused(
            f"{where} holds {what} (U+{ord(found[0]):04X}) after {value[: found.start()][-40:]!r}. "
            "A header is one line of text: take it out of the data or the template."
        )
    if half := HALF.search(value):
        raise half_character(where, value, half.start())


@lru_cache(maxsize=1024)
def check_header(name: str) -> None:
    """Raises Refused when a flow may not set a header of this name."""
    if not _NAME.fullmatch(name) or len(name) > 60:
        raise Refused(f"{name!r} is no name of a header. Use letters, digits and hyphens, such as List-Unsubscribe.")
    folded = name.lower()
    if folded in OURS or folded.startswith(OUR_FAMILIES):
        raise Refused(f"The header {name} is set by Postwerk itself. Take it out of 'headers'.")


def text_field(name: str, value: str) -> str:
    """A header of free text, such as Subject, with its line end.

    Raises:
        Refused: it holds a control character.
    """
    if len(name) + 2 + len(value) <= FOLDED and _PLAIN.fullmatch(value):
        return f"{name}: {value}\r\n"
    if not value:
        return f"{name}:\r\n"
    check_value(value, f"The header {name}")
    if _PLAIN.fullmatch(value) and (field := fold(name, value.split(" "))):
        return field
    words = "\r\n ".join(encoded_words(value, len(name) + 2))
    return f"{name}: {words}\r\n"


def further_field(name: str, value: str) -> str:
    """A header of the flow's own. ASCII is never encoded, for it may be structured (`<https://…>, <mailto:…>`).

    Raises:
        Refused: the name is not allowed, or the value holds a control character or a word of 998 letters.
    """
    check_header(name)
    check_value(value, f"The header {name}")
    if not value.isascii():
        return text_field(name, value)
    field = fold(name, value.split())
    if field is None:
        raise Refused(f"The header {name} holds a word of more than {MAX_LINE - 2} characters. Shorten it.")
    return field


def mailbox_field(name: str, mailboxes: Iterable[Mailbox]) -> str:
    """A header of addresses, such as To.

    Raises:
        Refused: a name or address holds a control character, or the domain is none.
    """
    tokens: list[str] = []
    for mailbox in mailboxes:
        tokens += _mailbox_tokens(mailbox.name, mailbox.address, name)
        tokens[-1] += ","
    tokens[-1] = tokens[-1][:-1]
    line = " ".join(tokens)
    if len(name) + 2 + len(line) <= FOLDED:
        return f"{name}: {line}\r\n"
    field = fold(name, tokens)
    if field is None:
        raise Refused(f"The header {name} holds an address that is longer than a line may be. Correct the address.")
    return field


def _mailbox_tokens(shown: str, address: str, header: str) -> list[str]:
    check_value(address, f"The header {header}")
    if not _ADDRESS.fullmatch(address):
        raise Refused(f"The header {header} holds {address[:80]!r}, which is no address. Write one: ann@example.com.")
    phrase = _phrase(shown, header) if shown else ()
    return [*phrase, f"<{ascii_address(address)}>"] if phrase else [ascii_address(address)]


@lru_cache(maxsize=512)
def _phrase(shown: str, header: str) -> tuple[str, ...]:
    check_value(shown, f"The header {header}")
    shown = shown.strip()
    is_short = len(shown) <= 60
    if is_short and (not shown or _PHRASE.fullmatch(shown)):
        return (shown,) if shown else ()
    if is_short and _QUOTABLE.fullmatch(shown):
        escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
        return (f'"{escaped}"',)
    return tuple(encoded_words(shown, len(header) + 2))


def fold(name: str, tokens: Iterable[str]) -> str | None:
    """The header with a space or a line break between tokens; None when one is longer than a line may be."""
    lines: list[str] = []
    line = f"{name}:"
    for token in tokens:
        if len(line) + 1 + len(token) > FOLDED and line != f"{name}:":
            lines.append(line)
            line = ""
        line = f"{line} {token}"
    lines.append(line)
    if any(len(one.encode()) > MAX_LINE for one in lines):
        return None
    return "\r\n".join(lines) + "\r\n"


def encoded_words(text: str, used: int) -> list[str]:
    """The text as RFC 2047 encoded words, cut between characters; `used` are the columns taken on the first line."""
    q_units = [_q_unit(one) for one in text]
    is_short_in_q = sum(map(len, q_units)) <= 4 * -(-len(text.encode()) // 3)
    cut = _cut(q_units, used) if is_short_in_q else _cut_base64(text, used)
    return [f"=?utf-8?{'q' if is_short_in_q else 'b'}?{piece}?=" for piece in cut]


@lru_cache(maxsize=2048)
def _q_unit(character: str) -> str:
    return header_encode(character.encode(), "utf-8")[10:-2]


def _cut(units: list[str], used: int) -> list[str]:
    pieces, piece, room = [], "", _WORD - used
    for unit in units:
        if len(piece) + len(unit) > room:
            pieces.append(piece)
            piece, room = "", _WORD
        piece += unit
    return [*pieces, piece]


def _cut_base64(text: str, used: int) -> list[str]:
    pieces, piece, room = [], b"", (_WORD - used) // 4 * 3
    for raw in (one.encode() for one in text):
        if len(piece) + len(raw) > room:
            pieces.append(piece)
            piece, room = b"", _WORD // 4 * 3
        piece += raw
    return [b2a_base64(one, newline=False).decode() for one in (*pieces, piece)]
