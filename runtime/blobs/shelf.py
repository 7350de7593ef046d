"""Where packs are kept for good: what a folder and a bucket have in common, and the folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from ..disk import full_disk_told, sync


class Pack(Protocol):
    """A pack that can be read."""

    def read(self, offset: int, size: int) -> bytes:
        """The bytes there; fewer if the pack is shorter."""


class Shelf(Protocol):
    """Keeps packs by their names."""

    place: str
    """Where they are, for messages."""

    def keep(self, finished: Path, name: str) -> None:
        """Takes a pack over that is written: when this returns it is there for good and for every machine."""

    def open(self, name: str) -> Pack:
        """Raises FileNotFoundError when there is none."""

    def forget(self, name: str) -> bool:
        """Drops a copy that seems to be damaged; whether there is another to be had."""


class OpenFile:
    """A pack as a file. It closes when the last reader lets go of it."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._descriptor, size, offset)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


class FolderShelf:
    """Packs as files of a folder, which may lie on a file server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = str(folder)

    def keep(self, finished: Path, name: str) -> None:
        """Makes it safe on the disk, then gives it its name: it is there whole or not at all."""
        target = path_of(self._folder, name)
        with full_disk_told(self._folder):
            sync(finished)
            is_new = not target.parent.exists()
            target.parent.mkdir(exist_ok=True)
            finished.rename(target)
            sync(target.parent)
            if is_new:
                sync(self._folder)

    def open(self, name: str) -> Pack:
        return OpenFile(path_of(self._folder, name))

    def forget(self, name: str) -> bool:  # noqa: ARG002  it is the only one
        return False


def path_of(folder: Path, pack: str) -> Path:
    """Where a pack lies below the folder."""
    return folder / pack[:2] / f"{pack}.pack"
