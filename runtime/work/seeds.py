"""Puts seeds together: what of one source item is in several places."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from ...engine.flow import Endpoint
from ...engine.passage import Items, Lost, Seed

T = TypeVar("T")


def pour(into: Seed, items: Items, lost: Lost) -> None:
    """Adds items and lost keys to a seed."""
    for output, some in items.items():
        into.items.setdefault(output, []).extend(some)
    for output, keys in lost.items():
        into.lost.setdefault(output, set()).update(keys)


def merged(seeds: Iterable[Seed]) -> Seed:
    """All that several seeds hold, as one."""
    whole = Seed("")
    for seed in seeds:
        pour(whole, seed.items, seed.lost)
    return whole


def part_of(outputs: Mapping[Endpoint, T], wanted: Collection[Endpoint]) -> dict[Endpoint, T]:
    """What there is of some outputs."""
    return {output: outputs[output] for output in wanted if output in outputs}
