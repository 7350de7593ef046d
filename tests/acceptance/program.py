"""The program `postwerk` as a shell runs it: words in; an exit code, standard output and standard error out."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECONDS = 300
"""After which a program that does not end is stopped, and the test fails."""
PLAIN = {"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "200", "PYTHONUTF8": "1"}
"""The same on every machine."""


@dataclass(frozen=True)
class Ended:
    """What a program left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object that it printed."""
        return json.loads(self.out)

    @property
    def words(self) -> str:
        """All that a person read, with spaces for line ends."""
        return " ".join(f"{self.out}\n{self.err}".split())


@dataclass(frozen=True)
class Program:
    """Runs `postwerk` in one workspace, as a person in a shell would."""

    workspace: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    room: int | None = None
    """Bytes that a file may have before the system takes no more, as on a full disk."""

    def __call__(self, *words: str | Path, secret: str | None = None, **environment: str) -> Ended:
        """Runs it to its end. Whatever it was given, it may not show a traceback or a warning of Python's."""
        with self.started(*words, secret=secret, **environment) as process:
            try:
                out, err = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
                raise AssertionError(f"It did not end in {SECONDS} seconds.\n{out}\n{err}") from None
        assert "Traceback" not in err, err
        assert "Warning:" not in err, err
        return Ended(process.returncode, out, err)

    @contextmanager
    def started(
        self, *words: str | Path, secret: str | None = None, **environment: str
    ) -> Iterator[subprocess.Popen[str]]:
        """The program while it runs; killed at the end of the block if it still does."""
        with subprocess.Popen(
            [console_script(), *map(str, words)], cwd=self.workspace.parent, text=True, encoding="utf-8",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self._surroundings(secret, environment), preexec_fn=self._leave_no_room,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def _leave_no_room(self) -> None:
        if self.room is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.room, self.room))

    def _surroundings(self, secret: str | None, more: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("POSTWERK_")}
        given = {} if secret is None else {"POSTWERK_SECRET": secret}
        return {**kept, **PLAIN, "POSTWERK_WORKSPACE": str(self.workspace), **given, **self.environment, **more}


def console_script() -> str:
    """The script that the installation put beside the interpreter."""
    return str(Path(sys.executable).with_name("postwerk"))
