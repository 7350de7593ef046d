"""Routes with their rights. There is no other way to add one, so none is without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Depends, FastAPI, Request

from ..people import Role
from .problems import MEDIA_TYPE, ApiError, Problem

PREFIX = "/api/v1"
SMALL = 1_000_000
"""Bytes of a request's body, where a route does not say otherwise."""

Work = TypeVar("Work", bound=Callable[..., Any])
Responses = dict[int | str, dict[str, Any]]


@dataclass(frozen=True)
class Needs:
    """Lets those pass whose role covers the one that is needed."""

    role: Role

    async def __call__(self, request: Request) -> None:
        visitor = getattr(request.state, "visitor", None)
        if visitor is None:
            raise ApiError(401, "A token is needed: 'Authorization: Bearer pw_…'.", headers=CHALLENGE, kind="login")
        if not visitor.role.covers(self.role):
            raise ApiError(
                403,
                f"This needs the role {self.role.value}; {visitor.name!r} has {visitor.role.value} here.",
                kind="role",
            )


CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Postwerk"'}


@dataclass(frozen=True)
class Route:
    """A route as it was told."""

    method: str
    path: str
    needs: Role | None
    """None: anybody."""
    work: Callable[..., Any]
    most: int
    """Bytes of its body."""
    problems: tuple[int, ...]
    options: Mapping[str, Any]

    def add_to(self, app: FastAPI) -> None:
        guards = [] if self.needs is None else [Depends(Needs(self.needs))]
        options = dict(self.options)
        extra = {**options.pop("openapi_extra", {}), "x-role": self.needs.value if self.needs else "anybody"}
        if self.needs is not None:
            extra["security"] = [{"token": []}]
        responses: Responses = {**self._problems(), **options.pop("responses", {})}
        app.add_api_route(
            self.path, self.work, methods=[self.method], dependencies=guards, responses=responses, openapi_extra=extra,
            description=self._description, response_model_exclude_none=False, operation_id=self.work.__name__,
            **options,
        )  # fmt: skip

    @property
    def _description(self) -> str:
        words = "\n".join(line.strip() for line in (self.work.__doc__ or "").strip().splitlines())
        right = "Anybody may ask." if self.needs is None else f"Needs the role **{self.needs.value}**."
        return f"{words}\n\n{right}"

    def _problems(self) -> Responses:
        usual = (422,) if self.needs is None else (401, 403, 422)
        told = sorted({*usual, *self.problems, *((400, 413) if self.method in ("POST", "PUT", "PATCH") else ())})
        return {status: problem_response(status) for status in told}


def problem_response(status: int) -> dict[str, Any]:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def bytes_told(media_type: str, description: str) -> Responses:
    """For OpenAPI: a good answer that is no JSON of ours."""
    return {200: {"description": description, "content": {media_type: {}}}}


@dataclass
class Routes:
    """The routes of one resource. Each says what it needs; `needs=None` says that anybody may ask."""

    tag: str
    prefix: str = PREFIX
    told: list[Route] = field(default_factory=list)

    def get(self, path: str, **how: Any) -> Callable[[Work], Work]:
        return self._route("GET", path, **how)

    def post(self, path: str, **how: Any) -> Callable[[Work], Work]:
        return self._route("POST", path, **how)

    def put(self, path: str, **how: Any) -> Callable[[Work], Work]:
        return self._route("PUT", path, **how)

    def patch(self, path: str, **how: Any) -> Callable[[Work], Work]:
        return self._route("PATCH", path, **how)

    def delete(self, path: str, **how: Any) -> Callable[[Work], Work]:
        return self._route("DELETE", path, **how)

    def _route(
        self, method: str, path: str, *, needs: Role | None, summary: str, most: int = SMALL,
        problems: tuple[int, ...] = (), **options: Any,
    ) -> Callable[[Work], Work]:  # fmt: skip
        def add(work: Work) -> Work:
            given = {"tags": [self.tag], "summary": summary, **options}
            self.told.append(Route(method, self.prefix + path, needs, work, most, problems, given))
            return work

        return add


def problem_schema() -> dict[str, Any]:
    """The schemas that responses refer to."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), "Problem": schema}
