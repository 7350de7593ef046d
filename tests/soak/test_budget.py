"""Three flows on one account with 600 mails a minute: no minute has more, and the forecast is right."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from postwerk.runtime.host import Host
from postwerk.runtime.outbox.outlook import outlook
from postwerk.runtime.runs.states import ACTIVE

from ..runtime.house import MAILED, MAILING, House, furnished
from ..runtime.outgoing import account
from ..smtp_peers import Peer, listening

A_MINUTE, EACH = 600, 500
MAILS = 3 * EACH


@pytest.mark.soak
async def test_three_flows_keep_to_the_budget_of_their_account(tmp_path: Path) -> None:
    async with listening(Peer()) as peer:
        house = await furnished(tmp_path, peer)
        office = account(peer.port, limits={"per_minute": A_MINUTE})
        await house.workspace.accounts.add(office)
        house.write_list(number=EACH)
        runs = [await house.start(house.flow(MAILING, MAILED, id=f"flow-{number}")) for number in range(3)]
        begin, store = time.monotonic(), house.workspace.store
        async with Host(house.workspace):
            counting = asyncio.create_task(counts(peer, MAILS))
            while not await are_released(house):  # noqa: ASYNC110  the store sends no event
                await asyncio.sleep(0.1)
            said_at = time.monotonic()
            told = await store.read(lambda connection: outlook(connection, office, 0, datetime.now(UTC), None))
            foretold = said_at + (told.ends_at - datetime.now(UTC)).total_seconds() - begin
            curve = await counting
            seconds = time.monotonic() - begin
            while any([(await house.report(run.id))["state"] in ACTIVE for run in runs]):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        house.workspace.close()
    fullest = max(in_a_minute(curve, at) for at, _ in curve)
    print(f"\n{MAILS} mails in {seconds:.1f} s, foretold {foretold:.1f} s; the fullest minute had {fullest}")
    assert fullest <= A_MINUTE
    assert abs(foretold - seconds) <= 0.05 * seconds


async def are_released(house: House) -> bool:
    mails = await house.mails()
    return len(mails) == MAILS and all(mail.state != "planned" for mail in mails)


async def counts(peer: Peer, mails: int) -> list[tuple[float, int]]:
    """How many mails had arrived, again and again until all have."""
    curve: list[tuple[float, int]] = []
    while not curve or curve[-1][1] < mails:
        curve.append((time.monotonic(), len(peer.mails)))
        await asyncio.sleep(0.05)
    return curve


def in_a_minute(curve: list[tuple[float, int]], begin: float) -> int:
    """How many arrived in the minute from here on."""
    before = next(number for at, number in curve if at >= begin)
    return max(number for at, number in curve if begin <= at <= begin + 60) - before
