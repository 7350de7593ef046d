"""The manual page of a node, made from its docstring, its fields, its ports and its examples."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..engine import Node, Port
from .plugins import node_classes


def page(name: str, node: type[Node]) -> str:
    """The page as Markdown."""
    parts = [f"# {name}", f"*{node.title}* · {node.category.value}", inspect.getdoc(node) or ""]
    parts += ["## Inputs", _ports(node.ports.inputs), "## Outputs", _ports(node.ports.outputs)]
    parts += ["## Parameters", "\n".join(_fields(node.model_json_schema())) or "None."]
    parts += ["## Examples", *(_example(name, params) for params in node.examples)]
    return "\n\n".join(parts) + "\n"


def _ports(ports: Mapping[str, Port]) -> str:
    if not ports:
        return "None."
    return "\n".join(f"- `{port.name}`: {port.type_text}{_remark(port)}" for port in ports.values())


def _remark(port: Port) -> str:
    remarks = {"collect": "all of the record", "stream": "one after another, of all records"}
    told = [remarks[port.arity.value]] if port.arity.value in remarks else []
    told += [] if port.is_required else ["may be left unwired"]
    told += ["unwired, such an item counts as failed"] if port.is_reject else []
    return f" ({'; '.join(told)})" if told else ""


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        yield f"- `{name}` ({_type(field)}{', required' if name in required else ''}){_default(field)}{_words(field)}"
    for name, inner in schema.get("$defs", {}).items():
        if "properties" in inner:
            yield f"\n**{name}**\n"
            yield from _fields(inner)


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[-1]
    if "enum" in field:
        return " or ".join(f"`{one}`" for one in field["enum"])
    if "anyOf" in field:
        kinds = dict.fromkeys(_type(one) for one in field["anyOf"] if one.get("type") != "null")
        return " or ".join(kinds)
    kind = str(field.get("const") or field.get("type", "anything"))
    if kind == "array":
        kind = f"list of {_type(field.get('items', {}))}"
    elif kind == "object" and isinstance(field.get("additionalProperties"), dict):
        kind = f"names with {_type(field['additionalProperties'])}"
    return kind + (", per item" if field.get("per_item") else "")


def _default(field: Mapping[str, Any]) -> str:
    default = field.get("default")
    return "" if default in (None, "", [], {}) else f", by default `{json.dumps(default, ensure_ascii=False)}`"


def _words(field: Mapping[str, Any]) -> str:
    words = " ".join(str(field.get("description", "")).split())
    return f": {words}" if words else ""


def _example(name: str, params: Mapping[str, Any]) -> str:
    step = {"node": name, "params": dict(params)}
    return f"```json\n{json.dumps(step, indent=2, ensure_ascii=False, default=str)}\n```"


def write_pages(folder: Path) -> None:
    """A page for each installed node, and a list of them all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, node in node_classes().items():
        (folder / f"{name}.md").write_text(page(name, node), "utf-8")
    lines = [f"- [{name}]({name}.md): {node.title}" for name, node in sorted(node_classes().items())]
    (folder / "README.md").write_text("# Nodes\n\n" + "\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
