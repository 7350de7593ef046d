"""A worker process: does chunks for its master, and ends with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.connection import wait

from .results import Worked
from .setup import Setup
from .workshop import Workshop

_shop: Workshop | None = None


def begin(setup: Setup) -> None:
    """What a worker does first."""
    global _shop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the master ends us; Ctrl-C on the terminal is for it alone
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # standard output is the master's: it may hold one JSON object
    threading.Thread(target=_end_with_master, daemon=True).start()
    _shop = Workshop(setup)


def do(stage: int, lines: bytes, shared: bytes) -> Worked:
    """A chunk."""
    if _shop is None:
        raise RuntimeError("The worker was not begun.")
    return _shop.work(stage, lines, shared)


def _end_with_master() -> None:
    master = multiprocessing.parent_process()
    if master is not None:
        wait([master.sentinel])
    os._exit(1)
