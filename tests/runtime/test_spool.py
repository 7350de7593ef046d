"""Values that rest on the disk come back as they were."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postwerk.engine import (
    ConfigError,
    Document,
    Item,
    Letterhead,
    Mailbox,
    Message,
    Record,
    SentMail,
    Source,
    Value,
)
from postwerk.engine.flow import Endpoint
from postwerk.engine.passage import Seed
from postwerk.runtime.blobs import BlobRef, Blobs
from postwerk.runtime.spool import are_alike, decode_seeds, encode_seeds

OUT = Endpoint(step="read", port="records")
AWAY = Endpoint.model_construct(step="send", port="")

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.decimals(allow_nan=False),
    st.text(st.characters()), st.datetimes(timezones=st.none() | st.just(UTC)), st.dates(), st.times(),
)  # fmt: skip


class Kept(dict[str, bytes]):
    """Blobs in memory."""

    def put(self, content: bytes) -> BlobRef:
        self[str(len(self))] = content
        return BlobRef("ab", len(self) - 1, len(content), "c" * 64)

    def read(self, ref: BlobRef) -> bytes:
        return self[str(ref.offset)]


def back(*seeds: Seed) -> list[Seed]:
    kept = Kept()
    return list(decode_seeds(encode_seeds(seeds, kept.put), kept.read))


def seed(value: Any, record: Record | None = None) -> Seed:
    return Seed("k", {OUT: [Item(("k",), value, record)]})


@given(st.dictionaries(st.text(st.characters()), scalars), st.text(st.characters()))
def test_every_cell_comes_back_with_its_type(values: dict[str, Any], key: str) -> None:
    record = Record(key=key, values=values, source=Source(file="list.xlsx", sheet="Kunden", row=7))

    (found,) = back(Seed(key, {OUT: [Item((key, "0"), record, record)]}))

    (item,) = found.items[OUT]
    assert (found.key, item.key, item.value) == (key, (key, "0"), record)
    assert [type(one) for one in item.value.values.values()] == [type(one) for one in record.values.values()]


def test_a_mail_with_its_attachments_comes_back() -> None:
    head = Letterhead(to=(Mailbox(address="ann@example.com", name="Ann"),), headers=(("X-No", "7"),))
    message = Message(head=head, text="Gruß", attachments=(Document(name="a.pdf", content=b"%PDF\0\xff"),))

    (found,) = back(seed(message))

    assert found.items[OUT][0].value == message


def test_items_of_one_record_share_it_when_they_come_back() -> None:
    record = Record(key="k", values={"name": "Ann"})
    items = [Item(("k",), record, record), Item(("k",), Document(name="a", content=b"a"), record)]

    (found,) = back(Seed("k", {OUT: items}))

    first, second = found.items[OUT]
    assert first.value is first.record is second.record


def test_keys_that_were_lost_and_mails_that_are_away_come_back() -> None:
    record = Record(key="k", values={})
    lost = Seed("k", {AWAY: [Item(("k", "1"), record, record)]}, {OUT: {("k",), ("k", "1")}})

    assert back(lost) == [lost]


class Inner(Value):
    span: timedelta
    moment: time


class Outer(Value):
    port_name: ClassVar[str] = "outer"

    inner: Inner
    by_day: dict[date, Decimal]
    content: bytes


def test_values_of_a_plugin_come_back_with_those_inside_them() -> None:
    inner = Inner(span=timedelta(days=-1, microseconds=7), moment=time(8, 30))
    outer = Outer(inner=inner, by_day={date(2026, 3, 1): Decimal("1.10")}, content=b"\0")

    (found,) = back(seed(outer))

    assert found.items[OUT][0].value == outer


def namesake() -> type[Value]:
    class Document(Value):
        pages: int

    return Document


def test_two_packages_may_use_one_name_for_their_values() -> None:
    theirs = namesake()(pages=3)

    (found,) = back(seed(theirs))

    assert type(found.items[OUT][0].value) is type(theirs)


class Awkward(Value):
    things: Any


@pytest.mark.parametrize("thing", [{1, 2}, object(), 1j])
def test_what_can_not_rest_is_refused_with_its_type(thing: Any) -> None:
    with pytest.raises(
        ConfigError, match=rf"^A value holds {type(thing).__name__}, which can't rest between two stage"
    ):
        back(seed(Awkward(things=thing)))


def test_a_value_whose_package_is_gone_is_told_in_words() -> None:
    lines = encode_seeds([seed(Awkward(things="x"))], Kept().put).replace(b"Awkward", b"Gone")

    with pytest.raises(ConfigError, match=r"needs 'tests\.runtime\.test_spool\.Gone', which is not installed"):
        list(decode_seeds(lines, Kept().read))


def test_no_class_is_made_that_is_no_value() -> None:
    lines = b'{"key":"k","items":{"read.records":[[["k"],null,{"$":"pathlib.Path","of":[]}]]},"records":[]}'

    with pytest.raises(ConfigError, match="which is not installed"):
        list(decode_seeds(lines, Kept().read))


def test_bytes_lie_in_blobs_and_stay_there_until_they_are_wanted(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    document = Document(name="a.pdf", content=b"x" * 5000)
    lines = encode_seeds([seed(document)], blobs.put)

    (unread,) = decode_seeds(lines, lambda ref: ref)
    again = encode_seeds([unread], refuse)

    assert len(lines) < 500
    assert again == lines
    (read,) = decode_seeds(again, blobs.read)
    assert read.items[OUT][0].value == document


def refuse(content: bytes) -> BlobRef:
    raise AssertionError("These bytes were kept before.")


def test_chunks_are_alike_wherever_their_bytes_lie(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    one, same, other = (
        encode_seeds([seed(Document(name="a", content=content))], blobs.put) for content in (b"1", b"1", b"2")
    )

    assert one != same
    assert are_alike(one, same)
    assert not are_alike(one, other)


def test_a_cell_can_not_pass_for_bytes_or_a_line_end() -> None:
    text = '{"$":"bytes","at":["ab",0,1,"' + "c" * 64 + '"]}\n'
    record = Record(key="k", values={"text": text, "$": "map"})

    (found,) = back(seed(record, record))

    assert found.items[OUT][0].value == record


def test_a_chunk_is_a_line_for_each_source_item() -> None:
    records = [Record(key=str(number), values={"text": "a\nb\u2028c"}) for number in range(3)]
    lines = encode_seeds((Seed(one.key, {OUT: [Item((one.key,), one, one)]}) for one in records), Kept().put)

    assert [json.loads(line)["key"] for line in lines.split(b"\n")] == ["0", "1", "2"]


def test_moments_keep_their_offset() -> None:
    moment = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    sent = SentMail(message_id="<1@x>", account="office", recipients=("a@x",), sent_at=moment)

    (found,) = back(seed(sent))

    assert found.items[OUT][0].value == sent


def chunk(number: int) -> Iterator[Seed]:
    return (seed(Record(key=str(one), values={})) for one in range(number))


def test_an_empty_chunk_holds_nothing() -> None:
    assert list(decode_seeds(encode_seeds(chunk(0), Kept().put), Kept().read)) == []
