"""The whole mail (RFC 5322): the headers of a draft above a finished MIME entity."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache

from ..values import Letterhead, Mailbox
from .headers import check_value, further_field, mailbox_field, text_field


def compose(
    head: Letterhead,
    entity: bytes,
    *,
    message_id: str,
    date: datetime,
    sender: Mailbox | None,
    reply_to: tuple[Mailbox, ...] = (),
) -> bytes:
    """The bytes of the mail. Its own sender and Reply-To come before those given; Bcc is never written.

    Without any sender it is a draft without From, which a mail program may complete, but no server takes.
    It is ASCII, except that addresses whose local part is not are written as they are (RFC 6532).

    Raises:
        Refused: a header holds a line break or another control character, or has a name that is ours; names it.
    """
    check_value(message_id, "The header Message-ID")
    fields = [
        _fixed_field("From", (writer,)) if (writer := head.sender or sender) else "",
        mailbox_field("To", head.to) if head.to else "" if head.cc else "To: undisclosed-recipients:;\r\n",
        mailbox_field("Cc", head.cc) if head.cc else "",
        _fixed_field("Reply-To", head.reply_to or reply_to) if head.reply_to or reply_to else "",
        text_field("Subject", head.subject),
        f"Date: {_date(date.replace(microsecond=0), date.utcoffset())}\r\nMessage-ID: {message_id}\r\n",
        *(further_field(name, value) for name, value in head.headers),
        "MIME-Version: 1.0\r\n",
    ]
    return "".join(fields).encode() + entity


@lru_cache(maxsize=256)  # a run builds thousands in a second
def _date(moment: datetime, offset: timedelta | None) -> str:
    del offset  # one moment in two time zones is equal to itself, and written in two ways
    return format_datetime(moment)


@lru_cache(maxsize=256)  # the same in nearly every mail of a run
def _fixed_pairs(name: str, pairs: tuple[tuple[str, str], ...]) -> str:
    return mailbox_field(name, [Mailbox(address=address, name=shown) for address, shown in pairs])


def _fixed_field(name: str, mailboxes: tuple[Mailbox, ...]) -> str:
    return _fixed_pairs(name, tuple((one.address, one.name) for one in mailboxes))
