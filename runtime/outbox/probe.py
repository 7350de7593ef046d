"""Tries an account: does the server answer, is it who it says, does it take the login, does it take a mail."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime

from ...engine import Letterhead, Mailbox, Message, Refused
from ...engine.addresses import needs_smtputf8, parse_mailbox
from ...engine.mime import compose, entity
from ..accounts import Account
from .closer import looked_closer
from .connection import Envelope, OpeningError, Session, UnfitError, open_session, tls_context
from .dialogue import Reply, SessionLostError
from .faults import Diagnosis, Fault, of_envelope


class ProbeError(Refused):
    """The account does not work.

    Attributes:
        diagnosis: why, for programs and for people.
    """

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(diagnosis.told)
        self.diagnosis = diagnosis


async def probe(account: Account, to: str | None = None) -> str:
    """What worked, in a sentence; with `to`, a mail is sent there.

    Raises:
        ProbeError: what did not work, and what to do.
        Refused: `to` is no address.
    """
    recipient = parse_mailbox(to, where="--to") if to is not None else None
    session = await _opened(account)
    try:
        if recipient is not None:
            await _send(session, account, recipient)
        await session.quit()
    except UnfitError as error:
        raise ProbeError(Diagnosis(Fault.MAIL_REFUSED, str(error))) from error
    except SessionLostError as error:
        raise ProbeError(Diagnosis(Fault.LOST, f"{account.where} ended the session: {error}")) from error
    finally:
        session.close()
    return _success(account, recipient)


async def _opened(account: Account) -> Session:
    try:
        return await open_session(account, await asyncio.to_thread(tls_context, account))
    except OpeningError as error:
        raise ProbeError(await looked_closer(account, error.diagnosis)) from error


async def _send(session: Session, account: Account, to: Mailbox) -> None:
    content = _message(account, to)
    sender = account.bounces_to
    envelope = Envelope(sender, (to.address,), needs_smtputf8(to.address) or needs_smtputf8(sender))
    replies = await session.offer(envelope, content)
    _check(account, "sender", replies.sender, to)
    for reply in replies.recipients:
        _check(account, "recipient", reply, to)
    if replies.data is not None:
        _check(account, "mail", replies.data, to)
    _check(account, "mail", await session.send(content), to)


def _check(account: Account, stage: str, reply: Reply, to: Mailbox) -> None:
    if reply.code >= 400:
        raise ProbeError(of_envelope(account, stage, reply, to.address))


def _success(account: Account, to: Mailbox | None) -> str:
    if account.sendmail is not None:
        works = f"The program {account.where} is there"
    else:
        login = f" and takes the login of {account.user!r}" if account.user else ""
        works = f"{account.where} answers{login}"
    return f"{works}; a mail to {to.address} is on its way." if to else f"{works}."


def _message(account: Account, to: Mailbox) -> bytes:
    text = f"This mail shows that the account {account.name!r} can send.\n"
    message = Message(head=Letterhead(to=(to,), subject="Postwerk: a test"), text=text)
    sender = account.as_sender
    domain = sender.mailbox.address.rpartition("@")[2]
    return compose(
        message.head, entity(message), message_id=f"<{uuid.uuid4().hex}@{domain}>", date=datetime.now(UTC),
        sender=sender.mailbox, reply_to=sender.reply_to,
    )  # fmt: skip
