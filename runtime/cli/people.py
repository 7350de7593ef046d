"""`postwerk person` and `postwerk token`."""

from __future__ import annotations

import getpass
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from ..people import Audit, Deed, Issued, People, Role, Tokens
from ..workspace import Workspace
from .terminal import HERE, JsonOption, WorkspaceOption, ask_secret, in_workspace, out, say_json, say_table

T = TypeVar("T")

people_app = typer.Typer(no_args_is_help=True, help="People who may log in, and what they may do.")
tokens_app = typer.Typer(no_args_is_help=True, help="Tokens, by which programs use the API.")

RoleOption = Annotated[Role, typer.Option(help="Each role may do all that the one before it may.")]
AccountsOption = Annotated[
    list[str] | None, typer.Option("--account", help="May send by this account; without it, by all.")
]


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(people_app, name="person")
    parent.add_typer(tokens_app, name="token")


def _done(folder: Path, action: str, target: str, work: Callable[[Workspace], Awaitable[T]]) -> T:
    """Does it, and writes down that it was done from the command line."""

    async def go(workspace: Workspace) -> T:
        result = await work(workspace)
        await Audit(workspace.store).note(Deed(f"cli:{_user()}", action, target))
        return result

    return in_workspace(folder, go)


def _user() -> str:
    """The operating system's name for whoever runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user who has no name
        return "?"


@people_app.command("add")
def add(
    name: str, role: RoleOption, account: AccountsOption = None,
    no_password: Annotated[bool, typer.Option("--no-password", help="Works by tokens alone.")] = False,
    workspace: WorkspaceOption = HERE,
) -> None:  # fmt: skip
    """Add a person; the password comes from the terminal, or from POSTWERK_SECRET."""
    password = None if no_password else ask_secret(f"Password of {name}")
    _done(workspace, "person.add", name, lambda opened: People(opened.store).add(name, role, password, account))
    out.print(f"{name} is {role.value} now.", markup=False)


@people_app.command("list")
def list_(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """List everybody, never their passwords."""
    found = in_workspace(workspace, lambda opened: People(opened.store).all())
    if as_json:
        say_json({"people": [{**asdict(one), "created_at": one.created_at.isoformat()} for one in found]})
        return
    rows = [
        (
            one.name,
            one.role.value,
            "yes" if one.has_password else "no",
            "all" if one.accounts is None else ", ".join(one.accounts),
        )
        for one in found
    ]
    say_table(
        ("name", "role", "password", "accounts"), rows, empty="There is nobody. Add an admin: postwerk person add"
    )


@people_app.command("remove")
def remove(name: str, workspace: WorkspaceOption = HERE) -> None:
    """Forget a person and their tokens."""
    _done(workspace, "person.remove", name, lambda opened: People(opened.store).remove(name))


@people_app.command("role")
def role(name: str, role: Annotated[Role, typer.Argument()], workspace: WorkspaceOption = HERE) -> None:
    """Give a person another role. Their tokens may do no more than they may."""
    _done(workspace, "person.role", name, lambda opened: People(opened.store).set_role(name, role))


@people_app.command("accounts")
def accounts(
    name: str, account: AccountsOption = None, workspace: WorkspaceOption = HERE,
) -> None:  # fmt: skip
    """Say by which accounts a person may send; without --account, by all."""
    _done(workspace, "person.accounts", name, lambda opened: People(opened.store).set_accounts(name, account))


@people_app.command("password")
def password(name: str, workspace: WorkspaceOption = HERE) -> None:
    """Give a person a new password; it comes from the terminal, or from POSTWERK_SECRET."""
    given = ask_secret(f"New password of {name}") or ""
    _done(workspace, "person.password", name, lambda opened: People(opened.store).set_password(name, given))


@tokens_app.command("add")
def add_token(
    person: str,
    label: Annotated[str, typer.Option(help="What it is for.")],
    role: Annotated[Role | None, typer.Option(help="What it may do at most; what the person may by default.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Expires after so many days.")] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Make a token. It is printed this once, and kept as a digest only."""
    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)

    async def go(opened: Workspace) -> Issued:
        its_role = role or (await People(opened.store).get(person)).role
        return await Tokens(opened.store).issue(person, label, its_role, expires)

    issued = _done(workspace, "token.add", person, go)
    if as_json:
        say_json({"token": issued.text, "prefix": issued.token.prefix})
    else:
        out.print(issued.text, markup=False, soft_wrap=True)


@tokens_app.command("list")
def list_tokens(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """List the tokens by their prefixes."""
    found = in_workspace(workspace, lambda opened: Tokens(opened.store).all())
    if as_json:
        say_json({"tokens": [asdict(one) for one in found]})
        return
    rows = [
        (one.prefix, one.person, one.role.value, one.label, _day(one.expires_at), _day(one.last_used_at))
        for one in found
    ]
    say_table(("prefix", "person", "role", "label", "expires", "last used"), rows, empty="There are no tokens.")


def _day(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


@tokens_app.command("revoke")
def revoke(prefix: str, workspace: WorkspaceOption = HERE) -> None:
    """End a token at once."""
    _done(workspace, "token.revoke", prefix, lambda opened: Tokens(opened.store).revoke(prefix))
