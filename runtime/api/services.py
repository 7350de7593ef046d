"""What the handlers work with, and who asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request

from ..flows import Flows
from ..people import Audit, Bearer, Deed, People, Role, Throttle, Tokens
from ..workspace import Workspace
from .engine import Engine
from .problems import ApiError

if TYPE_CHECKING:
    from ..oauth.server import DeviceGrant

FAILURES_OF_ADDRESS = 30
"""Failed logins from one address in a quarter of an hour; many people may share one."""
FAILURES_OF_PERSON = 10
"""Failed logins of one person from one address."""
MOST_STREAMS = 200
"""Streams of progress at once."""


@dataclass
class PendingSignIn:
    """A sign-in that a person has not finished."""

    grant: DeviceGrant
    ask_from: datetime

    @property
    def seconds(self) -> int:
        """Between two questions to the token server."""
        return ceil(self.grant.interval.total_seconds())


@dataclass
class Services:
    """Everything that the API calls."""

    workspace: Workspace
    engine: Engine
    streams: int = 0
    sign_ins: dict[str, PendingSignIn] = field(default_factory=dict)
    """By account."""
    by_address: Throttle = field(default_factory=lambda: Throttle(FAILURES_OF_ADDRESS))
    by_person: Throttle = field(default_factory=lambda: Throttle(FAILURES_OF_PERSON))

    def __post_init__(self) -> None:
        store = self.workspace.store
        self.flows = Flows(self.workspace.folder / "flows")
        self.people = People(store)
        self.tokens = Tokens(store)
        self.audit = Audit(store)

    def must_take(self) -> None:
        """Raises ApiError while nothing new is taken."""
        if not self.engine.is_launched or self.engine.is_draining:
            raise ApiError(
                503, "The server is starting or stopping, and takes no new work. Try again in a moment.",
                kind="draining", headers={"Retry-After": "5"},
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever asks, proved by a token."""

    bearer: Bearer
    address: str

    @property
    def name(self) -> str:
        return self.bearer.person.name

    @property
    def role(self) -> Role:
        return self.bearer.role

    def must_send_by(self, account: str) -> None:
        """Raises ApiError when this person may not send by the account."""
        if not (self.role is Role.ADMIN or self.bearer.person.may_send_by(account)):
            raise ApiError(
                403, f"{self.name!r} may not send by the account {account!r}. An admin can allow it.", kind="account"
            )

    def did(self, action: str, target: str, **details: Any) -> Deed:
        """An entry of the audit log."""
        return Deed(self.name, action, target, details or None, self.address)


def services(request: Request) -> Services:
    found: Services = request.app.state.postwerk
    return found


def visitor(request: Request) -> Visitor:
    found: Visitor = request.state.visitor
    return found


House = Annotated[Services, Depends(services)]
Caller = Annotated[Visitor, Depends(visitor)]
