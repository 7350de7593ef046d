"""Why no session can be opened or a mail is refused: a word for programs, a sentence and a remedy for people."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum

from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectTimeoutError,
    SMTPResponseException,
    SMTPTimeoutError,
)

from ..accounts import Account, Security
from ..accounts.presets import hint_of
from .dialogue import Reply, printable


class Fault(StrEnum):
    """What is wrong with an account."""

    NAME_NOT_FOUND = "name-not-found"
    NO_NAME_SERVER = "no-name-server"
    CONNECTION_REFUSED = "connection-refused"
    UNREACHABLE = "unreachable"
    TIME_OVER = "time-over"
    SILENT = "silent"
    SOURCE_ADDRESS = "source-address"
    NOT_SMTP = "not-smtp"
    CERTIFICATE_NAME = "certificate-name"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_SELF_SIGNED = "certificate-self-signed"
    CERTIFICATE_UNTRUSTED = "certificate-untrusted"
    TLS_PORT = "tls-port"
    NO_STARTTLS = "no-starttls"
    NO_TLS = "no-tls"
    NO_LOGIN = "no-login"
    LOGIN_REFUSED = "login-refused"
    LOGIN_LATER = "login-later"
    SIGN_IN = "sign-in"
    TOKEN_SERVER = "token-server"
    SERVER_REFUSED = "server-refused"
    SENDER_REFUSED = "sender-refused"
    RELAYING_REFUSED = "relaying-refused"
    RECIPIENT_REFUSED = "recipient-refused"
    MAIL_REFUSED = "mail-refused"
    LATER = "later"
    LOST = "lost"
    PROGRAM = "program"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong, and the next move."""

    fault: Fault
    words: str
    remedy: str = ""
    reply: Reply | None = None

    @property
    def told(self) -> str:
        return f"{self.words} {self.remedy}".strip()


class OpeningError(Exception):
    """No session could be opened. That is no mail's fault.

    Attributes:
        reason: what is wrong, and what to do.
        reply: the server's, if it came to that.
        is_login: it refused the user or the password; trying often may lock the account.
        diagnosis: the same for programs, where it is known.
    """

    def __init__(
        self, reason: str, reply: Reply | None = None, *, is_login: bool = False, diagnosis: Diagnosis | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply
        self.is_login = is_login
        self.diagnosis = diagnosis or Diagnosis(Fault.OTHER, reason, reply=reply)

    @classmethod
    def of(cls, diagnosis: Diagnosis) -> OpeningError:
        is_login = diagnosis.fault in (Fault.LOGIN_REFUSED, Fault.SIGN_IN)
        return cls(diagnosis.told, diagnosis.reply, is_login=is_login, diagnosis=diagnosis)


HOSTNAME_MISMATCH, ADDRESS_MISMATCH = 62, 64
EXPIRED, NOT_YET_VALID = 10, 9
SELF_SIGNED, SELF_SIGNED_ROOT = 18, 19
"""X509_V_ERR_…: openssl-verification-options(1)."""
USUAL = "Check the port: 587 goes with 'starttls', 465 with 'tls'."


def of_opening(account: Account, error: Exception) -> Diagnosis:
    """What an error says that came while a session was opened."""
    if isinstance(error, SMTPResponseException):
        return _of_reply(account, error)
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return of_certificate(account, cause)
    if isinstance(cause, ssl.SSLError):
        return _of_tls(account, cause)
    if isinstance(cause, socket.gaierror | UnicodeError):  # a name that can't be written as one
        return _of_name(account, cause)
    if isinstance(error, TimeoutError):
        return _of_time(account, error)
    if isinstance(cause, OSError):
        return _of_network(account, cause, error)
    return _of_offer(account, printable(str(error)).rstrip("."))


def of_certificate(account: Account, error: ssl.SSLCertVerificationError) -> Diagnosis:
    """What is wrong with the server's certificate, as far as the handshake tells."""
    told = f"The certificate of {account.where} can't be trusted: {error.verify_message.rstrip('.')}."
    code = error.verify_code
    if code in (HOSTNAME_MISMATCH, ADDRESS_MISMATCH):
        remedy = "Write the host as the certificate names it."
        return Diagnosis(Fault.CERTIFICATE_NAME, told, remedy)
    if code in (EXPIRED, NOT_YET_VALID):
        remedy = "Check this machine's clock; if it is right, whoever runs the server must renew the certificate."
        return Diagnosis(Fault.CERTIFICATE_EXPIRED, told, remedy)
    if code in (SELF_SIGNED, SELF_SIGNED_ROOT):
        remedy = (
            "If the server is your own, have the certificate, or the authority that issued it, installed on this "
            "machine (Debian: /usr/local/share/ca-certificates, then update-ca-certificates). "
            "If it is not, somebody may be listening."
        )
        return Diagnosis(Fault.CERTIFICATE_SELF_SIGNED, told, remedy)
    remedy = "Have the certificate's authority installed on this machine, or the server send its whole chain."
    return Diagnosis(Fault.CERTIFICATE_UNTRUSTED, told, remedy)


def _of_reply(account: Account, error: SMTPResponseException) -> Diagnosis:
    if error.code < 200:
        words = f"{account.where} answered what is no SMTP: {printable(error.message)}."
        return Diagnosis(Fault.NOT_SMTP, words, "Check host and port.")
    reply = Reply(error.code, printable(error.message))
    if not isinstance(error, SMTPAuthenticationError):
        return Diagnosis(Fault.SERVER_REFUSED, f"{account.where} answered {reply}", reply=reply)
    if not is_refused_login(reply):
        return Diagnosis(Fault.LOGIN_LATER, f"{account.where} answered {reply}", reply=reply)
    return _of_login(account, reply)


def is_refused_login(reply: Reply) -> bool:
    """535 and its like; servers count them, and lock accounts."""
    return reply.code >= 500


def _of_login(account: Account, reply: Reply) -> Diagnosis:
    words = f"{account.where} refused the login of {account.user!r}: {reply.shown}."
    if account.oauth:
        remedy = (
            "Check that the user is the mailbox that signed in, and that it may send by SMTP; "
            f"or sign in again: postwerk account sign-in {account.name}"
        )
    elif reply.code in (530, 538):
        remedy = "It wants the connection protected first: use 'starttls' or 'tls'."
    else:
        remedy = " ".join(filter(None, ("Check user and password of the account.", hint_of(account))))
    return Diagnosis(Fault.LOGIN_REFUSED, words, remedy, reply)


def _of_tls(account: Account, cause: ssl.SSLError) -> Diagnosis:
    reason = cause.reason or str(cause)
    if account.security is Security.TLS and reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        words = f"No TLS with {account.where}: it does not speak TLS from the first byte."
        remedy = "Check port and security of the account: 'starttls' goes with port 587, 'tls' with port 465."
        return Diagnosis(Fault.TLS_PORT, words, remedy)
    words = f"No TLS with {account.where}: {printable(reason)}."
    return Diagnosis(Fault.NO_TLS, words, "Check port and security of the account; the server may be too old for it.")


def _of_name(account: Account, cause: socket.gaierror | UnicodeError) -> Diagnosis:
    start = f"No connection with {account.where}:"
    if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_AGAIN:
        remedy = "Check this machine's network and its name server."
        return Diagnosis(Fault.NO_NAME_SERVER, f"{start} names can't be looked up just now.", remedy)
    words = f"{start} there is no server named {account.host!r}."
    return Diagnosis(Fault.NAME_NOT_FOUND, words, "Check the spelling of the host.")


def _of_time(account: Account, error: Exception) -> Diagnosis:
    seconds = f"{account.timeouts.connect:g} seconds"
    is_connecting = isinstance(error, SMTPConnectTimeoutError) and "ready message" not in error.message
    if is_connecting or not isinstance(error, SMTPTimeoutError):
        words = f"No connection with {account.where}: nothing answered within {seconds}."
        remedy = "Check host and port. A firewall may swallow the connection; many networks close port 25."
        return Diagnosis(Fault.TIME_OVER, words, remedy)
    return silent(account)


def silent(account: Account) -> Diagnosis:
    """The connection stands, and the server says nothing: it waits for TLS, or is no mail server."""
    words = f"{account.where} takes the connection and then says nothing for {account.timeouts.connect:g} seconds."
    if account.security is Security.TLS:
        return Diagnosis(Fault.SILENT, words, USUAL)
    return Diagnosis(Fault.SILENT, words, f"Perhaps it waits for TLS from the first byte. {USUAL}")


def speaks_tls(account: Account) -> Diagnosis:
    """The server waits for TLS, and we for its greeting."""
    words = f"{account.where} speaks TLS from the first byte, and the account says '{account.security}'."
    return Diagnosis(Fault.TLS_PORT, words, "Set the security of the account to 'tls', or use port 587.")


def _of_network(account: Account, cause: OSError, error: Exception) -> Diagnosis:
    told = printable(str(error)).rstrip(".") or type(error).__name__
    start = f"No connection with {account.where}:"
    if isinstance(cause, ConnectionRefusedError) or cause.errno == errno.ECONNREFUSED:
        words = f"{start} it was refused; nothing listens there."
        return Diagnosis(Fault.CONNECTION_REFUSED, words, f"Check the host. {USUAL}")
    if cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        words = f"{start} there is no way to it."
        return Diagnosis(Fault.UNREACHABLE, words, "Check this machine's network, and whether a firewall forbids it.")
    if account.source_address and ("local address" in told or cause.errno == errno.EADDRNOTAVAIL):
        words = f"{start} this machine has no address {account.source_address}."
        return Diagnosis(Fault.SOURCE_ADDRESS, words, "Set the source address of the account to one that it has.")
    return Diagnosis(Fault.OTHER, f"{start} {told}.")


def _of_offer(account: Account, told: str) -> Diagnosis:
    if "STARTTLS" in told:
        words = f"{account.where} offers no STARTTLS."
        remedy = "Use 'tls' with port 465. 'none' is for networks that you trust."
        return Diagnosis(Fault.NO_STARTTLS, words, remedy)
    return Diagnosis(Fault.OTHER, f"{account.where} can't be used: {told}.", "Check security and user of the account.")


_RELAY = re.compile(r"relay|not local|not permitted to send to|nicht.*weiterleit", re.IGNORECASE)
_SENDER = re.compile(r"sender|send ?as|from address|not owned|return.path|absender|spoof", re.IGNORECASE)
_RECIPIENT_CODES = ("5.1.1", "5.1.2", "5.1.3", "5.1.10", "5.2.1")


def of_envelope(account: Account, stage: str, reply: Reply, address: str) -> Diagnosis:
    """What a refusal means that came after the login; `stage` is 'sender', 'recipient' or 'mail'.

    Servers refuse senders and relaying where they please, so the words count for more than the place.
    """
    words = f"{account.where} answered {reply.shown}."
    if reply.is_passing:
        return Diagnosis(Fault.LATER, words, "Try again later; the server is busy, or wants to see you twice.", reply)
    if stage != "mail" and _RELAY.search(reply.text):
        return Diagnosis(Fault.RELAYING_REFUSED, words, _relaying(account), reply)
    if stage == "recipient" and (reply.enhanced or "").startswith(_RECIPIENT_CODES):
        return Diagnosis(Fault.RECIPIENT_REFUSED, words, f"Check the address {address!r}.", reply)
    if stage == "sender" or _SENDER.search(reply.text):
        remedy = (
            f"This login may not send as {account.bounces_to!r}. Use an address that belongs to it, "
            "or have the server's administrator allow it."
        )
        return Diagnosis(Fault.SENDER_REFUSED, words, remedy, reply)
    if stage == "recipient":
        return Diagnosis(Fault.RECIPIENT_REFUSED, words, f"Check the address {address!r}.", reply)
    return Diagnosis(Fault.MAIL_REFUSED, words, "The server's own words are all that is known.", reply)


def _relaying(account: Account) -> str:
    if account.user is None and account.sendmail is None:
        return "It passes mails to others only for those who log in: give the account a user and a password."
    return "The server does not pass on mails to this address for you; ask whoever runs it."


def _cause(error: BaseException) -> BaseException:
    """The error at the bottom: TLS and the names of servers are told apart only there."""
    found = error
    while found.__cause__ is not None and not isinstance(found, ssl.SSLError):
        found = found.__cause__
    return found
