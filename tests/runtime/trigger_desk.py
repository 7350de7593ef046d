"""An operator's desk, for tests: a workspace with a flow, its triggers, and a clock that is turned."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from postwerk.runtime.clock import Clock
from postwerk.runtime.runs import rows
from postwerk.runtime.triggers.events import Event
from postwerk.runtime.triggers.kinds import parse_trigger
from postwerk.runtime.triggers.launching import Start
from postwerk.runtime.triggers.service import Kept, Triggers
from postwerk.runtime.workspace import Workspace

from ..turned_clock import TurnedClock

INPUTS: dict[str, Any] = {
    "list": {"type": "file", "default": "list.csv"},
    "month": {"type": "text", "default": "January"},
    "limit": {"type": "number", "default": 10},
}
FLOW: dict[str, Any] = {
    "postwerk": 1, "id": "intake", "name": "Intake", "inputs": INPUTS,
    "steps": {
        "read": {"node": "ReadCSV", "params": {"file": "{{ inputs.list }}", "key": "no"}},
        "write": {"node": "WriteExcel", "params": {"file": "out.xlsx"}},
    },
    "wires": [{"from": "read.records", "to": "write.records"}],
}  # fmt: skip
LIST = "no;name\nK1;Jürgen Groß\nK2;Özlem Ağaoğlu\n"
MORNING = {"kind": "calendar", "times": ["08:00"], "timezone": "UTC"}
SECONDS = 30


@dataclass
class Desk:
    """What an operator has before him."""

    workspace: Workspace
    clock: TurnedClock = field(default_factory=TurnedClock)
    start: Start | None = None
    triggers: Triggers = field(init=False)

    def __post_init__(self) -> None:
        self.write_flow()
        (self.workspace.folder / "files" / "list.csv").write_text(LIST, "utf-8")
        self.triggers = self.another()

    def write_flow(self, **changes: Any) -> None:
        path = self.workspace.folder / "flows" / "intake.json"
        path.write_text(json.dumps({**FLOW, **changes}), "utf-8")

    def another(self, clock: Clock | None = None) -> Triggers:
        """The triggers of the same workspace, as another program has them."""
        return Triggers(self.workspace, self.start, clock or self.clock)

    async def add(self, name: str = "morning", settings: Mapping[str, Any] = MORNING, **fields: Any) -> Kept:
        """A published trigger."""
        secret = fields.pop("secret", None)
        told = {"name": name, "flow_id": "intake", "settings": dict(settings), "is_published": True, **fields}
        return await self.triggers.add(parse_trigger(told), secret)

    async def events(self, name: str = "morning") -> list[Event]:
        """Oldest first."""
        return (await self.triggers.events(await self.triggers.get(name), 5000))[::-1]

    async def told(self, name: str = "morning") -> list[str]:
        """What fired when, in UTC, and what became of it."""
        return [f"{one.due_at:%m-%d %H:%M} {one.state}" for one in await self.events(name) if one.due_at]

    async def runs(self) -> list[rows.Run]:
        """Oldest first."""
        return (await self.workspace.store.read(lambda connection: rows.list_runs(connection, 5000)))[::-1]

    @asynccontextmanager
    async def running(self, *triggers: Triggers) -> AsyncIterator[None]:
        """Triggers at work; they end with the block."""
        works = [asyncio.create_task(one.run()) for one in triggers or (self.triggers,)]
        try:
            yield
        finally:
            for work in works:
                work.cancel()
            for work in works:
                with suppress(asyncio.CancelledError):
                    await work

    async def turn(self, **by: float) -> None:
        self.clock.turn(timedelta(**by))

    async def until(self, is_so: Callable[[], Any]) -> None:
        """Waits for what other tasks bring about. `is_so` is async."""
        async with asyncio.timeout(SECONDS):
            while not await is_so():  # noqa: ASYNC110  a database sends no event
                await asyncio.sleep(0.005)

    async def fired(self, number: int, name: str = "morning") -> list[Event]:
        """The events, once there are so many and none is undecided."""

        async def are_there() -> bool:
            found = await self.events(name)
            return len(found) >= number and all(one.state != "pending" for one in found)

        await self.until(are_there)
        return await self.events(name)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path
