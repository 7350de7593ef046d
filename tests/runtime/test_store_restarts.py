"""The store on a PostgreSQL that goes away: no write is lost, done twice, or taken for what it is not."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from postwerk.runtime.store import OutcomeUnknownError, Store, StoreUnreachableError, accounts, hold
from postwerk.runtime.store.databases import open_engine, parse_place
from postwerk.runtime.store.transactions import Transactions
from sqlalchemy import Connection, func, insert, select, update

from ..postgres import PORT, Postgres, own_postgres

COMMIT = b"COMMIT\x00"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One that these tests may stop."""
    with own_postgres() as one:
        yield one


@pytest.fixture
def url(server: Postgres) -> str:
    return server.url(server.new_database())


@dataclass
class Wire:
    """Stands between the store and its server, and breaks the connection at a commit.

    `mode` "before": the server never sees the COMMIT. "after": it has answered, and nobody hears it.
    """

    server: Postgres
    folder: Path
    mode: str | None = None
    then: Callable[[], None] | None = None
    """Called when it is broken."""
    broken: int = 0
    threads: list[threading.Thread] = field(default_factory=list)

    def listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.folder / f".s.PGSQL.{PORT}"))
        listener.listen()
        self._start(self._accept, listener)
        return listener

    def _start(self, do, *arguments) -> None:
        self.threads.append(threading.Thread(target=do, args=arguments, daemon=True))
        self.threads[-1].start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(str(self.server.folder / f".s.PGSQL.{PORT}"))
                except OSError:
                    server.close()
                    client.close()
                else:
                    self._start(self._pass_on, client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            answered = threading.Event()
            self._start(self._bring_back, client, server, answered)
            with suppress(OSError):
                while data := client.recv(65536):
                    if self.mode and COMMIT in data:
                        mode, self.mode = self.mode, None
                        self.broken += 1
                        if mode == "after":
                            client.shutdown(socket.SHUT_WR)  # the answer is not passed on
                            answered.clear()
                            server.sendall(data)
                            answered.wait(10)
                        if self.then:
                            self.then()
                        break
                    server.sendall(data)
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)

    def _bring_back(self, client: socket.socket, server: socket.socket, answered: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                answered.set()
                client.sendall(data)


@pytest.fixture
def wire(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    one = Wire(server, tmp_path_factory.mktemp("w"))
    with one.listen() as listener:
        yield one
        listener.shutdown(socket.SHUT_RDWR)


def add(connection: Connection, name: str = "office") -> str:
    connection.execute(insert(accounts).values(name=name, settings={}))
    return name


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(accounts.c.name).order_by(accounts.c.name)).scalars())


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_a_commit_whose_answer_is_lost_is_done_exactly_once(url: str, wire: Wire, mode: str) -> None:
    calls = []

    def work(connection: Connection) -> str:
        calls.append(1)
        return add(connection)

    with Store(url.replace(str(wire.server.folder), str(wire.folder))) as store:
        await store.write(lambda connection: add(connection, "first"))
        wire.mode = mode
        assert await store.write(work) == "office"
        assert await store.read(names) == ["first", "office"]

    assert wire.broken == 1
    assert len(calls) == {"before": 2, "after": 1}[mode]


async def test_reads_and_writes_wait_for_a_server_that_is_restarted(server: Postgres, url: str) -> None:
    with Store(url) as store:
        assert await store.read(names) == []
        for number in range(3):
            await asyncio.to_thread(server.restart)
            await store.write(lambda connection, number=number: add(connection, str(number)))
            assert len(await store.read(names)) == number + 1

        await asyncio.to_thread(server.stop)
        writing = asyncio.create_task(store.write(add))
        reading = asyncio.create_task(store.read(names))
        await asyncio.to_thread(server.start)
        assert await writing == "office"
        assert set(await reading) >= {"0", "1", "2"}


async def test_writes_through_crashes_of_the_server_are_each_done_once(server: Postgres, url: str) -> None:
    with Store(url) as store:
        done = []

        async def write() -> None:
            for number in range(200):
                done.append(await store.write(lambda connection, number=number: add(connection, f"{number:03}")))

        writing = asyncio.create_task(write())
        for share in (40, 90, 140):
            while len(done) < share:  # noqa: ASYNC110  the store sends no event
                await asyncio.sleep(0.001)
            await asyncio.to_thread(server.restart, 3)  # SIGQUIT: as if it had crashed
        await writing

        assert await store.read(names) == done == [f"{number:03}" for number in range(200)]


def test_when_nobody_can_tell_whether_it_happened_that_is_said(server: Postgres, url: str, wire: Wire) -> None:
    engine = open_engine(parse_place(url.replace(str(server.folder), str(wire.folder))), 1)
    transactions = Transactions(engine, "postgresql://db/postwerk", patience=0.3)
    transactions.do(lambda connection: add(connection, "first"), lambda connection: None)
    is_down = threading.Event()

    def stop() -> None:
        server.stop()
        is_down.set()

    wire.mode, wire.then = "after", stop

    with pytest.raises(OutcomeUnknownError, match=r"^The connection with the database .* broke during a commit"):
        transactions.do(add, lambda connection: None)
    with pytest.raises(StoreUnreachableError, match=r"can't be reached: .* Nothing was changed"):
        transactions.do(add, lambda connection: None)

    assert is_down.wait(30)
    server.start()
    transactions.close()
    engine.dispose()


async def test_two_programs_that_hold_the_same_thing_take_turns(url: str) -> None:
    def count(connection: Connection) -> None:
        hold(connection, "accounts")
        number = connection.execute(select(func.count()).select_from(accounts)).scalar_one()
        add(connection, f"{number:03}")

    with Store(url) as one, Store(url) as other:
        await asyncio.gather(*(store.write(count) for _ in range(50) for store in (one, other)))

        assert len(await one.read(names)) == 100


async def test_two_that_lock_each_other_out_are_both_done(url: str) -> None:
    both = threading.Barrier(2)

    def crossing(*order: str):
        met = []

        def work(connection: Connection) -> None:
            for name in order:
                connection.execute(update(accounts).where(accounts.c.name == name).values(settings={"by": order[0]}))
                if not met:
                    met.append(1)
                    both.wait(10)

        return work

    with Store(url) as one, Store(url) as other:
        await one.write(lambda connection: [add(connection, "a"), add(connection, "b")])
        await asyncio.gather(one.write(crossing("a", "b")), other.write(crossing("b", "a")))

        rows = await one.read(lambda connection: connection.execute(select(accounts.c.settings)).scalars().all())
        assert rows[0] == rows[1]


async def test_a_program_frozen_inside_a_transaction_does_not_keep_its_locks(server: Postgres, url: str) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as frozen, Store(url) as store:
        await store.write(add)
        frozen.execute(b"BEGIN; SET LOCAL idle_in_transaction_session_timeout = '1s'")
        frozen.execute(b"UPDATE accounts SET settings = '{}'")

        async with asyncio.timeout(10):
            await store.write(lambda connection: connection.execute(update(accounts).values(settings={"a": 1})))
