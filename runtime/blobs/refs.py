"""Where a blob lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ...engine import PostwerkError


class BlobDamagedError(PostwerkError):
    """The bytes that are kept are not those that were written."""


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
