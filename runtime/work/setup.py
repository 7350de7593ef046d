"""Everything that a run's work needs, wherever it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...engine import RunInfo, Scalar
from ..blobs import Bucket
from ..context import Keyring


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that a run's work needs, wherever it is done. Sent to workers in memory, never kept: it holds keys."""

    flow: str
    run: RunInfo
    inputs: Mapping[str, Scalar]
    folders: tuple[Path, ...]
    files: Mapping[str, bytes]
    """Small files as they were when the flow was checked."""
    output: Path
    blobs: Path | Bucket
    keyring: Keyring
