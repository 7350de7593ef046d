"""SendSMTP: hand a mail to the outbox, which sends it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import Field

from ...engine import (
    Category,
    Context,
    Facet,
    Flaw,
    Mailbox,
    Message,
    Node,
    Outgoing,
    PerItem,
    Refused,
    Resources,
    SealedMessage,
    Sender,
    tell_flaws,
)
from ...engine.addresses import ascii_address, ascii_domain, needs_smtputf8, parse_mailbox
from ...engine.mime import compose, entity


class SendSMTP(Node):
    """Send each mail through a mail account.

    The finished mail goes into the outbox, which sends it exactly once: again after a temporary refusal, never twice
    after a crash. `sent` gives what the server took over; `refused` what it will not deliver, with its words.

    The sender is that of the mail, else the account's. Bounces go to `envelope_sender`, else to the address that the
    account names for them. A person who stands in To, Cc and Bcc gets the mail once. The Message-ID is made from run,
    step and record, so it stays the same however often the mail is tried.

    An address with letters beyond ASCII before the @ needs a server with SMTPUTF8; a domain with such letters does
    not: it is written in its ASCII form.

    Raises:
        Refused: the mail has no recipient, or a header would hold a line break.

    Source: RFC 5321 (SMTP), RFC 5322 (mails), RFC 6531 (SMTPUTF8), RFC 5891 (domains).
    """

    title: ClassVar[str] = "Send mail (SMTP)"
    category: ClassVar[Category] = Category.MAIL
    leaves: ClassVar[bool] = True
    declares_needs: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"account": "office"},
        {},
        {"account": "office", "envelope_sender": "bounces@example.com"},
    )

    account: str = Field(
        default="", description="The account that sends; the workspace's default when left empty.",
        json_schema_extra={"account": True},
    )  # fmt: skip
    envelope_sender: Annotated[PerItem[str] | None, Facet.ADDRESS] = Field(
        default=None, description="The address that bounces go to. Empty: as the account says."
    )

    def run(self, message: Message | SealedMessage, ctx: Context) -> Outgoing:
        account = ctx.account(self.account)
        recipients = envelope_of(message)
        if not recipients:
            raise Refused("The mail has no recipient in To, Cc or Bcc. Give it one.", field="to")
        envelope_sender = self._envelope_sender(account)
        message_id, content = finished(message, ctx, account)
        return Outgoing(
            account=account.name,
            envelope_sender=envelope_sender,
            recipients=recipients,
            message_id=message_id,
            subject=message.head.subject,
            content=content,
            needs_smtputf8=not content.isascii() or any(map(needs_smtputf8, (envelope_sender, *recipients))),
        )

    def flaws(self, resources: Resources) -> Iterable[Flaw]:
        yield from tell_flaws(lambda: resources.account(self.account))
        if isinstance(self.envelope_sender, str) and self.envelope_sender.strip():
            try:
                _bare_address(self.envelope_sender)
            except Refused as error:
                yield Flaw(message=error.message, field="envelope_sender")

    def _envelope_sender(self, account: Sender) -> str:
        if self.envelope_sender and self.envelope_sender.strip():
            return _bare_address(self.envelope_sender)
        return ascii_address(account.envelope_sender)


def _bare_address(text: str) -> str:
    found = parse_mailbox(text, where="The address in 'envelope_sender'", field="envelope_sender")
    return ascii_address(found.address)


def envelope_of(message: Message | SealedMessage) -> tuple[str, ...]:
    """The recipients of the envelope, each once, with domains in ASCII."""
    by_address: dict[str, str] = {}
    for address in map(ascii_address, message.head.recipients):
        local, _, domain = address.rpartition("@")
        by_address.setdefault(f"{local}@{domain.lower()}", address)
    return tuple(by_address.values())


def finished(message: Message | SealedMessage, ctx: Context, account: Sender | None) -> tuple[str, bytes]:
    """The Message-ID and the bytes of a mail, from its own sender or the account's."""
    sender: Mailbox | None = message.head.sender or (account.mailbox if account else None)
    domain = ascii_domain(sender.address.rpartition("@")[2]) if sender else "mail.invalid"
    message_id = ctx.message_id(domain)
    content = compose(
        message.head,
        message.entity if isinstance(message, SealedMessage) else entity(message),
        message_id=message_id,
        date=ctx.now.astimezone(ZoneInfo(ctx.timezone)),
        sender=sender,
        reply_to=account.reply_to if account else (),
    )
    return message_id, content
