"""Reading and writing blobs, wherever their packs are kept."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from pathlib import Path

from .bucket import Bucket, BucketShelf
from .packs import PackWriter, sweep
from .refs import BlobDamagedError, BlobRef
from .shelf import FolderShelf, Pack, Shelf

OPEN_PACKS = 64
"""Packs kept open for reading; a run of 100,000 mails makes 500 packs, read in order."""


class Blobs:
    """The blobs of a place. May be used from many threads, processes and machines at once."""

    def __init__(self, place: Path | Bucket) -> None:
        self.place = place
        self.folder = place.folder if isinstance(place, Bucket) else place
        """On this machine's disk, or on a file server."""
        self._shelf: Shelf = BucketShelf(place) if isinstance(place, Bucket) else FolderShelf(place)
        self._packs: OrderedDict[str, Pack] = OrderedDict()
        self._lock = threading.Lock()

    def pack(self) -> PackWriter:
        """A new pack: `with blobs.pack() as pack: ref = pack.add(…); pack.close()`."""
        return PackWriter(self.folder, self._shelf)

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
            BucketUnreachableError: the bucket does not answer.
        """
        content = self._read(ref)
        if not _is_whole(content, ref) and self._shelf.forget(ref.pack):
            self._close(ref.pack)
            content = self._read(ref)
        if not _is_whole(content, ref):
            raise BlobDamagedError(
                f"{ref.size:,} bytes at {ref.offset:,} of pack {ref.pack} in {self._shelf.place!r} are not what was "
                f"written (SHA-256 {ref.digest[:16]}… expected). Check the disk, and restore the pack from a copy."
            )
        return content

    def sweep(self) -> int:
        """Removes what dead processes left unfinished, and says how many packs that were.

        Others may go on writing meanwhile, on any machine.
        """
        return sweep(self.folder)

    def close(self) -> None:
        """Closes the files."""
        with self._lock:
            self._packs.clear()

    def _read(self, ref: BlobRef) -> bytes:
        try:
            return self._open(ref.pack).read(ref.offset, ref.size)
        except FileNotFoundError as error:
            raise BlobDamagedError(
                f"The pack {ref.pack} is missing from {self._shelf.place!r}. Restore it from a copy."
            ) from error

    def _open(self, name: str) -> Pack:
        with self._lock:
            pack = self._packs.get(name)
            if pack is not None:
                self._packs.move_to_end(name)
                return pack
        pack = self._shelf.open(name)  # may take a while: others go on meanwhile
        with self._lock:
            self._packs[name] = pack
            if len(self._packs) > OPEN_PACKS:
                self._packs.popitem(last=False)
        return pack

    def _close(self, name: str) -> None:
        with self._lock:
            self._packs.pop(name, None)


def _is_whole(content: bytes, ref: BlobRef) -> bool:
    return hashlib.sha256(content).hexdigest() == ref.digest
