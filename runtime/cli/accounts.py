"""`postwerk account`."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import SecretStr

from ..accounts import Account, Security
from ..accounts.making import made_account
from ..accounts.presets import Preset, hint_of, presets
from ..clock import WallClock
from ..oauth import SignIn
from ..outbox.outlook import Outlook, outlook
from ..outbox.probe import ProbeError, probe
from ..workspace import Workspace
from .terminal import (
    HERE,
    JsonOption,
    WorkspaceOption,
    ask_secret,
    err,
    in_workspace,
    out,
    say_error,
    say_json,
    say_table,
)

if TYPE_CHECKING:
    from ..oauth.server import DeviceGrant

app = typer.Typer(no_args_is_help=True, help="Mail accounts.")
TOKENS = "OAuth2"


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="account")


@app.command("add")
def add(
    name: str,
    preset: Annotated[str | None, typer.Option(help="A provider's; see 'account presets'.")] = None,
    host: Annotated[str | None, typer.Option(help="The server's name or address.")] = None,
    port: Annotated[int | None, typer.Option(help="587 for starttls, 465 for tls, as a rule.")] = None,
    security: Annotated[Security | None, typer.Option(help="How the connection is protected.")] = None,
    sender: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The address that mails come from; the user's by default.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Needs a password: from the terminal, or POSTWERK_SECRET.")] = None,
    sender_name: Annotated[str, typer.Option(help="The name shown beside the sender.")] = "",
    reply_to: Annotated[str | None, typer.Option(help="Where answers go.")] = None,
    envelope_sender: Annotated[str, typer.Option(help="Where bounces go; the sender by default.")] = "",
    verify_tls: Annotated[bool, typer.Option(help="Check the server's certificate.")] = True,
    helo_name: Annotated[str, typer.Option(help="The name that the server is greeted with.")] = "",
    source_address: Annotated[str | None, typer.Option(help="The address of this machine to connect from.")] = None,
    sendmail: Annotated[
        str | None, typer.Option(metavar="PATH", help="Hand mails to this local program instead of a server.")
    ] = None,
    sendmail_argument: Annotated[list[str] | None, typer.Option(help="One more argument for it.")] = None,
    connections: Annotated[int | None, typer.Option(help="At most so many at once.")] = None,
    per_minute: Annotated[int | None, typer.Option(help="At most so many mails a minute.")] = None,
    per_hour: Annotated[int | None, typer.Option(help="At most so many mails an hour.")] = None,
    per_day: Annotated[int | None, typer.Option(help="At most so many mails a day.")] = None,
    in_doubt: Annotated[
        str, typer.Option(help="What becomes of a mail whose answer never came: hold or resend.")
    ] = "hold",
    client_id: Annotated[
        str | None,
        typer.Option(help="Log in with tokens: what the provider knows this program by.", rich_help_panel=TOKENS),
    ] = None,
    sign_in: Annotated[SignIn | None, typer.Option(help="Who says yes, and where.", rich_help_panel=TOKENS)] = None,
    oauth2: Annotated[
        str | None,
        typer.Option(metavar="PROVIDER", help="microsoft or google; else give the URLs.", rich_help_panel=TOKENS),
    ] = None,
    tenant: Annotated[str, typer.Option(help="The firm's, at Microsoft.", rich_help_panel=TOKENS)] = "",
    token_url: Annotated[str | None, typer.Option(rich_help_panel=TOKENS)] = None,
    authorize_url: Annotated[str | None, typer.Option(rich_help_panel=TOKENS)] = None,
    device_url: Annotated[str | None, typer.Option(rich_help_panel=TOKENS)] = None,
    scope: Annotated[str | None, typer.Option(help="What is asked for.", rich_help_panel=TOKENS)] = None,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Add a sending account, in place of one of the same name. The first one becomes the default."""
    limits = {"connections": connections, "per_minute": per_minute, "per_hour": per_hour, "per_day": per_day}
    program = {"path": sendmail, "arguments": sendmail_argument or ()} if sendmail else None
    given = _said({
        "name": name, "host": host, "port": port, "security": security, "sendmail": program, "user": user,
        "sender": sender, "sender_name": sender_name, "reply_to": reply_to, "envelope_sender": envelope_sender,
        "verify_tls": verify_tls, "helo_name": helo_name, "source_address": source_address,
        "limits": _said(limits), "in_doubt": in_doubt,
    })  # fmt: skip
    tokens = _said({
        "client_id": client_id, "sign_in": sign_in, "provider": oauth2, "tenant": tenant or None, "scope": scope,
        "token_url": token_url, "authorize_url": authorize_url, "device_url": device_url,
    })  # fmt: skip
    account = made_account(given, preset_name=preset, token_fields=tokens)
    account, client_secret = _with_secret(account)
    in_workspace(workspace, lambda opened: opened.accounts.add(account, client_secret, may_name_program=True))
    _tell_added(account)


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _with_secret(account: Account) -> tuple[Account, SecretStr | None]:
    """The account with its password; or beside it the secret by which a token server knows this program."""
    if account.oauth is not None:
        question = f"Client secret of {account.oauth.client_id} (empty: none, or as before)"
        secret = ask_secret(question, is_optional=account.oauth.sign_in is not SignIn.CLIENT)
        return account, SecretStr(secret) if secret else None
    password = ask_secret(f"Password of {account.user}") if account.user else None
    return account.model_copy(update={"password": SecretStr(password) if password else None}), None


def _tell_added(account: Account) -> None:
    is_waiting = account.oauth is not None and account.oauth.sign_in is not SignIn.CLIENT
    move = (
        f"Sign in: postwerk account sign-in {account.name}"
        if is_waiting
        else (f"Try it: postwerk account test {account.name}")
    )
    out.print(f"The account {account.name} is kept. {move}", markup=False, soft_wrap=True)
    if hint := hint_of(account):
        out.print(hint, markup=False, soft_wrap=True)
    for risk in account.risks:
        say_error(risk)


@app.command("list")
def list_(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """List the accounts, never their passwords."""

    async def find(opened: Workspace) -> tuple[list[Account], str | None]:
        return await opened.accounts.all(), await opened.accounts.default()

    accounts, default = in_workspace(workspace, find)
    if as_json:
        told = (one.model_dump(mode="json", exclude={"password"}) for one in accounts)
        say_json({"accounts": [fields | {"is_default": fields["name"] == default} for fields in told]})
        return
    columns = ("name", "sender", "by", "security", "user", "login", "default")
    rows = [_row(one, is_default=one.name == default) for one in accounts]
    say_table(columns, rows, empty="There are no accounts.")


def _row(account: Account, *, is_default: bool) -> tuple[str | None, ...]:
    security = None if account.sendmail else account.security.value
    login = "token" if account.oauth else "password" if account.user else None
    return account.name, account.sender, account.where, security, account.user, login, "yes" if is_default else None


@app.command("presets")
def list_presets(as_json: JsonOption = False) -> None:
    """List the providers whose servers are known."""
    if as_json:
        say_json({"presets": {name: one.model_dump(mode="json") for name, one in presets().items()}})
        return
    rows = [(name, one.title, *_server(one), one.oauth2) for name, one in presets().items()]
    say_table(("name", "provider", "server", "security", "OAuth2 by"), rows, empty="There are none.")


def _server(one: Preset) -> tuple[str | None, str | None]:
    return (f"{one.smtp.host}:{one.smtp.port}", one.smtp.security.value) if one.smtp else (None, None)


@app.command("default")
def make_default(name: str, workspace: WorkspaceOption = HERE) -> None:
    """Have this account send where a step names none."""
    in_workspace(workspace, lambda opened: opened.accounts.make_default(name))
    out.print(f"Steps that name no account send by {name}.", markup=False)


@app.command("sign-in")
def sign_in(
    name: str,
    port: Annotated[int, typer.Option(help="Where the browser brings the answer; any free port by default.")] = 0,
    open_browser: Annotated[bool, typer.Option(help="Open the browser, not only tell the address.")] = True,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Sign in for an account that logs in with tokens (OAuth2)."""
    from ..accounts.signing_in import sign_in as signed_in  # 0.15 s that no other command needs

    def show_address(url: str) -> None:
        err.print(
            "Open this address in a browser on this machine, and sign in:", url, sep="\n", markup=False, soft_wrap=True
        )
        if open_browser:
            webbrowser.open(url)

    async def go(opened: Workspace) -> None:
        account = await opened.accounts.get(name)
        await signed_in(account, show_address, _show_code, WallClock(), port=port)

    in_workspace(workspace, go)
    out.print(f"The account {name} is signed in. Try it: postwerk account test {name}", markup=False, soft_wrap=True)


def _show_code(grant: DeviceGrant) -> None:
    err.print(f"Open {grant.url} in any browser, and enter the code {grant.user_code}", markup=False, soft_wrap=True)


@app.command("test")
def try_account(
    name: str,
    workspace: WorkspaceOption = HERE,
    to: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Also send a mail to this address.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether the server takes the login, or what is wrong and what to do."""

    async def go(opened: Workspace) -> str:
        return await probe(await opened.accounts.get(name), to)

    try:
        words = in_workspace(workspace, go)
    except ProbeError as error:
        say_json(_told(name, error)) if as_json else say_error(error.message)
        raise typer.Exit(1) from error
    say_json({"account": name, "ok": True, "words": words}) if as_json else out.print(words, markup=False)


def _told(name: str, error: ProbeError) -> dict[str, Any]:
    found = error.diagnosis
    reply = found.reply and {"code": found.reply.code, "enhanced": found.reply.enhanced, "text": found.reply.text}
    return {
        "account": name, "ok": False, "fault": found.fault.value, "words": found.words, "remedy": found.remedy,
        "reply": reply,
    }  # fmt: skip


@app.command("forecast")
def tell_forecast(
    name: str,
    mails: Annotated[int, typer.Option(min=0, help="So many more than those that wait already.")] = 0,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Mails a second that the server takes; else only the limits count.")
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Say when the mails that wait will have left, by the account's limits and what was sent already."""

    async def go(opened: Workspace) -> Outlook:
        account = await opened.accounts.get(name)
        now = WallClock().now()
        return await opened.store.read(lambda connection: outlook(connection, account, mails, now, rate))

    found = in_workspace(workspace, go)
    if as_json:
        say_json({"account": name, "mails": found.mails, "ends_at": found.ends_at.isoformat()})
        return
    when = f"{found.ends_at.astimezone():%Y-%m-%d %H:%M:%S}"
    told = f"{found.mails:,} mails will have left by {when}." if found.mails else "No mail waits."
    out.print(told, markup=False, soft_wrap=True)


@app.command("remove")
def remove(name: str, workspace: WorkspaceOption = HERE) -> None:
    """Forget an account, its password and its tokens."""
    in_workspace(workspace, lambda opened: opened.accounts.remove(name))
