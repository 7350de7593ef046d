"""A program that ends at any point between a firing and its run; and several programs on one store."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from postwerk.runtime.runs.starting import start_run
from postwerk.runtime.triggers import events
from postwerk.runtime.triggers.launching import Start
from postwerk.runtime.triggers.service import Triggers
from postwerk.runtime.triggers.starting import start_in
from postwerk.runtime.workspace import Workspace
from sqlalchemy import Connection

from ..turned_clock import NOON, TurnedClock
from .trigger_desk import LIST, MORNING, Desk, folder

KILLED = 9
POINTS = ("before the firing is written", "before the run is there", "behind the run's row", "behind the settling")
spawn = multiprocessing.get_context("spawn")


@pytest.fixture
def desk(tmp_path: Path, place: Path | str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    if isinstance(place, str):
        monkeypatch.setenv("POSTWERK_DATABASE_URL", place)
    with Workspace.make(tmp_path / "workspace") as workspace:
        yield Desk(workspace)


def ending(workspace: Workspace, point: str) -> Start:
    """A start in whose course the program ends, as if it were killed."""
    real = start_in(workspace)

    async def start(flow_id: str, inputs: Mapping[str, str], run_id: str, trigger: str) -> None:
        if point == "before the run is there":
            os._exit(KILLED)
        await real(flow_id, inputs, run_id, trigger)
        if point == "behind the run's row":
            os._exit(KILLED)

    return start


def end_at(workspace: Path, point: str) -> None:
    """A program that looks at its triggers on 3 March at 8:00:01, and ends at a point."""

    async def work() -> None:
        with Workspace(workspace) as opened:
            clock = TurnedClock(NOON + timedelta(hours=20, seconds=1))
            triggers = Triggers(opened, ending(opened, point), clock)
            if point == "before the firing is written":
                events.add = lambda *_: os._exit(KILLED)  # this process ends with it
            running = asyncio.create_task(triggers.run())
            for _ in range(2000):
                await asyncio.sleep(0.01)
                clock.turn(timedelta(seconds=0.1))
                found = await opened.store.read(_has_started)
                if found:
                    os._exit(KILLED)
            running.cancel()

    asyncio.run(work())


def _has_started(connection: Connection) -> bool:
    return any(one.state == "started" for one in events.newest(connection, 1))


def run_to_its_end(target: object, *arguments: object) -> int | None:
    process = spawn.Process(target=target, args=arguments)  # type: ignore[arg-type]
    process.start()
    process.join(120)
    return process.exitcode


@pytest.mark.parametrize("point", POINTS)
async def test_a_calendar_whose_program_is_killed_starts_one_run(desk: Desk, point: str) -> None:
    await desk.add()

    code = await asyncio.to_thread(run_to_its_end, end_at, desk.workspace.folder, point)
    assert code == KILLED
    await desk.turn(hours=20, minutes=1)
    async with desk.running():
        await desk.fired(1)

    [event], [run] = await desk.events(), await desk.runs()
    assert (event.state, event.run) == ("started", run.id)


@pytest.mark.parametrize("point", POINTS)
async def test_a_file_whose_program_is_killed_starts_one_run(desk: Desk, tmp_path: Path, point: str) -> None:
    drop = folder(tmp_path / "drop")
    (drop / "März.csv").write_text(LIST, "utf-8")
    await desk.add("morning", {"kind": "folder", "folder": str(drop), "input": "list", "steady_for": "PT2S"})

    code = await asyncio.to_thread(run_to_its_end, end_at, desk.workspace.folder, point)
    assert code == KILLED
    await desk.turn(hours=20, minutes=1)
    async with desk.running():
        await desk.until(lambda: _settled_after_a_second(desk))

    [event], [run] = await desk.events(), await desk.runs()
    assert (event.state, event.run) == ("started", run.id)
    assert run.inputs["list"] == event.inputs["list"]


async def _settled_after_a_second(desk: Desk) -> bool:
    await desk.turn(seconds=1)
    return [one.state for one in await desk.events()] == ["started"]


async def test_a_request_whose_program_was_killed_is_answered_with_the_same_run(desk: Desk) -> None:
    kept = await desk.add("morning", {"kind": "webhook"})
    headers, body = {"Idempotency-Key": "order 7"}, b'{"month": "Mai"}'

    class Killed(BaseException):
        """As near as one comes to a kill without one."""

    real = start_in(desk.workspace)

    async def start(flow_id: str, inputs: Mapping[str, str], run_id: str, trigger: str) -> None:
        await real(flow_id, inputs, run_id, trigger)
        raise Killed

    desk.start = start
    with suppress(Killed):
        await desk.another().webhooks.receive(str(kept.token), headers, body, desk.clock.now())
    desk.start = None
    meanwhile = await desk.triggers.webhooks.receive(str(kept.token), headers, body, desk.clock.now())
    async with desk.running():
        await desk.turn(minutes=1)
        await desk.fired(1)

    afterwards = await desk.triggers.webhooks.receive(str(kept.token), headers, body, desk.clock.now())
    [run] = await desk.runs()
    assert (meanwhile.status, afterwards.status, afterwards.run) == (409, 202, run.id)


async def test_a_run_of_the_same_id_is_started_once_by_whoever_tries(desk: Desk) -> None:
    start = start_in(desk.workspace)

    await asyncio.gather(*(start("intake", {}, "the-run", "morning") for _ in range(4)))

    assert [run.id for run in await desk.runs()] == ["the-run"]


async def test_a_start_given_no_id_makes_one(desk: Desk) -> None:
    flow, where = desk.workspace.find_flow("intake")

    ids = {(await start_run(desk.workspace, flow, where, {})).id for _ in range(3)}

    assert len(ids) == 3


def look_for_days(workspace: Path, days: int, firings: int) -> None:
    """A program that looks at its triggers while days go by, until there are so many firings and all are settled."""

    async def work() -> None:
        with Workspace(workspace) as opened:
            clock = TurnedClock()
            triggers = Triggers(opened, None, clock)
            running = asyncio.create_task(triggers.run())
            for _ in range(days * 24):
                clock.turn(timedelta(hours=1))
                await asyncio.sleep(0.01)
            while not await opened.store.read(lambda connection: _are_settled(connection, firings)):
                clock.turn(timedelta(seconds=1))
                await asyncio.sleep(0.01)
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    asyncio.run(work())


def _are_settled(connection: Connection, number: int) -> bool:
    found = events.newest(connection, 1, 1000)
    return len(found) >= number and all(one.state != "pending" for one in found)


async def test_three_programs_on_one_store_start_one_run_for_each_firing(desk: Desk) -> None:
    await desk.add(settings={**MORNING, "missed": "all", "times": ["08:00", "16:00"]})
    programs = [spawn.Process(target=look_for_days, args=(desk.workspace.folder, 10, 20)) for _ in range(3)]

    for program in programs:
        program.start()
    for program in programs:
        await asyncio.to_thread(program.join, 120)

    assert [program.exitcode for program in programs] == [0, 0, 0]
    assert {one.split()[-1] for one in await desk.told()} == {"started"}
    assert len(await desk.told()) == 20
    assert sorted(run.id for run in await desk.runs()) == sorted(str(one.run) for one in await desk.events())


async def test_a_program_that_is_killed_again_and_again_starts_one_run_for_each_firing(desk: Desk) -> None:
    await desk.add(settings={**MORNING, "missed": "all", "times": ["00:00", "06:00", "12:00", "18:00"]})
    chance = random.Random(7)

    for _ in range(4):
        program = spawn.Process(target=look_for_days, args=(desk.workspace.folder, 10, 40))
        program.start()
        await asyncio.sleep(chance.uniform(1, 3))  # at no particular point; the first second goes with starting
        program.kill()
        await asyncio.to_thread(program.join)
    assert await asyncio.to_thread(run_to_its_end, look_for_days, desk.workspace.folder, 10, 40) == 0

    assert {one.split()[-1] for one in await desk.told()} == {"started"}
    assert len(await desk.told()) == len(set(await desk.told())) == 40
    assert sorted(run.id for run in await desk.runs()) == sorted(str(one.run) for one in await desk.events())
