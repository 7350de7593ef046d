"""Files that a table is read from: found by name, and looked at again only when they have changed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ...engine import ConfigError, Resources


class Version(NamedTuple):
    """A file as it is now. An equal version holds the same bytes."""

    path: Path
    changed: int
    """Nanoseconds."""
    size: int
    """Bytes."""


def find(resources: Resources, file: str) -> Version:
    """Raises ConfigError when there is no such file."""
    try:
        path = resources.find(file)
    except ConfigError as error:
        raise ConfigError(error.message, field="file") from error
    if not path.is_file():
        raise ConfigError(f"{file} is a folder. Choose a file in it.", field="file")
    status = path.stat()
    return Version(path, status.st_mtime_ns, status.st_size)
