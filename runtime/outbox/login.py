"""Logging in at an SMTP server, with one attempt: servers count refused ones, and lock accounts."""

from __future__ import annotations

import base64

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPAuthenticationError

from ..accounts import Account
from ..oauth import sasl

PROTECTED = ("plain", "login", "cram-md5")
IN_CLEAR = ("cram-md5", "plain", "login")
"""CRAM-MD5 hides the password from listeners; behind TLS it only keeps servers from storing hashes of their own."""
UNKNOWN_MECHANISM = 504
"""RFC 4954, 4: the server does not know the mechanism after all, and has counted no attempt."""


class NoLoginError(Exception):
    """The server offers no way to log in that this account could go."""


async def log_in_with_password(smtp: SMTP, account: Account) -> None:
    """Logs in with the best mechanism that the server offers, and no other.

    Raises:
        NoLoginError: it offers none.
        SMTPAuthenticationError: it refused the login, or puts it off.
    """
    password = account.password.get_secret_value() if account.password else ""
    order = PROTECTED if smtp.get_transport_info("sslcontext") is not None else IN_CLEAR
    offered = [one for one in order if one in smtp.server_auth_methods]
    if not offered:
        raise NoLoginError(f"it takes no login{_but(smtp)}")
    ways = {"plain": smtp.auth_plain, "login": smtp.auth_login, "cram-md5": smtp.auth_crammd5}
    for last, mechanism in ((one is offered[-1], one) for one in offered):
        try:
            await ways[mechanism](account.user or "", password)
        except SMTPAuthenticationError as error:
            if last or error.code != UNKNOWN_MECHANISM:
                raise
        else:
            return


async def log_in_with_token(smtp: SMTP, account: Account, token: str) -> None:
    """Logs in with a token.

    Raises:
        NoLoginError: the server takes no tokens.
        SMTPAuthenticationError: it refused this one, or puts the login off.
    """
    mechanism = sasl.choose(smtp.server_auth_methods)
    if mechanism is None:
        raise NoLoginError(f"it takes no tokens (OAuth2){_but(smtp)}")
    words = sasl.first_words(mechanism, account.user or "", token, account.host, account.port)
    reply = await smtp.execute_command(b"AUTH", mechanism.encode(), base64.b64encode(words))
    if reply.code == 334:  # an error in JSON; it ends the exchange once we have heard it
        reply = await smtp.execute_command(base64.b64encode(sasl.last_words(mechanism)))
    if reply.code != 235:
        raise SMTPAuthenticationError(reply.code, reply.message)


def _but(smtp: SMTP) -> str:
    if smtp.server_auth_methods:
        return f", only {', '.join(one.upper() for one in smtp.server_auth_methods)}"
    return " over this connection"
