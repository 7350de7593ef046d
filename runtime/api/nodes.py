"""`/api/v1/nodes`."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, Field

from ...engine import suggestion
from ..descriptions import described
from ..people import Role
from ..plugins import node_classes
from .problems import MissingError
from .routes import Routes

routes = Routes("Nodes")


class NodeTold(BaseModel):
    """A kind of work."""

    title: str = Field(examples=["Lock a PDF"])
    category: str
    description: str
    inputs: dict[str, Any] = Field(description="The input ports with their types.")
    outputs: dict[str, Any]
    parameters: dict[str, Any] = Field(description="JSON Schema; the editor makes its form of it.")
    examples: list[dict[str, Any]]


class NodeList(BaseModel):
    nodes: dict[str, NodeTold]


@routes.get("/nodes", needs=Role.VIEWER, summary="List the nodes")
async def list_nodes() -> NodeList:
    """Every node that is installed, with its ports and parameters."""
    return await asyncio.to_thread(_all)


@routes.get("/nodes/{name}", needs=Role.VIEWER, summary="Get a node", problems=(404,))
async def get_node(
    name: Annotated[str, Path(pattern=r"^\w{1,100}$", examples=["EncryptPDF"])],
) -> NodeTold:
    """One node with its ports and parameters."""
    classes = node_classes()
    if name not in classes:
        raise MissingError(f"There is no node {name!r}. {suggestion(name, list(classes))}")
    return NodeTold.model_validate(described(classes[name]))


def _all() -> NodeList:
    found = sorted(node_classes().items())
    return NodeList(nodes={name: NodeTold.model_validate(described(node)) for name, node in found})
