"""`postwerk serve` and its workers as processes, as a service manager starts them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil

from .acceptance.program import Program, console_script

PATIENCE_SECONDS = 60
READY = re.compile(r"ready on (http://\S+)|This worker is ready")


@dataclass
class Served:
    """A process that stays, in a process group of its own with all of its workers."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str | None

    def kill(self) -> None:
        """As a power cut does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        os.killpg(self.process.pid, signal.SIGSTOP)

    def wake(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)

    def stop(self) -> int:
        """In order; the exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    @property
    def memory(self) -> int:
        """Bytes that all of its processes hold."""
        master = psutil.Process(self.process.pid)
        return sum(one.memory_info().rss for one in (master, *master.children(recursive=True)))


@dataclass
class Firm:
    """A workspace with an account, and the processes that work in it."""

    program: Program
    folder: Path
    started: list[Served] = field(default_factory=list)

    @contextmanager
    def starting(self, *words: str) -> Iterator[Callable[..., Served]]:
        """Starts `postwerk serve` or `worker`, as often as it is called; ends whatever still runs."""
        started: list[Served] = []

        def start(**environment: str) -> Served:
            started.append(self._start(words, environment, self.folder / f"log-{len(self.started)}"))
            self.started.append(started[-1])
            return started[-1]

        try:
            yield start
        finally:
            for one in started:
                if one.process.poll() is None:
                    one.kill()

    def _start(self, words: tuple[str, ...], environment: Mapping[str, str], log: Path) -> Served:
        surroundings = {
            **os.environ, "TERM": "dumb", "COLUMNS": "200", "POSTWERK_WORKSPACE": str(self.program.workspace),
            **self.program.environment, **environment,
        }  # fmt: skip
        with log.open("wb") as out:
            process = subprocess.Popen(
                [console_script(), *words], env=surroundings, start_new_session=True, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, cwd=self.folder,
            )  # fmt: skip
        return Served(process, log, _address(process, log))

    def token(self) -> str:
        """Of somebody who may do everything."""
        added = self.program("person", "add", "anna", "--role", "admin", secret="Ein langes Passwort 4711")
        assert added.code == 0, added.err
        token: str = self.program("token", "add", "anna", "--label", "test", "--json").json["token"]
        return token


def _address(process: subprocess.Popen[bytes], log: Path) -> str | None:
    until = time.monotonic() + PATIENCE_SECONDS
    while (found := READY.search(log.read_text("utf-8", "replace"))) is None:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.01)
    return found[1]


def until(is_so: Callable[[], Any], seconds: float = PATIENCE_SECONDS, *, is_soft: bool = False) -> Any:
    """What `is_so` returns as soon as that is true; `is_soft`: or when the time is over."""
    end = time.monotonic() + seconds
    while not (found := is_so()):
        if is_soft and time.monotonic() > end:
            return found
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)
    return found


@dataclass
class Client:
    """Asks the API."""

    url: str
    token: str

    def __call__(self, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx2.request(
            method, f"{self.url}/api/v1{path}", headers=headers, timeout=30, trust_env=False, **more
        )
        assert answer.is_success, answer.text
        return answer.json()

    def ended(self, run: str, seconds: float = PATIENCE_SECONDS) -> Any:
        """The report of a run, when it is not on any more."""

        def look() -> Any:
            report = self("GET", f"/runs/{run}")
            return None if report["state"] in ("building", "sending") else report

        return until(look, seconds)
