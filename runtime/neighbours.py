"""Processes on the same machine: a neighbour sees at once that a process is gone, without waiting for its silence."""

from __future__ import annotations

import os
import socket
from pathlib import Path

PROC = Path("/proc")


def name_of_this_process() -> str | None:
    """Names this very process among all that its neighbours can see; None where that can't be told.

    Neighbours share the machine since it was started, the container, and the user (Linux may hide other users').
    """
    neighbourhood, mark = _neighbourhood(), _mark_of(os.getpid())
    return f"{neighbourhood}/{os.getpid()}/{mark}" if neighbourhood and mark else None


def is_gone(name: str | None) -> bool:
    """Whether the process of that name was a neighbour and is no more. False when it can't be told."""
    neighbourhood = _neighbourhood()
    if name is None or neighbourhood is None or not name.startswith(f"{neighbourhood}/"):
        return False
    pid, _, mark = name.removeprefix(f"{neighbourhood}/").partition("/")
    return _mark_of(int(pid)) != mark


def _neighbourhood() -> str | None:
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        container = (PROC / "self/ns/pid").readlink()
    except OSError:
        return None
    return f"{socket.gethostname()[:60]}/{boot}/{container}/{os.getuid()}"


def _mark_of(pid: int) -> str | None:
    """When the process began, in ticks since the machine did: numbers of processes are used again."""
    try:
        fields = (PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]  # proc(5): a zombie does nothing any more
