"""The command line. Scripts depend on it: names, exit codes and `--json` are promises."""

import sys

from ..forking import prepare


def main() -> None:
    """The program `postwerk`."""
    if sys.argv[1:2] in (["run"], ["serve"], ["worker"], ["demo"]):
        prepare()
    from .app import main as start  # worker processes import this module again, and need none of the commands

    start()


__all__ = ["main"]
