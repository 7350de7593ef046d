"""Blobs: bytes that are kept by what they are (SHA-256), many to a file, so that two hundred mails cost one fsync.

A pack is written under a passing name, made safe on the disk, and then renamed: it is there whole or not at all.
Nothing here needs the database, so worker processes write packs and hand back only where their bytes lie.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import BufferedWriter, FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..engine import PostwerkError
from .disk import full_disk_told

OPEN_PACKS = 64
"""Files kept open for reading; a run of 100,000 mails makes 500 packs, read in order."""


class BlobDamagedError(PostwerkError):
    """The bytes on the disk are not those that were written."""


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Where a blob lies, and what it must be."""

    pack: str
    offset: int
    size: int
    digest: str

    def columns(self, prefix: str = "") -> dict[str, Any]:
        """As the tables hold it: see `blob_columns` in runtime/store/schema/columns.py."""
        return {f"{prefix}{name}": value for name, value in asdict(self).items()}

    @classmethod
    def from_columns(cls, row: Mapping[str, Any], prefix: str = "") -> BlobRef | None:
        """What `columns` made; None where there is no blob."""
        if row[f"{prefix}pack"] is None:
            return None
        return cls(row[f"{prefix}pack"], row[f"{prefix}offset"], row[f"{prefix}size"], row[f"{prefix}digest"])


class PackWriter:
    """A pack in the making: `close` keeps it; leaving the `with` block without that drops it.

    The references that `add` gives are good from `close` on, and then for good.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = secrets.token_hex(16)
        self._refs: dict[str, BlobRef] = {}
        self._size = 0
        self._path = folder / "unfinished" / self._name
        with full_disk_told(folder):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = BufferedWriter(FileIO(self._path, "xb"))
        fcntl.flock(file, fcntl.LOCK_EX)  # says that a living process writes it: see Blobs.sweep
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
        """Makes it safe: from here on it is on the disk, whatever happens."""
        if not self._refs:
            self.drop()
            return
        try:
            with full_disk_told(self._folder), self._open() as file:
                file.flush()
                os.fsync(file.fileno())
                self._rename()
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

    def _rename(self) -> None:
        target = _path_of(self._folder, self._name)
        is_new = not target.parent.exists()
        target.parent.mkdir(exist_ok=True)
        self._path.rename(target)
        _sync_folder(target.parent)
        if is_new:
            _sync_folder(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()


class Blobs:
    """The blobs of a folder. May be used from many threads and many processes at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._packs: OrderedDict[str, _Pack] = OrderedDict()
        self._lock = threading.Lock()

    def pack(self) -> PackWriter:
        """A new pack: `with blobs.pack() as pack: ref = pack.add(…); pack.close()`."""
        return PackWriter(self.folder)

    def put(self, content: bytes) -> BlobRef:
        """Keeps one blob in a pack of its own."""
        with self.pack() as pack:
            ref = pack.add(content)
            pack.close()
        return ref

    def read(self, ref: BlobRef) -> bytes:
        """The blob's bytes, as they were written.

        Raises:
            BlobDamagedError: they are missing or changed.
        """
        try:
            content = self._open(ref.pack).read(ref.offset, ref.size)
        except FileNotFoundError as error:
            raise BlobDamagedError(
                f"The pack {ref.pack} is missing from {str(self.folder)!r}. Restore it from a copy."
            ) from error
        if hashlib.sha256(content).hexdigest() != ref.digest:
            raise BlobDamagedError(
                f"{ref.size:,} bytes at {ref.offset:,} of pack {ref.pack} in {str(self.folder)!r} are not what was "
                f"written (SHA-256 {ref.digest[:16]}… expected). Check the disk, and restore the pack from a copy."
            )
        return content

    def sweep(self) -> int:
        """Removes what dead processes left unfinished, and says how many packs that were."""
        left = list((self.folder / "unfinished").glob("*"))
        return sum(_remove_abandoned(path) for path in left)

    def close(self) -> None:
        """Closes the files."""
        with self._lock:
            self._packs.clear()

    def _open(self, name: str) -> _Pack:
        with self._lock:
            pack = self._packs.get(name)
            if pack is None:
                pack = self._packs[name] = _Pack(_path_of(self.folder, name))
                if len(self._packs) > OPEN_PACKS:
                    self._packs.popitem(last=False)
            else:
                self._packs.move_to_end(name)
        return pack


class _Pack:
    """A file open for reading. It closes when the last reader lets go of it."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._descriptor, size, offset)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


def _path_of(folder: Path, pack: str) -> Path:
    return folder / pack[:2] / f"{pack}.pack"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
