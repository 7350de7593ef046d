"""`postwerk nodes`."""

from __future__ import annotations

import inspect
from typing import Any

import typer

from ...engine import Node
from ..descriptions import described
from ..plugins import node_classes
from .terminal import JsonOption, out, say_json


def add_to(app: typer.Typer) -> None:
    app.command("nodes")(nodes)


def nodes(as_json: JsonOption = False) -> None:
    """Show every node with its ports and parameters."""
    classes = dict(sorted(node_classes().items()))
    if as_json:
        say_json({"nodes": {name: described(node) for name, node in classes.items()}})
        return
    for name, node in classes.items():
        out.print(f"[bold]{name}[/]  {node.title}")
        out.print(f"  {_summary(node)}", markup=False)
        out.print(f"  in:  {_ports(node.ports.inputs.values())}", markup=False)
        out.print(f"  out: {_ports(node.ports.outputs.values())}", markup=False)
        out.print(f"  parameters: {', '.join(node.model_fields) or '–'}\n", markup=False)


def _summary(node: type[Node]) -> str:
    return (inspect.getdoc(node) or "").split("\n", 1)[0]


def _ports(ports: Any) -> str:
    return ", ".join(f"{port.name} ({port.type_text})" for port in ports) or "–"
