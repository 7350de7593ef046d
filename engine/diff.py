"""What changed between two versions of a flow, in words; positions do not count."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Literal

from .flow import Flow, Step
from .values import Value


class Change(Value):
    """One difference. `path` leads to it: `steps.mail.params.subject`."""

    kind: Literal["added", "removed", "changed"]
    path: str
    before: object = None
    after: object = None

    def __str__(self) -> str:
        if self.kind == "changed":
            return f"{self.path}: {self.before!r} became {self.after!r}"
        return f"{self.path} was {self.kind}"


def diff(before: Flow, after: Flow) -> list[Change]:
    """The changes that turn one flow into the other, in the order of their paths."""
    changes = [*_whole(before, after), *_wires(before, after)]
    for step in before.steps.keys() & after.steps.keys():
        changes += _step(f"steps.{step}", before.steps[step], after.steps[step])
    changes += _members("steps", before.steps, after.steps)
    return sorted(changes, key=lambda change: (change.path, change.kind))


def _whole(before: Flow, after: Flow) -> Iterator[Change]:
    kept = {"id", "name", "description", "inputs", "settings"}
    yield from _compare("", before.model_dump(mode="json", include=kept), after.model_dump(mode="json", include=kept))


def _wires(before: Flow, after: Flow) -> Iterator[Change]:
    first, second = {str(wire) for wire in before.wires}, {str(wire) for wire in after.wires}
    for wire in first - second:
        yield Change(kind="removed", path=f"wires.{wire}")
    for wire in second - first:
        yield Change(kind="added", path=f"wires.{wire}")


def _members(path: str, before: Mapping[str, Step], after: Mapping[str, Step]) -> Iterator[Change]:
    for name in before.keys() - after.keys():
        yield Change(kind="removed", path=f"{path}.{name}", before=before[name].node)
    for name in after.keys() - before.keys():
        yield Change(kind="added", path=f"{path}.{name}", after=after[name].node)


def _step(path: str, before: Step, after: Step) -> Iterator[Change]:
    yield from _compare(path, before.model_dump(mode="json"), after.model_dump(mode="json"))


def _compare(path: str, before: object, after: object) -> Iterator[Change]:
    if not (isinstance(before, dict) and isinstance(after, dict)):
        if json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True):  # 1, 1.0 and true are three values
            yield Change(kind="changed", path=path, before=before, after=after)
        return
    for name in sorted(before.keys() | after.keys()):
        inner = f"{path}.{name}".lstrip(".")
        if name not in before:
            yield Change(kind="added", path=inner, after=after[name])
        elif name not in after:
            yield Change(kind="removed", path=inner, before=before[name])
        else:
            yield from _compare(inner, before[name], after[name])
