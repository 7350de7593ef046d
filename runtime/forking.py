"""Where worker processes come from: a server that has imported what they need, and forks one in some milliseconds.

A worker that is started afresh takes half a second of a core to import the engine.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext

WORKER = "postwerk.runtime.work.worker"


def context() -> BaseContext:
    """Never plain `fork`: a copy of a process with threads may hold locks that nobody will ever release."""
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload([WORKER])
    return forking


def prepare() -> None:
    """Starts the server: it imports on another core while the program itself still does."""
    if sys.platform != "win32":
        from multiprocessing.forkserver import ensure_running

        context()
        with without_interrupts():
            ensure_running()


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Ctrl-C on the terminal is for the master alone: processes started meanwhile never hear of it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
