"""All commands together, and how an error leaves the program."""

from __future__ import annotations

import logging
import sys

import typer

from ...engine import PostwerkError
from . import accounts, demo, flows, identities, nodes, outbox, runs, workspaces
from .terminal import say_error

INTERRUPTED = 130
FAILED = 1
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

app = typer.Typer(
    name="postwerk", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="A workflow engine for business mail.",
)  # fmt: skip
for module in (demo, workspaces, flows, runs, outbox, accounts, identities, nodes):
    module.add_to(app)


def main() -> None:
    """The program `postwerk`."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        app()
    except PostwerkError as error:
        say_error(error.message)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        say_error(
            "Interrupted. What was done is kept; 'postwerk runs list' shows the run, 'postwerk runs resume ID' goes on."
        )
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
