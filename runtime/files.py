"""The files that a flow may touch: those in its folder and in the workspace to read, those of its run to write."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..engine import ConfigError, Refused, suggestion
from .disk import full_disk_told

MAX_NAME = 200
"""Bytes of a file's name; file systems take 255, and the names of passing files are longer than their own."""
KEPT = 8_000_000
"""Bytes of a file that `read` remembers: templates, forms and logos, not lists."""
MOST_RECENT = 4 * KEPT
"""Bytes of files that are remembered while a run is on: attachments whose names stand in its rows, say."""


class Recent:
    """The files that were read last, up to a number of bytes. May be used from many threads at once."""

    def __init__(self, most: int = MOST_RECENT) -> None:
        self._left = most
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> bytes | None:
        return self._files.get(name)

    def add(self, name: str, content: bytes) -> None:
        with self._lock:
            self._left += len(self._files.pop(name, b"")) - len(content)
            self._files[name] = content
            while self._left < 0:
                self._left += len(self._files.popitem(last=False)[1])


@dataclass
class Shelf:
    """Files to read, by their names relative to one of the folders."""

    folders: Sequence[Path]
    kept: dict[str, bytes] = field(default_factory=dict)
    """Files that stay as they are here, whatever is saved meanwhile."""
    recent: Recent | None = None
    """Remembers further files; without it all that are read are kept."""

    def find(self, name: str) -> Path:
        """Raises ConfigError when there is none, or the name leads outside."""
        if "\0" in name or not name.strip():
            raise ConfigError(f"{name!r} is no file name.")
        for folder in self.folders:
            path = (folder / name).resolve()
            if not path.is_relative_to(folder.resolve()):
                raise ConfigError(f"The file {name!r} lies outside of the flow's folder. Copy it into that folder.")
            with suppress(OSError):  # a name may be too long to be one
                if path.exists():
                    return path
        raise ConfigError(f"There is no file {name!r} in {self._places()}. {self._nearest(name)}")

    def read(self, name: str) -> bytes:
        """Raises ConfigError as `find`, and when it is no file or may not be read."""
        known = self.kept.get(name)
        if known is None and self.recent is not None:
            known = self.recent.get(name)
        if known is not None:
            return known
        content = _content(self.find(name), name)
        if len(content) <= KEPT:
            self._remember(name, content)
        return content

    def _remember(self, name: str, content: bytes) -> None:
        if self.recent is not None:
            self.recent.add(name, content)
        else:
            self.kept[name] = content

    def list(self, folder: str) -> tuple[str, ...]:
        path = self.find(folder)
        if not path.is_dir():
            raise ConfigError(f"{folder!r} is a file; a folder is expected.")
        return tuple(sorted(str(PurePosixPath(folder) / one.name) for one in path.iterdir() if one.is_file()))

    def _places(self) -> str:
        return " or ".join(repr(str(folder)) for folder in self.folders)

    def _nearest(self, name: str) -> str:
        here = {one.name for folder in self.folders if folder.is_dir() for one in folder.iterdir()}
        return suggestion(name, here)


def _content(path: Path, name: str) -> bytes:
    if not path.is_file():
        raise ConfigError(f"{name!r} is a folder; a file is expected.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The file {name!r} can't be read: {error.strerror}.") from error


PART = ".part"
"""Ends the name of a file that is being written."""


@dataclass(frozen=True)
class Tray:
    """The files that a run writes. A file belongs to the step and item that wrote it first."""

    folder: Path

    @contextmanager
    def output(self, name: str, owner: str) -> Iterator[Path]:
        """A path to write to. The file has its name, whole, when the block ends well; writing it again is allowed
        to its owner alone, so that a repeated chunk does no harm and two items can't take each other's file.

        Raises:
            Refused: the name is no plain name, or another item has written that file.
        """
        path = self._path(name)
        self._own(name, owner)
        passing = path.with_name(f".{secrets.token_hex(8)}{PART}")
        with full_disk_told(self.folder):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                yield passing
                passing.replace(path)
            finally:
                passing.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Removes what a dead process left half written. Nobody may be writing."""
        for path in self.folder.rglob(f".*{PART}"):
            path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        bad = not parts or any(not is_plain(part) for part in parts) or name != "/".join(parts)
        if bad:
            raise Refused(f"{name!r} is no name for a file to write. Use letters, digits, spaces and - _ . only.")
        return self.folder.joinpath(*parts)

    def _own(self, name: str, owner: str) -> None:
        owners = self.folder / ".owners"
        with full_disk_told(self.folder):
            owners.mkdir(parents=True, exist_ok=True)
            mark = owners / hashlib.sha256(name.casefold().encode()).hexdigest()
            if _write_first(mark, owner):
                return
        if (other := mark.read_text("utf-8")) != owner:
            raise Refused(
                f"The file {name!r} was already written by {other}. Put something into its name that differs "
                "for each item, its number say."
            )


def _write_first(path: Path, text: str) -> bool:
    """Writes a file that nobody has written, whole or not at all."""
    passing = path.with_name(f".{secrets.token_hex(8)}{PART}")
    try:
        passing.write_text(text, "utf-8")
        os.link(passing, path)
    except FileExistsError:
        return False
    finally:
        passing.unlink(missing_ok=True)
    return True


def is_plain(part: str) -> bool:
    """Whether it may be the name of a file: nothing that leads elsewhere, hides, or means something to a system."""
    if part in (".", "..", "/") or part.startswith(".") or len(part.encode()) > MAX_NAME:
        return False
    return all(sign.isprintable() and sign not in '/\\:*?"<>|' for sign in part)
