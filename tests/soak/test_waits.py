"""5,000 items that wait for days: ten restarts, each goes on exactly once, and memory stays flat."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from postwerk.runtime.host import Host
from postwerk.runtime.runs import rows, turns
from postwerk.runtime.runs.states import RunState
from postwerk.runtime.workspace import Workspace

from ..acceptance.flow_document import Steps
from ..runtime.house import House, furnished
from ..smtp_peers import Peer, listening
from ..turned_clock import TurnedClock

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
ITEMS, DAYS = 5_000, 10
STEPS: Steps = {
    "read": ("ReadExcel", {"file": "list.xlsx", "key": "no"}), "wait": ("Wait", {"until": "{{ due }}"}),
    "mail": ("FillTemplate", {"to": "{{ email }}", "subject": "Erinnerung {{ no }}", "text": "Es ist so weit"}),
    "send": ("SendSMTP", {"account": "office"}),
}  # fmt: skip
WIRES = """read.records > wait.item
           wait.elapsed > mail.record
           mail.message > send.message"""
ALLOWED_GROWTH = 30_000_000
"""Bytes: less than what 5,000 coroutines or seeds would take."""


@pytest.mark.soak
async def test_five_thousand_items_wait_through_ten_restarts(tmp_path: Path) -> None:
    chance, clock, memory = random.Random(2026), TurnedClock(START), []
    moments = [START + timedelta(seconds=chance.randint(1, DAYS * 86_400)) for _ in range(ITEMS)]
    async with listening(Peer()) as peer:
        house = await furnished(tmp_path, peer)
        house.write_list(*({"due": moment.replace(tzinfo=None) + timedelta(hours=1)} for moment in moments))
        run = await house.start(house.flow(STEPS, WIRES, settings={"timezone": "Europe/Berlin"}))
        for day in range(DAYS + 1):
            async with Host(house.workspace, clock=clock):
                await all_that_is_due(house, run.id, clock, moments)
                memory.append(psutil.Process().memory_info().rss)
            house.workspace.close()
            house.workspace = Workspace(house.workspace.folder)
            gc.collect()
            clock.turn(timedelta(days=1))
            del day
        ended = await house.workspace.store.read(lambda connection: rows.get_run(connection, run.id))
        keys = Counter(mail.key for mail in await house.mails() if mail.state == "sent")
        house.workspace.close()
    print(f"\nmegabytes after each start: {[round(one / 1e6) for one in memory]}")
    assert ended.state is RunState.FINISHED
    assert keys == Counter({f"K{number}": 1 for number in range(ITEMS)})
    assert Counter(peer.recipients) == Counter({f"k{number}@example.com": 1 for number in range(ITEMS)})
    assert memory[-1] - memory[2] < ALLOWED_GROWTH


async def all_that_is_due(house: House, run_id: str, clock: TurnedClock, moments: list[datetime]) -> None:
    due = sum(moment <= clock.now() for moment in moments)
    async with asyncio.timeout(300):
        while len(house.peer.mails) < due or not await rests_or_ended(house, run_id):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert len(house.peer.mails) == due


async def rests_or_ended(house: House, run_id: str) -> bool:
    def look(connection: object) -> bool:
        run = rows.get_run(connection, run_id)  # type: ignore[arg-type]
        return run.state is RunState.FINISHED or turns.is_resting(connection, run_id)  # type: ignore[arg-type]

    return await house.workspace.store.read(look)
