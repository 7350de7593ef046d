"""Is everything in place and reachable: what a newcomer and an operator ask first."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from ..engine import PostwerkError
from .accounts import Account
from .keyfiles import describe
from .outbox import MailState, outbox
from .outbox.probe import probe
from .plugins import node_classes
from .runs import rows
from .workspace import Workspace

ROOM = 1_000_000_000
"""Bytes; a mailing of 10,000 locked forms takes about half of that."""
SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    is_good: bool
    words: str


async def examine(workspace: Workspace) -> list[Finding]:
    """Looks at everything; a thing that is missing does not keep it from the next."""
    findings = [_workspace(workspace), _disk(workspace), _nodes()]
    findings += [await _account(workspace, account) for account in await workspace.accounts.all()]
    findings += await _identities(workspace)
    findings += await _outbox(workspace)
    return findings


def _workspace(workspace: Workspace) -> Finding:
    is_writable = os.access(workspace.folder, os.W_OK)
    words = "may be written to" if is_writable else "can't be written to; give this user the right to"
    return Finding(f"workspace {workspace.folder}", is_writable, words)


def _disk(workspace: Workspace) -> Finding:
    free = shutil.disk_usage(workspace.folder).free
    return Finding("disk", free >= ROOM, f"{free / 1e9:.1f} GB are free" + ("" if free >= ROOM else "; make room"))


def _nodes() -> Finding:
    number = len(node_classes())
    return Finding("nodes", number > 0, f"{number} are installed")


async def _account(workspace: Workspace, account: Account) -> Finding:
    what = f"account {account.name}"
    try:
        words = await probe(await workspace.accounts.get(account.name))
    except PostwerkError as error:
        return Finding(what, False, error.message)
    return Finding(what, True, " ".join((words, *account.risks)))


async def _identities(workspace: Workspace) -> list[Finding]:
    now = datetime.now(UTC)
    found = []
    for identity in await workspace.identities.all():
        until = describe(identity).not_after
        words = f"{'has expired on' if until < now else 'is valid until'} {until:%Y-%m-%d}"
        found.append(Finding(f"identity {identity.name}", until > now + SOON, words))
    return found


async def _outbox(workspace: Workspace) -> list[Finding]:
    def read(connection: Connection) -> tuple[int, int]:
        doubtful = sum(1 for _ in outbox.listed(connection, states=[MailState.IN_DOUBT]))
        return doubtful, len(rows.active_runs(connection))

    doubtful, active = await workspace.store.read(read)
    runs = Finding(
        "runs", active == 0, f"{active} interrupted; postwerk runs resume ID" if active else "none interrupted"
    )
    hint = f"{doubtful} may have arrived or not; postwerk outbox list --state in_doubt"
    return [runs, Finding("mails in doubt", doubtful == 0, hint if doubtful else "none")]
