"""What the API asks of the running engine. Everything that is only data it asks of the services themselves."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from ..outbox.pace import Trouble
from ..runs.progress import Progress
from ..triggers.service import Triggers


class Version(StrEnum):
    """With which version of the flow, and of its small files, a run is done again."""

    THEN = "then"
    """As it was when the run was started."""
    NOW = "now"
    """As it lies in the workspace."""


@dataclass(frozen=True, slots=True)
class Order:
    """A run that somebody wants."""

    flow: str
    """The id of a flow in the workspace; never a path."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    is_dry: bool = False
    limit: int | None = None
    run_id: str | None = None
    """The id that the run shall have, so that an order which is repeated starts nothing twice."""
    actor: str = ""
    """Who wants it."""


class Engine(Protocol):
    """The running part of `postwerk serve`: runs, delivery, triggers.

    Its errors are ours: ConfigError and Refused say what a person must do, FlowRefused what is wrong with a flow.
    """

    @property
    def is_launched(self) -> bool:
        """Whether it has begun to work."""

    @property
    def is_draining(self) -> bool:
        """Whether it finishes what is on and takes nothing new."""

    @property
    def troubles(self) -> Mapping[str, Trouble]:
        """The accounts that send nothing just now, and why."""

    @property
    def triggers(self) -> Triggers:
        """What starts runs, with the engine's own way to start them."""

    async def start(self, order: Order) -> str:
        """Writes the run down, has it done, and returns its id; from then on it survives whatever happens.

        Raises:
            FlowRefused: the check found errors.
            ConfigError: there is no such flow, or an input does not fit.
            IntegrityError: there is a run of that id already (SQLAlchemy's).
        """

    async def cancel(self, run: str) -> int:
        """Stops a run, and says how many of its mails will not leave. Raises Refused when it has ended."""

    async def pause(self, run: str) -> None:
        """Lets a run rest until it is resumed. Raises Refused when it has ended."""

    async def resume(self, run: str) -> None:
        """Lets a run go on that was paused, interrupted, failed or cancelled. Raises Refused when it can't."""

    async def again(self, run: str, from_step: str | None, version: Version) -> str:
        """Does a run again from a step on, or from its beginning, and returns the id of the run that does it.

        Raises Refused or ConfigError when it can't.
        """

    async def retry_failed(self, run: str, version: Version) -> str:
        """Does the failed items of a run again with today's data, and returns the id of the run that does it.

        Raises Refused when it is on, or nothing of it has failed.
        """

    def watch(self, run: str) -> AsyncGenerator[Progress, None]:
        """How far a run is: at once, whenever that changes, and at least every ten seconds.

        Ends when the run does, comes to rest, or the engine drains.
        """

    def wake(self, account: str) -> None:
        """Mails of this account may leave now."""
