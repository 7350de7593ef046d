"""Folders: which files start a run, when, and where they go afterwards."""

from __future__ import annotations

import asyncio
import os
import sys
import unicodedata
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from postwerk.engine import ConfigError
from postwerk.runtime.disk import DiskFullError
from postwerk.runtime.runs import rows, service
from postwerk.runtime.runs.progress import Progress
from postwerk.runtime.runs.states import RunState
from postwerk.runtime.triggers import events as firing_rows
from postwerk.runtime.triggers.events import Event
from postwerk.runtime.triggers.folders import FolderWatch
from postwerk.runtime.triggers.kinds import Folder
from postwerk.runtime.workspace import Workspace

from .trigger_desk import LIST, Desk, folder

STEADY = 10
"""Seconds, by default."""


class Drop:
    """A folder that is watched, and an operator who sees what becomes of its files."""

    def __init__(self, desk: Desk, path: Path) -> None:
        self.desk, self.path = desk, folder(path)
        self.watches: list[FolderWatch] = []

    async def watched(self, **settings: Any) -> FolderWatch:
        told = {"kind": "folder", "folder": str(self.path), "input": "list", **settings}
        await self.desk.add("drop", told)
        return await self.another_program()

    async def another_program(self) -> FolderWatch:
        row = await self.desk.triggers.get("drop")
        assert isinstance(row.trigger.settings, Folder)
        watch = FolderWatch(self.desk.workspace, self.desk.triggers._launcher, row, row.trigger.settings)
        self.watches.append(watch)
        return watch

    def put(self, name: str = "list.csv", content: str = LIST) -> Path:
        path = self.path / name
        path.write_text(content, "utf-8")
        return path

    async def look(self, seconds: float = STEADY) -> list[Event]:
        """What fires when time passes and each program looks."""
        await self.desk.turn(seconds=seconds)
        return [event for watch in self.watches for event in await watch.look(self.desk.clock.now())]

    async def arrive(self) -> list[Event]:
        """What fires once everything that lies there is steady."""
        return [*await self.look(), *await self.look()]

    async def end(self, event: Event, state: RunState = RunState.FINISHED) -> None:
        """Lets a run end."""
        run = str(event.run)
        if state is RunState.FINISHED:
            await self.desk.workspace.store.write(lambda connection: rows.move_run(connection, run, RunState.SENDING))
        await self.desk.workspace.store.write(lambda connection: rows.move_run(connection, run, state))

    def lying(self) -> list[str]:
        """All files in it, by their paths."""
        return sorted(str(one.relative_to(self.path)) for one in self.path.rglob("*") if one.is_file())

    def copy_of(self, event: Event) -> Path:
        return self.desk.workspace.folder / "files" / event.inputs["list"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Workspace.make(tmp_path / "workspace") as workspace:
        yield Desk(workspace)


@pytest.fixture
def drop(desk: Desk, tmp_path: Path) -> Drop:
    return Drop(desk, tmp_path / "Eingang für Listen")


# When a file is complete


async def test_a_file_that_arrives_becomes_an_input_of_a_run(drop: Drop) -> None:
    await drop.watched()
    drop.put("Kundenliste März.csv")

    [event] = await drop.arrive()

    [run] = await drop.desk.runs()
    assert (event.state, event.run) == ("started", run.id)
    assert run.inputs["list"] == event.inputs["list"]
    assert drop.copy_of(event).name == "Kundenliste März.csv"
    assert drop.copy_of(event).read_text("utf-8") == LIST


async def test_the_flow_reads_what_arrived(drop: Drop) -> None:
    await drop.watched()
    drop.put("other.csv", "no;name\nK7;Ann\nK8;Ben\nK9;Eva\n")
    await drop.arrive()
    [run] = await drop.desk.runs()

    ended = await service.execute(drop.desk.workspace, run, Progress())

    assert ended.state is RunState.FINISHED
    assert ended.totals is not None
    assert ended.totals["endings"]["done"] == 3


async def test_a_file_that_grows_waits_until_it_is_steady(drop: Drop) -> None:
    await drop.watched()
    path = drop.put()
    for number in range(5):
        assert await drop.look(9) == []
        with path.open("a", encoding="utf-8") as file:
            file.write(f"K1{number};Ann\n")

    assert await drop.look(9) == []
    assert await drop.look(9) == []
    [event] = await drop.look(2)
    assert drop.copy_of(event).read_text("utf-8").count("Ann") == 5


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open")
async def test_a_file_that_is_open_for_writing_waits_however_long_it_is_steady(drop: Drop) -> None:
    await drop.watched()
    path = drop.put()
    with path.open("a", encoding="utf-8"):
        for _ in range(5):
            assert await drop.look(3600) == []

    assert len(await drop.look()) == 1


async def test_a_file_that_is_open_for_reading_does_not_wait(drop: Drop) -> None:
    await drop.watched()
    with drop.put().open(encoding="utf-8"):
        assert len(await drop.arrive()) == 1


async def test_a_file_is_taken_when_its_passing_name_is_given_up(drop: Drop) -> None:
    await drop.watched()
    path = drop.put("list.csv.filepart")
    assert await drop.arrive() == []

    path.rename(path.with_suffix(""))

    [event] = await drop.arrive()
    assert drop.copy_of(event).name == "list.csv"


@pytest.mark.parametrize(
    "name",
    [".list.csv", "~$list.csv", "list.csv.tmp", "LIST.CSV.PART", "list.csv.crdownload", "Thumbs.db", "list.xlsx"],
)
async def test_what_is_nobodys_arrival_is_left_alone(drop: Drop, name: str) -> None:
    await drop.watched(patterns=["*.csv", "*.part", "*.db", "*.crdownload"])
    drop.put(name)

    assert await drop.arrive() == []
    assert drop.lying() == [name]


async def test_patterns_do_not_mind_large_letters_and_how_umlauts_are_written(drop: Drop) -> None:
    await drop.watched(patterns=["Aufträge*.csv"])
    drop.put(unicodedata.normalize("NFD", "AUFTRÄGE 7.CSV"))

    assert len(await drop.arrive()) == 1


async def test_links_and_pipes_are_not_followed(drop: Drop, tmp_path: Path) -> None:
    await drop.watched()
    secret = tmp_path / "secret.csv"
    secret.write_text("no\n1\n")
    (drop.path / "link.csv").symlink_to(secret)
    (drop.path / "folder.csv").mkdir()
    os.mkfifo(drop.path / "pipe.csv")

    assert await drop.arrive() == []


# Once and again


async def test_a_file_starts_one_run_however_often_and_by_whomever_it_is_looked_at(drop: Drop) -> None:
    await drop.watched()
    await drop.another_program()
    drop.put()

    fired = [event for _ in range(5) for event in await drop.look()]

    assert len({event.run for event in fired}) == 1
    assert len(await drop.desk.runs()) == 1


async def test_programs_that_look_at_the_same_moment_start_one_run(drop: Drop) -> None:
    for _ in range(3):
        await drop.watched()
    drop.put()
    await drop.look()
    await drop.desk.turn(seconds=STEADY)
    now = drop.desk.clock.now()

    await asyncio.gather(*(watch.look(now) for watch in drop.watches))

    assert len(await drop.desk.runs()) == 1


async def test_when_the_run_has_finished_the_file_lies_in_the_folder_of_what_is_done(drop: Drop) -> None:
    await drop.watched()
    drop.put()
    [event] = await drop.arrive()
    await drop.look()
    assert drop.lying() == ["list.csv"]

    await drop.end(event)
    await drop.look()

    assert drop.lying() == [f"done/{event.run}/list.csv"]


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED])
async def test_when_the_run_has_failed_the_file_lies_in_the_folder_of_what_failed(drop: Drop, state: RunState) -> None:
    await drop.watched(failed="Fehler")
    drop.put()
    [event] = await drop.arrive()

    await drop.end(event, state)
    await drop.look()

    assert drop.lying() == [f"Fehler/{event.run}/list.csv"]


async def test_a_file_that_the_flow_refuses_lies_in_the_folder_of_what_failed(drop: Drop) -> None:
    await drop.watched()
    drop.put("list.csv", "name;street\nAnn;Am Markt\n")

    [event] = await drop.arrive()
    await drop.look()

    assert event.state == "refused"
    assert "no" in str(event.message)
    assert drop.lying() == [f"failed/{event.run}/list.csv"]


async def test_a_file_that_is_put_back_is_a_new_arrival(drop: Drop) -> None:
    await drop.watched()
    path = drop.put()
    [first] = await drop.arrive()
    await drop.end(first, RunState.FAILED)
    await drop.look()

    (drop.path / "failed" / str(first.run) / "list.csv").rename(path)  # same bytes, same time
    [second] = await drop.arrive()

    assert second.run != first.run
    assert len(await drop.desk.runs()) == 2


async def test_a_file_that_is_left_starts_no_second_run_after_a_restart(drop: Drop) -> None:
    await drop.watched(afterwards="leave")
    path = drop.put()
    [event] = await drop.arrive()
    await drop.end(event)

    await drop.another_program()
    assert await drop.arrive() == []
    assert drop.lying() == ["list.csv"]

    path.write_text(LIST + "K3;Ben\n", "utf-8")
    assert len({one.run for one in await drop.arrive()}) == 1
    assert len(await drop.desk.runs()) == 2


async def test_the_run_keeps_its_bytes_when_the_file_is_overwritten(drop: Drop) -> None:
    await drop.watched()
    path = drop.put()
    [first] = await drop.arrive()
    path.write_text("no;name\nK9;Zoe\n", "utf-8")
    await drop.end(first)

    [second] = await drop.arrive()

    assert drop.copy_of(first).read_text("utf-8") == LIST
    assert "Zoe" in drop.copy_of(second).read_text("utf-8")
    assert drop.lying() == ["list.csv"]
    [told, _] = (await drop.desk.events("drop"))[:2]
    assert told.message == "The file was replaced before its run had ended."


async def test_a_file_that_was_never_moved_away_is_known_however_it_comes_back(drop: Drop) -> None:
    await drop.watched()
    path = drop.put()
    [first] = await drop.arrive()
    path.rename(drop.path / ".kept")
    drop.put(content="no;name\nK9;Zoe\n")
    await drop.end(first)
    await drop.arrive()

    (drop.path / ".kept").replace(path)
    await drop.arrive()

    assert len(await drop.desk.runs()) == 2


async def test_a_program_that_ended_after_the_move_is_made_up_for(drop: Drop) -> None:
    await drop.watched()
    path = drop.put()
    [event] = await drop.arrive()
    await drop.end(event)
    place = folder(drop.path / "done" / str(event.run))
    path.rename(place / "list.csv")  # and then it was killed

    await drop.look()

    [told] = await drop.desk.events("drop")
    assert (told.is_file_here, told.message) == (False, None)


async def test_a_share_that_is_away_for_a_while_starts_no_second_run(drop: Drop) -> None:
    await drop.watched()
    drop.put()
    [event] = await drop.arrive()
    drop.path.rename(drop.path.with_name("unmounted"))
    folder(drop.path)  # as an empty folder lies where a share is mounted otherwise
    await drop.end(event)
    await drop.look()
    drop.path.rmdir()
    await drop.look()

    drop.path.with_name("unmounted").rename(drop.path)
    await drop.arrive()

    assert len(await drop.desk.runs()) == 1
    assert drop.lying() == [f"done/{event.run}/list.csv"]


async def test_a_file_that_was_taken_away_is_forgotten_after_a_month(drop: Drop) -> None:
    await drop.watched()
    path = drop.put()
    [event] = await drop.arrive()
    await drop.end(event)
    path.unlink()

    await drop.look()
    assert (await drop.desk.events("drop"))[0].is_file_here
    await drop.look(31 * 86400)

    [told] = await drop.desk.events("drop")
    assert (told.is_file_here, told.message) == (False, "The file was taken away before its run had ended.")


async def test_what_cannot_be_kept_at_present_is_taken_up_later(drop: Drop) -> None:
    await drop.watched()
    long = {"month": "x" * 90_000}  # needs pages of its own
    await drop.desk.add("drop", {"kind": "folder", "folder": str(drop.path), "input": "list"}, inputs=long)
    drop.watches = [await drop.another_program()]
    drop.put()
    store = drop.desk.workspace.store
    pages = await store.write(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar())
    await store.write(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}"))
    await drop.look()
    with pytest.raises(DiskFullError):
        await drop.look()

    await store.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1000000"))
    [event] = await drop.look()

    assert event.state == "started"


async def test_many_files_at_once_start_a_run_each_the_oldest_first(drop: Drop) -> None:
    await drop.watched()
    for number in (3, 1, 2):
        path = drop.put(f"{number}.csv", LIST + f"K{number}0;Ann\n")
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))

    fired = await drop.arrive()

    assert [drop.copy_of(event).name for event in fired] == ["1.csv", "2.csv", "3.csv"]
    assert len(await drop.desk.runs()) == 3


# What is not taken


async def test_a_file_that_is_too_large_is_refused_unread(drop: Drop) -> None:
    await drop.watched(max_bytes=1000)
    drop.put("large.csv", "x" * 1001)

    [event] = await drop.arrive()
    await drop.look()

    assert event.state == "refused"
    assert "The file 'large.csv' has 1,001 bytes; 1,000 are allowed." in str(event.message)
    assert [one.split("/")[0] for one in drop.lying()] == ["failed"]
    assert await drop.desk.runs() == []


@pytest.mark.parametrize("name", [b"Kunden\xfcliste.csv", b"line\nbreak.csv", b"esc\x1b[2J.csv"])
async def test_a_name_that_nobody_can_print_is_refused_once(drop: Drop, name: bytes) -> None:
    await drop.watched()
    drop.put(os.fsdecode(name))

    [event] = await drop.arrive()
    await drop.another_program()
    await drop.arrive()

    assert event.state == "refused"
    assert "holds signs that can't be printed. Rename the file." in str(event.message)
    assert len(await drop.desk.events("drop")) == 1


async def test_a_folder_that_is_gone_is_told_and_taken_up_when_it_is_back(drop: Drop) -> None:
    await drop.watched()
    drop.path.rename(drop.path.with_name("away"))

    await drop.look()

    trouble = (await drop.desk.triggers.get("drop")).trouble
    assert trouble == f"'{drop.path}' can't be reached: No such file or directory. It is tried again."
    drop.path.with_name("away").rename(drop.path)
    drop.watches = [await drop.another_program()]
    await drop.look()
    assert (await drop.desk.triggers.get("drop")).trouble is None


async def test_a_file_that_cannot_be_moved_holds_up_no_other(drop: Drop) -> None:
    await drop.watched()
    drop.put("first.csv")
    [first] = await drop.arrive()
    (drop.path / "done").write_text("A file where the folder should be.")
    await drop.end(first)
    drop.put("second.csv", LIST + "K3;Ben\n")

    fired = await drop.arrive()

    assert [drop.copy_of(event).name for event in fired] == ["done", "second.csv"]
    assert "done" in str((await drop.desk.triggers.get("drop")).trouble)


async def test_a_folder_in_the_files_of_the_workspace_may_be_watched(desk: Desk) -> None:
    drop = Drop(desk, desk.workspace.folder / "files" / "eingang")
    await drop.watched(folder="files/eingang")
    drop.put()

    assert len(await drop.arrive()) == 1


async def test_triggers_at_work_take_a_file_up_by_themselves_and_put_it_away(drop: Drop) -> None:
    await drop.watched(steady_for="PT2S", look_every="PT1S")
    drop.put()

    async with drop.desk.running():
        await drop.desk.until(lambda: _seconds_pass(drop))
        [event] = await drop.desk.events("drop")
        await drop.end(event)
        await drop.desk.until(lambda: _is_put_away(drop))

    assert drop.lying() == [f"done/{event.run}/list.csv"]


async def _seconds_pass(drop: Drop) -> bool:
    await drop.desk.turn(seconds=1)
    return [one.state for one in await drop.desk.events("drop")] == ["started"]


async def _is_put_away(drop: Drop) -> bool:
    drop.desk.clock.turn(timedelta(seconds=1))
    row = await drop.desk.triggers.get("drop")
    return not await drop.desk.workspace.store.read(lambda connection: firing_rows.files_here(connection, row.id))


async def test_a_link_in_the_files_of_the_workspace_leads_nowhere_else(desk: Desk, tmp_path: Path) -> None:
    (desk.workspace.folder / "files" / "eingang").symlink_to(folder(tmp_path / "elsewhere"))

    with pytest.raises(ConfigError, match=r"'files/eingang' is none in 'files/' of the workspace"):
        await desk.add("drop", {"kind": "folder", "folder": "files/eingang", "input": "list"})
    with pytest.raises(ConfigError, match=r"is none in 'files/' of the workspace"):
        await desk.add("drop", {"kind": "folder", "folder": str(desk.workspace.folder / "blobs"), "input": "list"})
