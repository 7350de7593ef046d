"""What the demo needs: a workspace with the example flows, throw-away certificates, and an account for the sandbox."""

from __future__ import annotations

import asyncio
import shutil
from importlib.resources import as_file, files
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretBytes

from ..engine import ConfigError, Identity
from .accounts import parse_account
from .throwaway import Authority, KeyKind, Person
from .workspace import Workspace

FLOWS = ("invoice-mailing", "newsletter", "payslips")
ACCOUNT = IDENTITY = "office"
OFFICE = "post@nordlicht.example"
NOTE = "demo.txt"
"""The file by which a workspace of the demo is known."""
NOTE_TEXT = """\
This workspace was made by 'postwerk demo'. All people, firms and accounts in it are invented; its certificates are
throw-away ones, which nobody else trusts. You may change whatever you like; 'postwerk demo' puts back what is missing
and runs the flows again. To be rid of it, delete this folder.

flows/    the example flows, each with its list, templates and forms
mails/    what the mail sandbox has got
output/   what each run has written
people/   the certificates and private keys of the invented people; the passphrase of the .p12 files is 'demo'
"""
AUTHORITY = "ca.pem"
CERTIFIED = (
    "inken.petersen", "thorsten.buechner", "jule.brandt", "agnieszka.lukaszewska", "priya.raghunathan",
    "joerg.kaehler", "beatrice.vaux", "frauke.ehlers", "ruairi.macgiolla", "volker.weiss", "ulrike.schroeder",
    "anders.kjaergaard", "henriette.vonahlefeld", "peer.rickertsen", "olivia.featherstone", "malgorzata.pawlowska",
    "ignacio.penalver",
)  # fmt: skip
"""Employees with a certificate. The first has an RSA key, as most have; the others have keys on a curve."""
EXPIRED = "silke.duehrkoop"
"""Her certificate ended a month ago, so she gets the locked document."""


def open_demo(folder: Path) -> Workspace:
    """The demo's workspace in this folder: a new one, or that of an earlier demo.

    Raises:
        ConfigError: there is something else in the folder.
    """
    if (folder / NOTE).is_file():
        return Workspace(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{str(folder)!r} is there already and is no workspace of the demo. Name another one: --workspace DIR"
        )
    workspace = Workspace.make(folder)
    (workspace.folder / NOTE).write_text(NOTE_TEXT, "utf-8")
    return workspace


async def furnish(workspace: Workspace, port: int) -> None:
    """Puts in what is missing. What is there stays as it is, the account aside: the sandbox has a new port."""
    for flow in FLOWS:
        _copy_flow(flow, workspace.folder / "flows" / flow)
    await _add_account(workspace, port)
    people, certificates = workspace.folder / "people", workspace.folder / "flows" / "payslips" / "certificates"
    identities = {one.name for one in await workspace.identities.all()}
    if IDENTITY not in identities or not (people / AUTHORITY).is_file() or not certificates.is_dir():
        await workspace.identities.add(await asyncio.to_thread(_make_people, people, certificates))


def _copy_flow(flow: str, target: Path) -> None:
    with as_file(files("postwerk.flows") / flow) as source:
        for path in sorted(source.iterdir()):
            if path.is_file() and not (target / path.name).exists():
                target.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target / path.name)


async def _add_account(workspace: Workspace, port: int) -> None:
    account = parse_account({
        "name": ACCOUNT, "host": "127.0.0.1", "port": port, "security": "none", "sender": OFFICE,
        "sender_name": "Nordlicht Bürotechnik GmbH", "envelope_sender": "bounces@nordlicht.example",
    })  # fmt: skip
    await workspace.accounts.add(account)


def _make_people(people: Path, certificates: Path) -> Identity:
    """Certificates for all who have one; returns the office's, with its key."""
    people.mkdir(mode=0o700, exist_ok=True)
    certificates.mkdir(exist_ok=True)
    authority = Authority.make("Nordlicht Demo CA (trust nothing from it)")
    for name in (*CERTIFIED, EXPIRED):
        person = _employee(authority, name)
        person.write(people, name)
        (certificates / f"{name}.pem").write_bytes(person.pem)
    (people / AUTHORITY).write_bytes(authority.pem)
    return _identity(authority.issue(OFFICE, "Nordlicht Bürotechnik GmbH", kind="rsa"))


def _employee(authority: Authority, name: str) -> Person:
    kind: KeyKind = "rsa" if name == CERTIFIED[0] else "ec"
    shown = name.replace(".", " ").title()
    return authority.issue(f"{name}@nordlicht.example", shown, kind=kind, ended=name == EXPIRED)


def _identity(person: Person) -> Identity:
    key = person.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return Identity(name=IDENTITY, certificate=person.certificate.public_bytes(Encoding.DER), key=SecretBytes(key))
