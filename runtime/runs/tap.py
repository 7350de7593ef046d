"""A tap on a source or gather: gives what its `run` returns, so many values at a time, whatever kind of `run` it is.

All of it happens on threads. So nothing that a node does holds up the event loop, and a gather may ask for items that
the loop must fetch.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from itertools import islice
from typing import Any, cast

from ...engine import Item

Streams = Mapping[str, Iterator[Item[Any]]]


class TapClosedError(Exception):
    """Nobody wants the values any longer."""


class Tap:
    """Open until `close`. One `take` at a time."""

    def __init__(self, run: Callable[..., Any], streams: Streams, *, is_iterator: bool, **arguments: Any) -> None:
        self._run, self._is_iterator = run, is_iterator
        self._arguments = {**{port: self._while_open(items) for port, items in streams.items()}, **arguments}
        self._is_stream = inspect.isasyncgenfunction(run)
        self._is_async = self._is_stream or inspect.iscoroutinefunction(run)
        self._values: Any = None
        self._runner: asyncio.Runner | None = None
        self._work: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._is_closed = threading.Event()
        self._at_work = threading.Lock()

    async def take(self, size: int) -> list[Any]:
        """The next so many values; none at the end."""
        return await asyncio.to_thread(self._take, size)

    async def close(self) -> None:
        """Ends what is on, and lets go of files that a generator holds open."""
        self._is_closed.set()
        if self._work is not None:
            loop, task = self._work
            loop.call_soon_threadsafe(task.cancel)
        await asyncio.to_thread(self._end)

    def _take(self, size: int) -> list[Any]:
        with self._at_work:
            if self._is_closed.is_set():
                raise TapClosedError
            if not self._is_async:
                return list(islice(self._begun(), size))
            found: list[Any] = self._in_loop(self._next(size))
            return found

    def _begun(self) -> Iterator[Any]:
        if self._values is None:
            self._values = self._iterator(self._run(**self._arguments))
        values: Iterator[Any] = self._values
        return values

    def _iterator(self, result: Any) -> Iterator[Any]:
        if self._is_iterator:
            return iter(result)
        return iter(() if result is None else (result,))

    async def _next(self, size: int) -> list[Any]:
        self._work = asyncio.get_running_loop(), cast("asyncio.Task[Any]", asyncio.current_task())
        if self._is_stream:
            if self._values is None:
                self._values = self._run(**self._arguments)
            return [value async for value in _first(self._values, size)]
        if self._values is None:
            self._values = self._iterator(await self._run(**self._arguments))
        return list(islice(self._values, size))

    def _in_loop(self, work: Coroutine[Any, Any, Any]) -> Any:
        """A loop of its own: what it awaits can't wait for ours."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(work)

    def _end(self) -> None:
        with self._at_work:
            if self._runner is not None:
                with self._runner:
                    if hasattr(self._values, "aclose"):
                        self._runner.run(self._values.aclose())
            if hasattr(self._values, "close"):
                self._values.close()

    def _while_open(self, items: Iterator[Item[Any]]) -> Iterator[Item[Any]]:
        for item in items:
            if self._is_closed.is_set():
                raise TapClosedError
            yield item


async def _first(stream: AsyncIterator[Any], size: int) -> AsyncIterator[Any]:
    for _ in range(size):
        try:
            yield await anext(stream)
        except StopAsyncIteration:
            return
