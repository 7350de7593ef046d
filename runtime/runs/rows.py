"""Runs, chunks and failures in the store: pure SQL on a connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Text, cast, delete, func, insert, select, update

from ...engine import Refused, Source
from ..blobs import BlobRef
from ..store import chunks, failures, insert_new, outbox, ring, runs
from ..work import FailedItem
from .states import RunState, is_legal

BELL = "runs"
"""Rings when a run may be taken up."""
READ_TO_END = -1
"""The number of the row that says that a source was read to its end."""


@dataclass(frozen=True, slots=True)
class Run:
    """A row of the runs."""

    id: str
    flow_id: str
    flow: str
    """The version that it runs: the flow's JSON."""
    folder: str | None
    files: Mapping[str, BlobRef]
    inputs: Mapping[str, Any]
    state: RunState
    is_dry: bool
    row_limit: int | None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    message: str | None = None
    totals: Mapping[str, Any] | None = None
    parent: str | None = None
    """The run whose failed items it does again."""
    default_account: str | None = None
    """What was the default when it was started: a run does not change its sender on the way."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk that is done."""

    stage: int
    number: int
    origin: int
    output: BlobRef | None
    counts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FailureRow:
    """A failed item, as it is told."""

    step: str
    key: str
    item: str
    source: Source | None
    column: str | None
    message: str
    error: str

    @property
    def place(self) -> str:
        """Where the data stands: file, sheet, row and column."""
        column = f", column {self.column!r}" if self.column else ""
        return f"{self.source or f'item {self.key!r}'}{column}"

    def __str__(self) -> str:
        return f"{self.place}: step {self.step!r}: {self.message}"


@dataclass(frozen=True, slots=True)
class FailedRows:
    """The source items of a run that have failed, by key; and by place, since a key may be what was mended."""

    keys: frozenset[str]
    places: frozenset[Source]

    def has(self, key: str, source: Source | None) -> bool:
        return key in self.keys or source in self.places


def add_run(connection: Connection, run: Run, holder: str | None = None) -> None:
    """With a `holder` it is in its first turn already; else somebody takes it up."""
    row = {one.name: getattr(run, one.name) for one in fields(Run)}
    row["files"] = {name: [ref.pack, ref.offset, ref.size, ref.digest] for name, ref in run.files.items()}
    held = {"holder": holder, "turn": 0 if holder is None else 1}
    connection.execute(insert(runs).values({**row, **held, "inputs": dict(run.inputs), "state": run.state.value}))
    if holder is None:
        ring(connection, BELL, run.id)


def get_run(connection: Connection, run_id: str) -> Run:
    """Raises Refused when there is none of this id."""
    row = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
    if row is None:
        raise Refused(f"There is no run {run_id!r}. 'postwerk runs list' shows what there is.")
    return run_of(row)


def list_runs(connection: Connection, limit: int = 50) -> list[Run]:
    """The newest first."""
    query = select(runs).order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(limit)
    return [run_of(row) for row in connection.execute(query).mappings()]


def active_runs(connection: Connection) -> list[Run]:
    """Runs that were on when their program ended, oldest first."""
    states = [RunState.BUILDING.value, RunState.SENDING.value]
    query = select(runs).where(runs.c.state.in_(states)).order_by(runs.c.created_at)
    return [run_of(row) for row in connection.execute(query).mappings()]


def move_run(connection: Connection, run_id: str, after: RunState, **changes: Any) -> None:
    """Raises Refused when the run is in no state from which it may go there."""
    before = state_of(connection, run_id, is_held=True)
    if not is_legal(before, after):
        raise Refused(f"Run {run_id} is {before}, so it can't become {after}.")
    connection.execute(update(runs).where(runs.c.id == run_id).values(state=after.value, **changes))


def wake(connection: Connection, run_id: str) -> None:
    """Whoever takes runs forward takes this one up at once."""
    connection.execute(update(runs).where(runs.c.id == run_id).values(rest=None, wakes_at=None))
    ring(connection, BELL, run_id)


def set_started(connection: Connection, run_id: str, started: datetime) -> None:
    connection.execute(update(runs).where(runs.c.id == run_id).values(started_at=started))


def state_of(connection: Connection, run_id: str, *, is_held: bool = False) -> RunState:
    """`is_held`: nobody else changes it until this transaction ends."""
    query = select(runs.c.state).where(runs.c.id == run_id)
    return RunState(connection.execute(query.with_for_update(key_share=True) if is_held else query).scalar_one())


def keep_totals(connection: Connection, run_id: str, totals: Mapping[str, Any]) -> None:
    connection.execute(update(runs).where(runs.c.id == run_id).values(totals=dict(totals)))


def add_chunk(connection: Connection, run_id: str, chunk: Chunk) -> bool:
    """Whether it is new: a chunk that was done counts once, however often it is repeated."""
    row = {"run": run_id, "stage": chunk.stage, "number": chunk.number, "origin": chunk.origin, "counts": chunk.counts}
    columns = chunk.output.columns("output_") if chunk.output else {}
    return insert_new(connection, chunks, [{**row, **columns}], ("run", "stage", "number")) == 1


def chunks_of(
    connection: Connection, run_id: str, *, stage: int | None = None, origin: int | None = None
) -> list[Chunk]:
    """What is done of a run, by stage and number."""
    query = select(chunks).where(chunks.c.run == run_id).order_by(chunks.c.stage, chunks.c.number)
    if stage is not None:
        query = query.where(chunks.c.stage == stage)
    if origin is not None:
        query = query.where(chunks.c.origin == origin)
    return [_chunk(row) for row in connection.execute(query).mappings()]


def chunk_of(connection: Connection, run_id: str, stage: int, number: int) -> Chunk | None:
    """One chunk, if it is done."""
    which = (chunks.c.run == run_id) & (chunks.c.stage == stage) & (chunks.c.number == number)
    row = connection.execute(select(chunks).where(which)).mappings().first()
    return _chunk(row) if row else None


def next_number(connection: Connection, run_id: str, stage: int) -> int:
    query = select(func.max(chunks.c.number)).where(chunks.c.run == run_id, chunks.c.stage == stage)
    last = connection.execute(query).scalar()
    return 0 if last is None else last + 1


def add_failures(connection: Connection, run_id: str, failed: Sequence[FailedItem], now: datetime) -> None:
    insert_new(connection, failures, [_failure_row(run_id, one, now) for one in failed], ("run", "step", "key"))


def failures_of(connection: Connection, run_id: str, limit: int | None = None) -> list[FailureRow]:
    """In the order of their rows in the source, as far as they have one."""
    query = select(failures).where(failures.c.run == run_id).order_by(failures.c.id).limit(limit)
    found = [failure_of(row) for row in connection.execute(query).mappings()]
    return sorted(found, key=lambda one: (one.source.row or 0) if one.source else 0)


def failed_items(connection: Connection, run_id: str, steps: Collection[str] | None = None) -> int:
    """How many source items have at least one failure, in some steps or in any."""
    failed = select(failures.c.item, cast(failures.c.source, Text)).where(failures.c.run == run_id).distinct()
    if steps is not None:
        failed = failed.where(failures.c.step.in_(sorted(steps)))
    return int(connection.execute(select(func.count()).select_from(failed.subquery())).scalar_one())


def failed_rows(connection: Connection, run_id: str) -> FailedRows:
    """Which source items have failed."""
    query = select(failures.c.item, failures.c.source).where(failures.c.run == run_id).distinct()
    found = [(row.item, Source.model_validate(row.source) if row.source else None) for row in connection.execute(query)]
    return FailedRows(
        frozenset(item for item, _ in found), frozenset(source for _, source in found if source and source.row)
    )


def remove_failures_of_mails(connection: Connection, run_id: str, step: str) -> None:
    """Forgets the failures of a step's items that became mails."""
    mails = select(outbox.c.key).where(outbox.c.run == run_id, outbox.c.step == step)
    of_step = (failures.c.run == run_id) & (failures.c.step == step)
    connection.execute(delete(failures).where(of_step, failures.c.key.in_(mails)))


def _failure_row(run_id: str, failed: FailedItem, now: datetime) -> dict[str, Any]:
    return {
        "run": run_id, "step": failed.step, "key": failed.key, "item": failed.item, "column": failed.column,
        "source": failed.source.model_dump(exclude_none=True) if failed.source else None,
        "message": failed.message, "error": failed.error, "created_at": now,
    }  # fmt: skip


def failure_of(row: RowMapping) -> FailureRow:
    """A row of the table as a failure."""
    source = Source.model_validate(row["source"]) if row["source"] else None
    return FailureRow(row["step"], row["key"], row["item"], source, row["column"], row["message"], row["error"])


def run_of(row: RowMapping) -> Run:
    """A row of the table as a Run."""
    values = {one.name: row[one.name] for one in fields(Run)}
    values["files"] = {name: BlobRef(*place) for name, place in row["files"].items()}
    return Run(**{**values, "state": RunState(row["state"])})


def _chunk(row: RowMapping) -> Chunk:
    output = BlobRef.from_columns(dict(row), "output_")
    return Chunk(row["stage"], row["number"], row["origin"], output, row["counts"] or {})
