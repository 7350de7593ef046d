"""Finds nodes by entry point: ours, and those of any installed package, in the same way.

    [project.entry-points."postwerk.nodes"]
    Shout = "acme.nodes:Shout"

The name is the node's. A node's module is imported when a flow needs it, and not before.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from ..engine import Node

GROUP = "postwerk.nodes"
OURS = "postwerk"

log = logging.getLogger(__name__)


class Catalogue(Mapping[str, type[Node]]):
    """Every installed node by its name. One that can't be imported is told in the log, and counts as missing."""

    def __init__(self) -> None:
        self._entries: dict[str, EntryPoint] = {}
        self._loaded: dict[str, type[Node] | None] = {}
        for entry in sorted(entry_points(group=GROUP), key=_ours_first):
            if self._entries.setdefault(entry.name, entry).value != entry.value:
                log.warning("The node %s of %s is left out: that name is taken.", entry.name, entry.value)

    def __getitem__(self, name: str) -> type[Node]:
        if name not in self._loaded:
            self._loaded[name] = _load(self._entries[name])
        node = self._loaded[name]
        if node is None:
            raise KeyError(name)
        return node

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._entries if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@cache
def node_classes() -> Catalogue:
    """The nodes that were installed when it was first asked for."""
    return Catalogue()


def _ours_first(entry: EntryPoint) -> tuple[bool, str, str]:
    return (entry.dist is None or entry.dist.name != OURS, entry.name, entry.value)


def _load(entry: EntryPoint) -> type[Node] | None:
    try:
        node = entry.load()
    except Exception:  # a broken package of somebody else's must not stop the program
        log.exception("The node %s can't be imported from %s.", entry.name, entry.value)
        return None
    if inspect.isclass(node) and issubclass(node, Node) and hasattr(node, "ports"):
        return node
    log.error("The entry point %s leads to %s, which is no node. Let it lead to a Node class.", entry.name, entry.value)
    return None
