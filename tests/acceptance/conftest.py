"""A workspace with an account, made once by the program itself and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .post_office import PostOffice, post_office
from .program import Program


@pytest.fixture(scope="session")
def _open_office() -> Iterator[PostOffice]:
    with post_office() as opened:
        yield opened


@pytest.fixture
def office(_open_office: PostOffice) -> PostOffice:
    """An SMTP server that takes everything; it is the one of the workspace's account `office`."""
    _open_office.forget()
    return _open_office


@pytest.fixture(scope="session")
def _first_workspace(tmp_path_factory: pytest.TempPathFactory, _open_office: PostOffice) -> Path:
    program = Program(tmp_path_factory.mktemp("first") / "workspace")
    assert program("init", program.workspace).code == 0
    assert add_account(program, "office", _open_office.port) == ""
    return program.workspace


@pytest.fixture
def postwerk(_first_workspace: Path, tmp_path: Path) -> Program:
    """The program in a new workspace with the account `office`."""
    return Program(shutil.copytree(_first_workspace, tmp_path / "workspace"))


def add_account(
    program: Program, name: str, port: int, *, security: str = "none", secret: str | None = None, **more: str
) -> str:
    """Adds an account on 127.0.0.1, and returns what the program warned of."""
    options = {"host": "127.0.0.1", "sender": "buero@mueller.example", "sender-name": "Büro Müller & Söhne"} | more
    words = [word for option, value in options.items() for word in (f"--{option}", value)]
    ended = program("account", "add", name, "--port", str(port), "--security", security, *words, secret=secret)
    assert ended.code == 0, ended
    return ended.err
