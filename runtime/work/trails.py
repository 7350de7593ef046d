"""Turns the trails of a chunk into what is kept of it."""

from __future__ import annotations

from types import TracebackType

from ...engine import ConfigError, Item, Outgoing, key_text
from ...engine.flow import Endpoint, Flow
from ...engine.graph import Graph
from ...engine.passage import Failure, Seed, Suspended, Trail
from ...engine.pause import Pause
from ...engine.plan import Stage
from ..blobs import Blobs
from ..spool import encode_seeds
from .results import BuiltMail, BuiltPause, Worked, failed_item


def suspended_at(step: str) -> Endpoint:
    """Where a step that sends leaves its items until the outcome is known. No output of a flow is called so."""
    return Endpoint.model_construct(step=step, port="")


class Trails:
    """Gathers the trails of a chunk in `worked`; leaving the `with` block makes their bytes safe."""

    def __init__(self, graph: Graph, flow: Flow, blobs: Blobs, stage: Stage) -> None:
        self.worked = Worked()
        self._flow, self._blobs = flow, blobs
        self._pack = blobs.pack()
        self._carried: list[Seed] = []
        self._awaited = {step: suspended_at(step) for step in stage.suspends if _has_takers(graph, step)}

    def __enter__(self) -> None:
        self._pack.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            self._pack.__exit__(kind, error, trace)

    def add(self, trail: Trail) -> None:
        self.worked.endings[trail.ending.value] += 1
        for step, tally in trail.tallies.items():
            self.worked.count(step).add(tally)
        for failure in trail.failures:
            self._fail(trail, failure)
        for one in trail.suspended:
            self._suspend(trail, one)
        if trail.items or trail.lost:
            self._carried.append(Seed(trail.key, trail.items, trail.lost))

    def _fail(self, trail: Trail, failure: Failure) -> None:
        row = failed_item(failure, trail.key)
        self.worked.failures.append(row)
        if self._flow.steps[failure.step].on_error == "stop" and self.worked.stops is None:
            place = f"{row.source}: " if row.source else ""
            self.worked.stops = f"Step {failure.step!r} is set to stop the run when it fails. {place}{row.message}"

    def _suspend(self, trail: Trail, one: Suspended) -> None:
        if isinstance(one.value, Outgoing):
            self._leave_mail(one, one.value)
        elif isinstance(one.value, Pause):
            self.worked.pauses.append(BuiltPause(one.step, key_text(one.key), one.value.until))
        else:
            given = type(one.value).__name__
            raise ConfigError(f"Step {one.step!r} gave {given}; the runtime takes only mails and pauses.")
        if one.step in self._awaited:
            trail.items.setdefault(self._awaited[one.step], []).append(Item(one.key, one.record, one.record))

    def _leave_mail(self, one: Suspended, mail: Outgoing) -> None:
        source = one.record.source if one.record else None
        self.worked.mails.append(BuiltMail(
            one.step, key_text(one.key), source, mail.account, mail.envelope_sender, mail.recipients, mail.subject,
            mail.message_id, mail.needs_smtputf8, self._pack.add(mail.content),
        ))  # fmt: skip

    def _finish(self) -> None:
        if self._carried:
            self.worked.carried = self._pack.add(encode_seeds(self._carried, self._pack.add))
        self._pack.close()


def _has_takers(graph: Graph, step: str) -> bool:
    """Whether anything is wired to any of its outputs."""
    return any(graph.is_wired(step, port) for port in graph.ports(step).outputs)
