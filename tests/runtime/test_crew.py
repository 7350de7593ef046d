"""Worker processes: what kills one of them costs one item, and none outlives its master."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest
from postwerk.engine import Item, Record, Source
from postwerk.engine.flow import Endpoint
from postwerk.engine.passage import Seed
from postwerk.runtime.runs.starting import setup_of
from postwerk.runtime.spool import encode_seeds
from postwerk.runtime.work import Crew, Worked, Workshop
from postwerk.runtime.work import crew as crews
from postwerk.runtime.work.crew import ENOUGH, CrewLostError

from ..acceptance.program import Program
from .house import House
from .trial import python_path

OUT = Endpoint(step="read", port="records")


@asynccontextmanager
async def working(house: House, node: str = "Behave", **how: object) -> AsyncIterator[Crew]:
    """Two worker processes for a step `check`."""
    flow = house.flow({"read": ("Rows", {"number": 1}), "check": (node, how)}, "read.records > check.record")
    setup = await setup_of(house.workspace, await house.start(flow))
    async with Crew(setup, Workshop(setup), 2, is_careful=True) as crew:
        yield crew


def chunk(*hows: str, start: int = 0) -> bytes:
    return encode_seeds([seed(start + number, how) for number, how in enumerate(hows)], lambda _: NotImplemented)


def seed(number: int, how: str) -> Seed:
    source = Source(file="list.xlsx", sheet="Kunden", row=number + 2)
    record = Record(key=f"K{number}", values={"how": how}, source=source)
    return Seed(record.key, {OUT: [Item((record.key,), record, record)]})


def lost(match: str) -> pytest.RaisesGroup[CrewLostError]:
    return pytest.RaisesGroup(pytest.RaisesExc(CrewLostError, match=match), flatten_subgroups=True)


def keys_of(several: Sequence[Worked]) -> list[str]:
    return sorted(failure.key for worked in several for failure in worked.failures)


@pytest.mark.parametrize("death", ["exit", "segfault"])
async def test_an_item_that_kills_its_worker_fails_with_its_row_and_the_others_go_on(house: House, death: str) -> None:
    async with working(house) as crew:
        worked = await crew.work(0, chunk("pass", "pass", death, "pass", "refuse"), b"")

    died, refused = sorted(worked.failures, key=lambda one: one.key)
    assert (died.key, died.error, str(died.source)) == ("K2", "WorkerDied", "list.xlsx, sheet 'Kunden', row 4")
    assert died.message == "The worker process died on this item, twice. Look for a file in it that is damaged or huge."
    assert (refused.key, dict(worked.endings)) == ("K4", {"failed": 2, "done": 3})
    assert (worked.counts["check"].taken, worked.counts["check"].failed) == (5, 2)


async def test_sound_items_beside_a_deadly_one_are_never_given_up(house: House) -> None:
    chunks = [chunk(*["pass"] * 7, start=100 * number) for number in range(6)]
    deadly = chunk("pass", "exit", "pass", "pass", "exit", start=900)

    async with working(house) as crew:
        several = await asyncio.gather(*(crew.work(0, one, b"") for one in [*chunks[:3], deadly, *chunks[3:]]))
        after = await crew.work(0, chunk("pass"), b"")

    assert keys_of(several) == ["K901", "K904"]
    assert sum(worked.endings["done"] for worked in [*several, after]) == 6 * 7 + 3 + 1


async def test_where_every_item_kills_its_worker_the_run_stops(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "MOST_DEADLY", 1)

    async with working(house) as crew:
        with lost(r"^2 items have killed their worker process.* Is there enough memory\? The last were K0, K1\.$"):
            await crew.work(0, chunk("exit", "exit", "exit"), b"")


async def test_a_small_run_starts_no_processes(house: House) -> None:
    house.write_list(number=ENOUGH)
    before = psutil.Process().children(recursive=True)

    await house.run(house.flow(), is_dry=True)

    assert [one for one in psutil.Process().children(recursive=True) if one not in before] == []


async def work(crew: Crew) -> None:
    with lost("The work has ended before this chunk was done"):
        await crew.work(0, chunk("pass"), b"")


async def test_work_that_nobody_waits_for_any_more_is_ended_at_once(house: House) -> None:
    async with asyncio.timeout(15):  # the step would wait for twice as long
        with suppress(ZeroDivisionError):
            async with working(house, "Halt", folder=str(house.folder), at="K0") as crew:
                task = asyncio.create_task(work(crew))
                while not (house.folder / "came-to-K0").exists():  # noqa: ASYNC110  another process makes it
                    await asyncio.sleep(0.01)
                raise ZeroDivisionError
        await task


def test_no_worker_outlives_its_killed_master(tmp_path: Path, trial: Path) -> None:
    flow = tmp_path / "flow.json"
    flow.write_text(HALTING.replace("FOLDER", str(tmp_path)))
    postwerk = program(tmp_path, trial)

    with postwerk.started("run", flow) as first:
        wait_for(tmp_path / "came-to-7")
        first.kill()  # so that nothing is done in the main process any more
    (tmp_path / "came-to-7").unlink()
    (run,) = postwerk("runs", "list", "--json").json["runs"]

    with postwerk.started("runs", "resume", run["id"]) as master:
        wait_for(tmp_path / "came-to-7")
        below = psutil.Process(master.pid).children(recursive=True)
        workers = [one for one in below if one.ppid() != master.pid]  # the server that forks them is its child
        master.kill()
        gone, alive = psutil.wait_procs(below, timeout=10)

    assert workers != []
    assert (len(gone), alive) == (len(below), [])


def test_an_item_that_kills_the_whole_program_is_found_when_its_run_is_resumed(tmp_path: Path, trial: Path) -> None:
    flow = tmp_path / "flow.json"
    flow.write_text(DEADLY)
    postwerk = program(tmp_path, trial)

    with postwerk.started("run", flow) as process:
        assert process.wait(60) == -signal.SIGSEGV
    (run,) = postwerk("runs", "list", "--json").json["runs"]
    resumed = postwerk("runs", "resume", run["id"], "--json")

    assert (resumed.code, resumed.json["state"], resumed.json["totals"]["endings"]) == (
        3,
        "finished",
        {"failed": 1, "done": 9},
    )
    assert [failure["key"] for failure in resumed.json["failures"]] == ["7"]


HALTING = """{"postwerk": 1, "id": "halting", "name": "Halting",
"wires": [{"from": "read.records", "to": "halt.record"}],
"steps": {"read": {"node": "Rows", "params": {"number": 10}},
          "halt": {"node": "Halt", "params": {"folder": "FOLDER", "at": "7"}}}}"""

DEADLY = """{"postwerk": 1, "id": "deadly", "name": "Deadly", "settings": {"bad_rows": "skip"},
"wires": [{"from": "read.records", "to": "check.record"}],
"steps": {"read": {"node": "Rows", "params": {"number": 10}},
          "check": {"node": "Behave", "params": {"how": "{{ 'segfault' if number == 7 else 'pass' }}"}}}}"""


def program(folder: Path, trial: Path) -> Program:
    made = Program(folder / "workspace", {"PYTHONPATH": python_path(trial)})
    assert made("init", made.workspace).code == 0
    return made


def wait_for(path: Path) -> None:
    watcher = psutil.Process(os.getpid())
    for _ in range(3000):
        if path.exists():
            return
        watcher.cpu_percent(interval=0.01)
    raise AssertionError(f"{path} never came.")
