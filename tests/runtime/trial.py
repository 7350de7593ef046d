"""The trial nodes as an installed package, for this process and those that it starts."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postwerk.runtime.plugins import GROUP, node_classes

HOME = Path(__file__).parents[1] / "trial"
METADATA = "Metadata-Version: 2.1\nName: postwerk-trial\nVersion: 1.0\n"


def distribution(folder: Path) -> Path:
    """Writes what an installer writes about `tests/trial`, and returns the folder for `sys.path`."""
    module = ast.parse((HOME / "trial_nodes.py").read_text("utf-8"))
    nodes = [one.name for one in module.body if isinstance(one, ast.ClassDef) and _is_node(one)]
    info = folder / "postwerk_trial-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    entries = "".join(f"{name} = trial_nodes:{name}\n" for name in nodes)
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{entries}")
    return folder


def _is_node(one: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "Node" for base in one.bases)


def python_path(folder: Path) -> str:
    """PYTHONPATH for programs that shall find the trial nodes."""
    return os.pathsep.join(filter(None, [str(folder), str(HOME), os.environ.get("PYTHONPATH", "")]))


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """The trial nodes are found in this process; afterwards they are not."""
    before = list(sys.path)
    sys.path[:0] = [str(folder), str(HOME)]
    node_classes.cache_clear()
    try:
        yield
    finally:
        sys.path[:] = before
        node_classes.cache_clear()
