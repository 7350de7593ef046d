"""Errors as they leave: problem details (RFC 9457). What went wrong, what was expected, what to do; never a secret."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from ...engine import ConfigError, PostwerkError, Transient
from ..disk import DiskFullError
from ..flows import OutdatedVersionError, UnknownFlowError
from ..library import UnknownFileError
from ..runs.starting import FlowRefused

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 50
TITLES = {
    400: "The request is damaged", 401: "Log in first", 403: "You may not do this", 404: "There is no such thing",
    405: "That can't be done here", 409: "It was refused", 412: "It was changed meanwhile",
    413: "The request is too large", 415: "This kind of content is not understood", 422: "Something does not fit",
    428: "Say which version you have", 429: "Too many attempts", 431: "The headers are too large",
    408: "The request is too slow", 500: "Our fault", 503: "Not now", 507: "The disk is full",
}  # fmt: skip


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    field: str = Field(examples=["body.flow"])
    message: str = Field(examples=["It is missing."])


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str = Field("about:blank", examples=["urn:postwerk:refused"])
    title: str = Field(examples=["It was refused"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["Run 20260302-120000-a1b2c3 has ended already; there is nothing to cancel."])
    field: str | None = Field(None, description="The field that is at fault, where it is one.")
    column: str | None = Field(None, description="The column of the data that is at fault, where it is one.")
    errors: list[FieldError] | None = Field(None, description="All that is wrong with the request.")
    problems: list[dict[str, Any]] | None = Field(None, description="All problems of a flow, as its check tells them.")


class ApiError(PostwerkError):
    """Something that only the API says."""

    def __init__(
        self, status: int, message: str, *, kind: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.headers = dict(headers or {})


class MissingError(ApiError):
    """What the address names is not there."""

    def __init__(self, message: str) -> None:
        super().__init__(404, message, kind="missing")


def told(status: int, detail: str, *, kind: str | None = None, **more: Any) -> dict[str, Any]:
    """The document of a problem; what is None is left out."""
    document = {
        "type": f"urn:postwerk:{kind}" if kind else "about:blank",
        "title": TITLES.get(status, "It did not work"), "status": status, "detail": detail, **more,
    }  # fmt: skip
    return {name: value for name, value in document.items() if value is not None}


def answer(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, kind: str | None = None, **more: Any
) -> JSONResponse:
    return JSONResponse(told(status, detail, kind=kind, **more), status, dict(headers or {}), MEDIA_TYPE)


def add_to(app: FastAPI) -> None:
    """Has all errors leave as problem details."""
    app.add_exception_handler(PostwerkError, _ours)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(HTTPException, _plain)


async def _ours(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, PostwerkError):
        raise error
    if isinstance(error, Transient) and not hasattr(request.state, "visitor"):
        log.warning("%s", error.message)
        return not_now()
    if isinstance(error, ApiError):
        return answer(error.status, error.message, headers=error.headers, kind=error.kind)
    status, kind = _verdict(error)
    etag = getattr(error, "current", None)
    found = error.problems if isinstance(error, FlowRefused) else None
    problems = None if found is None else [one.model_dump(exclude_none=True) for one in found]
    headers = {"ETag": f'"{etag}"'} if etag else {}
    return answer(
        status, error.message, headers=headers, kind=kind, field=error.field, column=error.column, problems=problems
    )


def _verdict(error: PostwerkError) -> tuple[int, str]:
    match error:
        case UnknownFlowError() | UnknownFileError():
            return 404, "missing"
        case OutdatedVersionError():
            return 412, "outdated"
        case FlowRefused():
            return 422, "flow-refused"
        case DiskFullError():
            return 507, "disk-full"
        case ConfigError():
            return 422, "config"
        case Transient():
            return 503, "transient"
        case _:
            return 409, "refused"


async def _unfit(_: Request, error: Exception) -> JSONResponse:
    """Names each field, and never says what stood there: it may have been a password."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [{"field": ".".join(str(part) for part in one["loc"]), "message": _sentence(one["msg"])} for one in found][
        :MOST_ERRORS
    ]
    if any(one["type"] == "json_invalid" for one in found):
        return answer(400, "The body is no JSON.", kind="damaged", errors=errors)
    detail = " ".join(f"{one['field']}: {one['message']}" for one in errors[:5]) or "The request does not fit."
    return answer(422, detail, kind="unfit", errors=errors)


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text if text.endswith(".") else f"{text}."


async def _plain(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    words = {404: f"There is nothing at {request.url.path!r}.", 405: f"{request.method} is not understood here."}
    return answer(error.status_code, words.get(error.status_code, str(error.detail)), headers=error.headers)


def not_now() -> JSONResponse:
    """For whoever has not logged in: it is not said what is away, nor where."""
    detail = "Something that is needed can't be reached just now. Try again in a moment."
    return answer(503, detail, kind="transient", headers={"Retry-After": "5"})


def bug(number: str) -> JSONResponse:
    """For what nobody has foreseen. Its traceback is in the log; what is sent out says where to look."""
    return answer(500, f"Something went wrong here. The log says more under the request {number}.", kind="bug")
