"""Imports point one way: `editor -> runtime -> engine <- nodes`. Importing a module does nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "postwerk"
MAY_IMPORT = {
    "engine": {"engine"},
    "nodes": {"nodes", "engine"},
    "runtime": {"runtime", "engine", "flows"},
    "editor": {"editor", "runtime", "engine"},
    "flows": {"flows"},
}
"""Folder -> folders. The runtime ships the example flows as files; a test of the arrows does not forbid data."""
ONLY_IN = {"dbos": {Path("runtime/durable.py")}}
IMPURE = {"asyncio", "socket", "ssl", "subprocess", "threading", "multiprocessing", "sqlalchemy", "aiosmtplib", "httpx"}
"""What the engine, which is pure, never needs."""
NO_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}

FILES = sorted(
    path.relative_to(ROOT) for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py") if path.is_file()
)


def imported(path: Path, tree: ast.AST) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Each imported module as its parts, ours from the folder on; also those under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                yield node.lineno, _ours(tuple(one.name.split(".")))
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            above = path.parts[: len(path.parts) - node.level] if node.level else ()
            if node.level >= len(path.parts):
                yield from ((node.lineno, (*module, one.name)) for one in node.names)
            else:
                yield node.lineno, _ours((*above, *module))


def _ours(parts: tuple[str, ...]) -> tuple[str, ...]:
    return (parts[1:] or ("",)) if parts[0] == PACKAGE else parts


def against_the_arrows(path: Path, source: str) -> list[str]:
    """What a file of ours must not import, each with its line."""
    found = []
    for line, module in imported(path, ast.parse(source)):
        target = module[0]
        is_wrong = target in MAY_IMPORT and target not in MAY_IMPORT[path.parts[0]]
        is_misplaced = target in ONLY_IN and path not in ONLY_IN[target]
        is_impure = path.parts[0] == "engine" and target in IMPURE
        if is_wrong or is_misplaced or is_impure:
            found.append(f"{path}:{line} imports {'.'.join(module)}")
    return found


def test_there_is_something_to_look_at() -> None:
    assert {path.parts[0] for path in FILES} >= {"engine", "nodes", "runtime"}


def test_imports_point_one_way() -> None:
    assert [one for path in FILES for one in against_the_arrows(path, (ROOT / path).read_text())] == []


@pytest.mark.parametrize(
    ("path", "source", "count"),
    [
        ("nodes/mail/send.py", "from ...engine import Node", 0),
        ("nodes/mail/send.py", "from ...runtime import outbox", 1),
        ("nodes/mail/send.py", "from ... import runtime", 1),
        ("nodes/mail/send.py", "import postwerk.runtime.outbox", 1),
        ("nodes/mail/send.py", "from postwerk.editor import app", 1),
        ("nodes/send.py", "if TYPE_CHECKING:\n    from ..runtime import outbox", 1),
        ("nodes/send.py", "def late():\n    from ..runtime import outbox", 1),
        ("engine/flow.py", "from .errors import ConfigError", 0),
        ("engine/flow.py", "from ..nodes import SendSMTP", 1),
        ("engine/flow.py", "import asyncio", 1),
        ("runtime/runs/go.py", "from ...nodes import SendSMTP", 1),
        ("runtime/runs/go.py", "from dbos import DBOS", 1),
        ("runtime/durable.py", "from dbos import DBOS", 0),
        ("runtime/go.py", "from . import editor", 0),
        ("editor/app.py", "from ..nodes import SendSMTP", 1),
        ("editor/app.py", "from ..runtime import runs", 0),
    ],
)
def test_an_import_against_the_arrows_is_found_wherever_it_stands(path: str, source: str, count: int) -> None:
    assert len(against_the_arrows(Path(path), source)) == count


def test_no_module_is_named_for_nothing() -> None:
    assert [
        str(path) for path in FILES if NO_NAMES & {part.removesuffix(".py").strip("_") for part in path.parts}
    ] == []


def test_importing_a_module_reads_no_environment_and_starts_nothing() -> None:
    trees = {path: ast.parse((ROOT / path).read_text()) for path in FILES}

    assert [f"{path}, {deed}" for path, tree in trees.items() for node in tree.body for deed in _deeds(node)] == []


DEEDS = {
    "os.environ", "os.getenv", "open", "print", "asyncio.run", "threading.Thread", "logging.basicConfig",
    "entry_points",
}  # fmt: skip


def _deeds(node: ast.stmt) -> Iterator[str]:
    """What a statement at the top of a module does, where it should only define."""
    if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
        return
    for one in _at_import(node):
        text = ast.unparse(one.func) if isinstance(one, ast.Call) else ast.unparse(one)
        if text in DEEDS:
            yield f"line {one.lineno}: {text}"


def _at_import(node: ast.AST) -> Iterator[ast.expr]:
    """The calls and attributes that are evaluated on import: all that is not the body of a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call | ast.Attribute):
            yield child
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or child not in _body(node):
            yield from _at_import(child)


def _body(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.AST]:
    return [node.body] if isinstance(node, ast.Lambda) else [*node.body]


def test_a_deed_at_the_top_of_a_module_is_found() -> None:
    [deed] = [line for node in ast.parse("import os\nHOME = os.environ['HOME']\n").body for line in _deeds(node)]
    late = [line for node in ast.parse("def f():\n    return os.environ['HOME']\n").body for line in _deeds(node)]

    assert (deed, late) == ("line 2: os.environ", [])
