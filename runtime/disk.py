"""A full disk, told in words."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..engine import PostwerkError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DiskFullError(PostwerkError):
    """Nothing more can be written. What was written before is safe, and work goes on when there is room again."""

    def __init__(self, place: Path | str) -> None:
        super().__init__(
            f"The disk of {str(place)!r} is full, so nothing new can be kept. "
            "What was kept before is safe. Make room, then try again."
        )


@contextmanager
def full_disk_told(place: Path) -> Iterator[None]:
    """Turns the operating system's refusal to write into a DiskFullError."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DiskFullError(place) from error
        raise


def sync(path: Path) -> None:
    """Makes a file's bytes safe, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
