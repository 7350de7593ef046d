"""The progress of a run on a terminal: rows, mails, rate and estimated end."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from ..outbox import MailState
from ..runs.progress import Meter, Progress
from .terminal import err

EVERY = 0.25
"""Seconds between two looks."""


class ProgressBar:
    """Two bars on standard error: rows built, mails settled. On no terminal it says nothing."""

    def __init__(self, progress: Progress, *, is_quiet: bool) -> None:
        self._progress = progress
        self._is_shown = err.is_terminal and not is_quiet
        self._bars = Bars(
            TextColumn("{task.description:<6}"), BarColumn(bar_width=30), TextColumn("{task.fields[words]}"),
            console=err, transient=True, auto_refresh=False,
        )  # fmt: skip
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        if self._is_shown:
            self._bars.start()
            self._tasks = {name: self._bars.add_task(name, total=None, words="") for name in ("rows", "mails")}
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_shown:
            self._end.set()
            self._thread.join()
            self._bars.stop()

    def _watch(self) -> None:
        while not self._end.wait(EVERY):
            self._show(self._tasks["rows"], self._tasks["mails"])

    def _show(self, built: TaskID, mailed: TaskID) -> None:
        progress = self._progress
        total = progress.read if progress.is_read else None
        self._bars.update(built, completed=progress.built, total=total, words=rows_words(progress))
        mails = sum(progress.mails.values())
        self._bars.update(mailed, completed=progress.settled, total=mails or None, words=mail_words(progress))
        self._bars.refresh()


def rows_words(progress: Progress) -> str:
    """`1,200 of 4,000 · 310/s · 9 s left`, and how many have failed."""
    words = [f"{progress.built:,} of {progress.read:,}{'' if progress.is_read else '…'}"]
    if left := progress.read - progress.built:
        words += _pace(progress.building, progress.building.seconds_left(left) if progress.is_read else None)
    if failed := progress.endings["failed"]:
        words.append(f"{failed:,} failed")
    return " · ".join(words)


def mail_words(progress: Progress) -> str:
    """The same of the mails, and what waits for somebody."""
    mails = sum(progress.mails.values())
    if not mails:
        return ""
    words = [f"{progress.settled:,} of {mails:,}"]
    if progress.open_mails:
        words += _pace(progress.posting, progress.seconds_of_mails(datetime.now(UTC)))
    for state in (MailState.DEFERRED, MailState.IN_DOUBT, MailState.FAILED):
        if number := progress.mails[state]:
            words.append(f"{number:,} {state.value.replace('_', ' ')}")
    return " · ".join(words)


def _pace(meter: Meter, seconds: float | None) -> list[str]:
    rate = [f"{meter.rate:,.0f}/s"] if meter.rate else []
    return [*rate, *([] if seconds is None else [f"{duration(seconds)} left"])]


def duration(seconds: float) -> str:
    """`9 s`, `4 min`, `2 h 10 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
