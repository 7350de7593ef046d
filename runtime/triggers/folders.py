"""Folders that are watched: from a file that arrived to its firing, and where the file goes afterwards."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path

from sqlalchemy import Connection, select

from ...engine import ConfigError
from ..disk import DiskFullError
from ..runs.states import RunState
from ..store import runs
from ..workspace import Workspace
from . import events, rows
from .arrivals import NotCompleteError, Seen, Steadiness, digest_of, is_as_seen, keep_copy, look
from .events import ArrivedFile, Cause, Event
from .kinds import Folder
from .launching import Launcher
from .rows import TriggerRow
from .states import FiringState

FORGOTTEN_AFTER = timedelta(days=30)
"""Since it arrived: then a file that is missing is waited for no longer."""
INCOMING = "incoming"
"""The folder of the copies, in the workspace's files."""
ENDED = frozenset({RunState.FINISHED, RunState.FAILED, RunState.CANCELLED})


def folder_of(workspace: Workspace, settings: Folder) -> Path:
    """The folder that is watched.

    Raises:
        ConfigError: it lies among the other files of the workspace, or leads out of it without saying so.
    """
    path = (workspace.folder / settings.folder).resolve()
    files = workspace.folder / "files"
    if path.is_relative_to(files) and not path.is_relative_to(files / INCOMING):
        return path
    if not Path(settings.folder).is_absolute() or path.is_relative_to(workspace.folder):
        raise ConfigError(
            f"The folder {settings.folder!r} is none in 'files/' of the workspace (nor may it be 'files/{INCOMING}'). "
            "Write 'files/NAME', or the whole path of a folder elsewhere.",
            field="settings.folder",
        )
    return path


class FolderWatch:
    """Looks at one folder. What it remembers is lost with the program, and found again in the firings."""

    def __init__(self, workspace: Workspace, launcher: Launcher, row: TriggerRow, settings: Folder) -> None:
        self._workspace, self._launcher, self.row = workspace, launcher, row
        self.settings = settings
        self._steadiness = Steadiness(settings.steady_for)
        self._known: set[Seen] = set()
        self._trouble: str | None = None

    async def look(self, now: datetime) -> list[Event]:
        """What fired. Trouble with the folder or a file of it is written down at the trigger, and tried again."""
        self._trouble = None
        fired: list[Event] = []
        with self._trouble_noted():
            folder = folder_of(self._workspace, self.settings)
            await self._put_away(folder, now)
            fired = await self._take_up(folder, now)
        await self._tell(self._trouble)
        return fired

    @contextmanager
    def _trouble_noted(self) -> Iterator[None]:
        """What goes wrong with one file must not hold up the others. The first trouble is told."""
        try:
            yield
        except (ConfigError, DiskFullError) as error:
            self._trouble = self._trouble or error.message
        except OSError as error:
            where = os.fspath(error.filename or self.settings.folder)
            told = f"{where!r} can't be reached: {error.strerror}. It is tried again."
            self._trouble = self._trouble or told.encode("utf-8", "backslashreplace").decode()

    async def _tell(self, trouble: str | None) -> None:
        def write(connection: Connection) -> None:
            rows.set_trouble(connection, self.row.id, trouble)

        if trouble != self.row.trouble:
            await self._workspace.store.write(write)
            self.row = replace(self.row, trouble=trouble)

    # From a file to a firing

    async def _take_up(self, folder: Path, now: datetime) -> list[Event]:
        seen = await asyncio.to_thread(look, folder, self.settings)
        self._known &= set(seen)
        waiting = {_seen(event.file) for event in await self._files_here() if event.file}
        complete = [one for one in self._steadiness.complete(seen, now) if one not in self._known | waiting]
        fired = []
        for one in complete:
            with self._trouble_noted():
                fired.append(await self._fire(one))
        return [event for event in fired if event is not None]

    async def _fire(self, seen: Seen) -> Event | None:
        """The firing of a file, unless it is known already or not complete."""
        if (flaw := self._flaw(seen)) is not None:
            return await self._refuse(seen, flaw)
        try:
            digest = await asyncio.to_thread(digest_of, seen)
            key = await self._key(seen, digest)
            if key is None:
                return None
            if await self._is_known(key):
                self._known.add(seen)
                return None
            copy = await asyncio.to_thread(keep_copy, seen, digest, self._files / INCOMING)
        except NotCompleteError:
            return None
        return await self._launcher.fire(self.row, self._cause(seen, digest, key, copy))

    @property
    def _files(self) -> Path:
        return self._workspace.folder / "files"

    @property
    def _moves(self) -> bool:
        return self.settings.afterwards == "move"

    def _cause(self, seen: Seen, digest: str, key: str, copy: Path) -> Cause:
        kept = copy.relative_to(self._files).as_posix()
        file = ArrivedFile(str(seen.path), seen.size, seen.changed_ns, digest, kept)
        return Cause(key=key, inputs={self.settings.input: kept}, file=file, is_file_here=self._moves)

    async def _key(self, seen: Seen, digest: str) -> str | None:
        """What names this arrival; None when the file is gone.

        A file that was moved away and lies there again is another arrival of the same file, so they are numbered.
        Another program may have moved it just now: then the number is too high, but the file is gone.
        """
        name = _name(str(seen.path), seen, digest)
        if not self._moves:
            return f"{name}#0"

        def count(connection: Connection) -> int:
            return events.moved_files(connection, self.row.id, f"{name}#")

        number = await self._workspace.store.read(count)
        return f"{name}#{number}" if await asyncio.to_thread(is_as_seen, seen) else None

    async def _is_known(self, key: str) -> bool:
        def find(connection: Connection) -> bool:
            return events.find(connection, self.row.id, key) is not None

        return await self._workspace.store.read(find)

    def _flaw(self, seen: Seen) -> str | None:
        """Why it can't be read at all."""
        if not seen.path.name.isprintable() or _is_broken(seen.path.name):
            return f"The name {seen.path.name!a} holds signs that can't be printed. Rename the file."
        if seen.size > self.settings.max_bytes:
            return (
                f"The file {seen.path.name!r} has {seen.size:,} bytes; {self.settings.max_bytes:,} are allowed. "
                "Let the trigger take larger files, or make it smaller."
            )
        return None

    async def _refuse(self, seen: Seen, flaw: str) -> Event:
        """Where the name is sound the file is moved away; it was not read, so it has no digest."""
        is_movable = self._moves and not _is_broken(seen.path.name)
        path = str(seen.path) if not _is_broken(str(seen.path)) else ascii(str(seen.path))
        key = f"{_name(path, seen, '')}#0"
        if is_movable:
            key = await self._key(seen, "") or key
        file = ArrivedFile(path, seen.size, seen.changed_ns, "", None)
        cause = Cause(key=key, state=FiringState.REFUSED, message=flaw, file=file, is_file_here=is_movable)
        event = await self._launcher.fire(self.row, cause)
        if not is_movable:
            self._known.add(seen)
        return event

    # Afterwards

    async def _files_here(self) -> list[Event]:
        return await self._workspace.store.read(lambda connection: events.files_here(connection, self.row.id))

    async def _put_away(self, folder: Path, now: datetime) -> None:
        """Moves the files whose runs have ended."""
        for event in await self._files_here():
            if event.file is not None and (place := await self._place(event)) is not None:
                with self._trouble_noted():
                    fate = await asyncio.to_thread(_move, event.file, folder / place)
                    if fate is not _Fate.MISSING or now - event.created_at > FORGOTTEN_AFTER:
                        await self._set_gone(event, fate)

    async def _place(self, event: Event) -> str | None:
        """The folder that a file belongs into; None while that is open."""
        if event.state is FiringState.PENDING:
            return None
        name = event.run or f"{event.created_at:%Y%m%d-%H%M%S}-{event.id}"
        if event.state is not FiringState.STARTED:
            return f"{self.settings.failed}/{name}"
        query = select(runs.c.state).where(runs.c.id == event.run)
        state = await self._workspace.store.read(lambda connection: connection.execute(query).scalar())
        if state is not None and RunState(state) not in ENDED:
            return None
        return f"{self.settings.done if state == RunState.FINISHED else self.settings.failed}/{name}"

    async def _set_gone(self, event: Event, fate: _Fate) -> None:
        def write(connection: Connection) -> None:
            events.set_file_gone(connection, event, is_moved=fate is _Fate.MOVED, message=TOLD[fate])

        await self._workspace.store.write(write)


class _Fate(Enum):
    """What became of a file that was to be moved."""

    MOVED = "moved"
    REPLACED = "replaced"
    MISSING = "missing"
    """Taken away, or its share is not there at present: an empty folder lies where it is mounted otherwise."""


TOLD = {
    _Fate.MOVED: None,
    _Fate.REPLACED: "The file was replaced before its run had ended.",
    _Fate.MISSING: "The file was taken away before its run had ended.",
}


def _move(file: ArrivedFile, folder: Path) -> _Fate:
    """Moves a file, unless a program did so that ended before it could say so."""
    seen = _seen(file)
    moved = Seen(folder / seen.path.name, seen.size, seen.changed_ns)
    if is_as_seen(moved):
        return _Fate.MOVED
    if not is_as_seen(seen):
        return _Fate.REPLACED if os.path.lexists(seen.path) else _Fate.MISSING
    folder.mkdir(parents=True, exist_ok=True)
    seen.path.rename(moved.path)
    if is_as_seen(moved) or os.path.lexists(seen.path):
        return _Fate.MOVED
    moved.path.rename(seen.path)  # another file took its place in between: that one has not been read
    return _Fate.REPLACED


def _seen(file: ArrivedFile) -> Seen:
    return Seen(Path(file.path), file.size, file.changed_ns)


def _name(path: str, seen: Seen, digest: str) -> str:
    identity = f"{path}\0{seen.size}\0{seen.changed_ns}\0{digest}"
    return f"file:{hashlib.sha256(identity.encode()).hexdigest()}"


def _is_broken(name: str) -> bool:
    """Whether it holds bytes that are no UTF-8."""
    return any("\udc80" <= sign <= "\udcff" for sign in name)
