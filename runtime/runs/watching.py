"""How far a run is, for whoever looks at it: from this process if it takes the run forward, else from the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection

from ..outbox import MOVING, outbox
from ..outbox.outlook import end_of_run
from ..workspace import Workspace
from . import rows, turns
from .progress import Progress
from .states import ACTIVE

LOOK_SECONDS = 0.5
TELL_AFTER = 10 / LOOK_SECONDS
"""Looks after which something is told though nothing has changed."""


async def watch(
    workspace: Workspace, run: str, ours: Mapping[str, Progress], is_draining: Callable[[], bool]
) -> AsyncGenerator[Progress, None]:
    """Progress at once, whenever it changes, and at least every ten seconds, until the run ends or rests.

    While its mails leave a run is on, though nobody need hold it.
    """
    last: object = None
    looks = 0
    meters = Progress()
    while True:
        found, is_on = await workspace.store.read(lambda connection: _look(connection, run))
        progress = ours.get(run)
        if progress is None:
            found.building, found.posting = meters.building, meters.posting
            found.mark()
            progress = found
        state = (progress.as_totals(), dict(found.mails))
        looks += 1
        if state != last or looks >= TELL_AFTER:
            last, looks = state, 0
            yield progress
        if is_draining() or (not is_on and run not in ours):
            return
        await asyncio.sleep(LOOK_SECONDS)


def _look(connection: Connection, run_id: str) -> tuple[Progress, bool]:
    """The progress, and whether the run is on."""
    progress = Progress()
    run = rows.get_run(connection, run_id)
    for chunk in rows.chunks_of(connection, run_id):
        progress.add_kept(chunk.counts)
    progress.mails = outbox.counts(connection, run_id)
    progress.mails_end_at = end_of_run(connection, run_id, datetime.now(UTC), None)
    rests = turns.is_resting(connection, run_id) and not any(progress.mails[state] for state in MOVING)
    return progress, run.state in ACTIVE and not rests
