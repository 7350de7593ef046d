"""The files of a workspace that people upload: lists, templates, forms. Bounded, and with plain names only."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from filelock import FileLock

from ..engine import ConfigError, Refused
from .disk import full_disk_told
from .files import PART, is_plain
from .flows import OutdatedVersionError

LARGEST = 200_000_000
"""Bytes of one file; a list of a million rows has about 60,000,000."""
MOST_FILES = 10_000
DEEPEST = 8
WAIT_SECONDS = 10


class UnknownFileError(ConfigError):
    """There is no such file."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file as it is told."""

    name: str
    """With / between its folders."""
    size: int
    saved_at: datetime
    etag: str


@dataclass(frozen=True)
class Library:
    """A folder of files."""

    folder: Path

    def all(self) -> list[KeptFile]:
        """By name; at most 10,000."""
        found = sorted(self._files(self.folder, ""), key=lambda one: one.name)
        return found[:MOST_FILES]

    def path(self, name: str) -> Path:
        """Where a file of this name lies, or would.

        Raises:
            ConfigError: it is no plain name, or leads outside.
        """
        parts = PurePosixPath(name).parts
        is_good = parts and name == "/".join(parts) and len(parts) <= DEEPEST and all(map(is_plain, parts))
        path = self.folder.joinpath(*parts) if is_good else self.folder
        if not is_good or not path.resolve().is_relative_to(self.folder.resolve()):
            raise ConfigError(
                f"{name!r} is no name for a file. Use letters, digits, spaces and - _ . only, and / between folders.",
                field="name",
            )
        return path

    def get(self, name: str) -> KeptFile:
        """Raises UnknownFileError when there is none."""
        path = self.path(name)
        if not path.is_file():
            raise UnknownFileError(f"There is no file {name!r} here.")
        return _kept(name, path)

    async def save(self, name: str, pieces: AsyncIterator[bytes], replaces: str | None) -> KeptFile:
        """Keeps a file, whole or not at all; `replaces` is the entity tag of the version that it is to replace.

        Raises:
            ConfigError: it is no plain name.
            Refused: it is too large.
            OutdatedVersionError: another version lies there, or one does where none should.
        """
        path = self.path(name)
        passing = path.with_name(f".{secrets.token_hex(8)}{PART}")
        with full_disk_told(self.folder):
            await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
            try:
                await _write(passing, pieces)
                return await asyncio.to_thread(self._put, name, passing, path, replaces)
            finally:
                await asyncio.to_thread(passing.unlink, missing_ok=True)

    def delete(self, name: str, replaces: str) -> None:
        """Raises UnknownFileError when there is none, OutdatedVersionError when another version lies there."""
        with self._alone():
            self._expect(self.get(name).etag, name, replaces)
            self.path(name).unlink()

    def _put(self, name: str, passing: Path, path: Path, replaces: str | None) -> KeptFile:
        with self._alone():
            self._expect(_kept(name, path).etag if path.is_file() else None, name, replaces)
            if path.is_dir():
                raise Refused(f"{name!r} is a folder. Take another name.")
            passing.replace(path)
        return _kept(name, path)

    def _expect(self, found: str | None, name: str, replaces: str | None) -> None:
        if found != replaces:
            state = "is not there any more" if found is None else "is there already, in another version than you have"
            raise OutdatedVersionError(f"The file {name!r} {state}. Look at it again.", found)

    def _files(self, folder: Path, prefix: str) -> Iterator[KeptFile]:
        if prefix.count("/") >= DEEPEST or not folder.is_dir():
            return
        for path in folder.iterdir():
            if path.name.startswith(".") or path.is_symlink():
                continue
            if path.is_dir():
                yield from self._files(path, f"{prefix}{path.name}/")
            elif path.is_file():
                yield _kept(prefix + path.name, path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with FileLock(self.folder / ".lock", timeout=WAIT_SECONDS):
            yield


def _kept(name: str, path: Path) -> KeptFile:
    found = path.stat()
    etag = f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"
    return KeptFile(name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC), etag)


async def _write(path: Path, pieces: AsyncIterator[bytes]) -> None:
    file = await asyncio.to_thread(path.open, "xb")
    size = 0
    try:
        async for piece in pieces:
            size += len(piece)
            if size > LARGEST:
                raise Refused(f"The file is larger than {LARGEST:,} bytes, which is the most.")
            await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(_settle, file)
    finally:
        file.close()


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
