"""What a client says to log in with a token: for SMTP, IMAP and POP3 alike."""

from __future__ import annotations

from collections.abc import Collection

MECHANISMS = ("XOAUTH2", "OAUTHBEARER")
"""In the order in which we use them: Microsoft and Google know the first for certain."""


def choose(offered: Collection[str]) -> str | None:
    """The mechanism to use, of those that the server offers; None when it takes no tokens."""
    names = {one.upper() for one in offered}
    return next((one for one in MECHANISMS if one in names), None)


def first_words(mechanism: str, user: str, token: str, host: str, port: int) -> bytes:
    """The client's first words, not yet in base64."""
    return xoauth2(user, token) if mechanism == "XOAUTH2" else oauthbearer(user, token, host, port)


def last_words(mechanism: str) -> bytes:
    """What a client says to an error, so that the server ends the exchange: not yet in base64."""
    return b"" if mechanism == "XOAUTH2" else b"\x01"


def xoauth2(user: str, token: str) -> bytes:
    """Source: https://developers.google.com/gmail/imap/xoauth2-protocol"""
    return f"user={user}\x01auth=Bearer {token}\x01\x01".encode()


def oauthbearer(user: str, token: str, host: str, port: int) -> bytes:
    """Source: RFC 7628, 3.1; names are escaped as in RFC 5801, 4."""
    name = user.replace("=", "=3D").replace(",", "=2C")
    return f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01".encode()
