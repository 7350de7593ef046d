"""All commands together, and how an error leaves the program."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

import typer

from ...engine import PostwerkError
from .terminal import say_error, say_json

FAILED = 1
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
COMMANDS: Mapping[str, str] = {
    "demo": "demo", "init": "workspaces", "serve": "serve", "worker": "serve", "check": "flows", "run": "runs",
    "runs": "runs", "outbox": "outbox", "account": "accounts", "identity": "identities", "trigger": "triggers",
    "mail": "mail", "nodes": "nodes", "person": "people", "token": "people", "doctor": "workspaces",
}  # fmt: skip
"""Each command with its module. Only the module of the command that is called is imported: some take a second."""


def main() -> None:
    """Runs the command that was given."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format=LOG_FORMAT)
    try:
        program(sys.argv[1:])()
    except PostwerkError as error:
        if "--json" in sys.argv:
            say_json({"error": error.message})
        say_error(error.message)
        sys.exit(FAILED)


def program(arguments: Sequence[str]) -> typer.Typer:
    """The program with the command that the arguments call; with all commands when they call none."""
    app = typer.Typer(
        name="postwerk", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
        help="A workflow engine for business mail.",
    )  # fmt: skip
    app.callback()(_group)
    called = COMMANDS.get(arguments[0]) if arguments else None
    for module in dict.fromkeys([called] if called else COMMANDS.values()):
        import_module(f".{module}", __package__).add_to(app)
    return app


def _group() -> None:
    """Without this a program with one command would have no name for it."""
