"""Starts a run of a flow of the workspace for a trigger."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from ..runs.starting import start_run
from ..store import runs
from ..workspace import Workspace
from .launching import Start


def start_in(workspace: Workspace) -> Start:
    """Starts runs by writing their rows: whoever executes runs finds them there."""

    async def start(flow_id: str, inputs: Mapping[str, str], run_id: str, trigger: str) -> None:
        del trigger
        if await _is_there(workspace, run_id):
            return
        flow, folder = workspace.stored_flow(flow_id)
        try:
            await start_run(workspace, flow, folder, inputs, run_id=run_id)
        except IntegrityError:
            if not await _is_there(workspace, run_id):
                raise  # it was about something else than the run's id

    return start


async def _is_there(workspace: Workspace, run_id: str) -> bool:
    def look(connection: Connection) -> bool:
        return connection.execute(select(runs.c.id).where(runs.c.id == run_id)).first() is not None

    return await workspace.store.read(look)
