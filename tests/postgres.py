"""A PostgreSQL of the tests' own: a private folder, a socket in it, no port on the network.

`postgres` is one for the whole session; each test gets a database copied from a template with all tables. What it
holds is not safe on the disk, so that tests stay quick. A test that kills or restarts one starts its `own_postgres`.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postwerk.runtime.store import Store

from .foreign import needs

TEMPLATE = "postwerk_template"
PORT = 54321
"""Names the socket; nothing listens on a network."""
UNSAFE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
SMALL = {"shared_buffers": "32MB", "max_connections": "100", "listen_addresses": "", "autovacuum": "off"}


@dataclass
class Postgres:
    """A server in a folder."""

    folder: Path
    settings: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def initialize(self) -> None:
        words = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        self._call("initdb", "-D", self.folder / "data", *words)

    def start(self) -> None:
        settings = {**SMALL, **self.settings, "unix_socket_directories": str(self.folder)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [needs("postgres"), "-D", str(self.folder / "data"), "-p", str(PORT), *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **_ordinary_user())
        self._wait()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """`SIGINT`: the usual fast way, which ends all connections. `SIGQUIT`: at once, as in a crash."""
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(30)
        self.process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}&port={PORT}"

    def execute(self, statement: str) -> None:
        with closing(psycopg.connect(self.url("postgres"), autocommit=True)) as connection:
            connection.execute(statement.encode())

    def make_template(self) -> None:
        self.execute(f"CREATE DATABASE {TEMPLATE}")
        Store(self.url(TEMPLATE)).close()

    def new_database(self) -> str:
        """The name of a database with all tables."""
        name = f"test_{next(self.numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return name

    def _wait(self) -> None:
        for _ in range(1000):
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                assert self.process is not None
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(f"PostgreSQL does not answer:\n{self.log.read_text()}")

    def _call(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [needs(program), *arguments], check=True, capture_output=True, cwd=self.folder, **_ordinary_user()
        )


@contextmanager
def own_postgres(**settings: str) -> Iterator[Postgres]:
    """A server that is safe on the disk, unless `settings` say otherwise."""
    needs("initdb")
    folder = Path(tempfile.mkdtemp(prefix="postwerk-pg-"))  # a socket's path is short
    server = Postgres(folder, settings)
    try:
        user = _ordinary_user()
        if user:
            shutil.chown(folder, user["user"], user["group"])
        server.initialize()
        server.start()
        server.make_template()
        yield server
    finally:
        if server.process is not None:
            server.stop(signal.SIGQUIT)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's server."""
    with own_postgres(**UNSAFE) as server:
        yield server


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """A database of the test's own."""
    name = postgres.new_database()
    yield postgres.url(name)
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a store may be: a new file, or a new database."""
    if request.param == "sqlite":
        return tmp_path / "store.db"
    url: str = request.getfixturevalue("database_url")
    return url


def _ordinary_user() -> dict[str, Any]:
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
