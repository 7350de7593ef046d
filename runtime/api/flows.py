"""`/api/v1/flows`."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import BaseModel, Field

from ...engine import ConfigError, Scalar
from ...engine.check import check
from ...engine.diff import diff
from ...engine.flow import Flow, load_flow
from ...engine.problem import Problem
from ..context import Lent
from ..files import Shelf
from ..flows import BrokenFlow, SavedFlow
from ..people import Role
from ..plugins import node_classes
from ..runs import listing
from ..runs.starting import read_inputs
from ..runs.states import ACTIVE, RunState
from .fields import FlowIn, IfMatch, IfNoneMatch, RunId, version_seen
from .problems import ApiError, MissingError
from .routes import Routes, bytes_told
from .services import Caller, House, Services

routes = Routes("Flows")
MOST_FLOW = 20_000_000
"""Bytes of a flow: 5,000,000 characters, each of at most four."""
EXAMPLE = {
    "postwerk": 1, "id": "invoice-mailing", "name": "Invoice mailing",
    "steps": {"read": {"node": "ReadExcel", "params": {"file": "invoices.xlsx", "key": "customer_no"}}},
    "wires": [],
}  # fmt: skip
DOCUMENT = "The canonical document; its ETag is the version."
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The flow's document.",
        "content": {"application/json": {"schema": {"type": "object"}, "example": EXAMPLE}},
    }
}


class FlowSummary(BaseModel):
    """A flow in a list."""

    id: str = Field(examples=["invoice-mailing"])
    name: str | None
    description: str | None = None
    steps: int = 0
    inputs: dict[str, Any] = Field(default_factory=dict, description="What whoever starts it may set.")
    etag: str | None = Field(None, description="The version, for If-Match.")
    saved_at: datetime | None = None
    error: str | None = Field(None, description="Why it can't be read; null: it can.")


class FlowList(BaseModel):
    items: list[FlowSummary]


class Verdict(BaseModel):
    """What the check says."""

    is_good: bool = Field(description="There is no error, so it can be started.")
    problems: list[Problem]


class ChangeTold(BaseModel):
    """One difference."""

    kind: str = Field(examples=["changed"])
    path: str = Field(examples=["steps.mail.params.subject"])
    before: Any = None
    after: Any = None
    text: str = Field(examples=["steps.mail.params.subject: 'Invoice' became 'Your invoice'"])


class Changes(BaseModel):
    items: list[ChangeTold]


@routes.get("/flows", needs=Role.VIEWER, summary="List the flows")
async def list_flows(house: House) -> FlowList:
    """All flows by id. A damaged one is listed with what is wrong with it."""
    found = await asyncio.to_thread(lambda: list(house.flows.all()))
    return FlowList(items=[_summary(one) for one in found])


@routes.get(
    "/flows/{flow_id}", needs=Role.VIEWER, summary="Get a flow", problems=(404,),
    responses={**bytes_told("application/json", DOCUMENT), 304: {"description": "You have this version."}},
)  # fmt: skip
async def get_flow(house: House, flow_id: FlowIn, if_none_match: IfNoneMatch = None) -> Response:
    """The canonical document: sorted keys, one wire a line, so that versions compare well."""
    saved = await asyncio.to_thread(house.flows.get, flow_id)
    if if_none_match is not None and saved.etag in if_none_match:
        return Response(status_code=304, headers={"ETag": f'"{saved.etag}"'})
    return _document(saved, 200)


@routes.put(
    "/flows/{flow_id}", needs=Role.EDITOR, summary="Save a flow", most=MOST_FLOW, problems=(412, 428, 507),
    openapi_extra=BODY, status_code=200,
    responses={**bytes_told("application/json", DOCUMENT), 201: {"description": "A new flow was saved."}},
)  # fmt: skip
async def put_flow(
    house: House, caller: Caller, request: Request, flow_id: FlowIn, if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:  # fmt: skip
    """Saves a flow in its canonical form. A flow with errors may be saved; it can't be started.

    Send `If-Match` with the ETag of the version that you have changed, or `If-None-Match: *` for a new flow. When
    somebody else has saved meanwhile, nothing is written: 412.
    """
    seen = version_seen(if_match, if_none_match, f"the flow {flow_id!r}")
    flow = await _sent(request)
    if flow.id != flow_id:
        raise ConfigError(f"The document has the id {flow.id!r} and was sent to {flow_id!r}. Let both be the same.")
    saved = await asyncio.to_thread(house.flows.save, flow, seen)
    await house.audit.note(caller.did("flow.save", flow_id, etag=saved.etag, replaces=seen))
    return _document(saved, 201 if seen is None else 200)


@routes.delete(
    "/flows/{flow_id}", needs=Role.EDITOR, summary="Delete a flow", problems=(404, 409, 412, 428), status_code=204,
    response_class=Response,
)  # fmt: skip
async def delete_flow(house: House, caller: Caller, flow_id: FlowIn, if_match: IfMatch = None) -> None:
    """Moves a flow and the files beside it to the trash of the workspace, from where a person can take it back.

    Send `If-Match` with its ETag. A flow with a run that is on stays.
    """
    saved = await asyncio.to_thread(house.flows.get, flow_id)
    seen = version_seen(if_match, None, f"the flow {flow_id!r}")
    wanted = listing.RunFilter(flow=saved.flow.id, states=ACTIVE | {RunState.PAUSED})
    if active := await house.workspace.store.read(lambda connection: listing.page_of_runs(connection, wanted, 1)):
        told = f"Run {active[0].id} of this flow is {active[0].state}. Cancel it first, or wait until it has ended."
        raise ApiError(409, told, kind="refused")
    await asyncio.to_thread(house.flows.delete, flow_id, seen or "")
    await house.audit.note(caller.did("flow.delete", flow_id, etag=saved.etag))


class CheckWanted(BaseModel):
    """With which inputs the flow is looked at."""

    inputs: dict[str, str] = Field(default_factory=dict, max_length=100, examples=[{"list": "invoices.xlsx"}])


@routes.post("/flows/{flow_id}/check", needs=Role.VIEWER, summary="Check a flow", problems=(404,))
async def check_flow(house: House, flow_id: FlowIn, wanted: CheckWanted | None = None) -> Verdict:
    """All problems of a saved flow: wires, types, columns, files, accounts, and what could leave in clear."""
    saved = await asyncio.to_thread(house.flows.get, flow_id)
    given = read_inputs(saved.flow, wanted.inputs) if wanted and wanted.inputs else {}
    return await _verdict(house, saved.flow, saved, given)


@routes.post(
    "/flow-check", needs=Role.VIEWER, summary="Check a flow that is not saved", most=MOST_FLOW, openapi_extra=BODY
)
async def check_document(house: House, request: Request) -> Verdict:
    """All problems of a document. Where a flow of its id is saved, files are looked for beside that one too."""
    flow = await _sent(request)
    known = flow.id in await asyncio.to_thread(house.flows.ids)
    saved = await asyncio.to_thread(house.flows.get, flow.id) if known else None
    return await _verdict(house, flow, saved, {})


@routes.post(
    "/flows/{flow_id}/diff", needs=Role.VIEWER, summary="Compare a flow with a document", most=MOST_FLOW,
    problems=(404,), openapi_extra=BODY,
)  # fmt: skip
async def diff_document(house: House, request: Request, flow_id: FlowIn) -> Changes:
    """What would change if the document were saved. Positions on the canvas do not count."""
    saved = await asyncio.to_thread(house.flows.get, flow_id)
    return _changes(saved.flow, await _sent(request))


@routes.get("/flows/{flow_id}/diff", needs=Role.VIEWER, summary="Compare a run's flow with today's", problems=(404,))
async def diff_run(house: House, flow_id: FlowIn, run: Annotated[RunId, Field(description="A run.")]) -> Changes:
    """What has changed in the flow since a run of it was started."""
    saved = await asyncio.to_thread(house.flows.get, flow_id)
    found = await house.workspace.store.read(lambda connection: listing.find_run(connection, run))
    if found is None:
        raise MissingError(f"There is no run {run!r}.")
    return _changes(load_flow(found.flow), saved.flow)


async def _sent(request: Request) -> Flow:
    body = await request.body()
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise ApiError(400, "The document is not in UTF-8.", kind="damaged") from None
    return await asyncio.to_thread(load_flow, text)


async def _verdict(house: Services, flow: Flow, saved: SavedFlow | None, inputs: dict[str, Scalar]) -> Verdict:
    shelf = Shelf(house.workspace.shelf_folders(saved.folder if saved else None))
    lent = Lent(shelf, await house.workspace.keyring(), flow.settings.locale, flow.settings.timezone)
    problems = await asyncio.to_thread(check, flow, node_classes(), lent, inputs)
    return Verdict(is_good=all(one.severity != "error" for one in problems), problems=problems)


def _changes(before: Flow, after: Flow) -> Changes:
    found = diff(before, after)
    return Changes(items=[ChangeTold(**one.model_dump(), text=str(one)) for one in found])


def _document(saved: SavedFlow, status: int) -> Response:
    return Response(saved.text, status, {"ETag": f'"{saved.etag}"'}, "application/json")


def _summary(one: SavedFlow | BrokenFlow) -> FlowSummary:
    if isinstance(one, BrokenFlow):
        return FlowSummary(id=one.id, name=None, error=one.message)
    return FlowSummary(
        id=one.id, name=one.flow.name, description=one.flow.description, steps=len(one.flow.steps), etag=one.etag,
        saved_at=one.saved_at,
        inputs={name: wanted.model_dump(mode="json") for name, wanted in one.flow.inputs.items()},
    )  # fmt: skip
