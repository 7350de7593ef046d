"""The workshop: does one chunk of one stage. A function of run, stage and number that may be repeated.

It runs in a worker process or, for a small run, on a thread of the main one; it never touches the database.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

from ...engine import Item, Node, PostwerkError, Refused, Transient
from ...engine.binding import Binder, expressions_of, guilty_column, make_node
from ...engine.expressions import templates_of
from ...engine.flow import Flow, Retry, load_flow
from ...engine.graph import Graph, build_graph
from ...engine.passage import Call, Given, Passage, Seed, Trail
from ...engine.plan import Plan, Stage, make_plan
from ...engine.ports import Ports
from ..blobs import Blobs
from ..context import CallContext, RunContext
from ..disk import DiskFullError
from ..files import Recent, Shelf, Tray
from ..plugins import node_classes
from ..spool import decode_seeds
from .calls import run_node
from .results import Worked
from .seeds import merged
from .setup import Setup
from .trails import Trails

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Records of a chunk on their way at once, where a step of the stage waits for something outside."""
USUAL = Retry()


class Workshop:
    """A run's flow, ready to work: nodes made, expressions compiled, passages planned."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.flow: Flow = load_flow(setup.flow)
        self.graph: Graph = build_graph(self.flow, node_classes())
        self.plan: Plan = make_plan(self.graph)
        self.blobs = Blobs(setup.blobs)
        settings = self.flow.settings
        self.templates = templates_of(settings.locale, settings.timezone)
        self.context = RunContext(
            Shelf(setup.folders, dict(setup.files), Recent()), setup.keyring, settings.locale, settings.timezone,
            setup.run, setup.inputs, Tray(setup.output), self.templates,
        )  # fmt: skip
        names = {"inputs": setup.inputs, "run": setup.run}
        self.nodes: dict[str, Node] = {
            step: make_node(self.flow.steps[step], node_class, names, self.templates)
            for step, node_class in self.graph.classes.items()
        }
        self.binders = {step: Binder.of(node, self.templates) for step, node in self.nodes.items()}
        self.passages = {stage.number: Passage(self.graph, stage) for stage in self.plan.stages}
        self._mistakes: set[tuple[str, type[Exception]]] = set()
        self._chunk: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None

    def decode(self, lines: bytes) -> Iterator[Seed]:
        return decode_seeds(lines, self.blobs.read)

    def work(self, stage: int, lines: bytes, shared: bytes) -> Worked:
        """Does a chunk: its seeds, one a line, and the single items of other streams."""
        begin = time.perf_counter()
        worked = asyncio.run(self._work(self.plan.stages[stage], lines, shared))
        worked.items, worked.seconds = lines.count(b"\n") + 1, time.perf_counter() - begin
        return worked

    def stop(self) -> None:
        """Has a chunk that is being done on another thread end when it next waits for something."""
        if self._chunk is not None:
            loop, task = self._chunk
            with suppress(RuntimeError):  # it has just ended
                loop.call_soon_threadsafe(task.cancel)

    async def _work(self, stage: Stage, lines: bytes, shared: bytes) -> Worked:
        self._chunk = asyncio.get_running_loop(), cast("asyncio.Task[Any]", asyncio.current_task())
        given_to_all = merged(self.decode(shared))
        trails = Trails(self.graph, self.flow, self.blobs, stage)
        with trails:
            if any(self.graph.ports(step).is_async for step in stage.steps):
                await self._many(stage, self.decode(lines), given_to_all, trails)
            else:
                for seed in self.decode(lines):
                    trails.add(await self._walk(stage, seed, given_to_all, is_off_loop=False))
        return trails.worked

    async def _many(self, stage: Stage, seeds: Iterator[Seed], shared: Seed, trails: Trails) -> None:
        found: list[tuple[int, Trail]] = []
        numbered = enumerate(seeds)

        async def pull() -> None:
            for number, seed in numbered:
                found.append((number, await self._walk(stage, seed, shared, is_off_loop=True)))

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(pull())
        for _, trail in sorted(found, key=lambda one: one[0]):
            trails.add(trail)

    async def _walk(self, stage: Stage, seed: Seed, shared: Seed, *, is_off_loop: bool) -> Trail:
        walk = self.passages[stage.number].walk(seed, shared.items, shared.lost)
        try:
            call = next(walk)
            while True:
                call = walk.send(await self._answer(call, is_off_loop))
        except StopIteration as end:
            trail: Trail = end.value
            return trail

    async def _answer(self, call: Call, is_off_loop: bool) -> Given | Exception:
        """What the call gave, or the error that stays after all attempts."""
        given = await self._attempt(call, is_off_loop)
        if isinstance(given, Transient):
            for wait in _waits(self.flow.steps[call.step].retry or USUAL):
                await asyncio.sleep(wait.total_seconds())
                given = await self._attempt(call, is_off_loop)
                if not isinstance(given, Transient):
                    break
        return given

    async def _attempt(self, call: Call, is_off_loop: bool) -> Given | Exception:
        try:
            return await self._call(call, is_off_loop)
        except DiskFullError:
            raise
        except MemoryError:
            return Refused("The step needs more memory for this item than there is.")
        except PostwerkError as error:
            return error
        except Exception as error:  # noqa: BLE001  a bug in one node must not lose the other items
            self._log(call, error)
            return error

    def _log(self, call: Call, error: Exception) -> None:
        """The traceback of a mistake in a node, once."""
        if (mistake := (call.step, type(error))) not in self._mistakes:
            self._mistakes.add(mistake)
            log.error("Step %r broke on item %r.", call.step, str(call.item), exc_info=error)

    async def _call(self, call: Call, is_off_loop: bool) -> Given:
        ports = self.graph.ports(call.step)
        names = self.context.names(call.item, call.inputs)
        node = self.binders[call.step].bind(names)
        try:
            return await run_node(node, ports, self._arguments(call, ports, names), is_off_loop=is_off_loop)
        except PostwerkError as error:
            error.column = error.column or self._guilty_column(call.step, error.field, names)
            raise

    def _arguments(self, call: Call, ports: Ports, names: Mapping[str, Any]) -> dict[str, Any]:
        if not ports.takes_context:
            return dict(call.inputs)
        return {**call.inputs, "ctx": CallContext(self.context, call.step, call.item, names)}

    def _guilty_column(self, step: str, field: str | None, names: Mapping[str, Any]) -> str | None:
        found = (one for name, one in expressions_of(self.nodes[step]) if name == field)
        return next((column for one in found if (column := guilty_column(one.source, names))), None)

    def call_context(self, step: str, item: Item[Any]) -> CallContext:
        """The context of a source or a gather, which has no item of its own."""
        return CallContext(self.context, step, item, self.context.names(item, {}))


def _waits(retry: Retry) -> Iterator[timedelta]:
    """Those between the attempts, each twice as long as the one before."""
    wait = retry.first_wait
    for _ in range(retry.attempts - 1):
        yield min(wait, retry.max_wait)
        wait = min(wait * 2, retry.max_wait)
