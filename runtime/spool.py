"""Values as JSON: what rests on the disk between two stages. Bytes become blobs; no class is named that is no value.

Pickle would be shorter, and would run code for whoever can write to the workspace.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from ..engine import ConfigError, Item, Record, Value
from ..engine.flow import Endpoint
from ..engine.passage import Items, Seed
from .blobs import BlobRef

KeepBytes = Callable[[bytes], BlobRef]
ReadBytes = Callable[[BlobRef], Any]

MICROSECOND = timedelta(microseconds=1)
PLAIN = frozenset({str, int, float, bool, type(None)})
"""What JSON holds as it is."""


class _Scalar(NamedTuple):
    name: str
    write: Callable[[Any], str]
    read: Callable[[str], Any]


SCALARS: Mapping[type, _Scalar] = {
    Decimal: _Scalar("decimal", str, Decimal),
    datetime: _Scalar("datetime", datetime.isoformat, datetime.fromisoformat),
    date: _Scalar("date", date.isoformat, date.fromisoformat),
    time: _Scalar("time", time.isoformat, time.fromisoformat),
    timedelta: _Scalar("timedelta", lambda span: str(span // MICROSECOND), lambda text: int(text) * MICROSECOND),
}
_READERS = {one.name: one.read for one in SCALARS.values()}

_to_json = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def encode_seeds(seeds: Iterable[Seed], keep: KeepBytes) -> bytes:
    """One line of JSON a source item; `keep` says where its bytes lie.

    Raises:
        ConfigError: a value holds something that can't rest; its node is at fault.
    """
    lines = (_to_json(_Encoder(keep).seed(seed)) for seed in seeds)
    return b"\n".join(line.encode("utf-8", "surrogatepass") for line in lines)


def decode_seeds(content: bytes, read: ReadBytes) -> Iterator[Seed]:
    """What `encode_seeds` wrote; `read` gives bytes for where they lie, or leaves that as it is."""
    decode = _Decoder(read)
    return (decode.seed(json.loads(line)) for line in content.split(b"\n") if line)


def are_alike(one: bytes, other: bytes) -> bool:
    """Whether two chunks hold the same values, wherever their bytes lie."""
    return one == other or _PLACE.sub(rb"\1", one) == _PLACE.sub(rb"\1", other)


_PLACE = re.compile(rb'\{"\$":"bytes","at":\["[0-9a-f]+",\d+,(\d+,"[0-9a-f]{64}")\]\}')


class _Encoder:
    """Writes one seed. A record that many of its items descend from is written once."""

    def __init__(self, keep: KeepBytes) -> None:
        self._keep = keep
        self._records: list[Any] = []
        self._numbers: dict[int, int] = {}

    def seed(self, seed: Seed) -> dict[str, Any]:
        items = {str(output): [self._item(one) for one in items] for output, items in seed.items.items()}
        lost = {str(output): sorted(keys) for output, keys in seed.lost.items()}
        return {"key": seed.key, "items": items, "records": self._records} | ({"lost": lost} if lost else {})

    def _item(self, item: Item[Any]) -> list[Any]:
        number = None if item.record is None else self._record(item.record)
        return [item.key, number, None if item.value is item.record else self._value(item.value)]

    def _record(self, record: Record) -> int:
        number = self._numbers.get(id(record))
        if number is None:
            number = self._numbers[id(record)] = len(self._records)
            self._records.append(self._value(record))
        return number

    def _value(self, value: Any) -> Any:
        if type(value) in PLAIN:
            return value
        if isinstance(value, Value):
            name, fields = _form(type(value))
            held = value.__dict__
            encoded: dict[str, Any] = {"$": name}
            for field in fields:
                one = held[field]
                encoded[field] = one if type(one) in PLAIN else self._value(one)
            return encoded
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, tuple | list):
            return [self._value(one) for one in value]
        return self._scalar(value)

    def _mapping(self, mapping: Mapping[Any, Any]) -> dict[str, Any]:
        if all(type(key) is str for key in mapping):
            of = {key: one if type(one) in PLAIN else self._value(one) for key, one in mapping.items()}
            return {"$": "map", "of": of}
        return {"$": "pairs", "of": [[self._value(key), self._value(one)] for key, one in mapping.items()]}

    def _scalar(self, value: Any) -> Any:
        if isinstance(value, bytes):
            value = self._keep(value)
        if isinstance(value, BlobRef):
            return {"$": "bytes", "at": [value.pack, value.offset, value.size, value.digest]}
        if scalar := SCALARS.get(type(value)):
            return {"$": scalar.name, "is": scalar.write(value)}
        if isinstance(value, str | int | float):
            return value
        raise ConfigError(
            f"A value holds {type(value).__name__}, which can't rest between two stages. "
            "Its node must give a Value made of text, numbers, dates, bytes and other Values."
        )


class _Decoder:
    def __init__(self, read: ReadBytes) -> None:
        self._read = read
        self._classes = {_form(one)[0]: one for one in _values_below(Value)}

    def seed(self, encoded: Mapping[str, Any]) -> Seed:
        records = [self._value(one) for one in encoded["records"]]
        items: Items = {
            _endpoint(output): [self._item(one, records) for one in items] for output, items in encoded["items"].items()
        }
        lost = {_endpoint(name): {tuple(key) for key in keys} for name, keys in encoded.get("lost", {}).items()}
        return Seed(encoded["key"], items, lost)

    def _item(self, encoded: list[Any], records: list[Record]) -> Item[Any]:
        key, number, value = encoded
        record = None if number is None else records[number]
        return Item(tuple(key), record if value is None else self._value(value), record)

    def _value(self, encoded: Any) -> Any:
        if type(encoded) in PLAIN:
            return encoded
        if isinstance(encoded, list):
            return tuple([self._value(one) for one in encoded])
        kind = encoded["$"]
        if kind == "map":
            return {key: one if type(one) in PLAIN else self._value(one) for key, one in encoded["of"].items()}
        if kind in self._classes:
            fields = {name: self._value(one) for name, one in encoded.items() if name != "$"}
            return self._classes[kind].model_construct(**fields)
        if kind in _READERS:
            return _READERS[kind](encoded["is"])
        if kind == "bytes":
            return self._read(BlobRef(*encoded["at"]))
        if kind == "pairs":
            return {self._value(key): self._value(one) for key, one in encoded["of"]}
        raise ConfigError(f"What was kept of this run needs {kind!r}, which is not installed. Install its package.")


def _values_below(kind: type[Value]) -> Iterator[type[Value]]:
    for one in kind.__subclasses__():
        yield one
        yield from _values_below(one)


@lru_cache(maxsize=1024)
def _form(kind: type[Value]) -> tuple[str, tuple[str, ...]]:
    """How a class of values is named, and its fields.

    The engine's have their own name; all others stand with their module, so that two packages may use one name.
    """
    is_ours = kind.__module__ == Value.__module__
    return kind.__name__ if is_ours else f"{kind.__module__}.{kind.__qualname__}", tuple(kind.model_fields)


@lru_cache(maxsize=1024)
def _endpoint(text: str) -> Endpoint:
    step, port = text.split(".")
    return Endpoint.model_construct(step=step, port=port)
