"""Flows as their authors save them, in a line for each step and each wire."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Steps = Mapping[str, tuple[str, Mapping[str, Any]]]
"""By id: the node's name, and its parameters."""


def save_flow(folder: Path, steps: Steps, wires: Iterable[str] | str, **more: Any) -> Path:
    """Writes `flow.json`. A wire is `read.records > mail.record`; wires stand in lines or in a list."""
    each = [line for line in wires.splitlines() if line.strip()] if isinstance(wires, str) else list(wires)
    document = {
        "postwerk": 1,
        "id": folder.name,
        "name": folder.name,
        "steps": {id: {"node": node, "params": dict(params)} for id, (node, params) in steps.items()},
        "wires": [_wire(one) for one in each],
        **more,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "flow.json"
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1), "utf-8")
    return path


def _wire(text: str) -> dict[str, str]:
    source, target = (end.strip() for end in text.split(">"))
    return {"from": source, "to": target}


def merge(folder: Path, file: str, *, account: str = "office", mail: Mapping[str, Any] = {}, **more: Any) -> Path:
    """The smallest mailing: read a list, write a mail to each, send it. `mail` changes what is written."""
    text = {"to": "{{ email }}", "subject": "Rechnung {{ no }}", "text": "Guten Tag {{ name }}\n"}
    reader = "ReadCSV" if file.endswith(".csv") else "ReadExcel"
    return save_flow(
        folder,
        {
            "read": (reader, {"file": file, "key": "no"}),
            "mail": ("FillTemplate", {**text, **mail}),
            "send": ("SendSMTP", {"account": account}),
        },
        """read.records > mail.record
           mail.message > send.message""",
        **more,
    )
