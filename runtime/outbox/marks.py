"""The states of mails on their way into the store: all sessions share each commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ...engine import PostwerkError
from ..accounts import Account, Limits
from ..clock import Clock
from ..disk import DiskFullError
from ..members import Membership
from ..store import OutcomeUnknownError, Store, StoreUnreachableError
from .claims import End, OutdatedError, Start, move_all, move_each
from .leases import LeaseLostError, still_held
from .limits import Grant, is_limited, spend

log = logging.getLogger(__name__)

END_SECONDS = 0.01
"""How long an end waits for a start whose commit it can share."""
RETRY_SECONDS = 5


class BudgetSpentError(Exception):
    """The account may not send more for now: see `Marks.shut_until`."""


@dataclass(slots=True)
class _Starting:
    start: Start
    account: str
    limits: Limits
    future: asyncio.Future[None]


@dataclass(slots=True)
class _Ending:
    end: End
    then: Callable[[End], None]


@dataclass(slots=True)
class _Done:
    lost: set[int]
    denied: set[int]
    grants: dict[str, Grant]
    foreign: set[int]
    """Of accounts that others deliver now."""


class Marks:
    """Writes what happens to mails, in the order in which it happened, for one member."""

    def __init__(self, store: Store, clock: Clock, member: Membership) -> None:
        self._store = store
        self._clock = clock
        self._member = member
        self._starts: list[_Starting] = []
        self._ends: list[_Ending] = []
        self._awake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._is_closing = False
        self._grants: dict[str, Grant] = {}

    def left(self, account: str) -> int | None:
        """How many mails of an account may still start, as far as is known; None: no limit, or nothing is known."""
        grant = self._grants.get(account)
        if grant is None or (grant.ask_at is not None and grant.ask_at <= self._clock.now()):
            return None
        return grant.left

    def shut_until(self, account: str) -> datetime | None:
        """Until when an account's budget is spent."""
        grant = self._grants.get(account)
        return grant.ask_at if grant is not None and self.left(account) == 0 else None

    async def start(self, mail_id: int, account: Account) -> None:
        """Commits that the mail's bytes leave now.

        Raises:
            OutdatedError: the mail was stopped meanwhile, or somebody else has it.
            LeaseLostError: another member delivers the account.
            BudgetSpentError: the account's limit is reached.
            DiskFullError, StoreUnreachableError: nothing can be written.
            OutcomeUnknownError: nobody knows whether it was committed.
        """
        future = asyncio.get_running_loop().create_future()
        start = Start(mail_id, self._clock.now(), self._member.id)
        self._starts.append(_Starting(start, account.name, account.limits, future))
        self._awake.set()
        await future

    def end(self, end: End, then: Callable[[End], None]) -> None:
        """Has the end of an attempt committed soon, and calls `then` when it is."""
        end.holder = self._member.id
        self._ends.append(_Ending(end, then))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(END_SECONDS, self._awake.set)

    def close(self) -> None:
        """Has `run` end when everything is written."""
        self._is_closing = True
        self._awake.set()

    async def run(self) -> None:
        """Writes until closed."""
        while not (self._is_closing and not self._starts and not self._ends):
            await self._awake.wait()
            self._awake.clear()
            await asyncio.sleep(0)  # whoever became ready in the same turn of the loop joins
            await self._write()

    async def _write(self) -> None:
        starts, self._starts = self._starts, []
        ends, self._ends = self._ends, []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not starts and not ends:
            return
        try:
            done = await self._written(starts, ends)
        except (DiskFullError, StoreUnreachableError, OutcomeUnknownError) as error:
            await self._try_later(starts, ends, error)
            return
        self._grants |= done.grants
        _answer(starts, done)
        for ending in ends:
            if ending.end.id in done.lost:
                log.error("Mail %d could not be marked as %s: it was changed.", ending.end.id, ending.end.after)
            ending.then(ending.end)

    async def _written(self, starts: list[_Starting], ends: list[_Ending]) -> _Done:
        moved = [ending.end for ending in ends]
        try:
            return await self._store.write(lambda connection: _write_all(connection, starts, moved))
        except OutdatedError:
            return await self._store.write(lambda connection: _write_each(connection, starts, moved))

    async def _try_later(self, starts: list[_Starting], ends: list[_Ending], error: PostwerkError) -> None:
        """What was sent must not be forgotten: ends are kept until they can be written. Twice does no harm."""
        log.error("%s Outcomes of mails that wait to be written: %d.", error.message, len(ends))
        for starting in starts:
            if not starting.future.cancelled():
                starting.future.set_exception(error)
        if ends and not self._is_closing:
            self._ends = ends + self._ends
            await self._clock.until(self._clock.now() + timedelta(seconds=RETRY_SECONDS))
            self._awake.set()


def _answer(starts: list[_Starting], done: _Done) -> None:
    for starting in starts:
        if starting.future.cancelled():
            continue
        if starting.start.id in done.denied:
            starting.future.set_exception(BudgetSpentError())
        elif starting.start.id in done.foreign:
            starting.future.set_exception(LeaseLostError())
        elif starting.start.id in done.lost:
            starting.future.set_exception(OutdatedError())
        else:
            starting.future.set_result(None)


def _write_all(connection: Connection, starts: list[_Starting], ends: list[End]) -> _Done:
    allowed, done = _within_limits(connection, starts)
    move_all(connection, allowed, ends)
    return done


def _write_each(connection: Connection, starts: list[_Starting], ends: list[End]) -> _Done:
    allowed, done = _within_limits(connection, starts)
    done.lost = move_each(connection, allowed, ends)
    return done


def _within_limits(connection: Connection, starts: list[_Starting]) -> tuple[list[Start], _Done]:
    done = _Done(set(), set(), {}, set())
    ours = _ours(connection, starts, done) if starts else []
    allowed = [one.start for one in ours if not is_limited(one.limits)]
    limited: dict[str, list[_Starting]] = {}
    for one in ours:
        if is_limited(one.limits):
            limited.setdefault(one.account, []).append(one)
    for account, some in limited.items():
        now = max(one.start.at for one in some)
        grant = done.grants[account] = spend(connection, account, some[0].limits, len(some), now)
        allowed += [one.start for one in some[: grant.mails]]
        done.denied.update(one.start.id for one in some[grant.mails :])
    return allowed, done


def _ours(connection: Connection, starts: list[_Starting], done: _Done) -> list[_Starting]:
    """Those of accounts that this member still holds, and goes on holding until the commit."""
    held = still_held(connection, starts[0].start.holder, {one.account for one in starts})
    done.foreign.update(one.start.id for one in starts if one.account not in held)
    return [one for one in starts if one.account in held]
