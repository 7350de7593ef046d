"""By which accounts a flow sends: for people who may not send by all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...engine import Scalar, Sender
from ...engine.check import check
from ...engine.flow import Flow, load_flow
from ..context import Lent
from ..files import Shelf
from ..people import Role
from ..plugins import node_classes
from ..runs import rows
from ..runs.starting import read_inputs
from ..workspace import Workspace
from .services import Services, Visitor


@dataclass
class Noted(Mapping[str, Sender]):
    """The accounts of a workspace; remembers which of them were asked for."""

    senders: Mapping[str, Sender]
    asked: set[str] = field(default_factory=set)

    def __getitem__(self, name: str) -> Sender:
        self.asked.add(name)
        return self.senders[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.senders)

    def __len__(self) -> int:
        return len(self.senders)


async def must_send(house: Services, caller: Visitor, flow_id: str, inputs: Mapping[str, str]) -> None:
    """Raises ApiError when the flow sends by an account by which this person may not send."""
    if not _is_bound(caller):
        return
    saved = await asyncio.to_thread(house.flows.get, flow_id)
    await _must(house.workspace, caller, saved.flow, saved.folder, read_inputs(saved.flow, inputs))


async def must_send_again(house: Services, caller: Visitor, run: rows.Run) -> None:
    """The same of a run that is to go on, whichever version of its flow is taken."""
    if not _is_bound(caller):
        return
    flow, folder = load_flow(run.flow), Path(run.folder) if run.folder else None
    await _must(house.workspace, caller, flow, folder, read_inputs(flow, run.inputs))
    if run.flow_id in await asyncio.to_thread(house.flows.ids):
        saved = await asyncio.to_thread(house.flows.get, run.flow_id)
        known = {name: str(value) for name, value in run.inputs.items() if name in saved.flow.inputs}
        await _must(house.workspace, caller, saved.flow, saved.folder, read_inputs(saved.flow, known))


def _is_bound(caller: Visitor) -> bool:
    return caller.role is not Role.ADMIN and caller.bearer.person.accounts is not None


async def _must(
    workspace: Workspace, caller: Visitor, flow: Flow, folder: Path | None, inputs: Mapping[str, Scalar]
) -> None:
    keyring = await workspace.keyring()
    noted = Noted(keyring.accounts)
    shelf = Shelf(workspace.shelf_folders(folder))
    lent = Lent(shelf, replace(keyring, accounts=noted), flow.settings.locale, flow.settings.timezone)
    await asyncio.to_thread(check, flow, node_classes(), lent, dict(inputs))
    for account in sorted(noted.asked):
        caller.must_send_by(account)
