"""`postwerk account`."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import SecretStr

from ...engine import Refused
from ..accounts import Security, parse_account
from ..outbox.probe import probe
from ..workspace import Workspace
from .terminal import HERE, JsonOption, WorkspaceOption, ask_secret, in_workspace, out, say_error, say_json, say_table

app = typer.Typer(no_args_is_help=True, help="Mail accounts.")


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="account")


@app.command("add")
def add(
    name: str,
    host: Annotated[str, typer.Option(help="The server's name or address.")],
    port: Annotated[int, typer.Option(help="587 for starttls, 465 for tls, as a rule.")],
    security: Annotated[Security, typer.Option(help="How the connection is protected.")],
    sender: Annotated[str, typer.Option(metavar="ADDRESS", help="The address that mails come from.")],
    user: Annotated[str | None, typer.Option(help="Needs a password: from the terminal, or POSTWERK_SECRET.")] = None,
    sender_name: Annotated[str, typer.Option(help="The name shown beside the sender.")] = "",
    reply_to: Annotated[str | None, typer.Option(help="Where answers go.")] = None,
    envelope_sender: Annotated[str, typer.Option(help="Where bounces go; the sender by default.")] = "",
    verify_tls: Annotated[bool, typer.Option(help="Check the server's certificate.")] = True,
    connections: Annotated[int, typer.Option(help="At most so many at once.")] = 4,
    per_minute: Annotated[int | None, typer.Option(help="At most so many mails a minute.")] = None,
    per_hour: Annotated[int | None, typer.Option(help="At most so many mails an hour.")] = None,
    per_day: Annotated[int | None, typer.Option(help="At most so many mails a day.")] = None,
    in_doubt: Annotated[
        str, typer.Option(help="What becomes of a mail whose answer never came: hold or resend.")
    ] = "hold",
    workspace: WorkspaceOption = HERE,
) -> None:
    """Add a sending account, in place of one of the same name."""
    password = ask_secret(f"Password of {user}") if user else None
    limits = {"connections": connections, "per_minute": per_minute, "per_hour": per_hour, "per_day": per_day}
    account = parse_account({
        "name": name, "host": host, "port": port, "security": security, "sender": sender, "user": user,
        "password": SecretStr(password) if password else None, "sender_name": sender_name, "reply_to": reply_to,
        "envelope_sender": envelope_sender, "verify_tls": verify_tls, "limits": limits, "in_doubt": in_doubt,
    })  # fmt: skip
    in_workspace(workspace, lambda opened: opened.accounts.add(account))
    out.print(f"The account {name} is kept. Try it: postwerk account test {name}", markup=False)
    for risk in account.risks:
        say_error(risk)


@app.command("list")
def list_(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """List the accounts, never their passwords."""
    accounts = in_workspace(workspace, lambda opened: opened.accounts.all())
    if as_json:
        say_json({"accounts": [account.model_dump(mode="json", exclude={"password"}) for account in accounts]})
        return
    rows = [(one.name, one.sender, f"{one.host}:{one.port}", one.security.value, one.user) for one in accounts]
    say_table(("name", "sender", "server", "security", "user"), rows, empty="There are no accounts.")


@app.command("test")
def try_account(
    name: str,
    workspace: WorkspaceOption = HERE,
    to: Annotated[str | None, typer.Option(help="Also send a mail to this address.")] = None,
) -> None:
    """Say whether the server takes the login, or what is wrong."""

    async def go(opened: Workspace) -> str:
        return await probe(await opened.accounts.get(name), to)

    try:
        out.print(in_workspace(workspace, go), markup=False)
    except Refused as error:
        say_error(error.message)
        raise typer.Exit(1) from error


@app.command("remove")
def remove(name: str, workspace: WorkspaceOption = HERE) -> None:
    """Forget an account and its password."""
    in_workspace(workspace, lambda opened: opened.accounts.remove(name))
