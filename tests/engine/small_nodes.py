"""Small nodes of every shape, for flows made at random. What a step does to an item depends on step and key alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar
from zlib import crc32

from postwerk.engine import Context, Item, Key, Node, Outputs, Record, Refused, Reject, Suspension, Unreadable, Value
from postwerk.engine.values import Source

NASTY_KEYS = ("4711", "a/b", "a", "/", "", "Müller & Söhne", "a//b", "0", "1")


class Thing(Value):
    """Knows where it was made, and what of."""

    port_name: ClassVar[str] = "thing"

    stream: str
    key: Key
    text: str

    @property
    def complaint(self) -> str:
        return f"{self.text} is not in order"


class Row(Record):
    """A record that knows the same."""

    stream: str
    path: Key
    text: str


Any = Thing | Row


def fate(*facts: object) -> int:
    """A number that looks like chance and is always the same."""
    return crc32(repr(facts).encode())


def text_of(step: str, key: Key, *inputs: object) -> str:
    return f"{step}{'/'.join(key)}#{fate(step, key, [getattr(one, 'text', one) for one in inputs]):08x}"


class SmallNode(Node):
    """`stream` is the stream that its items belong to; one call in `fails` fails."""

    stream: str = ""
    salt: int = 0
    fails: int = 7
    """0: none."""

    def made(self, ctx: Context, *inputs: object, part: str | None = None) -> Thing:
        self._may_fail(ctx)
        key = ctx.item.key if part is None else (*ctx.item.key, part)
        return Thing(stream=self.stream, key=key, text=text_of(ctx.step, key, *inputs))

    def chance(self, ctx: Context, *facts: object) -> int:
        return fate(self.salt, ctx.step, ctx.item.key, *facts)

    def _may_fail(self, ctx: Context) -> None:
        if self.fails and self.chance(ctx, "fails") % self.fails == 0:
            raise Refused(f"{ctx.step} refuses {ctx.item}")


class Rows(SmallNode):
    title = "Rows"
    count: int = 3

    def run(self, ctx: Context) -> Iterator[Row]:
        for key in NASTY_KEYS[: self.count]:
            path = (key,)
            yield Row(key=key, values={}, stream=self.stream, path=path, text=text_of(ctx.step, path))


class Lone(SmallNode):
    title = "Lone"

    def run(self, ctx: Context) -> Thing:
        return self.made(ctx)


class Change(SmallNode):
    title = "Change"

    def run(self, thing: Any, ctx: Context) -> Thing:
        return self.made(ctx, thing)


class Enrich(SmallNode):
    title = "Enrich"

    def run(self, row: Row, ctx: Context) -> Row:
        self._may_fail(ctx)
        key = ctx.item.key
        return row.changed(path=key, text=text_of(ctx.step, key, row), stream=self.stream)


class Sifted(Outputs):
    kept: Thing | None = None
    rest: Thing | None = None


class Sift(SmallNode):
    title = "Sift"

    def run(self, thing: Any, ctx: Context) -> Sifted:
        made = self.made(ctx, thing)
        return [Sifted(kept=made), Sifted(rest=made), Sifted(), Sifted(kept=made, rest=made)][self.chance(ctx) % 4]


class Choose(SmallNode):
    title = "Choose"

    def run(self, thing: Any, ctx: Context) -> Sifted:
        made = self.made(ctx, thing)
        return Sifted(kept=made) if self.chance(ctx) % 2 else Sifted(rest=made)


class Judged(Outputs):
    good: Thing | None = None
    bad: Annotated[Thing | None, Reject] = None


class Judge(SmallNode):
    title = "Judge"

    def run(self, thing: Any, ctx: Context) -> Judged:
        made = self.made(ctx, thing)
        return Judged(good=made) if self.chance(ctx) % 3 else Judged(bad=made)


class Split(SmallNode):
    title = "Split"

    def run(self, thing: Any, ctx: Context) -> Iterator[Thing | Unreadable]:
        for part in range(self.chance(ctx) % 4):
            if self.chance(ctx, part) % 9 == 0:
                yield Unreadable(key=str(part), source=Source(file="x"), message="a broken part")
            else:
                yield self.made(ctx, thing, part=str(part))


class SplitRows(SmallNode):
    title = "Split into rows"

    def run(self, thing: Any, ctx: Context) -> Iterator[Row]:
        for part in range(self.chance(ctx) % 3):
            made = self.made(ctx, thing, part=str(part))
            yield Row(key=f"part {part}", values={}, stream=made.stream, path=made.key, text=made.text)


class SplitAndSift(SmallNode):
    title = "Split and sift"

    def run(self, thing: Any, ctx: Context) -> Iterator[Sifted]:
        for part in range(self.chance(ctx) % 4):
            made = self.made(ctx, thing, part=str(part))
            is_kept, is_rest = self.chance(ctx, part) & 1, self.chance(ctx, part) & 2
            yield Sifted(kept=made if is_kept else None, rest=made if is_rest else None)


class Pair(SmallNode):
    title = "Pair"

    def run(self, left: Any, right: Any, ctx: Context) -> Thing:
        return self.made(ctx, left, right)


class Complete(SmallNode):
    title = "Complete"

    def run(self, left: Any, ctx: Context, extra: Any | None = None) -> Thing:
        return self.made(ctx, left, extra)


class Bundle(SmallNode):
    title = "Bundle"

    def run(self, head: Any, parts: list[Any], ctx: Context) -> Thing:
        return self.made(ctx, head, *parts)


class Attach(SmallNode):
    title = "Attach"

    def run(self, head: Any, ctx: Context, parts: list[Any] | None = None) -> Thing:
        return self.made(ctx, head, "unwired" if parts is None else "wired", *(parts or ()))


class Merge(SmallNode):
    title = "Merge"

    def run(self, parts: list[Any], ctx: Context) -> Thing:
        return self.made(ctx, *parts)


class Sent(Outputs):
    sent: Thing | None = None
    refused: Annotated[Thing | None, Reject] = None


class Letter(Suspension):
    outcome: ClassVar[type[Outputs]] = Sent

    text: str
    fate: int

    def settled(self, step: str, stream: str, key: Key) -> Sent | Refused:
        """What becomes of it."""
        made = Thing(stream=stream, key=key, text=text_of(step, key, self.text))
        fates: list[Sent | Refused] = [Sent(sent=made), Sent(sent=made), Sent(refused=made), Refused("It was lost.")]
        return fates[self.fate % len(fates)]


class Send(SmallNode):
    title = "Send"

    def run(self, thing: Any, ctx: Context) -> Letter:
        made = self.made(ctx, thing)
        return Letter(text=made.text, fate=self.chance(ctx))


class Told(Outputs):
    row: Row | None = None
    thing: Thing | None = None


class Tell(SmallNode):
    title = "Tell"

    def run(self, row: Row, ctx: Context) -> Told | None:
        made = self.made(ctx, row)
        return Told(row=row, thing=made) if self.chance(ctx) % 3 else None


class Idle(SmallNode):
    title = "Idle"

    def run(self, ctx: Context, one: Any | None = None, other: Row | None = None) -> Thing | None:
        made = self.made(ctx, one, other)
        return made if self.chance(ctx) % 5 else None


class Total(SmallNode):
    title = "Total"

    def run(self, things: Iterator[Item[Any]], ctx: Context) -> Thing:
        return self.made(ctx, *sorted(one.value.text for one in things))


class Sort(SmallNode):
    title = "Sort"

    def run(self, things: Iterator[Item[Any]], ctx: Context) -> Iterator[Row]:
        for number, text in enumerate(sorted(one.value.text for one in things)):
            key = str(number)
            yield Row(key=key, values={}, stream=self.stream, path=(key,), text=text_of(ctx.step, (key,), text))


class Report(SmallNode):
    title = "Report"

    def run(self, things: Iterator[Item[Any]], ctx: Context, more: Iterator[Item[Any]] | None = None) -> None:
        assert all(one.value.text for one in (*things, *(more or ())))


SOURCES: dict[str, type[SmallNode]] = {"Rows": Rows, "Lone": Lone}
STEPS: dict[str, type[SmallNode]] = {
    one.__name__: one
    for one in (
        Change, Enrich, Sift, Choose, Judge, Split, SplitRows, SplitAndSift, Pair, Complete, Bundle, Attach, Merge,
        Send, Tell, Idle, Total, Sort, Report,
    )
}  # fmt: skip
CLASSES: dict[str, type[Node]] = {**SOURCES, **STEPS}
