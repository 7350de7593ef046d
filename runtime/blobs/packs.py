"""Packs in the making: written under a passing name, and swept away when their writer died."""

from __future__ import annotations

import fcntl
import hashlib
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from ..disk import full_disk_told
from .refs import BlobRef
from .shelf import Shelf

FOREIGN_SECONDS = 86_400
"""What another machine left unfinished is swept after this: only its own locks are to be trusted."""


class PackWriter:
    """A pack in the making: `close` keeps it; leaving the `with` block without that drops it.

    The references that `add` gives are good from `close` on, and then for good.
    """

    def __init__(self, folder: Path, shelf: Shelf) -> None:
        self._folder = folder
        self._shelf = shelf
        self._name = secrets.token_hex(16)
        self._refs: dict[str, BlobRef] = {}
        self._size = 0
        self._path = _unfinished(folder) / f"{this_machine()}.{self._name}"
        with full_disk_told(folder):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = BufferedWriter(FileIO(self._path, "xb"))
        fcntl.flock(file, fcntl.LOCK_EX)  # says that a living process writes it: see `sweep`
        self._file: BufferedWriter[FileIO] | None = file

    def add(self, content: bytes) -> BlobRef:
        """Where the content will lie; the same content is kept once."""
        digest = hashlib.sha256(content).hexdigest()
        ref = self._refs.get(digest)
        if ref is None:
            ref = self._refs[digest] = BlobRef(self._name, self._size, len(content), digest)
            self._write(content)
        return ref

    def close(self) -> None:
        """Makes it safe: from here on it is kept, whatever happens.

        Raises:
            DiskFullError: there is no room.
            BucketUnreachableError: the store where it is to be kept does not answer.
        """
        if not self._refs:
            self.drop()
            return
        try:
            with self._open() as file:
                with full_disk_told(self._folder):
                    file.flush()
                self._shelf.keep(self._path, self._name)
        except BaseException:
            self.drop()
            raise
        self._file = None

    def drop(self) -> None:
        """Forgets all that was added, unless it is safe already."""
        if self._file is not None:
            self._file.raw.close()
            self._file = None
            self._path.unlink(missing_ok=True)

    def _open(self) -> BufferedWriter[FileIO]:
        if self._file is None:
            raise RuntimeError("The pack is closed.")
        return self._file

    def _write(self, content: bytes) -> None:
        with full_disk_told(self._folder):
            self._open().write(content)
        self._size += len(content)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()


def sweep(folder: Path) -> int:
    """Removes what dead processes left unfinished, and says how many packs that were."""
    ours = {this_machine(), ""}
    left = list(_unfinished(folder).glob("*"))
    return sum(_remove_abandoned(path) if path.name.rpartition(".")[0] in ours else _remove_old(path) for path in left)


def this_machine() -> str:
    """Its name, fit for a file."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname()) or "machine"


def _unfinished(folder: Path) -> Path:
    return folder / "unfinished"


def _remove_old(path: Path) -> bool:
    with suppress(FileNotFoundError):  # its writer has just finished
        if time.time() - path.stat().st_mtime > FOREIGN_SECONDS:
            path.unlink()
            return True
    return False


def _remove_abandoned(path: Path) -> bool:
    with _locked(path) as is_abandoned:
        if is_abandoned:
            path.unlink(missing_ok=True)
    return is_abandoned


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    try:
        file = path.open("rb")
    except FileNotFoundError:  # its writer has just finished
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
