"""The app: all routes, behind one gate."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ..metrics import Census, Meters
from ..workspace import Workspace
from . import (
    accounts,
    document,
    files,
    flows,
    health,
    identities,
    nodes,
    outbox,
    people,
    problems,
    runs,
    signing_in,
    tokens,
    triggers,
)
from .engine import Engine
from .gate import Gate
from .routes import Route, problem_schema
from .services import Services

RESOURCES = (
    flows.routes, runs.routes, outbox.routes, files.routes, accounts.routes, signing_in.routes, identities.routes,
    nodes.routes, triggers.routes, triggers.hooks, people.routes, tokens.routes, health.routes, document.routes,
)  # fmt: skip
DESCRIPTION = """\
Everything that the command line can do, and the same words.

Log in with a token: `Authorization: Bearer pw_…`. Make one with `postwerk token add NAME --label …`, or at
`/api/v1/login`. Each route says which role it needs: viewer < operator < editor < admin.

Errors are problem details (RFC 9457): `detail` says what was found, what was expected, and what to do.
Lists come in pages: give `next` of one page as `cursor` of the next.
"""


def create_app(workspace: Workspace, engine: Engine) -> FastAPI:
    """The API over a workspace and its running engine."""
    app = FastAPI(
        title="Postwerk", version=version("postwerk"), description=DESCRIPTION, openapi_url=None, docs_url=None,
        redoc_url=None,
    )  # fmt: skip
    services, meters = Services(workspace, engine), Meters()
    app.state.postwerk, app.state.meters, app.state.census = services, meters, Census(workspace.store)
    workspace.store.watch = meters.watch_store
    told = all_routes()
    for route in told:
        route.add_to(app)
    problems.add_to(app)
    app.add_middleware(Gate, services=services, meters=meters, routes=told)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]  # FastAPI's way to change its document
    return app


def all_routes() -> list[Route]:
    """Every route with its right."""
    return [route for routes in RESOURCES for route in routes.told]


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        told = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=_tags()
        )
        parts = told.setdefault("components", {})
        parts.setdefault("schemas", {}).update(problem_schema())
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "pw_PREFIX_SECRET"}}
        app.openapi_schema = told
    return app.openapi_schema


def _tags() -> list[dict[str, Any]]:
    return [{"name": tag} for tag in dict.fromkeys(routes.tag for routes in RESOURCES)]
