"""Members: the running programs that share a store, each with a heartbeat.

A member whose last beat is older than LIMIT_SECONDS is dead for the others: they bury it and take over its work. So a
member that could not beat for OWN_LIMIT_SECONDS must not touch the outside world until it has beaten again; and one
that was buried meanwhile is nobody any more, and ends. All ages are taken by the database's clock; a member watches
itself by its machine's clock since the start, which nobody sets and which counts the time that a machine slept.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Select, column, delete, false, func, insert, select, table, update

from ..engine import PostwerkError, Transient
from .disk import DiskFullError
from .neighbours import is_gone, name_of_this_process
from .store import Store, members
from .store.moments import database_now
from .store.store import SESSION_DIGITS, session_name

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
LIMIT_SECONDS = 5
OWN_LIMIT_SECONDS = 0.8 * LIMIT_SECONDS
LATE_SECONDS = 2.5
"""After such a gap in its own beats a member must not judge others at once: perhaps the database was away."""
LEAVE_SECONDS = 20
"""A process that was buried and has not left by then is ended."""
STILL_SECONDS = 60
"""A process whose event loop stands still for so long is ended: it could not notice that it was buried."""
KEPT_DAYS = 7
"""How long the dead are remembered."""
EXIT_CODE = 70


class Kind(StrEnum):
    """What a member is there for."""

    SERVE = "serve"
    WORKER = "worker"
    RUN = "run"


class SuspendedError(Transient):
    """This program could not reach the database for too long; others may have taken over its work."""


class MembershipLostError(PostwerkError):
    """Others have buried this program and taken over its work. It must end, and may be started anew."""


class Membership:
    """One program's row among the members, from entering the `async with` block to leaving it.

    When the others have buried it, the block is cancelled and leaves with a MembershipLostError.
    """

    def __init__(self, store: Store, kind: Kind) -> None:
        self.id = store.session + secrets.token_hex(16 - SESSION_DIGITS // 2)
        self.kind = kind
        self._store = store
        self._beat_at = 0.0
        self._steady_since = 0.0
        self._is_lost = False
        self._is_heard = True
        self._has_left = threading.Event()
        self._beaten = asyncio.Event()
        self._tasks = asyncio.TaskGroup()

    @property
    def is_alive(self) -> bool:
        """Whether this program may touch the outside world now. Costs nothing: ask before each touch."""
        return not self._is_lost and _seconds() - self._beat_at < OWN_LIMIT_SECONDS

    def check(self) -> None:
        """Raises SuspendedError when it is not alive."""
        if not self.is_alive:
            raise SuspendedError(
                "This program has not reached the database for some seconds, and others may have taken over its work. "
                "It does nothing until the database answers."
            )

    async def beaten(self) -> None:
        """Returns after the next heartbeat."""
        await self._beaten.wait()

    async def __aenter__(self) -> Self:
        started = _seconds()
        is_steady = await self._store.write(self._join)
        self._beat_at, self._steady_since = started, float("-inf") if is_steady else started
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._watch, args=[loop], name="membership", daemon=True).start()
        await self._tasks.__aenter__()
        self._beating = self._tasks.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._has_left.set()
        try:
            if self._is_lost:
                await self._tasks.__aexit__(kind, error, trace)
            else:  # an error of the block passes as it is, not in a group
                self._beating.cancel()
                await self._tasks.__aexit__(None, None, None)
        except BaseExceptionGroup as group:
            lost, others = group.split(MembershipLostError)
            if lost is None or others is not None:
                raise
            raise lost.exceptions[0] from None
        finally:
            with suppress(Transient, DiskFullError):
                await self._store.write_apart(lambda connection: bury(connection, [self.id]))

    async def _run(self) -> None:
        started = self._beat_at  # joining was the first beat
        while True:
            await asyncio.sleep(max(0.0, started + BEAT_SECONDS - _seconds()))
            started = _seconds()
            await self._try_to_beat(started)

    async def _try_to_beat(self, started: float) -> None:
        may_judge = started - self._steady_since >= LIMIT_SECONDS
        try:
            is_member = await self._store.write_apart(lambda connection: self._beat(connection, may_judge=may_judge))
        except (Transient, DiskFullError) as error:
            if self._is_heard:
                log.warning("This program can't tell others that it lives. %s", error.message)
            self._is_heard = False
            return
        if not is_member:
            self._is_lost = True
            raise MembershipLostError(
                "This program was not heard of for too long, and others have taken over its work. Start it again."
            )
        self._is_heard = True
        if started - self._beat_at > LATE_SECONDS:
            self._steady_since = started
        self._beat_at = started
        beaten, self._beaten = self._beaten, asyncio.Event()
        beaten.set()

    def _join(self, connection: Connection) -> bool:
        """Whether the database has been there for long enough, so that silence says something of the others."""
        now = database_now(connection)
        row = {"id": self.id, "kind": self.kind.value, "host": socket.gethostname()[:255], "pid": os.getpid()}
        times = {"started_at": now, "beat_at": now}
        connection.execute(insert(members).values(process=name_of_this_process(), **row, **times))
        first_beat = update(members).where(members.c.id == self.id)  # the clock may have gone on between the two
        connection.execute(first_beat.values(started_at=members.c.beat_at))
        forgotten = database_now(connection, ago=KEPT_DAYS * 86400)
        connection.execute(delete(members).where(members.c.buried_at < forgotten))
        is_steady = _is_up_for_long(connection)
        _judge(connection, by_age=is_steady)
        return is_steady

    def _beat(self, connection: Connection, *, may_judge: bool) -> bool:
        mine = update(members).where(members.c.id == self.id, members.c.buried_at.is_(None))
        is_member = connection.execute(mine.values(beat_at=database_now(connection))).rowcount == 1
        if is_member:
            _judge(connection, by_age=may_judge)
        return is_member

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """The last resort, on a thread of its own."""
        lost = still = 0
        turned = threading.Event()
        while not self._has_left.wait(1):
            lost = lost + 1 if self._is_lost else 0
            still = 0 if turned.is_set() else still + 1
            if lost > LEAVE_SECONDS or still > STILL_SECONDS:
                log.critical("This program is cut off from the others or stands still, and is ended.")
                os._exit(EXIT_CODE)
            turned.clear()
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(turned.set)


def living() -> Select[tuple[str]]:
    """The ids of the members that nobody has buried; for use in other statements."""
    return select(members.c.id).where(members.c.buried_at.is_(None))


def hosts(connection: Connection) -> int:
    """How many programs take runs forward for others, and were heard of just now."""
    is_heard = members.c.beat_at >= database_now(connection, ago=LIMIT_SECONDS)
    is_host = members.c.buried_at.is_(None) & (members.c.kind != Kind.RUN.value)
    found = connection.execute(select(members.c.process).where(is_host, is_heard)).scalars()
    return sum(not is_gone(process) for process in found)


def _judge(connection: Connection, *, by_age: bool) -> None:
    """Buries the dead. First their connections are ended: a program frozen in the middle of a transaction would keep
    its locks, on its leases among them, for as long as it is frozen."""
    gone = _gone_neighbours(connection)
    if by_age:
        is_silent = members.c.beat_at < database_now(connection, ago=LIMIT_SECONDS)
        silent = select(members.c.id).where(members.c.buried_at.is_(None), is_silent)
        gone += connection.execute(silent).scalars()
    if gone:
        _cut_off(connection, gone)
        bury(connection, gone)


def _cut_off(connection: Connection, gone: Collection[str]) -> None:
    if connection.dialect.name == "postgresql":
        names = [session_name(member[:SESSION_DIGITS]) for member in gone]
        activity = table("pg_stat_activity", column("pid"), column("application_name"))
        theirs = activity.c.application_name.in_(names) & (activity.c.pid != func.pg_backend_pid())
        connection.execute(select(func.pg_terminate_backend(activity.c.pid)).where(theirs)).all()


def bury(connection: Connection, gone: Collection[str], *, by_age: bool = False) -> int:
    """Buries these, and by age those that were not heard of for too long; says how many."""
    if not gone and not by_age:
        return 0
    is_silent = members.c.beat_at < database_now(connection, ago=LIMIT_SECONDS) if by_age else false()
    change = update(members).where(members.c.buried_at.is_(None), members.c.id.in_(gone) | is_silent)
    return connection.execute(change.values(buried_at=database_now(connection))).rowcount


def _gone_neighbours(connection: Connection) -> list[str]:
    rows = connection.execute(select(members.c.id, members.c.process).where(members.c.buried_at.is_(None)))
    return [member for member, process in rows if is_gone(process)]


def _is_up_for_long(connection: Connection) -> bool:
    if connection.dialect.name != "postgresql":
        return True
    is_up = func.pg_postmaster_start_time() < database_now(connection, ago=2 * LIMIT_SECONDS)
    return bool(connection.execute(select(is_up)).scalar())


def _seconds() -> float:
    """By the machine's clock since its start; it counts the time in which the machine slept, where it can be told."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
