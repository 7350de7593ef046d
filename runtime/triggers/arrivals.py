"""Files that arrive in a folder: which are wanted, which are complete, and a copy of their bytes.

The folder is looked at again and again. Libraries that are told by the system (watchfiles) hear nothing of what
another machine does on a network share, which is where such folders lie; and that a file is complete can only be
seen by looking twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import signal
import stat
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from ..disk import full_disk_told, sync
from ..files import PART
from .kinds import Folder

PORTION = 1 << 20
HIDDEN = (".", "~$")
"""How names begin of what programs keep for themselves; `~$` is what Office puts beside an open document."""
OF_THE_SYSTEM = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was when it was looked at."""

    path: Path
    size: int
    changed_ns: int


def look(folder: Path, settings: Folder) -> list[Seen]:
    """All wanted files of a folder, by name. Links are not followed: they could lead anywhere."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_wanted(entry.name, settings) and entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):  # it was taken away just now
                    state = entry.stat(follow_symlinks=False)
                    found.append(Seen(folder / entry.name, state.st_size, state.st_mtime_ns))
    return sorted(found, key=lambda one: (one.changed_ns, one.path.name))


def is_wanted(name: str, settings: Folder) -> bool:
    """Whether a file of this name is taken, once it is complete."""
    plain = _plain(name)
    if plain.startswith(HIDDEN) or plain in OF_THE_SYSTEM or plain.endswith(tuple(map(_plain, settings.unfinished))):
        return False
    return any(fnmatchcase(plain, _plain(pattern)) for pattern in settings.patterns)


def _plain(name: str) -> str:
    """Umlauts in one sign: macOS writes them as two."""
    return unicodedata.normalize("NFC", name).casefold()


class Steadiness:
    """Since when the files of a folder are as they are."""

    def __init__(self, steady_for: timedelta) -> None:
        self._steady_for = steady_for
        self._since: dict[Seen, datetime] = {}

    def complete(self, seen: Iterable[Seen], now: datetime) -> list[Seen]:
        """Those that have not changed for long enough."""
        self._since = {one: min(self._since.get(one, now), now) for one in seen}
        return [one for one, since in self._since.items() if now - since >= self._steady_for]


class NotCompleteError(Exception):
    """The file changed while it was read, is gone, or is open for writing."""


def digest_of(seen: Seen) -> str:
    """The SHA-256 of a file.

    Raises:
        NotCompleteError: it is not what was seen, or a program has it open for writing.
    """
    with _opened(seen) as file:
        return _copied(file, None)


def keep_copy(seen: Seen, digest: str, incoming: Path) -> Path:
    """A copy under the file's own name, safe on the disk. It lies in a folder named by its content, so it is made
    once, and whoever makes it again makes the same.

    Raises:
        NotCompleteError: the file is not what was seen, or has another digest.
        DiskFullError: there is no room.
    """
    target = incoming / digest[:32] / seen.path.name
    if target.is_file() and target.stat().st_size == seen.size:
        return target
    with full_disk_told(incoming):
        target.parent.mkdir(parents=True, exist_ok=True)
    passing = target.with_name(f".{secrets.token_hex(8)}{PART}")
    try:
        with _opened(seen) as file, full_disk_told(incoming), passing.open("xb") as copy:
            if _copied(file, copy) != digest:
                raise NotCompleteError
            copy.flush()
            os.fsync(copy.fileno())
        passing.replace(target)
        for one in (target.parent, incoming, incoming.parent):
            sync(one)
    finally:
        passing.unlink(missing_ok=True)
    return target


def is_as_seen(seen: Seen) -> bool:
    """Whether the file is still there, unchanged."""
    try:
        return _is(seen, seen.path.lstat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _is(seen: Seen, state: os.stat_result) -> bool:
    same = state.st_size == seen.size and state.st_mtime_ns == seen.changed_ns
    return same and stat.S_ISREG(state.st_mode)


@contextmanager
def _opened(seen: Seen) -> Iterator[BinaryIO]:
    """The file; it was the same before and after."""
    try:
        descriptor = os.open(seen.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotCompleteError from error
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not _is(seen, os.fstat(descriptor)) or is_being_written(descriptor):
            raise NotCompleteError
        yield file
        if not _is(seen, os.fstat(descriptor)):
            raise NotCompleteError


def _copied(file: BinaryIO, copy: BinaryIO | None) -> str:
    digest = hashlib.sha256()
    while portion := file.read(PORTION):
        digest.update(portion)
        if copy is not None:
            copy.write(portion)
    return digest.hexdigest()


def is_being_written(descriptor: int) -> bool:
    """Whether a program on this machine has the file open for writing, as far as the system tells.

    Linux grants a read lease only on a file that nobody has open for writing (fcntl(2), "Leases"). Where there are
    no leases, on network shares and for files of another user, the answer is no, and steadiness must do.
    """
    if sys.platform != "linux":
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)  # SIGIO would end this program, were it broken now
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
