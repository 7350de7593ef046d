"""Ports are read from hints when the class is made; a hint that is no port fails there, with the line to write."""

# Only the signatures are read.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, ClassVar

import pytest
from postwerk.engine import (
    Arity,
    Context,
    Document,
    Item,
    Message,
    Node,
    Outgoing,
    Outputs,
    Record,
    Reject,
    SealedMessage,
    Suspension,
    Unreadable,
)
from postwerk.engine.ports import Ports, read_ports


class Sorted(Outputs):
    kept: Record | None = None
    bad: Annotated[Record | None, Reject] = None


class Answered(Outputs):
    answer: Document | None = None


class Question(Suspension):
    outcome: ClassVar[type[Outputs]] = Answered


def ports_of(run: Any) -> Ports:
    return read_ports("Odd", run)


def refusal(run: Any) -> str:
    with pytest.raises(TypeError) as caught:
        read_ports("Odd", run)
    return str(caught.value)


def test_arguments_are_inputs_and_the_return_type_is_the_output() -> None:
    def run(self: Node, record: Record, extra: Document | None = None, *, ctx: Context) -> Message: ...

    ports = ports_of(run)

    record, extra = ports.inputs.values()
    assert (record.name, record.types, record.arity, record.is_required) == ("record", (Record,), Arity.ONE, True)
    assert (extra.name, extra.types, extra.arity, extra.is_required) == ("extra", (Document,), Arity.ONE, False)
    assert [(port.name, port.types) for port in ports.outputs.values()] == [("message", (Message,))]
    assert (ports.takes_context, ports.is_async, ports.is_source, ports.is_gather) == (True, False, False, False)


@pytest.mark.parametrize("hint", [list[Document], tuple[Document, ...], list[Document] | None])
def test_a_list_collects_all_items_of_a_record(hint: Any) -> None:
    def run(self: Node, parts: Any) -> Record: ...

    run.__annotations__ = {"parts": hint, "return": Record}

    port = ports_of(run).inputs["parts"]
    assert (port.arity, port.types) == (Arity.COLLECT, (Document,))


def test_an_iterator_of_items_gathers_and_no_inputs_make_a_source() -> None:
    def gather(self: Node, items: Iterator[Item[Record | Document]]) -> None: ...
    async def source(self: Node) -> AsyncIterator[Record | Unreadable]:
        yield Record(key="", values={})

    assert ports_of(gather).inputs["items"].types == (Record, Document)
    assert (ports_of(gather).is_gather, ports_of(gather).outputs) == (True, {})
    assert (ports_of(source).is_source, ports_of(source).is_iterator, ports_of(source).is_async) == (True, True, True)
    assert ports_of(source).outputs["records"].types == (Record,)


@pytest.mark.parametrize("hint", [Sorted, Sorted | None, Iterator[Sorted]])
def test_each_field_of_outputs_is_an_output(hint: Any) -> None:
    def run(self: Node, record: Record) -> Any: ...

    run.__annotations__ = {"record": Record, "return": hint}

    outputs = ports_of(run).outputs
    assert {name: port.is_reject for name, port in outputs.items()} == {"kept": False, "bad": True}


@pytest.mark.parametrize("hint", [Question, Question | None])
def test_the_outputs_of_a_suspension_are_those_of_its_outcome(hint: Any) -> None:
    def run(self: Node, record: Record) -> Any: ...

    run.__annotations__ = {"record": Record, "return": hint}

    ports = ports_of(run)
    assert (ports.is_suspension, list(ports.outputs)) == (True, ["answer"])


def test_an_output_fits_when_each_of_its_types_is_taken() -> None:
    def run(self: Node, message: Message | SealedMessage, draft: Message) -> SealedMessage: ...
    def two(self: Node, record: Record) -> Message | SealedMessage: ...

    inputs = ports_of(run).inputs

    assert inputs["message"].accepts(ports_of(run).outputs["message"])
    assert inputs["message"].accepts(ports_of(two).outputs["message"])
    assert not inputs["draft"].accepts(ports_of(two).outputs["message"])


def no_hint(self, record) -> Record: ...  # type: ignore[no-untyped-def]
def no_return(self, record: Record): ...  # type: ignore[no-untyped-def]
def unknown(self: Node, record: Recrod) -> Record: ...  # type: ignore[name-defined]  # noqa: F821
def anything(self: Node, record: Any) -> Record: ...
def bare_list(self: Node, record: list) -> Record: ...  # type: ignore[type-arg]
def bare_stream(self: Node, record: Iterator[Record]) -> None: ...
def bare_item(self: Node, record: Item[Record]) -> None: ...
def literal(self: Node, record: Record) -> list[Record]: ...
def stars(self: Node, *records: Record) -> Record: ...
def two_stars(self: Node, **records: Record) -> Record: ...
def by_place(self: Node, record: Record, /) -> Record: ...
def gathers_beside_one(self: Node, items: Iterator[Item[Record]], form: Document) -> Document: ...
def suspends_from_nothing(self: Node) -> Question: ...
def suspends_a_gather(self: Node, items: Iterator[Item[Record]]) -> Question: ...
def suspends_many(self: Node, record: Record) -> Iterator[Question]: ...
def suspends_or_not(self: Node, record: Record) -> Question | Document: ...


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (no_hint, "Odd.run: argument 'record' has no type hint. Write 'record: Record', say."),
        (no_return, "Odd.run has no return hint. Write 'def run(self, …) -> Document:', say."),
        (unknown, "Odd.run: the hint 'Recrod' is not known. Import it for real, not under TYPE_CHECKING."),
        (anything, "Odd.run: the hint of 'record' is typing.Any. A port takes values: write 'Record', say."),
        (bare_list, "Odd.run: the hint of 'record' is <class 'list'>. A port takes values: write 'Record', say."),
        (bare_stream, "Odd.run: 'record' gathers, so it takes items. Write 'Iterator[Item[Record]]'."),
        (bare_item, "Odd.run: the hint of 'record' is postwerk.engine.item.Item[postwerk.engine.values.Record]."),
        (literal, "Odd.run: the hint of 'return' is list[postwerk.engine.values.Record]. A port takes values"),
        (stars, "Odd.run: *records: 'Record' can't be a port. Write an argument with a name for each input."),
        (two_stars, "Odd.run: **records: 'Record' can't be a port."),
        (by_place, "Odd.run: record: 'Record' can't be a port."),
        (gathers_beside_one, "Odd.run: 'form' takes one item, but a node that gathers is called once for all."),
        (suspends_from_nothing, "Odd.run: a source has no item to suspend. Return a value, and suspend in a step"),
        (suspends_a_gather, "Odd.run: a node that gathers has no item to suspend."),
        (suspends_many, "Odd.run gives several suspensions. Give several items, and suspend each in a step behind."),
        (suspends_or_not, "Odd.run: the hint of 'return' is "),
    ],
)  # fmt: skip
def test_what_can_be_no_port_is_refused_with_the_line_to_write(run: Any, message: str) -> None:
    assert refusal(run).startswith(message)


def test_a_node_class_without_a_title_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Nameless has no title\. Write 'title = \"…\"'\.$"):

        class Nameless(Node):
            def run(self, record: Record) -> Record:
                return record


def test_sending_suspends_with_the_outputs_sent_and_refused() -> None:
    def run(self: Node, message: Message) -> Outgoing: ...

    assert {name: port.is_reject for name, port in ports_of(run).outputs.items()} == {"sent": False, "refused": True}
