"""Runs with items that wait for days: each goes on once, when its time has come, by a clock that the test turns."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from postwerk.runtime.runs import rows, service
from postwerk.runtime.runs.progress import Progress
from postwerk.runtime.workspace import Workspace

from ..acceptance.flow_document import Steps
from ..turned_clock import TurnedClock
from .house import LIST, MAILED, MAILING, House

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
STEPS: Steps = {
    "read": ("ReadExcel", LIST), "wait": ("Wait", {"until": "{{ due }}"}), "tell": ("Tell", {"file": "told.txt"}),
}  # fmt: skip
WIRES = """read.records > wait.item
           wait.elapsed > tell.items"""
REMINDED: Steps = {
    **MAILING, "wait": ("Wait", {"until": "{{ due }}"}),
    "again": ("FillTemplate", {"to": "{{ email }}", "subject": "Erinnerung {{ no }}", "text": "Noch einmal"}),
    "remind": ("SendSMTP", {"account": "office"}),
}  # fmt: skip
REMINDED_WIRES = f"""{MAILED}
                     send.sent > wait.item
                     wait.elapsed > again.record
                     again.message > remind.message"""


def due(days: int) -> dict[str, Any]:
    return {"due": START.replace(tzinfo=None) + timedelta(days=days)}
