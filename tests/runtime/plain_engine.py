"""An engine for the API without durability: it does runs in this process, one after another, with the real services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from postwerk.engine import Refused
from postwerk.runtime.api import Order, Version
from postwerk.runtime.flows import Flows
from postwerk.runtime.outbox.pace import Trouble
from postwerk.runtime.runs import rows, service
from postwerk.runtime.runs.progress import Progress
from postwerk.runtime.runs.starting import start_run
from postwerk.runtime.runs.states import ACTIVE
from postwerk.runtime.triggers.service import Triggers
from postwerk.runtime.workspace import Workspace


class PlainEngine:
    """Does what is ordered while its block is open. `is_working` False: runs are written down, and nobody does them."""

    def __init__(self, workspace: Workspace, *, is_working: bool = True) -> None:
        self._workspace = workspace
        self._is_working = is_working
        self._tasks = asyncio.TaskGroup()
        self._one_at_a_time = asyncio.Lock()
        self._progress: dict[str, Progress] = {}
        self.is_launched = True
        self.is_draining = False
        self.troubles: Mapping[str, Trouble] = {}
        self.triggers = Triggers(workspace)
        self.woken: list[str] = []

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.__aexit__(kind, error, trace)

    async def start(self, order: Order) -> str:
        saved = await asyncio.to_thread(Flows(self._workspace.folder / "flows").get, order.flow)
        run = await start_run(
            self._workspace, saved.flow, saved.folder, order.inputs, is_dry=order.is_dry, limit=order.limit,
            run_id=order.run_id,
        )  # fmt: skip
        self._begin(run)
        return run.id

    def _begin(self, run: rows.Run) -> None:
        if self._is_working:
            self._progress[run.id] = Progress()
            self._tasks.create_task(self._do(run))

    async def _do(self, run: rows.Run) -> None:
        async with self._one_at_a_time:
            with suppress(Refused):  # cancelled before its turn
                await service.execute(self._workspace, run, self._progress[run.id])

    async def cancel(self, run: str) -> int:
        return await service.cancel(self._workspace, run)

    async def pause(self, run: str) -> None:
        found = await self._find(run)
        if found.state not in ACTIVE:
            raise Refused(f"Run {run} has ended already; there is nothing to pause.")

    async def resume(self, run: str) -> None:
        self._begin(await service.reopen(self._workspace, run))

    async def again(self, run: str, from_step: str | None, version: Version) -> str:
        found = await self._find(run)
        return await self.start(Order(found.flow_id, {name: str(one) for name, one in found.inputs.items()}))

    async def retry_failed(self, run: str, version: Version) -> str:
        failed = await self._workspace.store.read(lambda connection: rows.failed_items(connection, run))
        if not failed:
            raise Refused(f"Nothing of run {run} has failed.")
        return await self.again(run, None, version)

    async def watch(self, run: str) -> AsyncGenerator[Progress, None]:
        while True:
            is_active = (await self._find(run)).state in ACTIVE
            yield self._progress.get(run, Progress())
            if not is_active or self.is_draining or run not in self._progress:
                return
            await asyncio.sleep(0.05)

    def wake(self, account: str) -> None:
        self.woken.append(account)

    async def _find(self, run: str) -> rows.Run:
        return await self._workspace.store.read(lambda connection: rows.get_run(connection, run))
