"""Tries an account: does the server answer, is it who it says, does it take the login, does it take a mail."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime

from ...engine import Letterhead, Mailbox, Message, Refused
from ...engine.addresses import needs_smtputf8, parse_mailbox
from ...engine.mime import compose, entity
from ..accounts import Account
from .connection import Envelope, OpeningError, Session, UnfitError, open_session, tls_context
from .dialogue import SessionLostError


async def probe(account: Account, to: str | None = None) -> str:
    """What worked, in a sentence; with `to`, a mail is sent there.

    Raises:
        Refused: what did not, in the server's words where it has said any.
    """
    try:
        session = await open_session(account, await asyncio.to_thread(tls_context, account))
    except OpeningError as error:
        raise Refused(error.reason) from error
    try:
        if to is not None:
            await _send(session, account, parse_mailbox(to, where="--to"))
        await session.quit()
    except UnfitError as error:
        raise Refused(str(error)) from error
    except SessionLostError as error:
        raise Refused(f"{account.host}:{account.port} ended the session: {error}") from error
    finally:
        session.close()
    login = f" and takes the login of {account.user!r}" if account.user else ""
    sent = f"; a mail to {to} is on its way" if to else ""
    return f"{account.host}:{account.port} answers{login}{sent}."


async def _send(session: Session, account: Account, to: Mailbox) -> None:
    content = _message(account, to)
    sender = account.bounces_to
    envelope = Envelope(sender, (to.address,), needs_smtputf8(to.address) or needs_smtputf8(sender))
    replies = await session.offer(envelope, content)
    for reply in (replies.sender, *replies.recipients, *([replies.data] if replies.data else [])):
        if reply.code >= 400:
            raise Refused(f"{account.host}:{account.port} answered {reply}")
    answer = await session.send(content)
    if not answer.is_good:
        raise Refused(f"{account.host}:{account.port} answered {answer}")


def _message(account: Account, to: Mailbox) -> bytes:
    text = f"This mail shows that the account {account.name!r} can send.\n"
    message = Message(head=Letterhead(to=(to,), subject="Postwerk: a test"), text=text)
    sender = account.as_sender
    domain = sender.mailbox.address.rpartition("@")[2]
    return compose(
        message.head, entity(message), message_id=f"<{uuid.uuid4().hex}@{domain}>", date=datetime.now(UTC),
        sender=sender.mailbox, reply_to=sender.reply_to,
    )  # fmt: skip
