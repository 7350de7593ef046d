"""Nodes that do what a test asks of them: break, die, wait, part and meet. A distribution of its own names them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, ClassVar

from postwerk.engine import (
    Context,
    Document,
    Item,
    Node,
    Outputs,
    PerItem,
    Record,
    Refused,
    RefusedMail,
    Reject,
    SentMail,
    Transient,
    Value,
)

POLL_SECONDS = 0.01
PATIENCE_SECONDS = 30


class Behave(Node):
    """Does to a record what `how` says."""

    title: ClassVar[str] = "Behave"

    how: PerItem[str] = "{{ how }}"

    def run(self, record: Record) -> Record | None:
        match self.how:
            case "exit":
                os._exit(9)
            case "segfault":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "break":
                raise TypeError("a mistake")
            case "hunger":
                raise MemoryError
            case "refuse":
                raise Refused("No.", column="how")
            case "drop":
                return None
            case "print":
                print("a node prints")
                os.write(1, b"and not by way of Python\n")
        return record


class Retried(Node):
    """Fails in passing until it was called so often for this record; notes when it was called."""

    title: ClassVar[str] = "Retried"

    notes: str
    succeeds_at: int = 3

    def run(self, record: Record) -> Record:
        path = Path(self.notes) / record.key
        with path.open("a") as file:
            file.write(f"{time.monotonic()}\n")
        if len(path.read_text().splitlines()) < self.succeeds_at:
            raise Transient("Not yet.")
        return record


class Together(Node):
    """Goes on when so many records are here at once."""

    title: ClassVar[str] = "Together"

    number: PerItem[int]
    _barriers: ClassVar[dict[asyncio.AbstractEventLoop, asyncio.Barrier]] = {}

    async def run(self, record: Record) -> Record:
        barrier = self._barriers.setdefault(asyncio.get_running_loop(), asyncio.Barrier(self.number))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await barrier.wait()
        return record


class Halt(Node):
    """Says by a file that it has come to one record, and waits there for another file."""

    title: ClassVar[str] = "Halt"

    folder: str
    at: str

    def run(self, record: Record) -> Record:
        folder = Path(self.folder)
        if record.key != self.at:
            return record
        (folder / f"came-to-{record.key}").touch()
        until = time.monotonic() + PATIENCE_SECONDS
        while not (folder / "go").exists() and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        return record


class HaltDocument(Node):
    """The same with documents."""

    title: ClassVar[str] = "Halt document"

    folder: str
    at: str

    def run(self, document: Document) -> Document:
        Halt(folder=self.folder, at=self.at).run(Record(key=document.name, values={}))
        return document


class Halves(Outputs):
    left: Record | None = None
    right: Record | None = None


class Part(Node):
    """Parts each record into `number` pairs."""

    title: ClassVar[str] = "Part"

    number: int = 2

    def run(self, record: Record) -> Iterator[Halves]:
        for part in range(self.number):
            yield Halves(left=record.with_values(left=part), right=record.with_values(right=part))


class Sealed(Value):
    """A value of a plugin, with one of another of its classes inside."""

    port_name: ClassVar[str] = "sealed"

    label: Label
    content: bytes


class Label(Value):
    text: str


Sealed.model_rebuild()


class Meet(Node):
    """Joins two halves."""

    title: ClassVar[str] = "Meet"

    def run(self, left: Record, right: Record) -> Record:
        return left.with_values(met=f"{left.key}: {left['left']}+{right['right']}")


class Seal(Node):
    title: ClassVar[str] = "Seal"

    def run(self, record: Record) -> Sealed:
        return Sealed(label=Label(text=f"für {record.key}"), content=record.key.encode() * 1000)


class Unseal(Node):
    """Shows what is in it, once a mail was sent or refused."""

    title: ClassVar[str] = "Unseal"

    def run(self, sealed: Sealed, record: Record, sent: SentMail | None = None) -> Record:
        fate = "sent" if sent else "not sent"
        return record.with_values(found=f"{sealed.label.text}, {len(sealed.content)} bytes, {fate}")


class Note(Node):
    """Says of a mail that will not arrive, why."""

    title: ClassVar[str] = "Note"

    def run(self, record: Record, refused: RefusedMail) -> Record:
        return record.with_values(state=refused.state, words=refused.reply)


class Both(Node):
    """Goes on when a mail of a record was sent, and all that should follow it."""

    title: ClassVar[str] = "Both"

    def run(self, first: SentMail, ctx: Context, second: SentMail | None = None) -> Record:
        del first
        assert ctx.item.record
        return ctx.item.record.with_values(found="two mails" if second else "one mail")


class Leaflet(Node):
    """One document for all."""

    title: ClassVar[str] = "Leaflet"

    text: str = "Prospekt"

    def run(self) -> Document:
        if self.text == "none":
            raise Refused("There is no leaflet.")
        return Document(name="leaflet.txt", content=self.text.encode(), media_type="text/plain")


class Stamp(Node):
    """Would stamp a document."""

    title: ClassVar[str] = "Stamp"

    def run(self, document: Document) -> Document:
        raise Refused(f"{document.name} can't be stamped.")


class Leaflets(Node):
    """Documents as a source gives them."""

    title: ClassVar[str] = "Leaflets"

    folder: str

    def run(self, ctx: Context) -> Iterator[Document]:
        for name in ctx.list(self.folder):
            content = ctx.find(name).read_bytes()
            yield Document(name=name.rpartition("/")[2], content=content, media_type="text/plain")


class Wrap(Node):
    """Needs a document beside each record."""

    title: ClassVar[str] = "Wrap"

    def run(self, record: Record, document: Document) -> Record:
        return record.with_values(wrapped=f"{document.name}: {document.content.decode()}")


class Tell(Node):
    """Writes a line for each item that it gathers, and gives the file."""

    title: ClassVar[str] = "Tell"

    file: str
    shows: str = "key"

    def run(self, items: Iterator[Item[Record | SentMail | RefusedMail]], ctx: Context) -> Document:
        lines = [self._line(item) for item in items]
        content = "".join(f"{line}\n" for line in lines).encode()
        with ctx.output(self.file) as path:
            path.write_bytes(content)
        return Document(name=self.file, content=content, media_type="text/plain")

    def _line(self, item: Item[Record | SentMail | RefusedMail]) -> str:
        cells = {**(item.record.values if item.record else {}), **item.value.cells()}
        return f"{item} {cells.get(self.shows, '')}".strip()


class TellLater(Node):
    """As Tell, and awaits something meanwhile."""

    title: ClassVar[str] = "Tell later"

    file: str

    async def run(self, items: Iterator[Item[Record]], ctx: Context) -> AsyncIterator[Record]:
        keys = []
        for item in items:
            await asyncio.sleep(0)
            keys.append(str(item))
            yield Record(key=f"told-{item}", values={"told": str(item)})
        with ctx.output(self.file) as path:
            path.write_text("\n".join(keys))


class Rows(Node):
    """A source that counts: each key so often, and until it breaks."""

    title: ClassVar[str] = "Rows"

    number: int
    times: int = 1
    breaks_at: int | None = None

    def run(self) -> Iterator[Record]:
        for number in range(1, self.number + 1):
            if number == self.breaks_at:
                raise OSError("the line is gone")
            record = Record(
                key=f"{number}", values={"number": number, "how": "pass", "email": f"k{number}@example.com"}
            )
            yield from [record] * self.times


class AsyncRows(Node):
    """The same from a network."""

    title: ClassVar[str] = "Async rows"

    number: int

    async def run(self) -> AsyncIterator[Record]:
        for number in range(1, self.number + 1):
            await asyncio.sleep(0)
            yield Record(key=str(number), values={"number": number, "how": "pass"})


class Sorted(Outputs):
    even: Record | None = None
    odd: Annotated[Record | None, Reject] = None


class SortedRows(Node):
    """A source with two outputs."""

    title: ClassVar[str] = "Sorted rows"

    number: int

    def run(self) -> Iterator[Sorted]:
        for number in range(1, self.number + 1):
            record = Record(key=str(number), values={"number": number, "problem": f"{number} is odd"})
            yield Sorted(even=record) if number % 2 == 0 else Sorted(odd=record)
