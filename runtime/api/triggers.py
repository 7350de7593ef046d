"""`/api/v1/triggers`, and the secret URLs of webhooks."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, SecretStr, StringConstraints

from ...engine import ConfigError
from ..people import Role
from ..triggers import webhooks
from ..triggers.calendar import Calendar, why_not
from ..triggers.kinds import Folder, Trigger, parse_trigger
from ..triggers.rows import TriggerRow
from ..triggers.service import Kept
from ..triggers.states import FiringState
from ..triggers.telling import tell_event
from ..triggers.webhooks import Received
from .fields import FlowId, Text
from .problems import ApiError, MissingError, answer
from .routes import Routes
from .senders import must_send
from .services import Caller, House, Services, Visitor

routes = Routes("Triggers")
hooks = Routes("Webhooks", prefix="")
LARGEST_HOOK = 50_000_000
"""Bytes that any webhook may be told to take; each says how many it takes itself."""
TriggerName = Annotated[str, StringConstraints(pattern=r"^\w[\w .@+-]{0,99}$")]
NameIn = Annotated[TriggerName, Path(description="The trigger's name.", examples=["Monday mailing"])]
Inputs = Annotated[dict[str, str], Field(max_length=100, description="Values for inputs of the flow, as text.")]
BEGUN: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "The run has begun, or is about to.",
        "content": {"application/json": {"example": {"run": "20260302-120000-a1b2c3"}}},
    }
}
OBJECT = {
    "requestBody": {
        "required": True,
        "description": "A JSON object.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
LATER = "It can't be started at present. It is tried again by itself; the same key tells what became of it."
"""Why is told to those who may see the trigger's firings."""
SETTINGS = {"kind": "calendar", "times": ["08:00"], "weekdays": ["mon"], "holidays": ["DE-BY"], "missed": "once"}


class TriggerWanted(BaseModel):
    """What starts runs of a flow."""

    flow: FlowId = Field(description="The flow's id.", examples=["invoice-mailing"])
    settings: dict[str, Any] = Field(
        description="`kind` (calendar, folder, webhook or hand), and what that kind can be told.", examples=[SETTINGS]
    )
    group: Annotated[Text, Field(max_length=100)] = ""
    inputs: Inputs = Field(default_factory=dict)
    is_published: bool = Field(False, description="It may fire.")
    secret: Annotated[SecretStr, Field(max_length=1000)] | None = Field(
        None, description="What a webhook's requests are signed with; null: it stays, or is made."
    )


class TriggerKept(BaseModel):
    """A trigger that was kept, and what is shown this once."""

    name: str
    path: str | None = Field(description="Of a new webhook: the end of its URL.", examples=["/hooks/…"])
    secret: str | None = Field(description="Of a webhook whose requests are signed, where it was made here.")


class TriggerTold(BaseModel, extra="allow"):
    """A trigger, and what it did."""

    name: str
    flow: str
    kind: str
    group: str
    published: bool
    trouble: str | None = Field(description="Why it can't do its work at present.")
    next: datetime | None = Field(description="When a calendar fires next.")
    started: int = Field(description="Runs.")
    sent: int = Field(description="Mails of these runs that left.")


class TriggerList(BaseModel):
    items: list[TriggerTold]


class EventTold(BaseModel):
    """A firing with its outcome."""

    at: datetime
    due_at: datetime | None
    state: FiringState
    run: str | None
    message: str | None
    inputs: dict[str, str]
    file: str | None


class EventList(BaseModel):
    items: list[EventTold]


class DayTold(BaseModel):
    day: date
    fires: bool
    reasons: list[str] = Field(description="Why it does not.")


class FireWanted(BaseModel):
    """What the person who fires it sets."""

    inputs: Inputs = Field(default_factory=dict)


@routes.get("/triggers", needs=Role.VIEWER, summary="List the triggers")
async def list_triggers(
    house: House, group: Annotated[Text | None, Query(max_length=100, description="Only those of a group.")] = None
) -> TriggerList:
    """By group and name, with what they started and sent."""
    found = await house.engine.triggers.tell_all(group)
    return TriggerList(items=[TriggerTold.model_validate(one) for one in found])


@routes.get("/triggers/{name}", needs=Role.VIEWER, summary="Show a trigger", problems=(404,))
async def show_trigger(house: House, name: NameIn) -> TriggerTold:
    """With its next 24 firings, the days that it skips and why, and its latest events."""
    await _known(house, name)
    return TriggerTold.model_validate(await house.engine.triggers.tell(name))


@routes.get("/triggers/{name}/events", needs=Role.VIEWER, summary="List the firings of a trigger", problems=(404,))
async def list_events(
    house: House, name: NameIn, limit: Annotated[int, Query(ge=1, le=1000, description="At most so many.")] = 100
) -> EventList:
    """The newest first, each with its outcome."""
    found = await house.engine.triggers.events(await _known(house, name), limit)
    return EventList(items=[EventTold.model_validate(tell_event(one)) for one in found])


@routes.get("/triggers/{name}/days/{day}", needs=Role.VIEWER, summary="Ask a calendar about a day", problems=(404,))
async def ask_about_day(
    house: House, name: NameIn, day: Annotated[date, Path(description="The day.", examples=["2026-12-24"])]
) -> DayTold:
    """Whether it fires on a day, and if not, why."""
    calendar = (await _known(house, name)).trigger.settings
    if not isinstance(calendar, Calendar):
        raise ConfigError(f"The trigger {name!r} is no calendar; it knows no days.")
    reasons = why_not(calendar, day)
    return DayTold(day=day, fires=not reasons, reasons=list(reasons))


@routes.put("/triggers/{name}", needs=Role.OPERATOR, summary="Save a trigger", problems=(404,))
async def put_trigger(house: House, caller: Caller, name: NameIn, wanted: TriggerWanted) -> TriggerKept:
    """Keeps a trigger, in place of one of the same name; a webhook keeps its URL.

    A folder outside of the workspace is named by admins only, since its files are read and moved.
    """
    fields = wanted.model_dump(exclude={"flow", "secret"})
    trigger = parse_trigger({**fields, "name": name, "flow_id": wanted.flow})
    await _may_keep(house, caller, trigger)
    secret = wanted.secret.get_secret_value() if wanted.secret else None
    kept = await house.engine.triggers.add(trigger, secret or None)
    await house.audit.note(caller.did("trigger.save", name, **wanted.model_dump(mode="json", exclude={"secret"})))
    return _told(kept)


@routes.post("/triggers/{name}/publish", needs=Role.OPERATOR, summary="Publish a trigger", problems=(404,),
             status_code=204, response_class=Response)  # fmt: skip
async def publish_trigger(house: House, caller: Caller, name: NameIn) -> None:
    """From now on it fires."""
    await _may_keep(house, caller, (await _known(house, name)).trigger)
    await house.engine.triggers.publish(name)
    await house.audit.note(caller.did("trigger.publish", name))


@routes.post("/triggers/{name}/unpublish", needs=Role.OPERATOR, summary="Withdraw a trigger", problems=(404,),
             status_code=204, response_class=Response)  # fmt: skip
async def unpublish_trigger(house: House, caller: Caller, name: NameIn) -> None:
    """It fires no more; its runs go on."""
    await _known(house, name)
    await house.engine.triggers.unpublish(name)
    await house.audit.note(caller.did("trigger.unpublish", name))


@routes.delete("/triggers/{name}", needs=Role.OPERATOR, summary="Remove a trigger", problems=(404,), status_code=204,
               response_class=Response)  # fmt: skip
async def remove_trigger(house: House, caller: Caller, name: NameIn) -> None:
    """Forgets a trigger and its secret; what it started stays."""
    await _known(house, name)
    await house.engine.triggers.remove(name)
    await house.audit.note(caller.did("trigger.remove", name))


@routes.post("/triggers/{name}/fire", needs=Role.OPERATOR, summary="Fire a trigger", problems=(404, 409, 503))
async def fire_trigger(
    house: House, caller: Caller, name: NameIn, wanted: FireWanted | None = None,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=100, description="With the same key it fires once.")
    ] = None,
) -> EventTold:  # fmt: skip
    """Lets a trigger fire now, by hand. The answer says what became of it: a run that has started, or why none has."""
    house.must_take()
    trigger, given = (await _known(house, name)).trigger, wanted.inputs if wanted else {}
    await must_send(house, caller, trigger.flow_id, {**trigger.inputs, **given})
    key = f"{caller.name}:{idempotency_key}" if idempotency_key else None
    event = await house.engine.triggers.fire(name, given, key)
    await house.audit.note(caller.did("trigger.fire", name, run=event.run, state=event.state.value))
    return EventTold.model_validate(tell_event(event))


@hooks.post(
    webhooks.PATH + "{token}", needs=None, summary="Call a webhook", most=LARGEST_HOOK,
    problems=(401, 403, 404, 409, 503), status_code=202,
    responses=BEGUN, openapi_extra=OBJECT, response_class=JSONResponse,
)  # fmt: skip
async def call_webhook(
    house: House, request: Request, token: Annotated[str, Path(max_length=200, description="The secret of the URL.")]
) -> JSONResponse:
    """Starts the flow of a webhook. The URL is the secret; some want the request to be signed, too.

    Without a body that is a JSON object nothing starts. With the same `Idempotency-Key` nothing starts twice.
    """
    hook = house.engine.triggers.webhooks
    most = await hook.most_bytes(token)
    if most is None:
        raise MissingError("There is no such URL.")
    headers = dict(request.headers)
    received = await hook.receive(token, headers, await _body(request, most), datetime.now(UTC))
    return _answer(received)


def _answer(received: Received) -> JSONResponse:
    if received.status == 202:
        return JSONResponse({"run": received.run}, 202)
    if received.status == 503:
        return answer(503, LATER, kind="webhook", headers={"Retry-After": "60"})
    headers = {"Retry-After": "60"} if received.status == 409 else {}
    return answer(received.status, received.message or "It was refused.", kind="webhook", headers=headers)


async def _body(request: Request, most: int) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise ApiError(413, f"The body may have {most:,} bytes.", kind="too-large")
        pieces.append(piece)
    return b"".join(pieces)


async def _may_keep(house: Services, caller: Visitor, trigger: Trigger) -> None:
    """Raises ApiError when this person may not have such a trigger fire."""
    await must_send(house, caller, trigger.flow_id, trigger.inputs)
    settings = trigger.settings
    if not isinstance(settings, Folder) or caller.role is Role.ADMIN or not FilePath(settings.folder).is_absolute():
        return
    known = {row.name: row.trigger.settings for row in await house.engine.triggers.all()}.get(trigger.name)
    if not isinstance(known, Folder) or known.folder != settings.folder:
        raise ApiError(
            403, f"The folder {settings.folder!r} lies outside of the workspace; only an admin may name it. "
            "Use a folder in 'files/'.", kind="role",
        )  # fmt: skip


async def _known(house: Services, name: str) -> TriggerRow:
    try:
        return await house.engine.triggers.get(name)
    except ConfigError as error:
        raise MissingError(error.message) from error


def _told(kept: Kept) -> TriggerKept:
    path = f"{webhooks.PATH}{kept.token}" if kept.token else None
    return TriggerKept(name=kept.row.name, path=path, secret=kept.secret)
