"""Turns the trails of a chunk into what is kept of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ...engine import Item, Outgoing, key_text
from ...engine.flow import Endpoint, Flow
from ...engine.graph import Graph
from ...engine.passage import Failure, Seed, Suspended, Trail
from ...engine.plan import Stage
from ..blobs import Blobs
from ..spool import encode_seeds
from .results import BuiltMail, StepCount, Worked, failed_item


def suspended_at(step: str) -> Endpoint:
    """Where a step that sends leaves its items until the outcome is known. No output of a flow is called so."""
    return Endpoint.model_construct(step=step, port="")


def has_takers(graph: Graph, step: str) -> bool:
    """Whether anything is wired to any of its outputs."""
    return any(graph.is_wired(step, port) for port in graph.ports(step).outputs)


class Trails:
    """Turns the trails of a chunk into what is kept of it."""

    def __init__(self, graph: Graph, flow: Flow, blobs: Blobs, stage: Stage, worked: Worked) -> None:
        self.flow, self.blobs, self.worked = flow, blobs, worked
        self.pack = blobs.pack()
        self.carried: list[Seed] = []
        self.awaited = {step for step in stage.suspends if has_takers(graph, step)}

    def __enter__(self) -> None:
        self.pack.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            self.pack.__exit__(kind, error, trace)

    def add(self, trail: Trail) -> None:
        self.worked.endings[trail.ending.value] += 1
        for step, tally in trail.tallies.items():
            self.worked.counts.setdefault(step, StepCount()).add(
                StepCount(tally.taken, tally.failed, Counter(tally.given))
            )
        for failure in trail.failures:
            self._fail(trail, failure)
        for one in trail.suspended:
            self._suspend(trail, one)
        if trail.items or trail.lost:
            self.carried.append(Seed(trail.key, trail.items, trail.lost))

    def _fail(self, trail: Trail, failure: Failure) -> None:
        row = failed_item(failure, trail.key)
        self.worked.failures.append(row)
        if self.flow.steps[failure.step].on_error == "stop":
            self.worked.stops = f"Step {failure.step!r} is set to stop the run when it fails: {row.message}"

    def _suspend(self, trail: Trail, one: Suspended) -> None:
        if not isinstance(one.value, Outgoing):
            raise TypeError(
                f"Step {one.step!r} gave {type(one.value).__name__}; only mails can be left with the runtime."
            )
        source = one.record.source if one.record else None
        blob, bare = self.pack.add(one.value.content), one.value.changed(content=b"")
        self.worked.mails.append(BuiltMail(one.step, key_text(one.key), source, blob, bare))
        if one.step in self.awaited:
            trail.items.setdefault(suspended_at(one.step), []).append(Item(one.key, one.record, one.record))

    def _finish(self) -> None:
        if self.carried:
            self.worked.carried = self.pack.add(encode_seeds(self.carried, self.pack.add))
        self.pack.close()
