"""The command line. Scripts depend on it: names, exit codes and `--json` are promises."""

from .app import main

__all__ = ["main"]
