"""Calls a node, whatever kind of `run` it has."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from typing import Any

from ...engine import Node
from ...engine.passage import Given
from ...engine.ports import Outputs, Ports


async def run_node(node: Node, ports: Ports, arguments: dict[str, Any], is_off_loop: bool) -> Given:
    """Calls `run`. What computes goes to a thread when others wait on the same loop."""
    run = node.run  # type: ignore[attr-defined]  # every node that can be placed has it; its signature is its own
    if inspect.isasyncgenfunction(run):
        return [one async for value in run(**arguments) for one in given(value, ports)]
    if ports.is_async:
        return list(given(await run(**arguments), ports))
    if is_off_loop:
        return await asyncio.to_thread(_compute, run, ports, arguments)
    return _compute(run, ports, arguments)


def _compute(run: Any, ports: Ports, arguments: dict[str, Any]) -> Given:
    result = run(**arguments)
    values = result if ports.is_iterator else (result,)
    return [one for value in values for one in given(value, ports)]


def given(result: Any, ports: Ports) -> Iterable[tuple[str, Any]]:
    """What a node returned, by output port."""
    if result is None:
        return ()
    if isinstance(result, Outputs):
        return [(name, value) for name, value in result.__dict__.items() if value is not None]
    return [("" if ports.is_suspension else next(iter(ports.outputs), ""), result)]
