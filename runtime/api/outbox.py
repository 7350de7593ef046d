"""`/api/v1/outbox`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from pydantic.config import JsonDict
from sqlalchemy import Connection

from ..outbox import Mail, MailState, outbox
from ..outbox.export import accounts_of, mbox_entry, told_of
from ..people import Role
from .fields import Cursor, Limit, MailIds, MailIn, Name, RunId
from .paging import Page, cursor_of, number, place_of
from .routes import Routes, bytes_told
from .runs import missing_told
from .services import Caller, House, Services, Visitor

routes = Routes("Outbox")
PORTION = 200
"""Mails that an export reads at a time."""
Change = Callable[[Connection, Collection[int], datetime], int]
MAIL: JsonDict = {
    "id": 4711, "state": "failed", "recipients": ["ann@example.com"], "subject": "Rechnung 815",
    "run": "20260302-120000-a1b2c3", "step": "send", "key": "K815", "account": "office",
    "envelope_sender": "bounces@example.com", "message_id": "<3f2a@example.com>", "attempts": 1,
    "reply": "550 5.1.1 no such user", "status": "5.1.1", "source": "invoices.xlsx, sheet 'Invoices', row 816",
    "created_at": "2026-03-02T12:00:00+00:00", "sent_at": None, "next_attempt_at": None, "size": 48211,
}  # fmt: skip

StateFilter = Annotated[list[MailState] | None, Query(description="Only mails in one of these states.")]
RunFilter = Annotated[RunId | None, Query(description="Only mails of this run.")]
AccountFilter = Annotated[Name | None, Query(description="Only mails of this account.")]


class MailTold(BaseModel):
    """A mail of the outbox."""

    id: int
    state: MailState
    recipients: list[str]
    subject: str
    run: str
    step: str
    key: str
    account: str
    envelope_sender: str = Field(description="Where bounces go.")
    message_id: str
    attempts: int
    reply: str | None = Field(description="The server's words, or the reason for the state.")
    status: str | None = Field(description="The enhanced status code (RFC 3463).")
    source: str | None = Field(description="File, sheet and row of its record.")
    created_at: datetime
    sent_at: datetime | None
    next_attempt_at: datetime | None
    size: int = Field(description="Bytes.")

    model_config = {"json_schema_extra": {"examples": [MAIL]}}


class Chosen(BaseModel):
    """The mails that are meant."""

    ids: MailIds


class Changed(BaseModel):
    mails: int = Field(description="How many mails were changed.", examples=[2])


@routes.get("/outbox", needs=Role.VIEWER, summary="List mails")
async def list_mails(
    house: House, state: StateFilter = None, run: RunFilter = None, account: AccountFilter = None,
    limit: Limit = 50, cursor: Cursor = None,
) -> Page[MailTold]:  # fmt: skip
    """By their numbers, in pages."""
    after = place_of(cursor, number) or 0
    found = await _portion(house, state, run, account, after, limit + 1)
    items = [MailTold.model_validate(told_of(mail)) for mail in found[:limit]]
    return Page(items=items, next=cursor_of(found[limit - 1].id) if len(found) > limit else None)


@routes.get(
    "/outbox/export", needs=Role.OPERATOR, summary="Export mails", response_class=StreamingResponse,
    responses=bytes_told("application/mbox", "An mbox file, which any mail program opens."),
)  # fmt: skip
async def export_mails(
    house: House, caller: Caller, state: StateFilter = None, run: RunFilter = None, account: AccountFilter = None
) -> StreamingResponse:
    """All mails that fit, with their bytes as they leave, in one mbox file."""
    await house.audit.note(caller.did("outbox.export", run or "all", states=[one.value for one in state or ()]))
    headers = {"Content-Disposition": 'attachment; filename="outbox.mbox"'}
    return StreamingResponse(_mbox(house, state, run, account), media_type="application/mbox", headers=headers)


@routes.get("/outbox/{mail_id}", needs=Role.VIEWER, summary="Show a mail", problems=(404,))
async def show_mail(house: House, mail_id: MailIn) -> MailTold:
    """Its state, its way, and the server's words."""
    return MailTold.model_validate(told_of(await _found(house, mail_id)))


@routes.get(
    "/outbox/{mail_id}/mail", needs=Role.OPERATOR, summary="Get the bytes of a mail", problems=(404,),
    response_class=Response, responses=bytes_told("message/rfc822", "As it leaves."),
)  # fmt: skip
async def get_bytes_of_mail(house: House, mail_id: MailIn) -> Response:
    """The mail as it leaves, to be saved as an `.eml` file."""
    mail = await _found(house, mail_id)
    content = await asyncio.to_thread(house.workspace.blobs.read, mail.blob)
    headers = {"Content-Disposition": f'attachment; filename="mail-{mail.id}.eml"'}
    return Response(content, media_type="message/rfc822", headers=headers)


@routes.post("/outbox/release", needs=Role.OPERATOR, summary="Release mails", problems=(409, 503))
async def release_mails(house: House, caller: Caller, chosen: Chosen) -> Changed:
    """Lets mails go now that are planned, held, or wait for their next attempt. All of them, or none."""
    return await _queue(house, caller, chosen.ids, outbox.release, "outbox.release")


@routes.post("/outbox/resend", needs=Role.OPERATOR, summary="Send mails again", problems=(409, 503))
async def resend_mails(house: House, caller: Caller, chosen: Chosen) -> Changed:
    """Queues mails again whose end you do not accept, doubtful ones too. All of them, or none.

    Message-ID and bytes stay as they are. A mail that has arrived comes twice.
    """
    return await _queue(house, caller, chosen.ids, outbox.resend, "outbox.resend")


@routes.post("/outbox/cancel", needs=Role.OPERATOR, summary="Cancel mails", problems=(409,))
async def cancel_mails(house: House, caller: Caller, chosen: Chosen) -> Changed:
    """Cancels mails that have not left; gives up doubtful ones. All of them, or none."""
    return await _change(house, caller, chosen.ids, outbox.cancel, "outbox.cancel")


async def _queue(house: Services, caller: Visitor, ids: list[int], change: Change, action: str) -> Changed:
    """Changes mails so that they leave, and wakes who sends them."""
    accounts = await house.workspace.store.read(lambda connection: accounts_of(connection, ids))
    for account in sorted(accounts):
        caller.must_send_by(account)
    changed = await _change(house, caller, ids, change, action)
    for account in accounts:
        house.engine.wake(account)
    return changed


async def _change(house: Services, caller: Visitor, ids: list[int], change: Change, action: str) -> Changed:
    now, wanted = datetime.now(UTC), sorted(set(ids))
    mails = await house.workspace.store.write(lambda connection: change(connection, wanted, now))
    await house.audit.note(caller.did(action, f"{len(wanted)} mails", ids=wanted))
    return Changed(mails=mails)


async def _portion(
    house: Services, states: list[MailState] | None, run: str | None, account: str | None, after: int, limit: int
) -> list[Mail]:
    return await house.workspace.store.read(
        lambda connection: list(
            outbox.listed(connection, run=run, states=states or (), account=account, after=after, limit=limit)
        )
    )


async def _mbox(
    house: Services, states: list[MailState] | None, run: str | None, account: str | None
) -> AsyncIterator[bytes]:
    after = 0
    while mails := await _portion(house, states, run, account, after, PORTION):
        for mail in mails:
            content = await asyncio.to_thread(house.workspace.blobs.read, mail.blob)
            yield mbox_entry(content, mail.envelope_sender, mail.created_at)
        after = mails[-1].id


async def _found(house: Services, mail_id: int) -> Mail:
    with missing_told():
        return await house.workspace.store.read(lambda connection: outbox.show(connection, mail_id))
