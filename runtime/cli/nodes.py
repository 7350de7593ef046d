"""`postwerk nodes`."""

from __future__ import annotations

import inspect
from typing import Any

import typer

from ...engine import Node, Port
from ..plugins import node_classes
from .terminal import JsonOption, out, say_json


def add_to(app: typer.Typer) -> None:
    app.command("nodes")(nodes)


def nodes(as_json: JsonOption = False) -> None:
    """Show every node with its ports and parameters."""
    classes = dict(sorted(node_classes().items()))
    if as_json:
        say_json({"nodes": {name: _described(node) for name, node in classes.items()}})
        return
    for name, node in classes.items():
        out.print(f"[bold]{name}[/]  {node.title}")
        out.print(f"  {_summary(node)}", markup=False)
        out.print(f"  in:  {_ports(node.ports.inputs.values())}", markup=False)
        out.print(f"  out: {_ports(node.ports.outputs.values())}", markup=False)
        out.print(f"  parameters: {', '.join(node.model_fields) or '–'}\n", markup=False)


def _described(node: type[Node]) -> dict[str, Any]:
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


def _summary(node: type[Node]) -> str:
    return (inspect.getdoc(node) or "").split("\n", 1)[0]


def _ports(ports: Any) -> str:
    return ", ".join(f"{port.name} ({port.type_text})" for port in ports) or "–"
