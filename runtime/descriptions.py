"""A node as it is described to programs: its ports, and its parameters as JSON Schema."""

from __future__ import annotations

import inspect
from typing import Any

from ..engine import Node, Port


def described(node: type[Node]) -> dict[str, Any]:
    """All that an editor needs to show a node and its form."""
    return {
        "title": node.title,
        "category": node.category.value,
        "description": inspect.getdoc(node) or "",
        "inputs": {port.name: _port(port) for port in node.ports.inputs.values()},
        "outputs": {port.name: _port(port) for port in node.ports.outputs.values()},
        "parameters": node.model_json_schema(),
        "examples": list(node.examples),
    }


def _port(port: Port) -> dict[str, Any]:
    types = [one.__name__ for one in port.types]
    return {"types": types, "arity": port.arity.value, "required": port.is_required}
