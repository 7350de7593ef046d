"""A workspace: one folder, in which one program at a time runs flows, and others may look."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from postwerk.engine import ConfigError
from postwerk.runtime.workspace import FOLDERS, Workspace


def test_a_new_workspace_has_its_folders_and_a_key_that_nobody_else_reads(tmp_path: Path) -> None:
    with Workspace.make(tmp_path / "new" / "office") as workspace:
        folder = workspace.folder

    assert {one.name for one in folder.iterdir() if one.is_dir()} == set(FOLDERS)
    assert (folder / "secret.key").stat().st_mode & 0o777 == 0o600


def test_nobody_else_may_look_into_a_new_workspace(tmp_path: Path) -> None:
    folder = tmp_path / "office"
    folder.mkdir(mode=0o755)

    Workspace.make(folder).close()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_empty_folder_becomes_a_workspace_and_one_with_something_in_it_does_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    Workspace.make(tmp_path / "empty").close()
    (tmp_path / "letter.txt").touch()

    for occupied in (tmp_path, tmp_path / "letter.txt"):
        with pytest.raises(ConfigError, match=r"is not empty\. Name a folder that is empty or does not exist\.$"):
            Workspace.make(occupied)


def test_a_folder_that_is_no_workspace_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()

    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ConfigError, match=rf"^'{folder}' is no workspace\. Make one: postwerk init {folder}$"):
            Workspace(folder)


async def test_another_database_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTWERK_DATABASE_URL", f"sqlite:///{tmp_path}/elsewhere.db")
    with Workspace.make(tmp_path / "office") as workspace:
        assert workspace.store.place == f"{tmp_path}/elsewhere.db"

    with Workspace(tmp_path / "office") as again:
        assert await again.accounts.all() == []
    assert not (tmp_path / "office" / "postwerk.db").exists()


def hold(folder: Path, channel: Connection) -> None:
    with Workspace(folder) as workspace, workspace.alone("postwerk run invoices"):
        channel.send(os.getpid())
        channel.recv()


@contextmanager
def held(folder: Path) -> Iterator[multiprocessing.process.BaseProcess]:
    """Another process holds the workspace."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=hold, args=(folder, theirs))
    process.start()
    assert ours.recv() == process.pid
    try:
        yield process
    finally:
        ours.send("end")
        process.join()


def test_only_one_program_runs_flows_and_the_other_is_told_who_and_what(tmp_path: Path) -> None:
    with Workspace.make(tmp_path) as workspace:
        with held(tmp_path) as holder:
            expected = (
                rf"in use by process {holder.pid} \(postwerk run invoices\)\. Wait until it has ended, or end it\.$"
            )
            with pytest.raises(ConfigError, match=expected), workspace.alone("postwerk run payslips"):
                pass

        with workspace.alone("postwerk run payslips"):
            note = json.loads((tmp_path / "lock.json").read_text())

    assert note == {"pid": os.getpid(), "purpose": "postwerk run payslips"}
    assert not (tmp_path / "lock.json").exists()


def test_a_program_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    with Workspace.make(tmp_path) as workspace, held(tmp_path) as holder:
        holder.kill()
        holder.join()
        assert (tmp_path / "lock.json").exists()

        with workspace.alone("postwerk run payslips"):
            assert json.loads((tmp_path / "lock.json").read_text())["pid"] == os.getpid()


def test_what_a_dead_program_left_unfinished_is_swept_when_flows_are_run_again(tmp_path: Path) -> None:
    with Workspace.make(tmp_path) as workspace:
        unfinished = tmp_path / "blobs" / "unfinished"
        unfinished.mkdir()
        (unfinished / "0123").write_bytes(b"half")

        with workspace.alone("postwerk run invoices"):
            assert list(unfinished.iterdir()) == []
