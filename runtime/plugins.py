"""Finds nodes by entry point: ours, and those of any installed package, in the same way."""

from __future__ import annotations

import inspect
import logging
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from ..engine import ConfigError, Node

GROUP = "postwerk.nodes"

log = logging.getLogger(__name__)


@cache
def node_classes() -> dict[str, type[Node]]:
    """Every node by its name: all public Node classes of the modules named by entry points.

    A package that can't be imported is told in the log and left out; its nodes show as missing.
    """
    found: dict[str, type[Node]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda one: (one.name != "builtin", one.name)):
        for name, node in _nodes(entry).items():
            if found.setdefault(name, node) is not node:
                log.warning(
                    "The node %s of %s is left out: %s has that name.", name, entry.value, found[name].__module__
                )
    return found


def node_class(name: str) -> type[Node]:
    """Raises ConfigError when there is no such node."""
    try:
        return node_classes()[name]
    except KeyError:
        raise ConfigError(f"There is no node {name!r}. Is its package installed?") from None


def _nodes(entry: EntryPoint) -> dict[str, type[Node]]:
    try:
        module = entry.load()
    except Exception:  # a broken package of somebody else's must not stop the program
        log.exception("The nodes of %s can't be loaded.", entry.value)
        return {}
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    members = ((name, getattr(module, name)) for name in names)
    return {name: one for name, one in members if _is_node(one)}


def _is_node(member: object) -> bool:
    return inspect.isclass(member) and issubclass(member, Node) and member is not Node and hasattr(member, "ports")
