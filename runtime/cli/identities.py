"""`postwerk identity`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ...engine import ConfigError
from ...engine.certificates import read_certificate
from ..keyfiles import IdentityFacts, describe, load_identity
from ..workspace import Workspace
from .terminal import HERE, JsonOption, WorkspaceOption, ask_secret, in_workspace, out, say_error, say_json, say_table

app = typer.Typer(no_args_is_help=True, help="S/MIME certificates with their private keys.")


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="identity")


@app.command("add")
def add(
    name: str,
    file: Annotated[Path, typer.Argument(help="P12 or PFX; or PEM, CER, CRT with --key.")],
    key: Annotated[Path | None, typer.Option(help="The private key, where the file does not hold it.")] = None,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Add an identity; the passphrase comes from the terminal, or from POSTWERK_SECRET."""
    passphrase = ask_secret("Passphrase", is_optional=True)
    identity = load_identity(name, _read(file), key=_read(key) if key else None, passphrase=passphrase)
    in_workspace(workspace, lambda opened: opened.identities.add(identity))
    facts = describe(identity)
    out.print(f"{name}: {', '.join(facts.addresses)}, valid until {facts.not_after:%Y-%m-%d}", markup=False)
    certificate = read_certificate(identity.certificate)
    if objection := certificate.date_objection(datetime.now(UTC)) or certificate.signing_objection:
        say_error(f"It can't sign: its certificate {certificate.label} {objection}. Steps that sign will refuse it.")


@app.command("list")
def list_(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """List the identities and when they expire."""

    async def find(opened: Workspace) -> dict[str, IdentityFacts]:
        return {one.name: describe(one) for one in await opened.identities.all()}

    found = in_workspace(workspace, find)
    if as_json:
        say_json({"identities": [{"name": name, **facts.model_dump(mode="json")} for name, facts in found.items()]})
        return
    rows = [
        (name, ", ".join(facts.addresses), facts.issuer, f"{facts.not_after:%Y-%m-%d}") for name, facts in found.items()
    ]
    say_table(("name", "addresses", "issuer", "valid until"), rows, empty="There are no identities.")


@app.command("remove")
def remove(name: str, workspace: WorkspaceOption = HERE) -> None:
    """Forget an identity and its key."""
    in_workspace(workspace, lambda opened: opened.identities.remove(name))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The file {str(path)!r} can't be read: {error.strerror}.") from error
