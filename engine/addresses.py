"""Mail addresses as people type them and as cells hold them (RFC 5321, RFC 5322, RFC 6531)."""

from __future__ import annotations

import re
from functools import lru_cache

import idna
from email_validator import EmailNotValidError, validate_email

from .errors import Refused
from .values import Mailbox

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"(?!..--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?=[A-Za-z]){_LABEL}")
"""An ordinary ASCII address. Whatever does not match is left to the library (punycode, umlauts, errors)."""
_NAMED = re.compile(r"\s*(?P<name>.*?)\s*<\s*(?P<address>[^<>]*?)\s*>\s*", re.DOTALL)
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|<[^<>]*>|[,;]|[^,;"<]+|.', re.DOTALL)
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
_HAS_TOP = re.compile(r"\.(?!\d+$)[^.]+$")
_MARGIN = " \t\r\n\xa0\u200b\u200e\u200f\u2060\ufeff"
"""What cells hold around an address without anybody seeing it."""
MAX_ADDRESS = 254
MAX_LIST = 100_000
"""Characters of a list of addresses: about 3,000 of them; servers commonly take 100 to 1,000 recipients."""


def parse_mailbox(text: str, *, where: str = "The address", field: str | None = None) -> Mailbox:
    """One address, with or without a name: `"Müller, Jürgen" <j@müller.de>`.

    Raises:
        Refused: it is none, or it holds several.
    """
    text = text.strip(_MARGIN)
    if len(text) <= MAX_ADDRESS and _PLAIN.fullmatch(text):
        return Mailbox.model_construct(address=text, name="")
    return _parsed(text, where, field)


def parse_mailboxes(text: str, *, where: str = "The address list", field: str | None = None) -> tuple[Mailbox, ...]:
    """Addresses between commas or semicolons; an unquoted comma within a name is understood.

    Raises:
        Refused: it is empty, or one of them is no address.
    """
    text = text.strip(_MARGIN)
    if len(text) <= MAX_ADDRESS and _PLAIN.fullmatch(text):
        return (Mailbox.model_construct(address=text, name=""),)
    if len(text) > MAX_LIST:
        raise Refused(f"{where} is longer than {MAX_LIST:,} characters. Write fewer addresses.", field=field)
    return tuple(_parsed(one, where, field) for one in _entries(text) or [""])


@lru_cache(maxsize=4096)
def ascii_domain(domain: str) -> str:
    """A domain as DNS and headers hold it: `müller.de` as `xn--mller-kva.de` (IDNA 2008 after UTS 46).

    Raises:
        Refused: it is no domain.
    """
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError as error:
        raise Refused(f"{domain!r} is no domain of an address: {error}.") from error


def ascii_address(address: str) -> str:
    """The address with its domain in ASCII; the local part stays."""
    if address.isascii():
        return address
    local, _, domain = address.rpartition("@")
    return f"{local}@{ascii_domain(domain)}"


def needs_smtputf8(address: str) -> bool:
    """Whether only a server with SMTPUTF8 (RFC 6531) takes it: its local part is not ASCII."""
    return not address.isascii() and not address.rpartition("@")[0].isascii()


@lru_cache(maxsize=4096)
def _parsed(text: str, where: str, field: str | None) -> Mailbox:
    if not text:
        raise Refused(f"{where} is empty. An address such as ann@example.com is expected.", field=field)
    if found := _CONTROL.search(text):
        raise Refused(
            f"{where} holds a line break or another control character (U+{ord(found[0]):04X}): {text[:80]!r}. "
            "Take it out of the data.",
            field=field,
        )
    if len(addresses := [one for one in _entries(text) if "@" in one]) > 1:
        raise Refused(_several(where, addresses), field=field)
    named = _NAMED.fullmatch(text)
    if not named:
        return Mailbox(address=_checked(text, text, where, field))
    address, name = _checked(named["address"], text, where, field), named["name"]
    others = [one for one in _bare(name).split() if "@" in one and one.casefold() != address.casefold()]
    if others:  # which of them is meant?
        raise Refused(_several(where, [*others, f"<{address}>"]), field=field)
    return Mailbox(address=address, name=_unquoted(name))


def _several(where: str, addresses: list[str]) -> str:
    count = "two" if len(addresses) == 2 else str(len(addresses))
    shown = ", ".join(addresses[:3]) + (", …" if len(addresses) > 3 else "")
    return f"{where} holds {count} addresses: {shown}. Write one, or allow several recipients in this step."


def _checked(address: str, text: str, where: str, field: str | None) -> str:
    try:
        found = validate_email(address, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise Refused(f"{where} is no address: {text[:80]!r}. {error}", field=field) from error
    if not _HAS_TOP.search(found.domain):
        raise Refused(
            f"{where} is no address: {text[:80]!r}. The part after @ is {found.domain!r}; "
            "a domain such as example.com is expected.",
            field=field,
        )
    return found.normalized


def _unquoted(name: str) -> str:
    if len(name) >= 2 and name[0] == name[-1] == '"':
        return re.sub(r"\\(.)", r"\1", name[1:-1]).strip()
    return name


def _entries(text: str) -> list[str]:
    """The text cut at commas and semicolons, but not within quotes or brackets, nor before an address is complete."""
    entries, entry = [], ""
    for piece in _PIECE.findall(text):
        if piece in ",;" and ("@" in _bare(entry) or not entry.strip(_MARGIN)):
            entries.append(entry)
            entry = ""
        else:
            entry += piece
    return [one.strip(_MARGIN) for one in (*entries, entry) if one.strip(_MARGIN)]


def _bare(entry: str) -> str:
    return re.sub(r'"(?:[^"\\]|\\.)*"', "", entry)
