"""`postwerk outbox`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from ...engine import ConfigError
from ..outbox import Mail, MailState, outbox
from ..outbox.export import mbox_entry, told_of
from ..workspace import Workspace
from .terminal import HERE, JsonOption, WorkspaceOption, in_workspace, out, say_json, say_table

app = typer.Typer(no_args_is_help=True, help="Every outgoing mail, with its state and its bytes.")

Change = Callable[[Connection, Collection[int], datetime], int]
Ids = Annotated[list[int], typer.Argument(metavar="ID…")]
StateOption = Annotated[list[MailState] | None, typer.Option("--state", help="Only mails in this state.")]
RunOption = Annotated[str | None, typer.Option("--run", help="Only mails of this run.")]


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="outbox")


@app.command("list")
def list_(
    workspace: WorkspaceOption = HERE, state: StateOption = None, run: RunOption = None,
    limit: Annotated[int | None, typer.Option(help="At most so many.")] = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """List mails."""
    mails = in_workspace(workspace, lambda opened: _mails(opened, state, run, limit))
    if as_json:
        say_json({"mails": [told_of(mail) for mail in mails]})
        return
    cells = [
        (mail.id, mail.state.value, ", ".join(mail.recipients), mail.subject, mail.run, mail.reply) for mail in mails
    ]
    say_table(("id", "state", "to", "subject", "run", "reply"), cells, empty="There are no such mails.")


async def _mails(
    workspace: Workspace, states: list[MailState] | None, run: str | None, limit: int | None
) -> list[Mail]:
    return await workspace.store.read(
        lambda connection: list(outbox.listed(connection, states=states or (), run=run, limit=limit))
    )


@app.command("show")
def show(
    mail_id: Annotated[int, typer.Argument(metavar="ID")],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Show a mail: its state, and its bytes as they leave."""

    async def find(opened: Workspace) -> tuple[Mail, bytes]:
        mail = await opened.store.read(lambda connection: outbox.show(connection, mail_id))
        return mail, opened.blobs.read(mail.blob)

    mail, content = in_workspace(workspace, find)
    text = content.decode("utf-8", "replace")
    if as_json:
        say_json({**told_of(mail), "content": text})
        return
    for name, value in told_of(mail).items():
        out.print(f"{name + ':':<20}{value if value is not None else ''}", markup=False, soft_wrap=True)
    out.print()
    out.print(text, markup=False, soft_wrap=True)


@app.command("resend")
def resend(ids: Ids, workspace: WorkspaceOption = HERE) -> None:
    """Queue mails again whose end you do not accept, doubtful ones too. Message-ID and bytes stay as they are."""
    _change(workspace, outbox.resend, ids, "queued again; the next run or resume sends them")


@app.command("release")
def release(ids: Ids, workspace: WorkspaceOption = HERE) -> None:
    """Let mails go that are held or wait."""
    _change(workspace, outbox.release, ids, "released; the next run or resume sends them")


@app.command("cancel")
def cancel(ids: Ids, workspace: WorkspaceOption = HERE) -> None:
    """Cancel mails that have not left; give up doubtful ones."""
    _change(workspace, outbox.cancel, ids, "cancelled")


def _change(workspace: Path, change: Change, ids: list[int], done: str) -> None:
    now = datetime.now(UTC)
    number = in_workspace(workspace, lambda opened: opened.store.write(lambda connection: change(connection, ids, now)))
    out.print(f"{number:,} {'mail is' if number == 1 else 'mails are'} {done}.")


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new mbox file.")],
    workspace: WorkspaceOption = HERE, state: StateOption = None, run: RunOption = None,
) -> None:  # fmt: skip
    """Write mails to an mbox file, which any mail program opens."""
    if file.exists():
        raise ConfigError(f"The file {str(file)!r} is there already. Name a new one.")

    async def write(opened: Workspace) -> int:
        mails = await _mails(opened, state, run, None)
        with file.open("xb") as box:
            for mail in mails:
                box.write(mbox_entry(opened.blobs.read(mail.blob), mail.envelope_sender, mail.created_at))
        return len(mails)

    out.print(f"{in_workspace(workspace, write):,} mails are in {file}.", markup=False)
