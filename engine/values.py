"""What travels on wires: frozen values. A value knows how a table shows it and what its port is called."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from .errors import Refused, suggestion

Scalar = str | bool | int | float | Decimal | datetime | date | time | None


PROBLEM = "problem"
"""The column in which a record that is not in order says why."""
PROBLEM_COLUMNS = "problem_columns"
"""The column in which such a record names the columns at fault."""


class Value(BaseModel):
    """One thing on a wire."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    port_name: ClassVar[str] = "value"

    def cells(self) -> Mapping[str, Scalar]:
        """What a table shows of this value, beside the columns of its record."""
        return {}

    @property
    def complaint(self) -> str:
        """Why it is not in order, when a step put it out as such."""
        return "It was put out as not in order."

    @property
    def blamed(self) -> str | None:
        """The one column that is at fault, when it can be told."""
        return None

    def changed(self, **fields: Any) -> Self:  # the fields are this model's own, checked by the caller's types
        """A copy with these fields replaced."""
        return self.model_copy(update=fields)


class Source(Value):
    """Where a record stands: the place that a message about it names."""

    file: str
    sheet: str | None = None
    row: int | None = None

    def __str__(self) -> str:
        sheet = f", sheet {self.sheet!r}" if self.sheet else ""
        row = f", row {self.row}" if self.row is not None else ""
        return f"{self.file}{sheet}{row}"


class Record(Value):
    """One row of source data: named, typed columns. Its key is unique within its source."""

    port_name: ClassVar[str] = "record"

    key: str
    values: Mapping[str, Scalar]
    source: Source | None = None

    def __getitem__(self, column: str) -> Scalar:
        try:
            return self.values[column]
        except KeyError:
            raise Refused(
                f"The record has no column {column!r}. {suggestion(column, self.values)}", column=column
            ) from None

    def cells(self) -> Mapping[str, Scalar]:
        return self.values

    @property
    def complaint(self) -> str:
        return str(self.values.get(PROBLEM) or super().complaint)

    @property
    def blamed(self) -> str | None:
        named = str(self.values.get(PROBLEM_COLUMNS))
        return named if named in self.values else None

    def with_values(self, **values: Scalar) -> Self:
        """This record with columns replaced or added."""
        return self.changed(values={**self.values, **values})


class Unreadable(Value):
    """A row that can't become a record. A source yields it in the record's place, and the others go on."""

    key: str
    source: Source
    message: str
    column: str | None = None

    @property
    def complaint(self) -> str:
        return self.message

    @property
    def blamed(self) -> str | None:
        return self.column


class Document(Value):
    """A file: its name, its bytes, its media type."""

    port_name: ClassVar[str] = "document"

    name: str
    content: bytes
    media_type: str = "application/octet-stream"

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    def with_content(self, content: bytes) -> Self:
        return self.changed(content=content)

    def cells(self) -> Mapping[str, Scalar]:
        return {"document": self.name, "size": len(self.content)}


class Mailbox(Value):
    """An address with the name that is shown beside it (RFC 5322, 3.4: mailbox). The address may hold non-ASCII."""

    address: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address


class InlineImage(Value):
    """An image that the HTML names by its Content-ID: `<img src="cid:logo">`."""

    cid: str
    document: Document


class Letterhead(Value):
    """The headers of a mail that stay outside of any signature and encryption."""

    sender: Mailbox | None = None
    """None: the account's own sender."""
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    """Recipients of the envelope only; never written into a header."""
    reply_to: tuple[Mailbox, ...] = ()
    subject: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers, such as Importance or List-Unsubscribe."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses of the envelope: to, cc and bcc, each once."""
        return tuple(dict.fromkeys(box.address for box in (*self.to, *self.cc, *self.bcc)))


class Message(Value):
    """A draft: a mail that is not yet signed, encrypted or sent."""

    port_name: ClassVar[str] = "message"

    head: Letterhead
    text: str | None = None
    html: str | None = None
    images: tuple[InlineImage, ...] = ()
    attachments: tuple[Document, ...] = ()

    def cells(self) -> Mapping[str, Scalar]:
        return {"recipient": ", ".join(self.head.recipients), "subject": self.head.subject}


class SealedMessage(Value):
    """A signed or encrypted mail: the finished MIME entity (RFC 2045) under the headers of its draft."""

    port_name: ClassVar[str] = "message"

    head: Letterhead
    entity: bytes = Field(repr=False)
    """Content headers, an empty line, the body; lines end with CRLF."""
    is_encrypted: bool = False

    def cells(self) -> Mapping[str, Scalar]:
        return {"recipient": ", ".join(self.head.recipients), "subject": self.head.subject}


class SentMail(Value):
    """A mail that the server took over (250 after DATA)."""

    port_name: ClassVar[str] = "sent"

    message_id: str
    account: str
    recipients: tuple[str, ...]
    subject: str = ""
    sent_at: datetime
    reply: str = ""
    """The server's words."""

    def cells(self) -> Mapping[str, Scalar]:
        return {
            "recipient": ", ".join(self.recipients), "subject": self.subject, "sent_at": self.sent_at,
            "message_id": self.message_id, "reply": self.reply,
        }  # fmt: skip


class RefusedMail(Value):
    """A mail that will not arrive: the server refused it, or a rule or a person stopped it."""

    port_name: ClassVar[str] = "refused"

    message_id: str
    account: str
    recipients: tuple[str, ...]
    subject: str = ""
    state: str
    reply: str = ""
    """The server's words, or the reason."""

    def cells(self) -> Mapping[str, Scalar]:
        return {
            "recipient": ", ".join(self.recipients), "subject": self.subject, "state": self.state,
            "message_id": self.message_id, "reply": self.reply,
        }  # fmt: skip

    @property
    def complaint(self) -> str:
        return f"The mail is {self.state}: {self.reply}"
