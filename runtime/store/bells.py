"""Bells: who waits for something in the store is told at once when it was committed, whichever program did it.

On PostgreSQL a bell is a channel of LISTEN and NOTIFY. On SQLite it rings in its own program only; whoever listens
must look now and then for what others did. A bell may ring for nothing, and never tells what happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from .databases import LINK, RUNG, is_postgresql

RECONNECT_SECONDS = 1
ANY = ""
"""Rung when something may have been missed: look at everything."""


def ring(connection: Connection, bell: str, name: str = ANY) -> None:
    """Rings when this transaction is committed. `bell` is a word; `name` says for whom."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(_channel(bell), name)))
    else:
        connection.info.setdefault(RUNG, set()).add((bell, name))


class Bells:
    """Those who listen in this program."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._listeners: set[tuple[str, asyncio.AbstractEventLoop, asyncio.Queue[str]]] = set()

    def rings(self, bell: str) -> AsyncGenerator[str, None]:
        """The names for which the bell rings, from the moment of the first one on, which is `ANY`."""
        return self._by_server(bell) if is_postgresql(self._engine.url) else self._in_process(bell)

    def after_commit(self, connection: Connection) -> None:
        """Rings what the transaction wanted to be rung."""
        for bell, name in connection.info.pop(RUNG, ()):
            for listened, loop, queue in tuple(self._listeners):
                if listened == bell and not loop.is_closed():
                    loop.call_soon_threadsafe(queue.put_nowait, name)

    async def _in_process(self, bell: str) -> AsyncGenerator[str, None]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        listener = (bell, asyncio.get_running_loop(), queue)
        self._listeners.add(listener)
        try:
            yield ANY
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(listener)

    async def _by_server(self, bell: str) -> AsyncGenerator[str, None]:
        from psycopg import AsyncConnection, OperationalError  # costs SQLite's users 50 ms

        while True:
            try:
                async with await AsyncConnection.connect(**self._connection(), autocommit=True) as connection:
                    await connection.execute(f"LISTEN {_channel(bell)}".encode())
                    yield ANY
                    async for note in connection.notifies():
                        yield note.payload
            except OperationalError:
                await asyncio.sleep(RECONNECT_SECONDS)

    def _connection(self) -> dict[str, Any]:
        _, words = self._engine.dialect.create_connect_args(self._engine.url)
        return LINK | dict(words)


def _channel(bell: str) -> str:
    return f"postwerk_{bell}"
