"""Opening a session: by aiosmtplib, which makes the connection, protects it and greets; or with a local program."""

from __future__ import annotations

import ssl
from asyncio import Transport
from collections.abc import Awaitable, Callable
from typing import cast

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPHeloError

from ...engine import Transient
from ...engine.addresses import ascii_domain
from ..accounts import Account, Security
from ..oauth import SignInError
from .dialogue import Dialogue
from .envelope import Envelope, EnvelopeReplies, Session, UnfitError
from .faults import Diagnosis, Fault, OpeningError, of_opening
from .login import NoLoginError, log_in_with_password, log_in_with_token
from .program import open_program
from .session import Abilities, SmtpSession

__all__ = [
    "Envelope",
    "EnvelopeReplies",
    "OpeningError",
    "Session",
    "UnfitError",
    "connection_of",
    "open_session",
    "tls_context",
]


async def open_session(account: Account, context: ssl.SSLContext | None) -> Session:
    """A session with the account's server, logged in; or with its program.

    Raises:
        OpeningError: there is none to be had now.
    """
    if account.sendmail is not None:
        return open_program(account, account.sendmail)
    if account.oauth is not None:
        return await _open_with_token(account, context)
    return await _open_with_password(account, context)


async def _open_with_password(account: Account, context: ssl.SSLContext | None) -> Session:
    async def log_in(smtp: SMTP) -> None:
        if account.user is not None:
            await log_in_with_password(smtp, account)

    return await _opened(account, context, log_in)


async def _open_with_token(account: Account, context: ssl.SSLContext | None) -> Session:
    """A token that the provider has taken back meanwhile is replaced once."""
    token = await _token(account)
    try:
        return await _opened(account, context, lambda smtp: log_in_with_token(smtp, account, token))
    except OpeningError as error:
        if not (error.is_login and await account.tokens.distrust(token)):
            raise
    fresh = await _token(account)
    return await _opened(account, context, lambda smtp: log_in_with_token(smtp, account, fresh))


async def _token(account: Account) -> str:
    try:
        return await account.tokens.token()
    except SignInError as error:
        raise OpeningError.of(Diagnosis(Fault.SIGN_IN, error.message)) from error
    except Transient as error:
        raise OpeningError.of(Diagnosis(Fault.TOKEN_SERVER, error.message)) from error


async def _opened(
    account: Account, context: ssl.SSLContext | None, log_in: Callable[[SMTP], Awaitable[None]]
) -> SmtpSession:
    smtp = connection_of(account, context)
    try:
        await smtp.connect()
        if smtp.is_ehlo_or_helo_needed:
            await _greet(smtp)
        await log_in(smtp)
    except NoLoginError as error:
        smtp.close()
        raise OpeningError.of(_no_login(account, error)) from error
    except (SMTPException, OSError, ValueError) as error:
        smtp.close()
        raise OpeningError.of(of_opening(account, error)) from error
    except BaseException:
        smtp.close()
        raise
    return SmtpSession(Dialogue(cast("Transport", smtp.transport)), account, _abilities(smtp))


def connection_of(account: Account, context: ssl.SSLContext | None) -> SMTP:
    """A connection with the account's server that is still to be made, and does not log in."""
    return SMTP(
        hostname=account.host,
        port=account.port,
        local_hostname=_greeting(account),
        source_address=(account.source_address, 0) if account.source_address else None,
        timeout=account.timeouts.connect,
        use_tls=account.security is Security.TLS,
        start_tls=account.security is Security.STARTTLS,
        tls_context=context,
    )


def _no_login(account: Account, error: NoLoginError) -> Diagnosis:
    words = f"{account.where} can't be used: {error}."
    remedy = "Check security and user of the account: many servers take a login only behind 'starttls' or 'tls'."
    return Diagnosis(Fault.NO_LOGIN, words, remedy)


def tls_context(account: Account) -> ssl.SSLContext | None:
    """How the account's connections are protected; costs 20 ms, so it is made once."""
    if account.security is Security.NONE or account.sendmail is not None:
        return None
    context = ssl.create_default_context()
    if not account.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _greet(smtp: SMTP) -> None:
    try:
        await smtp.ehlo()
    except SMTPHeloError:
        await smtp.helo()


def _greeting(account: Account) -> str:
    """What EHLO says: a name that exists, and tells nothing about the network inside."""
    return account.helo_name or ascii_domain(account.bounces_to.rpartition("@")[2])


def _abilities(smtp: SMTP) -> Abilities:
    offers = smtp.esmtp_extensions
    size = offers.get("size")
    return Abilities(
        pipelining="pipelining" in offers,
        smtputf8="smtputf8" in offers,
        eight_bits="8bitmime" in offers,
        max_size=int(size) if size and size.isdigit() else 0 if "size" in offers else None,
    )
