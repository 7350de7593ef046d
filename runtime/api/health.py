"""Is it alive, is it ready, and how is it doing: for machines that watch it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import Connection, text

from ...engine import PostwerkError
from ..metrics import CONTENT_TYPE, Census, Meters
from ..migrations import HEAD, VERSIONS
from ..people import Role
from .gate import is_local
from .problems import ApiError
from .routes import CHALLENGE, Routes, bytes_told
from .services import House, Services

routes = Routes("Watching", prefix="")
SECONDS = 5
"""How long the store may take to answer."""


class Alive(BaseModel):
    status: str = Field("alive", examples=["alive"])


class Readiness(BaseModel):
    """What was looked at, and what of it is not as it should be."""

    is_ready: bool
    checks: dict[str, str] = Field(examples=[{"store": "ok", "tables": "ok", "engine": "ok"}])


@routes.get("/health", needs=None, summary="Is it alive")
async def health() -> Alive:
    """The process answers. It says nothing of the store; see `/ready`."""
    return Alive(status="alive")


@routes.get("/ready", needs=None, summary="Is it ready", response_model=Readiness,
            responses={503: {"model": Readiness, "description": "Not ready: send requests elsewhere."}})  # fmt: skip
async def ready(house: House) -> JSONResponse:
    """The store is reachable, its tables are right, the engine works and is not stopping."""
    store = await _store(house)
    checks = {"store": store, "tables": await _tables(house) if store == OK else "unknown", "engine": _engine(house)}
    is_ready = all(found == OK for found in checks.values())
    return JSONResponse(Readiness(is_ready=is_ready, checks=checks).model_dump(), 200 if is_ready else 503)


OK = "ok"


async def _store(house: Services) -> str:
    """In a word: the reason is in the log, and nobody outside must learn where the store is."""

    def ask(connection: Connection) -> str:
        connection.execute(text("SELECT 1"))
        return OK

    return await _in_time(house.workspace.store.read(ask))


async def _tables(house: Services) -> str:
    def look(connection: Connection) -> str:
        found = connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalar()
        return OK if found == HEAD else "of another version"

    return await _in_time(house.workspace.store.read(look))


def _engine(house: Services) -> str:
    if house.engine.is_draining:
        return "stopping"
    return OK if house.engine.is_launched else "not started"


async def _in_time(work: Awaitable[str]) -> str:
    try:
        async with asyncio.timeout(SECONDS):
            return await work
    except TimeoutError:
        return "does not answer"
    except PostwerkError:
        return "not reachable"


@routes.get(
    "/metrics", needs=None, summary="Metrics for Prometheus", response_class=Response,
    responses=bytes_told("text/plain", "Prometheus' text format."),
    problems=(401,),
)  # fmt: skip
async def metrics(house: House, request: Request) -> Response:
    """Mails by account and state, ages of queues, runs, requests, the process. For this machine, or with a token."""
    visitor = getattr(request.state, "visitor", None)
    if not is_local(request.scope) and (visitor is None or not visitor.role.covers(Role.VIEWER)):
        raise ApiError(401, "From elsewhere, metrics need a token.", headers=CHALLENGE, kind="login")
    meters: Meters = request.app.state.meters
    census: Census = request.app.state.census
    meters.streams.set(house.streams)
    snapshot = await census.take()
    return Response(meters.text(snapshot, house.engine.troubles), media_type=CONTENT_TYPE)
