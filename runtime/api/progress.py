"""How far a run is, as server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from ..runs.progress import Progress
from ..runs.report import report_of
from .problems import ApiError
from .services import MOST_STREAMS, Services

FAILURES = 20


def events_of(house: Services, run_id: str) -> AsyncIterator[bytes]:
    """Events until the run rests.

    Raises:
        ApiError: too many watch already.
    """
    if house.streams >= MOST_STREAMS:
        raise ApiError(503, f"{MOST_STREAMS} clients watch runs already. Try again later.", kind="crowded")
    return _events(house, run_id)


async def _events(house: Services, run_id: str) -> AsyncIterator[bytes]:
    house.streams += 1
    try:
        async with aclosing(house.engine.watch(run_id)) as watched:
            async for progress in watched:
                yield event("progress", told(progress))
        report = await report_of(house.workspace, run_id, failures=FAILURES)
        yield event("end", {name: value for name, value in report.items() if name != "output"})
    finally:
        house.streams -= 1


def event(name: str, content: Any) -> bytes:
    """One event, in one line of data."""
    return f"event: {name}\ndata: {json.dumps(content, ensure_ascii=False, default=str)}\n\n".encode()


def told(progress: Progress) -> dict[str, Any]:
    """All counts, and the rates with what they promise."""
    left = progress.read - progress.built
    return {
        **progress.as_totals(),
        "mails": {state.value: number for state, number in progress.mails.items()},
        "settled": progress.settled,
        "rows_per_second": round(progress.building.rate, 1),
        "mails_per_second": round(progress.posting.rate, 1),
        "seconds_left": {
            "rows": _rounded(progress.building.seconds_left(left)) if progress.is_read and left else None,
            "mails": _rounded(progress.seconds_of_mails(datetime.now(UTC))) if progress.open_mails else None,
        },
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
