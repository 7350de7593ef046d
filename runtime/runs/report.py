"""What is told of a run, on the command line and by the API."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from ..outbox import MailState, outbox
from ..workspace import Workspace
from . import rows


async def report_of(workspace: Workspace, run_id: str, *, failures: int | None = None) -> dict[str, Any]:
    """All that is told of a run; of its failures at most so many.

    Raises:
        Refused: there is no such run.
    """

    def read(connection: Connection) -> tuple[rows.Run, Counter[MailState], int, list[rows.FailureRow]]:
        one = rows.get_run(connection, run_id)
        mails = outbox.counts(connection, run_id)
        failed = rows.failed_items(connection, run_id)
        return one, mails, failed, rows.failures_of(connection, run_id, failures)

    one, mails, failed, told = await workspace.store.read(read)
    return {
        **summary_of(one),
        "failed_items": failed, "totals": one.totals or {},
        "mails": {state.value: number for state, number in mails.items()},
        "failures": [failure_told(failure) for failure in told],
        "output": str(workspace.folder / "output" / one.id),
    }  # fmt: skip


def summary_of(run: rows.Run) -> dict[str, Any]:
    """What is told of a run in a list."""
    return {
        "id": run.id, "flow": run.flow_id, "state": run.state.value, "dry_run": run.is_dry,
        "created_at": run.created_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        "message": run.message,
    }  # fmt: skip


def failure_told(failure: rows.FailureRow) -> dict[str, Any]:
    """A failed item, with its place and its whole text."""
    source = failure.source.model_dump() if failure.source else {}
    return {**asdict(failure), "source": source, "place": failure.place, "text": str(failure)}
