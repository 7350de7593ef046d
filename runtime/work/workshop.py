"""The workshop: does one chunk of one stage. A function of run, stage and number that may be repeated.

It runs in a worker process or, for a small run, on a thread of the main one; it never touches the database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from ...engine import Item, Node, PostwerkError, Templates, Transient
from ...engine.binding import Binder, expressions_of, guilty_column, make_node
from ...engine.flow import Flow, Retry, load_flow
from ...engine.graph import Graph, build_graph
from ...engine.passage import Call, Given, Items, Passage, Seed, Trail
from ...engine.plan import Plan, Stage, make_plan
from ...engine.ports import Ports
from ..blobs import Blobs
from ..context import CallContext, RunContext
from ..disk import DiskFullError
from ..files import Shelf, Tray
from ..plugins import node_classes
from ..spool import decode_seeds, known_values
from .calls import run_node
from .results import Worked
from .setup import Setup
from .trails import Trails

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Records of a chunk on their way at once, where a step of the stage waits for something outside."""


class Workshop:
    """A run's flow, ready to work: nodes made, expressions compiled, passages planned."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.flow: Flow = load_flow(setup.flow)
        self.graph: Graph = build_graph(self.flow, node_classes())
        self.plan: Plan = make_plan(self.graph)
        self.blobs = Blobs(setup.blobs)
        settings = self.flow.settings
        self.templates = Templates(settings.locale, settings.timezone)
        self.context = RunContext(
            Shelf(setup.folders, dict(setup.files)), setup.keyring, settings.locale, settings.timezone,
            setup.run, setup.inputs, Tray(setup.output), self.templates,
        )  # fmt: skip
        names = {"inputs": setup.inputs, "run": setup.run}
        self.nodes: dict[str, Node] = {
            step: make_node(self.flow.steps[step], node_class, names, self.templates)
            for step, node_class in self.graph.classes.items()
        }
        self.binders = {step: Binder.of(node, self.templates) for step, node in self.nodes.items()}
        self.passages = {stage.number: Passage(self.graph, stage) for stage in self.plan.stages}

    @property
    def modules(self) -> set[str]:
        """The modules of the flow's nodes."""
        return {node_class.__module__ for node_class in self.graph.classes.values()}

    @cached_property
    def known(self) -> dict[str, Any]:
        ports = [self.graph.ports(step) for step in self.graph.order]
        return dict(known_values(one for each in ports for port in each.outputs.values() for one in port.types))

    def decode(self, lines: bytes) -> Iterator[Seed]:
        return decode_seeds(lines, self.known, self.blobs)

    def work(self, stage: int, lines: bytes, shared: bytes) -> Worked:
        """Does a chunk: its seeds, one a line, and the single items of other streams."""
        return asyncio.run(self._work(self.plan.stages[stage], lines, shared))

    async def _work(self, stage: Stage, lines: bytes, shared: bytes) -> Worked:
        given_to_all = merged_items(self.decode(shared))
        worked = Worked()
        trails = Trails(self.graph, self.flow, self.blobs, stage, worked)
        waits = any(self.graph.ports(step).is_async for step in stage.steps)
        with trails:
            if waits:
                await self._many(stage, self.decode(lines), given_to_all, trails)
            else:
                for seed in self.decode(lines):
                    trails.add(await self._walk(stage, seed, given_to_all, is_off_loop=False))
        return worked

    async def _many(self, stage: Stage, seeds: Iterator[Seed], shared: Items, trails: Trails) -> None:
        found: list[tuple[int, Trail]] = []

        async def pull() -> None:
            for number, seed in numbered:
                found.append((number, await self._walk(stage, seed, shared, is_off_loop=True)))

        numbered = enumerate(seeds)
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(pull())
        for _, trail in sorted(found, key=lambda one: one[0]):
            trails.add(trail)

    async def _walk(self, stage: Stage, seed: Seed, shared: Items, *, is_off_loop: bool) -> Trail:
        walk = self.passages[stage.number].walk(seed, shared)
        try:
            call = next(walk)
            while True:
                call = walk.send(await self._answer(call, is_off_loop))
        except StopIteration as end:
            trail: Trail = end.value
            return trail

    async def _answer(self, call: Call, is_off_loop: bool) -> Given | Exception:
        retry = self.flow.steps[call.step].retry or Retry()
        wait = retry.first_wait
        for attempt in range(1, retry.attempts + 1):
            try:
                return await self._call(call, is_off_loop)
            except Transient as error:
                if attempt == retry.attempts:
                    return error
                await asyncio.sleep(wait.total_seconds())
                wait = min(wait * 2, retry.max_wait)
            except (DiskFullError, MemoryError):
                raise
            except PostwerkError as error:
                return error
            except Exception as error:  # a bug in one node must not lose the other items
                log.exception("Step %r broke on item %r.", call.step, str(call.item))
                return error
        raise AssertionError("attempts are at least one")

    async def _call(self, call: Call, is_off_loop: bool) -> Given:
        ports = self.graph.ports(call.step)
        names = self.context.names(call.item, call.inputs)
        node = self.binders[call.step].bind(names)
        try:
            return await run_node(node, ports, self._arguments(call, ports, names), is_off_loop)
        except PostwerkError as error:
            error.column = error.column or self._guilty_column(call.step, error.field, names)
            raise

    def _arguments(self, call: Call, ports: Ports, names: Mapping[str, Any]) -> dict[str, Any]:
        if not ports.takes_context:
            return dict(call.inputs)
        return {**call.inputs, "ctx": CallContext(self.context, call.step, call.item, names)}

    def _guilty_column(self, step: str, field_name: str | None, names: Mapping[str, Any]) -> str | None:
        found = (one for name, one in expressions_of(self.nodes[step]) if name == field_name)
        return next((column for one in found if (column := guilty_column(one.source, names))), None)

    def call_context(self, step: str, item: Item[Any]) -> CallContext:
        """The context of a source or a gather, which has no item of its own."""
        return CallContext(self.context, step, item, self.context.names(item, {}))


def merged_items(seeds: Iterable[Seed]) -> Items:
    """All items of several seeds, by output."""
    merged: Items = {}
    for seed in seeds:
        for output, items in seed.items.items():
            merged.setdefault(output, []).extend(items)
    return merged
