"""All commands together, and how an error leaves the program."""

from __future__ import annotations

import logging
import sys

import typer

from ...engine import PostwerkError
from . import accounts, demo, flows, identities, mail, nodes, outbox, people, runs, triggers, workspaces
from .terminal import say_error, say_json

FAILED = 1
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

app = typer.Typer(
    name="postwerk", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="A workflow engine for business mail.",
)  # fmt: skip
for module in (demo, workspaces, flows, runs, outbox, accounts, identities, mail, nodes, people, triggers):
    module.add_to(app)


def main() -> None:
    """Runs the command that was given."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format=LOG_FORMAT)
    try:
        app()
    except PostwerkError as error:
        if "--json" in sys.argv:
            say_json({"error": error.message})
        say_error(error.message)
        sys.exit(FAILED)
