"""Calls a node, whatever kind of `run` it has."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from ...engine import Node
from ...engine.passage import Given
from ...engine.ports import Outputs, Ports


async def run_node(node: Node, ports: Ports, arguments: dict[str, Any], *, is_off_loop: bool) -> Given:
    """Calls `run`. What computes goes to a thread when others wait on the same loop."""
    run: Callable[..., Any] = node.run  # type: ignore[attr-defined]  # every node that can be placed has its own
    if not ports.is_async:
        if is_off_loop:
            return await asyncio.to_thread(_compute, run, ports, arguments)
        return _compute(run, ports, arguments)
    if inspect.isasyncgenfunction(run):
        return _given([value async for value in run(**arguments)], ports)
    return _given([await run(**arguments)], ports)


def _compute(run: Callable[..., Any], ports: Ports, arguments: dict[str, Any]) -> Given:
    result = run(**arguments)
    return _given(result if ports.is_iterator else [result], ports)


def _given(values: Any, ports: Ports) -> Given:
    port = "" if ports.is_suspension else next(iter(ports.outputs), "")
    return [("" if isinstance(value, Outputs) else port, value) for value in values if value is not None]
