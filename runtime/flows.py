"""The flows of a workspace as files. Nobody overwrites what they have not seen.

A version is told by its entity tag: a digest of the flow's canonical text. Whoever saves says which version they have
changed; when another one lies there, nothing is written.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from ..engine import ConfigError, Refused, suggestion
from ..engine.flow import Flow, dump_flow, load_flow
from .disk import full_disk_told

FLOW_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
FLOW_FILE = "flow.json"
TRASH = ".trash"
"""Where deleted flows lie, within the folder of flows."""
WAIT_SECONDS = 10
"""For somebody else who is saving; that takes milliseconds."""


class UnknownFlowError(ConfigError):
    """The workspace has no such flow."""


class OutdatedVersionError(Refused):
    """Another version lies there than the one that was to be replaced.

    Attributes:
        current: the entity tag of what lies there; None when nothing does.
    """

    def __init__(self, message: str, current: str | None) -> None:
        super().__init__(message)
        self.current = current


@dataclass(frozen=True, slots=True)
class SavedFlow:
    """A flow that lies in the workspace."""

    id: str
    """The name of its file or folder, by which it is addressed."""
    flow: Flow
    text: str
    """Canonical."""
    etag: str
    folder: Path | None
    """Where its files lie beside it; None: it has no folder of its own."""
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class BrokenFlow:
    """A file that should hold a flow, and does not."""

    id: str
    message: str


class Flows:
    """The flows of one workspace. All that it does is file work: call it on a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ids(self) -> list[str]:
        """The ids of all flows, sorted."""
        return sorted(self._paths())

    def all(self) -> Iterator[SavedFlow | BrokenFlow]:
        """All flows by id; a damaged one does not hide the others."""
        for flow_id, path in sorted(self._paths().items()):
            try:
                yield _read(flow_id, path)
            except ConfigError as error:
                yield BrokenFlow(flow_id, error.message)

    def get(self, flow_id: str) -> SavedFlow:
        """Raises UnknownFlowError when there is none, ConfigError when it is damaged."""
        return _read(flow_id, self._path(flow_id))

    def save(self, flow: Flow, replaces: str | None) -> SavedFlow:
        """Saves a flow under its id; `replaces` is the entity tag of the version that it is to replace, None: none.

        Raises:
            OutdatedVersionError: another version lies there, or one does where none should.
        """
        text = dump_flow(flow)
        with self._alone(flow.id):
            path = self._paths().get(flow.id)
            self._expect(flow.id, path, replaces)
            target = path or self._folder / f"{flow.id}.json"
            with full_disk_told(self._folder):
                _write(target, text)
        return _read(flow.id, target)

    def delete(self, flow_id: str, replaces: str) -> Path:
        """Moves a flow to the trash, with the files beside it, and says where it lies now.

        Raises:
            UnknownFlowError: there is none.
            OutdatedVersionError: another version lies there.
        """
        with self._alone(flow_id):
            path = self._path(flow_id)
            self._expect(flow_id, path, replaces)
            moved = path.parent if path.name == FLOW_FILE and path.parent != self._folder else path
            target = self._folder / TRASH / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}" / moved.name
            target.parent.mkdir(parents=True)
            shutil.move(moved, target)
        return target

    def _paths(self) -> dict[str, Path]:
        alone = {path.stem: path for path in self._folder.glob("*.json")}
        found = alone | {path.parent.name: path for path in self._folder.glob(f"*/{FLOW_FILE}")}
        return {flow_id: path for flow_id, path in found.items() if not flow_id.startswith(".")}

    def _path(self, flow_id: str) -> Path:
        paths = self._paths()
        if flow_id not in paths:
            raise UnknownFlowError(f"There is no flow {flow_id!r} in this workspace. {suggestion(flow_id, paths)}")
        return paths[flow_id]

    def _expect(self, flow_id: str, path: Path | None, replaces: str | None) -> None:
        found = None if path is None else _etag_of(flow_id, path)
        if found == replaces:
            return
        if found is None:
            raise OutdatedVersionError(f"The flow {flow_id!r} is not there any more. Save it as a new one.", None)
        if replaces is None:
            raise OutdatedVersionError(
                f"There is a flow {flow_id!r} already. Read it first, or take another id.", found
            )
        raise OutdatedVersionError(
            f"The flow {flow_id!r} was changed meanwhile: it is version {found}, and you have {replaces}. "
            "Read it again, and put your changes into it.",
            found,
        )

    @contextmanager
    def _alone(self, flow_id: str) -> Iterator[None]:
        """Among all programs that use the workspace."""
        if not FLOW_ID.fullmatch(flow_id):
            raise UnknownFlowError(f"{flow_id!r} is no id of a flow. Use a-z, 0-9, '-' and '_', at most 64 signs.")
        with FileLock(self._folder / ".lock", timeout=WAIT_SECONDS):
            yield


def etag_of(text: str) -> str:
    """The entity tag of a flow's canonical text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _etag_of(flow_id: str, path: Path) -> str:
    try:
        return _read(flow_id, path).etag
    except ConfigError:
        return etag_of(path.read_text("utf-8", errors="replace"))  # damaged: whoever saw it may replace it


def _read(flow_id: str, path: Path) -> SavedFlow:
    try:
        flow = load_flow(path.read_text("utf-8"))
        saved_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError as error:
        raise UnknownFlowError(f"There is no flow {flow_id!r} any more.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The flow {flow_id!r} can't be read: {error}.") from error
    except ConfigError as error:
        raise ConfigError(f"The flow {flow_id!r}: {error.message}") from error
    text = dump_flow(flow)
    folder = path.parent if path.name == FLOW_FILE else None
    return SavedFlow(flow_id, flow, text, etag_of(text), folder, saved_at)


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and on the disk when it returns."""
    passing = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with passing.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        passing.replace(path)
    finally:
        passing.unlink(missing_ok=True)
