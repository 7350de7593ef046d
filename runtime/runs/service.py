"""What can be done with a run: execute it, cancel it, open it again. The command line and the API call this."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from sqlalchemy import Connection

from ...engine import Refused, Transient
from ...engine.flow import load_flow
from ..clock import Clock, WallClock
from ..disk import DiskFullError
from ..members import Kind, Membership
from ..outbox import MailState, outbox
from ..outbox.delivery import Delivery
from ..store import Store
from ..work import Crew, Workshop
from ..workspace import Workspace
from . import rows, turns
from .keeping import Post
from .progress import Progress
from .resting import UNTIL_ASKED
from .runner import Runner
from .starting import setup_of
from .states import ACTIVE, RunState
from .turns import Turn


async def execute(
    workspace: Workspace, run: rows.Run, progress: Progress, *, is_sending: bool = True, clock: Clock | None = None
) -> rows.Run:
    """Takes the run from where it is to its end; without sending, to where its mails are queued.

    The caller holds the workspace (`Workspace.alone`). Who is cancelled leaves the run as it is until it is resumed;
    a run whose program is killed is taken up by the next host.

    Raises:
        Refused: another program takes it forward.
    """
    store = workspace.store
    async with Membership(store, Kind.RUN) as member:
        turn = await store.write(lambda connection: turns.take_up(connection, run.id, member.id))
        if turn is None:
            now = await store.read(lambda connection: rows.get_run(connection, run.id))
            if now.state not in ACTIVE:
                return now
            raise Refused(f"Run {run.id} is taken forward by another program.")
        is_interrupted = True
        try:
            ended = await _go(workspace, run, progress, member, turn, is_sending=is_sending, clock=clock or WallClock())
            is_interrupted = False
        finally:
            await asyncio.shield(_let_go(store, turn, member.id, is_interrupted=is_interrupted))
    return ended


async def _let_go(store: Store, turn: Turn, member: str, *, is_interrupted: bool) -> None:
    rest, now = UNTIL_ASKED if is_interrupted else None, datetime.now(UTC)
    with suppress(DiskFullError, Transient):
        await store.write(lambda connection: turns.let_go(connection, turn, member, rest, now))


async def _go(
    workspace: Workspace, run: rows.Run, progress: Progress, member: Membership, turn: Turn, *, is_sending: bool,
    clock: Clock,
) -> rows.Run:  # fmt: skip
    setup = await setup_of(workspace, run)
    shop = await asyncio.to_thread(Workshop, setup)
    kept = await workspace.store.read(lambda connection: rows.chunks_of(connection, run.id))
    for chunk in kept:
        progress.add_kept(chunk.counts)
    shop.context.tray.sweep()
    was_begun = run.started_at is not None
    post_office = _post(workspace, member, clock, is_sending=is_sending and not run.is_dry)
    async with post_office as post, Crew(setup, shop, is_careful=was_begun) as crew:
        runner = Runner(workspace.store, run, shop, crew, post, progress, clock, turn=turn)
        return await runner.go(is_sending=is_sending)


@asynccontextmanager
async def _post(workspace: Workspace, member: Membership, clock: Clock, *, is_sending: bool) -> AsyncIterator[Post]:
    if not is_sending:
        yield NoPost()
        return
    async with Delivery(workspace.store, workspace.blobs, workspace.accounts, clock, member) as delivery:
        yield delivery


class NoPost:
    """Sends nothing: for a dry run, or one whose mails another program sends."""

    def wake(self, account: str) -> None:
        """Nobody is there to be woken."""

    async def changed(self) -> None:
        await asyncio.Event().wait()  # whoever asks gives up after a while


async def cancel(workspace: Workspace, run_id: str) -> int:
    """Stops a run for good or until it is resumed, and says how many mails will not leave.

    Raises:
        Refused: it has ended already.
    """
    now = datetime.now(UTC)

    def stop(connection: Connection) -> int:
        if rows.get_run(connection, run_id).state not in {*ACTIVE, RunState.PAUSED}:
            raise Refused(f"Run {run_id} has ended already; there is nothing to cancel.")
        outbox.unpause_run(connection, run_id, now)
        rows.move_run(connection, run_id, RunState.CANCELLED, finished_at=now, message="A person cancelled it.")
        return outbox.cancel_run(connection, run_id, now)

    return await workspace.store.write(stop)


async def pause(workspace: Workspace, run_id: str) -> int:
    """Lets a run rest until it is resumed, and says how many mails are held meanwhile.

    Raises:
        Refused: it has ended.
    """
    now = datetime.now(UTC)

    def hold(connection: Connection) -> int:
        if rows.get_run(connection, run_id).state not in ACTIVE:
            raise Refused(f"Run {run_id} is not on, so it can't be paused.")
        rows.move_run(connection, run_id, RunState.PAUSED, message="A person lets it rest.")
        return outbox.pause_run(connection, run_id, now)

    return await workspace.store.write(hold)


async def fail(workspace: Workspace, run_id: str, message: str) -> None:
    """Ends a run that can't go on, with all its mails that have not left."""
    now = datetime.now(UTC)

    def end(connection: Connection) -> None:
        if rows.state_of(connection, run_id, is_held=True) in ACTIVE:
            outbox.cancel_run(connection, run_id, now)
            rows.move_run(connection, run_id, RunState.FAILED, message=message, finished_at=now)

    await workspace.store.write(end)


async def reopen(workspace: Workspace, run_id: str) -> rows.Run:
    """A run that may go on: paused, interrupted, failed, cancelled, or finished with mails that were sent again.

    Raises:
        Refused: it was refused for its rows, which only a new run reads anew.
    """
    now = datetime.now(UTC)

    def open_again(connection: Connection) -> rows.Run:
        run = rows.get_run(connection, run_id)
        if run.state is RunState.FINISHED:
            rows.move_run(connection, run_id, RunState.SENDING, finished_at=None)
        elif run.state is RunState.PAUSED:
            outbox.unpause_run(connection, run_id, now)
            state = RunState.SENDING if outbox.is_released(connection, run_id) else RunState.BUILDING
            rows.move_run(connection, run_id, state, message=None)
        elif run.state not in ACTIVE:
            _take_up(connection, run, now)
        rows.wake(connection, run_id)
        return rows.get_run(connection, run_id)

    return await workspace.store.write(open_again)


def _take_up(connection: Connection, run: rows.Run, now: datetime) -> None:
    """Before its mails were released they are planned, after that they are queued."""
    checks_first = load_flow(run.flow).settings.bad_rows == "stop"
    is_released = outbox.is_released(connection, run.id)
    if checks_first and not is_released and (failed := rows.failed_items(connection, run.id)):
        raise Refused(f"{failed:,} items of run {run.id} are not in order. Mend the list, and start a new run.")
    mails = MailState.QUEUED if is_released or not checks_first else MailState.PLANNED
    state = RunState.SENDING if is_released and checks_first else RunState.BUILDING
    outbox.restore_run(connection, run.id, mails, now)
    rows.move_run(connection, run.id, state, message=None, finished_at=None)
