"""Going on behind a send while mails come to their end: nothing is taken without what it brings."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import pytest
from postwerk.runtime.clock import WallClock
from postwerk.runtime.outbox import MailState, outbox
from postwerk.runtime.runs import service
from postwerk.runtime.runs.onward import Onward
from postwerk.runtime.runs.outcomes import Outcomes
from postwerk.runtime.runs.progress import Progress
from postwerk.runtime.runs.starting import setup_of
from postwerk.runtime.work import Workshop

from ..acceptance.flow_document import Steps
from .house import MAILED, MAILING, House

STEPS: Steps = {**MAILING, "wait": ("Wait", {"duration": "P1D"}), "tell": ("Tell", {"file": "told.txt"})}
WIRES = f"""{MAILED}
            send.sent > wait.item
            wait.elapsed > tell.items"""


async def settle(house: House, number: int) -> None:
    """So many of the mails that are queued are sent."""
    ids = [mail.id for mail in await house.mails() if mail.state == "queued"][:number]
    now = datetime.now(UTC)

    def move(connection: Any) -> None:
        outbox.move(connection, ids, MailState.QUEUED, MailState.SENDING, now)
        outbox.move(connection, ids, MailState.SENDING, MailState.SENT, now, sent_at=now)

    await house.workspace.store.write(move)


async def test_a_mail_that_ends_between_two_looks_is_not_taken_without_its_item(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.write_list(number=5)  # portions of 1 and 4
    run = await house.start(house.flow(STEPS, WIRES))
    await service.execute(house.workspace, run, Progress(), is_sending=False)
    await settle(house, 2)
    shop = await asyncio.to_thread(Workshop, await setup_of(house.workspace, run))
    onward = Onward(Outcomes(house.workspace.store, run.id, shop, WallClock()), shop.plan.stage_of("wait"))
    look = Outcomes.suspended

    async def look_and_let_one_more_end(self: Outcomes, steps: Collection[str], origin: int) -> Any:
        found = await look(self, steps, origin)
        await settle(house, 1)
        return found

    monkeypatch.setattr(Outcomes, "suspended", look_and_let_one_more_end)
    ready = [one async for one in onward.ready()]

    assert sum(len(one.taken) for one in ready) >= 2
    for one in ready:
        assert {awaited.key for awaited in one.taken} == {seed.key for seed in one.seeds}
