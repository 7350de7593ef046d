"""A firm for tests: a workspace, a folder with a flow and its list, and a mail server that does as it is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from postwerk.runtime.outbox import Mail, outbox
from postwerk.runtime.runs import rows, service
from postwerk.runtime.runs.progress import Progress
from postwerk.runtime.runs.report import report_of
from postwerk.runtime.runs.starting import start_run
from postwerk.runtime.workspace import Workspace

from ..acceptance.flow_document import Steps, save_flow
from ..nodes.workbooks import workbook
from ..smtp_peers import Peer
from .outgoing import account

LIST = {"file": "list.xlsx", "key": "no"}
MAIL = {"to": "{{ email }}", "subject": "Rechnung {{ no }}", "text": "Guten Tag, {{ no }}"}
READ: Steps = {"read": ("ReadExcel", LIST)}
MAILING: Steps = {**READ, "mail": ("FillTemplate", MAIL), "send": ("SendSMTP", {"account": "office"})}
MAILED = """read.records > mail.record
            mail.message > send.message"""

BEHAVING: Steps = {**MAILING, "check": ("Behave", {})}
BEHAVED = """read.records > check.record
             check.record > mail.record
             mail.message > send.message"""
START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
REMINDING: Steps = {
    **MAILING, "wait": ("Wait", {"until": "{{ due }}"}),
    "again": ("FillTemplate", {"to": "{{ email }}", "subject": "Erinnerung {{ no }}", "text": "Noch einmal"}),
    "remind": ("SendSMTP", {"account": "office"}),
}  # fmt: skip
REMINDED = f"""{MAILED}
               send.sent > wait.item
               wait.elapsed > again.record
               again.message > remind.message"""
SKIP: dict[str, Any] = {"settings": {"bad_rows": "skip"}}

ON_BOTH = pytest.mark.parametrize("house", ["sqlite", "postgresql"], indirect=True)
"""Marks tests of runs that are done on both databases."""


@dataclass
class House:
    """Everything at hand."""

    workspace: Workspace
    folder: Path
    peer: Peer

    def write_list(self, *people: Mapping[str, Any], number: int = 0) -> None:
        """Rows from 2 on; what a person does not say is filled in. `number` adds so many unremarkable ones."""
        told = [*people, *({} for _ in range(number))]
        plain = [{"no": f"K{n}", "email": f"k{n}@example.com", "how": "pass"} | dict(one) for n, one in enumerate(told)]
        columns = list(dict.fromkeys(name for one in plain for name in one))
        workbook(self.folder / "list.xlsx", [columns, *([one.get(name) for name in columns] for one in plain)])

    def flow(self, steps: Steps = MAILING, wires: Iterable[str] | str = MAILED, **more: Any) -> Path:
        return save_flow(self.folder, steps, wires, **more)

    async def start(self, flow: Path, **how: Any) -> rows.Run:
        """A run that nobody has begun to do."""
        document, folder = self.workspace.find_flow(str(flow))
        return await start_run(self.workspace, document, folder, how.pop("inputs", {}), **how)

    async def run(self, flow: Path, *, is_sending: bool = True, **how: Any) -> dict[str, Any]:
        """The report of a run from beginning to end."""
        run = await self.start(flow, **how)
        await service.execute(self.workspace, run, Progress(), is_sending=is_sending)
        return await self.report(run.id)

    async def resume(self, run_id: str) -> dict[str, Any]:
        await service.execute(self.workspace, await service.reopen(self.workspace, run_id), Progress())
        return await self.report(run_id)

    async def report(self, run_id: str) -> dict[str, Any]:
        return await report_of(self.workspace, run_id)

    async def mails(self) -> list[Mail]:
        return await self.workspace.store.read(lambda connection: list(outbox.listed(connection)))

    async def states(self) -> dict[str, str]:
        """The state of each mail by its step and key."""
        return {f"{mail.step} {mail.key}": mail.state.value for mail in await self.mails()}

    def output(self, report: Mapping[str, Any], name: str) -> list[str]:
        """The lines of a file that a run has written."""
        return (Path(report["output"]) / name).read_text("utf-8").splitlines()


async def furnished(folder: Path, peer: Peer) -> House:
    """A new one, whose account `office` leads to the peer."""
    workspace = Workspace.make(folder / "workspace")
    await workspace.accounts.add(account(peer.port))
    (folder / "flow").mkdir()
    return House(workspace, folder / "flow", peer)


def texts(report: Mapping[str, Any]) -> list[str]:
    """The failures, as a person reads them."""
    return [one["text"] for one in report["failures"]]


def due(days: int) -> dict[str, Any]:
    """Of a person who is reminded so many days after `START`."""
    return {"due": START.replace(tzinfo=None) + timedelta(days=days)}
