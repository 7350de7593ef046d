"""Runs with items that wait for days: each goes on once, when its time has come, by a clock that the test turns."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from postwerk.runtime.runs import rows, service
from postwerk.runtime.runs.progress import Progress

from ..acceptance.flow_document import Steps
from ..turned_clock import TurnedClock
from .house import LIST, REMINDED, REMINDING, START, House, due

STEPS: Steps = {
    "read": ("ReadExcel", LIST), "wait": ("Wait", {"until": "{{ due }}"}), "tell": ("Tell", {"file": "told.txt"}),
}  # fmt: skip
WIRES = """read.records > wait.item
           wait.elapsed > tell.items"""


async def states(house: House) -> Counter[str]:
    """How many mails of each step there are in each state."""
    return Counter(f"{mail.step} {mail.state}" for mail in await house.mails())


async def reminded(house: House, number: int) -> None:
    """Waits until so many reminders have left."""
    async with asyncio.timeout(30):
        while (await states(house))["remind sent"] < number:  # noqa: ASYNC110  the store sends no event
            await asyncio.sleep(0.02)


def executing(house: House, run: rows.Run, clock: TurnedClock) -> asyncio.Task[rows.Run]:
    return asyncio.create_task(service.execute(house.workspace, run, Progress(), clock=clock))


async def test_each_item_goes_on_when_its_own_time_has_come(house: House) -> None:
    house.write_list(due(1), due(3), due(3), due(-1))
    clock = TurnedClock(START)
    run = await house.start(house.flow(REMINDING, REMINDED))

    task = executing(house, run, clock)
    await reminded(house, 1)  # whose time is past
    clock.turn(timedelta(days=1))
    await reminded(house, 2)
    assert await states(house) == {"send sent": 4, "remind sent": 2}
    clock.turn(timedelta(days=2))
    ended = await task

    assert ended.state is rows.RunState.FINISHED
    assert await states(house) == {"send sent": 4, "remind sent": 4}
    assert sorted(mail.subject for mail in await house.mails() if mail.step == "remind") == [
        f"Erinnerung K{number}" for number in range(4)
    ]


async def test_in_a_dry_run_nobody_waits(house: House) -> None:
    house.write_list(due(400), due(4000))

    report = await house.run(house.flow(REMINDING, REMINDED), is_dry=True)

    assert (report["state"], report["mails"]) == ("finished", {"captured": 4})


async def test_an_interrupted_run_goes_on_with_its_waits_and_takes_none_twice(house: House) -> None:
    house.write_list(*(due(1 + number % 3) for number in range(30)))
    clock = TurnedClock(START)
    run = await house.start(house.flow(REMINDING, REMINDED))

    for day in range(1, 4):
        task = executing(house, run, clock)
        clock.turn(timedelta(days=1))
        await reminded(house, 10 * day)
        if day < 3:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            run = await service.reopen(house.workspace, run.id)
    await task

    assert await states(house) == {"send sent": 30, "remind sent": 30}


async def test_a_gather_waits_for_all_waits(house: House) -> None:
    house.write_list(due(1), due(2))
    clock = TurnedClock(START)
    run = await house.start(house.flow(STEPS, WIRES))

    task = executing(house, run, clock)
    clock.turn(timedelta(days=2))
    await task

    assert house.output(await house.report(run.id), "told.txt") == ["K0", "K1"]
