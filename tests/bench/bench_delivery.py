"""The delivery against the libraries alone: the same mails into the same sink, in turn.

Run: python -m tests.bench.bench_delivery [MAILS]

    ours         the outbox with all its states, four and ten connections
    aiosmtplib   ten sessions, nothing kept
    smtplib      four threads, a line in a file for each mail
"""

from __future__ import annotations

import asyncio
import itertools
import smtplib
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop
from aiosmtplib import SMTP
from postwerk.runtime.clock import WallClock
from postwerk.runtime.outbox import MailState, NewMail
from postwerk.runtime.outbox.delivery import Delivery

from ..foreign import needs
from ..runtime.outgoing import Office, account, office

ROUNDS = 3
BODY = b"Guten Tag, anbei erhalten Sie Ihre Rechnung. Wir danken fuer den Auftrag.\r\n" * 26


def content_of(number: int) -> bytes:
    head = f"From: office@example.com\r\nTo: ann{number}@example.com\r\nMessage-ID: <{number}@example.com>\r\n"
    return head.encode() + b"Subject: Rechnung\r\n\r\n" + BODY


@contextmanager
def sink() -> Iterator[int]:
    """A `smtp-sink` on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with subprocess.Popen([needs("smtp-sink"), "-u", "nobody", "-c", f"127.0.0.1:{port}", "1000"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:  # fmt: skip
        try:
            _wait_for(port)
            yield port
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return
    raise RuntimeError("smtp-sink does not listen.")


async def _fill(post: Office, mails: int, port: int, connections: int) -> None:
    await post.accounts.add(account(port, limits={"connections": connections}))
    for start in range(0, mails, 200):
        numbers = range(start, min(start + 200, mails))
        with post.blobs.pack() as pack:
            refs = [pack.add(content_of(number)) for number in numbers]
            pack.close()
        rows = [
            NewMail("r1", "send", str(number), "office", "office@example.com", (f"ann{number}@example.com",),
                    "Rechnung", f"<{number}@example.com>", ref)
            for number, ref in zip(numbers, refs, strict=True)
        ]  # fmt: skip
        await post.put(*rows, now=datetime.now(UTC))


async def _ours(folder: Path, mails: int, port: int, connections: int) -> float:
    with office(folder) as post:
        await _fill(post, mails, port, connections)
        start = time.perf_counter()
        async with Delivery(post.store, post.blobs, post.accounts, WallClock()) as delivery:
            counts = await delivery.settle("r1")
            seconds = time.perf_counter() - start
    assert counts == {MailState.SENT: mails}, counts
    return seconds


def ours(connections: int) -> Callable[[Path, int, int], float]:
    return lambda folder, mails, port: uvloop.run(_ours(folder, mails, port, connections))


async def _bare(mails: int, port: int, connections: int) -> float:
    numbers = iter(range(mails))

    async def session() -> None:
        async with SMTP(hostname="127.0.0.1", port=port, start_tls=False, local_hostname="localhost") as smtp:
            for number in numbers:
                await smtp.sendmail("office@example.com", [f"ann{number}@example.com"], content_of(number))

    start = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(session())
    return time.perf_counter() - start


def bare(folder: Path, mails: int, port: int) -> float:
    del folder
    return uvloop.run(_bare(mails, port, 10))


def threads(folder: Path, mails: int, port: int) -> float:
    numbers, lock = itertools.count(), threading.Lock()
    start = time.perf_counter()
    with (folder / "sent.log").open("a") as log, ThreadPoolExecutor(4) as pool:

        def session() -> None:
            with smtplib.SMTP("127.0.0.1", port, local_hostname="localhost") as smtp:
                while (number := next(numbers)) < mails:
                    smtp.sendmail("office@example.com", [f"ann{number}@example.com"], content_of(number))
                    with lock:
                        print(number, file=log, flush=True)

        for done in [pool.submit(session) for _ in range(4)]:
            done.result()
    return time.perf_counter() - start


WAYS: dict[str, Callable[[Path, int, int], float]] = {
    "ours, 4 connections": ours(4),
    "ours, 10 connections": ours(10),
    "aiosmtplib, 10 connections": bare,
    "smtplib, 4 threads": threads,
}


def main(mails: int = 6000) -> None:
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    with sink() as port:
        for _ in range(ROUNDS):
            for name, way in WAYS.items():
                with TemporaryDirectory() as folder:
                    rates[name].append(mails / way(Path(folder), mails, port))
    print(f"{mails:,} mails of {len(content_of(0)):,} bytes, median of {ROUNDS} rounds")
    base = statistics.median(rates["smtplib, 4 threads"])
    for name, measured in rates.items():
        rate = statistics.median(measured)
        print(f"{name:28} {rate:8,.0f} mails/s {rate / base:6.2f} x")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
