"""Reads a source, or what a gather gives, in portions; the first are small, so that the first mail leaves soon."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from ...engine import Item, Outputs, PostwerkError, Record, Source, Unreadable
from ...engine.flow import Endpoint
from ...engine.passage import Items, Seed
from ..blobs import BlobRef
from ..spool import encode_seeds
from ..work import FailedItem, Workshop
from .rows import FailedRows
from .tap import Streams, Tap

log = logging.getLogger(__name__)

SIZES = (1, 4, 16, 64)
FULL = 200


class RunStoppedError(PostwerkError):
    """The run can't go on: what its message says must be mended first."""


def size_of(number: int) -> int:
    """How many items a portion of this number holds, the last one aside."""
    return SIZES[number] if number < len(SIZES) else FULL


@dataclass(slots=True)
class Portion:
    """What was read for one chunk."""

    number: int
    lines: bytes = b""
    output: BlobRef | None = None
    items: int = 0
    failures: list[FailedItem] = field(default_factory=list)


class Reader:
    """Turns what a source gives into seeds, each key once."""

    def __init__(self, shop: Workshop, step: str, limit: int | None, only: FailedRows | None = None) -> None:
        self.shop, self.step, self._only = shop, step, only
        self.ports = shop.graph.ports(step)
        self._left = limit
        self._rows: dict[str, int | None] = {}
        self._rejects = {
            name for name, port in self.ports.outputs.items() if port.is_reject and not shop.graph.is_wired(step, name)
        }

    async def portions(self, streams: Streams) -> AsyncGenerator[Portion, None]:
        """What `run` gives, in portions. A gather takes `streams`. Each portion is on the disk when it comes.

        Raises:
            RunStoppedError: the step broke.
        """
        async with aclosing(self._values(streams)) as values:
            number = 0
            async for some in values:
                yield await asyncio.to_thread(self._portion, number, some)
                number += 1

    async def _values(self, streams: Streams) -> AsyncGenerator[list[Any], None]:
        """The values of each portion."""
        tap = self._tap(streams)
        try:
            number = 0
            while some := await tap.take(self._wanted(number)):
                yield some
                number += 1
        except PostwerkError:
            raise
        except Exception as error:
            log.exception("Step %r broke.", self.step)
            raise RunStoppedError(f"Step {self.step!r} broke: {type(error).__name__}: {error}.") from error
        finally:
            await tap.close()

    def _tap(self, streams: Streams) -> Tap:
        run: Callable[..., Any] = self.shop.nodes[self.step].run  # type: ignore[attr-defined]  # see run_node
        if not self.ports.takes_context:
            return Tap(run, streams, is_iterator=self.ports.is_iterator)
        context = self.shop.call_context(self.step, Item((self.step,), None))
        return Tap(run, streams, is_iterator=self.ports.is_iterator, ctx=context)

    def _wanted(self, number: int) -> int:
        size = size_of(number)
        if self._left is not None:
            size = min(size, self._left)
            self._left -= size
        return size

    def _portion(self, number: int, values: list[Any]) -> Portion:
        portion = Portion(number)
        wanted = (value for value in values if self._is_wanted(value))
        seeds = [seed for value in wanted if (seed := self._seed(value, portion.failures))]
        portion.items = len(seeds)
        with self.shop.blobs.pack() as pack:
            portion.lines = encode_seeds(seeds, pack.add)
            portion.output = pack.add(portion.lines) if seeds else None
            pack.close()
        return portion

    def _is_wanted(self, value: Any) -> bool:
        if self._only is None or not isinstance(value, Record | Unreadable):
            return True
        return self._only.has(value.key, value.source)

    def _seed(self, value: Any, failures: list[FailedItem]) -> Seed | None:
        if isinstance(value, Unreadable):
            failures.append(self._failed(value.key, value.message, value.source, value.column))
            return None
        key = self._key(value)
        if key in self._rows:
            failures.append(self._twice(key, value))
            return None
        self._rows[key] = _row_of(value)
        return self._seeded(key, value, failures)

    def _key(self, value: Any) -> str:
        if not self.ports.is_iterator:
            return self.step
        return value.key if isinstance(value, Record) else str(len(self._rows) + 1)

    def _seeded(self, key: str, value: Any, failures: list[FailedItem]) -> Seed | None:
        record = value if isinstance(value, Record) else None
        items: Items = {}
        for port, one in self._outputs(value):
            if isinstance(one, Unreadable) or port in self._rejects:
                failures.append(self._rejected(key, one))
            else:
                item = Item((key,), one, one if isinstance(one, Record) else record)
                items[Endpoint.model_construct(step=self.step, port=port)] = [item]
        return Seed(key, items) if items else None

    def _outputs(self, value: Any) -> list[tuple[str, Any]]:
        if isinstance(value, Outputs):
            return [(name, one) for name, one in value.__dict__.items() if one is not None]
        return [(next(iter(self.ports.outputs), ""), value)]

    def _twice(self, key: str, value: Record) -> FailedItem:
        first, row = self._rows[key], _row_of(value)
        before = f"row {first}" if first is not None else "an earlier item"
        message = f"The key {key!r} is already that of {before}. Each row needs a key of its own; mend the list."
        return self._failed(f"{key} (row {row})" if row is not None else key, message, value.source)

    def _rejected(self, key: str, value: Any) -> FailedItem:
        column = value.column if isinstance(value, Unreadable) else None
        return self._failed(key, value.complaint, getattr(value, "source", None), column)

    def _failed(self, key: str, message: str, source: Source | None, column: str | None = None) -> FailedItem:
        return FailedItem(self.step, key, key, message, "Refused", source, column)


def _row_of(value: Any) -> int | None:
    return value.source.row if isinstance(value, Record) and value.source else None
