"""`/api/v1/runs`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import Header, Query, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field
from pydantic.config import JsonDict
from sqlalchemy.exc import IntegrityError

from ...engine import ConfigError, Refused
from ...engine.flow import load_flow
from ..people import Role
from ..runs import listing, rows
from ..runs.report import failure_told, report_of, summary_of
from ..runs.starting import read_inputs
from ..runs.states import RunState
from .engine import Order, Version
from .fields import Cursor, FlowId, Limit, Moment, RunIn, Text
from .files import files_in, served
from .paging import Page, cursor_of, number, place_of
from .problems import ApiError, MissingError
from .progress import events_of
from .routes import PREFIX, Routes, bytes_told
from .senders import must_send, must_send_again
from .services import Caller, House, Services, Visitor

routes = Routes("Runs")
SHOWN_FAILURES = 20
RUN: JsonDict = {
    "id": "20260302-120000-a1b2c3", "flow": "invoice-mailing", "state": "finished", "dry_run": False,
    "created_at": "2026-03-02T12:00:00+00:00", "finished_at": "2026-03-02T12:03:10+00:00", "message": None,
}  # fmt: skip
Value = str | int | Annotated[float, Field(allow_inf_nan=False)] | bool


class StartWanted(BaseModel):
    """A run that is wanted."""

    flow: FlowId = Field(description="The flow's id.", examples=["invoice-mailing"])
    inputs: dict[str, Value] = Field(
        default_factory=dict, max_length=100, description="What the flow asks for.", examples=[{"list": "march.xlsx"}]
    )
    dry_run: bool = Field(False, description="Catch all mails; nothing leaves.")
    limit: int | None = Field(None, ge=1, le=2**31 - 1, description="Only the first so many rows.")


class Started(BaseModel):
    """A run that goes on by itself from here."""

    id: str = Field(examples=["20260302-120000-a1b2c3"])


class RunSummary(BaseModel):
    """A run in a list."""

    id: str
    flow: str
    state: RunState
    dry_run: bool
    created_at: datetime
    finished_at: datetime | None
    message: str | None = Field(description="Why it failed, or was stopped.")

    model_config = {"json_schema_extra": {"examples": [RUN]}}


class FailureTold(BaseModel):
    """An item that has failed."""

    step: str
    key: str
    item: str = Field(description="The key of the source item.")
    source: dict[str, Any] = Field(description="File, sheet and row.", examples=[{"file": "list.xlsx", "row": 7}])
    column: str | None
    message: str
    error: str
    place: str = Field(examples=["list.xlsx, sheet 'Kunden', row 7, column 'email'"])
    text: str


class RunReport(RunSummary):
    """All that is told of a run."""

    failed_items: int
    totals: dict[str, Any]
    mails: dict[str, int] = Field(
        description="How many mails are in which state.", examples=[{"sent": 99, "failed": 1}]
    )
    failures: list[FailureTold] = Field(description=f"The first {SHOWN_FAILURES}; the others are in pages.")


class Cancelled(BaseModel):
    mails: int = Field(description="How many mails will not leave.")


class AgainWanted(BaseModel):
    """What of a run is to be done again."""

    from_step: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")] | None = Field(
        None, description="The step from which on; null: from the beginning."
    )
    only_failed: bool = Field(False, description="Only the items that have failed, with the data as they are now.")
    version: Version = Field(Version.THEN, description="The flow as it was then, or as it is now.")


def started(run_id: str, response: Response) -> Started:
    response.headers["Location"] = f"{PREFIX}/runs/{run_id}"
    return Started(id=run_id)


@routes.post("/runs", needs=Role.OPERATOR, summary="Start a run", problems=(404, 409, 503, 507), status_code=201)
async def start_run(
    house: House, caller: Caller, wanted: StartWanted, response: Response,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=200, description="With the same key nothing starts twice.")
    ] = None,
) -> Started:  # fmt: skip
    """The flow is checked first; with an error in it nothing is started, and all problems are told.

    When this returns the run is written down, and goes on whatever happens to this server. Give an
    `Idempotency-Key` (a new UUID, say), and repeat the request with it when no answer came: the run is started once.
    """
    house.must_take()
    order = _order(caller, wanted, idempotency_key)
    if order.run_id is not None and await _is_there(house, order):
        return started(order.run_id, response)
    if not wanted.dry_run:
        await must_send(house, caller, order.flow, order.inputs)
    try:
        run_id = await house.engine.start(order)
    except IntegrityError:
        if order.run_id is None or not await _is_there(house, order):
            raise
        return started(order.run_id, response)
    await house.audit.note(
        caller.did("run.start", run_id, flow=order.flow, inputs=dict(order.inputs), dry_run=order.is_dry)
    )
    return started(run_id, response)


def _order(caller: Visitor, wanted: StartWanted, key: str | None) -> Order:
    inputs = {name: _text(value) for name, value in wanted.inputs.items()}
    run_id = None
    if key is not None:
        run_id = "once-" + hashlib.sha256(f"{caller.name}\0{key}".encode("utf-8", "replace")).hexdigest()[:24]
    return Order(wanted.flow, inputs, wanted.dry_run, wanted.limit, run_id, caller.name)


def _text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _is_there(house: Services, order: Order) -> bool:
    """Whether the run was started by an earlier request with this key, which must have wanted the same."""
    run_id = order.run_id or ""
    found = await house.workspace.store.read(lambda connection: listing.find_run(connection, run_id))
    if found is None:
        return False
    is_same = (found.is_dry, found.row_limit) == (order.is_dry, order.limit)
    if not is_same or not _has_inputs(found, order):
        raise ApiError(409, "With this Idempotency-Key another run was started. Take a new key.", kind="key-used")
    return True


def _has_inputs(run: rows.Run, order: Order) -> bool:
    """Whether the order is for this run's flow, with its inputs; both as they are kept, defaults included."""
    flow = load_flow(run.flow)
    if flow.id != order.flow:
        return False
    try:
        wanted = read_inputs(flow, order.inputs)
    except ConfigError:
        return False
    return {name: str(value) for name, value in wanted.items()} == {
        name: str(value) for name, value in run.inputs.items()
    }


@routes.get("/runs", needs=Role.VIEWER, summary="List runs")
async def list_runs(
    house: House,
    flow: Annotated[FlowId | None, Query(description="Only runs of this flow.")] = None,
    state: Annotated[list[RunState] | None, Query(description="Only runs in one of these states.")] = None,
    dry_run: Annotated[bool | None, Query(description="Only dry runs, or none.")] = None,
    since: Annotated[Moment | None, Query(description="Only runs that were started then or later.")] = None,
    until: Annotated[Moment | None, Query(description="Only runs that were started before.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RunSummary]:
    """The newest first, in pages."""
    wanted = listing.RunFilter(flow, state or (), dry_run, since, until)
    after = place_of(cursor, _place)
    found = await house.workspace.store.read(
        lambda connection: listing.page_of_runs(connection, wanted, limit + 1, after)
    )
    items = [RunSummary.model_validate(summary_of(one)) for one in found[:limit]]
    last = found[limit - 1] if len(found) > limit else None
    return Page(items=items, next=cursor_of(last.created_at.isoformat(), last.id) if last else None)


def _place(moment: str, run_id: str) -> tuple[datetime, str]:
    when = datetime.fromisoformat(moment)
    if when.utcoffset() is None or not isinstance(run_id, str):
        raise ValueError
    return when, run_id


@routes.get("/runs/{run_id}", needs=Role.VIEWER, summary="Show a run", problems=(404,))
async def show_run(house: House, run_id: RunIn) -> RunReport:
    """How a run went: counts of rows and mails, and its first failures."""
    with missing_told():
        report = await report_of(house.workspace, run_id, failures=SHOWN_FAILURES)
    return RunReport.model_validate(report)


@routes.get("/runs/{run_id}/failures", needs=Role.VIEWER, summary="List the failures of a run", problems=(404,))
async def list_failures(house: House, run_id: RunIn, limit: Limit = 100, cursor: Cursor = None) -> Page[FailureTold]:
    """Each with its step, its place in the source, what was wrong, and what to do."""
    await _found(house, run_id)
    after = place_of(cursor, number) or 0
    found = await house.workspace.store.read(
        lambda connection: listing.page_of_failures(connection, run_id, limit + 1, after)
    )
    items = [FailureTold.model_validate(failure_told(one)) for _, one in found[:limit]]
    return Page(items=items, next=cursor_of(found[limit - 1][0]) if len(found) > limit else None)


@routes.get("/runs/{run_id}/flow", needs=Role.VIEWER, summary="Get the flow of a run", problems=(404,),
            response_class=Response, responses=bytes_told("application/json", "The flow as it was then."))  # fmt: skip
async def get_flow_of_run(house: House, run_id: RunIn) -> Response:
    """The version of the flow that the run runs."""
    return Response((await _found(house, run_id)).flow, media_type="application/json")


@routes.get(
    "/runs/{run_id}/progress", needs=Role.VIEWER, summary="Watch a run", problems=(404, 503),
    response_class=StreamingResponse,
    responses=bytes_told("text/event-stream", "`progress` at least every ten seconds, then `end`."),
)  # fmt: skip
async def watch_run(house: House, run_id: RunIn) -> StreamingResponse:
    """A stream of server-sent events: `progress` while the run is on, and `end` with its report when it rests."""
    await _found(house, run_id)
    return StreamingResponse(
        events_of(house, run_id), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


@routes.post("/runs/{run_id}/cancel", needs=Role.OPERATOR, summary="Cancel a run", problems=(404, 409))
async def cancel_run(house: House, caller: Caller, run_id: RunIn) -> Cancelled:
    """Stops a run, and cancels its mails that have not left. It can be resumed."""
    await _found(house, run_id)
    mails = await house.engine.cancel(run_id)
    await house.audit.note(caller.did("run.cancel", run_id, mails=mails))
    return Cancelled(mails=mails)


@routes.post("/runs/{run_id}/pause", needs=Role.OPERATOR, summary="Pause a run", problems=(404, 409), status_code=204,
             response_class=Response)  # fmt: skip
async def pause_run(house: House, caller: Caller, run_id: RunIn) -> None:
    """Lets a run rest until it is resumed, with all its mails that have not left."""
    await _found(house, run_id)
    await house.engine.pause(run_id)
    await house.audit.note(caller.did("run.pause", run_id))


@routes.post("/runs/{run_id}/resume", needs=Role.OPERATOR, summary="Resume a run", problems=(404, 409, 503),
             status_code=204, response_class=Response)  # fmt: skip
async def resume_run(house: House, caller: Caller, run_id: RunIn) -> None:
    """Lets a run go on that was paused, interrupted, failed or cancelled."""
    house.must_take()
    await must_send_again(house, caller, await _found(house, run_id))
    await house.engine.resume(run_id)
    await house.audit.note(caller.did("run.resume", run_id))


@routes.post("/runs/{run_id}/again", needs=Role.OPERATOR, summary="Do a run again", problems=(404, 409, 503),
             status_code=201)  # fmt: skip
async def run_again(house: House, caller: Caller, run_id: RunIn, wanted: AgainWanted, response: Response) -> Started:
    """Does a run again: all of it, from a step on, or only the items that have failed."""
    house.must_take()
    if wanted.only_failed and wanted.from_step is not None:
        raise ApiError(422, "Say 'from_step' or 'only_failed', not both.", kind="unfit")
    await must_send_again(house, caller, await _found(house, run_id))
    engine = house.engine
    if wanted.only_failed:
        done_by = await engine.retry_failed(run_id, wanted.version)
    else:
        done_by = await engine.again(run_id, wanted.from_step, wanted.version)
    await house.audit.note(caller.did("run.again", run_id, run=done_by, **wanted.model_dump(mode="json")))
    return started(done_by, response)


class WrittenFile(BaseModel):
    """A file that a run has written."""

    name: str = Field(examples=["bounces.xlsx"])
    size: int = Field(description="Bytes.")
    written_at: datetime


class WrittenFiles(BaseModel):
    items: list[WrittenFile]


@routes.get("/runs/{run_id}/files", needs=Role.OPERATOR, summary="List what a run has written", problems=(404,))
async def list_files_of_run(house: House, run_id: RunIn) -> WrittenFiles:
    """The files that the steps of a run have written."""
    folder = await _output(house, run_id)
    found = await asyncio.to_thread(files_in, folder)
    return WrittenFiles(items=[WrittenFile(name=one.name, size=one.size, written_at=one.saved_at) for one in found])


@routes.get("/runs/{run_id}/files/{name:path}", needs=Role.OPERATOR, summary="Get a file that a run has written",
            problems=(404,), response_class=FileResponse)  # fmt: skip
async def get_file_of_run(house: House, run_id: RunIn, name: Text) -> FileResponse:
    """The bytes of a file, to be saved."""
    return await asyncio.to_thread(served, await _output(house, run_id), name)


async def _output(house: Services, run_id: str) -> Path:
    await _found(house, run_id)
    return house.workspace.folder / "output" / run_id


async def _found(house: Services, run_id: str) -> rows.Run:
    with missing_told():
        return await house.workspace.store.read(lambda connection: rows.get_run(connection, run_id))


@contextmanager
def missing_told() -> Iterator[None]:
    """What is not there is told as such, not as a refusal."""
    try:
        yield
    except Refused as error:
        if type(error) is not Refused:
            raise
        raise MissingError(error.message) from error
