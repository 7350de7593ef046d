"""The command line. Scripts depend on it: names, exit codes and `--json` are promises."""


def main() -> None:
    """The program `postwerk`."""
    from .app import main as start  # worker processes import this module again, and need none of the commands

    start()


__all__ = ["main"]
