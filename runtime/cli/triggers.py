"""`postwerk trigger`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from ...engine import ConfigError
from ..triggers.calendar import Calendar, Missed, why_not
from ..triggers.kinds import SignatureStyle, parse_trigger
from ..triggers.service import Kept, Triggers
from ..triggers.states import FiringState
from ..triggers.telling import Told, tell_event
from ..triggers.webhooks import PATH
from ..workspace import Workspace
from .terminal import HERE, JsonOption, WorkspaceOption, ask_secret, in_workspace, out, say_error, say_json, say_table

REFUSED = 1

app = typer.Typer(no_args_is_help=True, help="What starts runs: calendars, folders, webhooks, buttons.")


class Kind(StrEnum):
    CALENDAR = "calendar"
    FOLDER = "folder"
    WEBHOOK = "webhook"
    HAND = "hand"


NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The trigger's name.")]
Several = list[str] | None


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="trigger")


@app.command("add")
def add(
    name: NameArgument,
    flow: Annotated[str, typer.Option(help="The id of a flow of the workspace.")],
    kind: Annotated[Kind, typer.Option(help="What makes it fire.")],
    group: Annotated[str, typer.Option(help="A word to sort triggers by.")] = "",
    publish: Annotated[bool, typer.Option("--publish", help="It may fire from now on.")] = False,
    inputs: Annotated[Several, typer.Option("--input", metavar="NAME=VALUE", help="Set an input.")] = None,
    time: Annotated[Several, typer.Option(help="calendar: 08:00; several with commas.")] = None,
    day: Annotated[Several, typer.Option(help="calendar: 1 to 31, last, last-1.")] = None,
    weekday: Annotated[Several, typer.Option(help="calendar: mon, tue, …")] = None,
    month: Annotated[Several, typer.Option(help="calendar: 1 to 12.")] = None,
    first_day: Annotated[str | None, typer.Option("--from", help="calendar: the first day.")] = None,
    last_day: Annotated[str | None, typer.Option("--until", help="calendar: the last day.")] = None,
    timezone: Annotated[str | None, typer.Option(help="calendar: Europe/Berlin by default.")] = None,
    holidays: Annotated[Several, typer.Option(help="calendar: not on holidays of DE, DE-BY, DE-BY/catholic.")] = None,
    day_off: Annotated[
        Several, typer.Option(help="calendar: not on 2026-12-24, 12-24 (each year), 12-24..01-06 NAME.")
    ] = None,
    missed: Annotated[Missed | None, typer.Option(help="calendar: what becomes of missed firings.")] = None,
    folder: Annotated[str | None, typer.Option(help="folder: its path.")] = None,
    file_input: Annotated[str | None, typer.Option(help="folder: the input that takes the file.")] = None,
    pattern: Annotated[Several, typer.Option(help="folder: names that are taken, '*.xlsx'.")] = None,
    steady_for: Annotated[int | None, typer.Option(metavar="SECONDS", help="folder: unchanged for so long.")] = None,
    leave: Annotated[bool, typer.Option("--leave", help="folder: files stay where they are.")] = False,
    signature: Annotated[SignatureStyle | None, typer.Option(help="webhook: how requests are signed.")] = None,
    signature_header: Annotated[str | None, typer.Option(help="webhook: the header of the signature.")] = None,
    key_header: Annotated[str | None, typer.Option(help="webhook: Idempotency-Key by default.")] = None,
    field: Annotated[Several, typer.Option(metavar="INPUT=POINTER", help="webhook: month=/order/month.")] = None,
    max_bytes: Annotated[int | None, typer.Option(help="folder, webhook: larger ones are refused.")] = None,
    button: Annotated[str | None, typer.Option(help="hand: what stands on it.")] = None,
    ask: Annotated[Several, typer.Option(help="hand: an input that the person may set.")] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Add a trigger, in place of one of the same name; a secret for signatures: POSTWERK_SECRET, else it is made."""
    signed = {"style": signature, "header": signature_header} if signature or signature_header else None
    settings = {
        "times": _listed(time), "days": _listed(day), "weekdays": _listed(weekday), "months": _listed(month),
        "first_day": first_day, "last_day": last_day, "timezone": timezone, "holidays": _listed(holidays),
        "days_off": day_off, "missed": missed, "folder": folder, "input": file_input, "patterns": _listed(pattern),
        "steady_for": steady_for, "afterwards": "leave" if leave else None, "signature": signed,
        "key_header": key_header, "fields": _pairs(field, "--field") or None, "max_bytes": max_bytes,
        "button": button, "asks": _listed(ask),
    }  # fmt: skip
    given = {name: value for name, value in settings.items() if value is not None}
    trigger = parse_trigger({
        "name": name, "flow_id": flow, "group": group, "is_published": publish,
        "inputs": _pairs(inputs, "--input"), "settings": {"kind": kind.value, **given},
    })  # fmt: skip
    secret = ask_secret("Secret", is_optional=True) if signature else None

    async def keep(opened: Workspace) -> Kept:
        return await Triggers(opened).add(trigger, secret)

    kept = in_workspace(workspace, keep)
    _say_kept(kept, as_json=as_json)


def _say_kept(kept: Kept, *, as_json: bool) -> None:
    path = f"{PATH}{kept.token}" if kept.token else None
    name, is_published = kept.row.name, kept.row.trigger.is_published
    if as_json:
        say_json({"name": name, "published": is_published, "path": path, "secret": kept.secret})
        return
    out.print(f"The trigger {name} is kept.", markup=False)
    if path:
        out.print(f"Its URL ends with {path}. It is not shown again.", markup=False, soft_wrap=True)
    if kept.secret:
        out.print(f"Requests are signed with {kept.secret}. It is not shown again.", markup=False, soft_wrap=True)
    if not is_published:
        out.print(f"It does not fire yet: postwerk trigger publish {name!r}", markup=False)


@app.command("list")
def list_(
    group: Annotated[str | None, typer.Option(help="Only those of a group.")] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """List the triggers, and what they started and sent."""

    async def find(opened: Workspace) -> list[Told]:
        return await Triggers(opened).tell_all(group)

    found = in_workspace(workspace, find)
    if as_json:
        say_json({"triggers": found})
        return
    columns = ("name", "group", "kind", "flow", "published", "next", "runs", "sent", "")
    cells = [
        (one["name"], one["group"], one["kind"], one["flow"], "yes" if one["published"] else "no",
         _moment(one["next"]), one["started"], one["sent"], one["trouble"])
        for one in found
    ]  # fmt: skip
    say_table(columns, cells, empty="There are no triggers.")


@app.command("show")
def show(
    name: NameArgument,
    day: Annotated[str | None, typer.Option(help="Only say why it does not fire on this day.")] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Show a trigger: its next 24 firings, the days it skips and why, and what it did."""
    if day is not None:
        _show_day(name, _day(day), workspace, as_json=as_json)
        return

    async def find(opened: Workspace) -> Told:
        return await Triggers(opened).tell(name)

    told = in_workspace(workspace, find)
    say_json(told) if as_json else _say_told(told)


def _show_day(name: str, day: date, workspace: Any, *, as_json: bool) -> None:
    row = in_workspace(workspace, lambda opened: Triggers(opened).get(name))
    if not isinstance(calendar := row.trigger.settings, Calendar):
        raise ConfigError(f"The trigger {name!r} is no calendar but a {row.trigger.kind!r}; it knows no days.")
    reasons = why_not(calendar, day)
    if as_json:
        say_json({"day": day.isoformat(), "fires": not reasons, "reasons": reasons})
        return
    out.print(" ".join(reasons) or f"It fires on {day}.", markup=False, soft_wrap=True)


def _say_told(told: Told) -> None:
    published = "published" if told["published"] else "not published"
    group = f", group {told['group']}" if told["group"] else ""
    out.print(f"{told['name']}: {told['kind']} for flow {told['flow']}, {published}{group}", markup=False)
    if told["trouble"]:
        say_error(told["trouble"])
    runs = ", ".join(f"{number:,} {state}" for state, number in told["runs"].items())
    out.print(f"started: {told['started']:,} runs{f' ({runs})' if runs else ''}; sent: {told['sent']:,} mails")
    for name, value in told["inputs"].items():
        out.print(f"input {name}: {value}", markup=False, soft_wrap=True)
    if told["kind"] == Kind.CALENDAR:
        _say_preview(told)
    _say_events(told["events"])


def _say_preview(told: Told) -> None:
    out.print("next firings:" if told["firings"] else "It fires no more.")
    for one in told["firings"]:
        out.print(f"  {_moment(one['at'])}  {one['note'] or ''}".rstrip(), markup=False, soft_wrap=True)
    if told["is_all"] and told["firings"]:
        out.print("  and no more within 30 years")
    if told["skipped"]:
        out.print("skipped days:")
    for one in told["skipped"]:
        out.print(f"  {date.fromisoformat(one['day']):%a %Y-%m-%d}        {one['why']}", markup=False, soft_wrap=True)


def _say_events(events: Iterable[Told]) -> None:
    rows = [(_moment(one["due_at"] or one["at"]), one["state"], one["run"], one["message"]) for one in events]
    if rows:
        say_table(("fired", "state", "run", "message"), rows, empty="")


@app.command("publish")
def publish(name: NameArgument, workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Let a trigger fire from now on."""
    in_workspace(workspace, lambda opened: Triggers(opened).publish(name))
    _say_published(name, as_json=as_json, is_published=True)


@app.command("unpublish")
def unpublish(name: NameArgument, workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Let a trigger fire no more; its runs go on."""
    in_workspace(workspace, lambda opened: Triggers(opened).unpublish(name))
    _say_published(name, as_json=as_json, is_published=False)


def _say_published(name: str, *, as_json: bool, is_published: bool) -> None:
    if as_json:
        say_json({"name": name, "published": is_published})
    else:
        out.print(f"The trigger {name} {'is published' if is_published else 'fires no more'}.", markup=False)


@app.command("remove")
def remove(name: NameArgument, workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Forget a trigger; what it started stays."""
    in_workspace(workspace, lambda opened: Triggers(opened).remove(name))
    say_json({"name": name, "removed": True}) if as_json else out.print(f"The trigger {name} is gone.", markup=False)


@app.command("fire")
def fire(
    name: NameArgument,
    inputs: Annotated[Several, typer.Option("--input", metavar="NAME=VALUE", help="Set an input.")] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Let a trigger fire now. Exits with 1 when its flow can't be started."""
    given = _pairs(inputs, "--input")

    async def go(opened: Workspace) -> Told:
        return tell_event(await Triggers(opened).fire(name, given))

    event = in_workspace(workspace, go)
    if as_json:
        say_json(event)
    elif event["state"] == FiringState.REFUSED:
        say_error(event["message"])
    else:
        out.print(f"Run {event['run']} is {event['state']}. Watch it: postwerk runs show {event['run']}", markup=False)
    raise typer.Exit(REFUSED if event["state"] == FiringState.REFUSED else 0)


def _listed(values: Sequence[str] | None) -> list[str] | None:
    """What was given, several times or with commas between."""
    return [part.strip() for value in values for part in value.split(",")] if values else None


def _pairs(values: Sequence[str] | None, option: str) -> Mapping[str, str]:
    for one in values or ():
        if "=" not in one:
            raise typer.BadParameter(f"{one!r} is no NAME=VALUE.", param_hint=option)
    return dict(one.split("=", 1) for one in values or ())


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day; write 2026-12-24.", param_hint="--day") from None


def _moment(text: str | None) -> str:
    return f"{datetime.fromisoformat(text):%a %Y-%m-%d %H:%M}" if text else ""
