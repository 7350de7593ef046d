"""Reads a source, or what a gather gives, chunk by chunk; the first are small, so that the first mail leaves soon."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ...engine import Item, Record, Unreadable
from ...engine.flow import Endpoint
from ...engine.passage import Seed
from ..blobs import BlobRef
from ..spool import encode_seeds
from ..work import FailedItem, Workshop
from ..work.calls import given

SIZES = (1, 4, 16, 64)
FULL = 200

Given = tuple[str, Any]


def size_of(number: int) -> int:
    """How many items a chunk of this number holds, the last one aside."""
    return SIZES[number] if number < len(SIZES) else FULL


@dataclass(slots=True)
class Portion:
    """What was read for one chunk."""

    number: int
    lines: bytes = b""
    output: BlobRef | None = None
    items: int = 0
    failures: list[FailedItem] = field(default_factory=list)

    @property
    def digest(self) -> str | None:
        return self.output.digest if self.output else None


class Reader:
    """Turns what a source gives into seeds, each key once."""

    def __init__(self, shop: Workshop, step: str, limit: int | None) -> None:
        self.shop, self.step, self.limit = shop, step, limit
        self.ports = shop.graph.ports(step)
        self._rows: dict[str, int | None] = {}
        self._read = 0

    async def portions(self, streams: dict[str, Iterator[Item[Any]]]) -> AsyncIterator[Portion]:
        """What `run` gives, in portions. A gather takes `streams`. Each portion is on the disk when it comes."""
        context = self.shop.call_context(self.step, Item((self.step,), None))
        arguments: dict[str, Any] = {**streams, **({"ctx": context} if self.ports.takes_context else {})}
        run: Callable[..., Any] = self.shop.nodes[self.step].run  # type: ignore[attr-defined]  # see run_node
        take = _taker(run, arguments, is_iterator=self.ports.is_iterator)
        number = 0
        while values := await take(self._wanted(number)):
            yield await asyncio.to_thread(self._portion, number, values)
            number += 1

    def _wanted(self, number: int) -> int:
        size = size_of(number)
        return size if self.limit is None else max(0, min(size, self.limit - self._read))

    def _portion(self, number: int, values: list[Any]) -> Portion:
        self._read += len(values)
        portion = Portion(number)
        seeds = [seed for value in values if (seed := self._seed(value, portion.failures))]
        portion.items = len(seeds)
        with self.shop.blobs.pack() as pack:
            portion.lines = encode_seeds(seeds, pack.add)
            portion.output = pack.add(portion.lines) if seeds else None
            pack.close()
        return portion

    def _seed(self, value: Any, failures: list[FailedItem]) -> Seed | None:
        if isinstance(value, Unreadable):
            failures.append(self._failed(value.key, value.message, value))
            return None
        key = self._key(value)
        if not self.ports.is_iterator:
            return self._seeded(self.step, value)
        row = value.source.row if isinstance(value, Record) and value.source else None
        if key in self._rows:
            failures.append(self._twice(key, row, value))
            return None
        self._rows[key] = row
        return self._seeded(key, value)

    def _key(self, value: Any) -> str:
        return value.key if isinstance(value, Record) else str(len(self._rows) + 1)

    def _seeded(self, key: str, value: Any) -> Seed:
        record = value if isinstance(value, Record) else None
        pairs: Iterable[Given] = given(value, self.ports)
        items = {
            Endpoint(step=self.step, port=port): [Item((key,), one, one if isinstance(one, Record) else record)]
            for port, one in pairs
        }
        return Seed(key, items)

    def _twice(self, key: str, row: int | None, value: Record) -> FailedItem:
        first = self._rows[key]
        place = f"row {first}" if first is not None else "an earlier item"
        message = f"The key {key!r} is already that of {place}. Each row needs a key of its own; mend the list."
        return self._failed(f"{key} (row {row})" if row is not None else key, message, value)

    def _failed(self, key: str, message: str, value: Record | Unreadable) -> FailedItem:
        column = value.column if isinstance(value, Unreadable) else None
        return FailedItem(self.step, key, key, message, "Refused", value.source, column)


Taker = Callable[[int], Any]


def _taker(run: Callable[..., Any], arguments: dict[str, Any], *, is_iterator: bool) -> Taker:
    """A coroutine function that gives the next so many values, and none at the end."""
    if inspect.isasyncgenfunction(run):
        stream = run(**arguments)

        async def take_async(size: int) -> list[Any]:
            return [value async for value in _first(stream, size)]

        return take_async
    values: Iterator[Any] | None = None

    async def take(size: int) -> list[Any]:
        nonlocal values
        if values is None:
            values = iter(await _begin(run, arguments, is_iterator))
        return await asyncio.to_thread(lambda: list(islice(values, size)))

    return take


async def _begin(run: Callable[..., Any], arguments: dict[str, Any], is_iterator: bool) -> Iterable[Any]:
    if inspect.iscoroutinefunction(run):
        result = await run(**arguments)
    else:
        result = await asyncio.to_thread(run, **arguments)
    if is_iterator:
        values: Iterable[Any] = result
        return values
    return [] if result is None else [result]


async def _first(stream: AsyncIterator[Any], size: int) -> AsyncIterator[Any]:
    for _ in range(size):
        try:
            yield await anext(stream)
        except StopAsyncIteration:
            return
