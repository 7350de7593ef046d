"""Values as JSON: what rests on the disk between two stages. Bytes become blobs; no class is named that is no value.

Pickle would be shorter, and would run code for whoever can write to the workspace.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from ..engine import Item, Record, Value
from ..engine.flow import Endpoint
from ..engine.passage import Items, Seed
from .blobs import BlobRef, Blobs

Known = Mapping[str, type[Value]]
"""Value classes by name: those that the flow's ports carry."""
KeepBytes = Callable[[bytes], BlobRef]


def known_values(types: Iterable[type]) -> Known:
    """The value classes among port types, with their subclasses and the values inside them."""
    found: dict[str, type[Value]] = {}
    waiting = [one for one in types if issubclass(one, Value)]
    while waiting:
        one = waiting.pop()
        if found.setdefault(one.__name__, one) is one:
            waiting += [sub for sub in one.__subclasses__() if sub.__name__ not in found]
    return found | {one.__name__: one for one in _inner_values()}


def _inner_values() -> Iterator[type[Value]]:
    waiting: list[type[Value]] = [Value]
    while waiting:
        one = waiting.pop()
        if one.__module__ == Value.__module__:
            yield one
        waiting += one.__subclasses__()


def encode_seeds(seeds: Iterable[Seed], keep: KeepBytes) -> bytes:
    """One line of JSON a source item."""
    return b"\n".join(json.dumps(_seed(seed, keep), ensure_ascii=False).encode() for seed in seeds)


def decode_seeds(content: bytes, known: Known, blobs: Blobs) -> Iterator[Seed]:
    """What `encode_seeds` wrote."""
    decode = _Decoder(known, blobs)
    for line in content.split(b"\n"):
        if line:
            yield decode.seed(json.loads(line))


def _seed(seed: Seed, keep: KeepBytes) -> dict[str, Any]:
    records: dict[int, int] = {}
    table: list[Any] = []

    def record_number(record: Record | None) -> int | None:
        if record is None:
            return None
        if id(record) not in records:
            records[id(record)] = len(table)
            table.append(_encode(record, keep))
        return records[id(record)]

    def item(one: Item[Any]) -> list[Any]:
        number = record_number(one.record)
        return [one.key, number, None if one.value is one.record else _encode(one.value, keep)]

    encoded: dict[str, Any] = {"key": seed.key}
    encoded["items"] = {str(output): [item(one) for one in items] for output, items in seed.items.items()}
    if seed.lost:
        encoded["lost"] = {str(output): sorted(keys) for output, keys in seed.lost.items()}
    return encoded | {"records": table}


def _encode(value: Any, keep: KeepBytes) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value
    if isinstance(value, Value):
        fields = {name: _encode(one, keep) for name, one in value.__dict__.items()}
        return {"$": type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        return [_encode(one, keep) for one in value]
    if isinstance(value, Mapping):
        return {"$": "map", "of": [[key, _encode(one, keep)] for key, one in value.items()]}
    return _encode_scalar(value, keep)


def _encode_scalar(value: Any, keep: KeepBytes) -> Any:
    if isinstance(value, bytes):
        ref = keep(value)
        return {"$": "bytes", "at": [ref.pack, ref.offset, ref.size, ref.digest]}
    for name, (kind, write, _) in SCALARS.items():
        if type(value) is kind:
            return {"$": name, "is": write(value)}
    raise TypeError(f"A {type(value).__name__} can't rest between two stages. Make it a Value.")


SCALARS: dict[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]] = {
    "decimal": (Decimal, str, Decimal),
    "datetime": (datetime, datetime.isoformat, datetime.fromisoformat),
    "date": (date, date.isoformat, date.fromisoformat),
    "time": (time, time.isoformat, time.fromisoformat),
}


class _Decoder:
    def __init__(self, known: Known, blobs: Blobs) -> None:
        self.known, self.blobs = known, blobs

    def seed(self, encoded: Mapping[str, Any]) -> Seed:
        records = [self.value(one) for one in encoded["records"]]
        items: Items = {
            _endpoint(output): [self._item(one, records) for one in items]
            for output, items in encoded["items"].items()
        }  # fmt: skip
        lost = {_endpoint(name): {tuple(key) for key in keys} for name, keys in encoded.get("lost", {}).items()}
        return Seed(encoded["key"], items, lost)

    def _item(self, encoded: list[Any], records: list[Record]) -> Item[Any]:
        key, number, value = encoded
        record = None if number is None else records[number]
        return Item(tuple(key), record if value is None else self.value(value), record)

    def value(self, encoded: Any) -> Any:
        if isinstance(encoded, list):
            return tuple(self.value(one) for one in encoded)
        if not isinstance(encoded, dict):
            return encoded
        kind = encoded["$"]
        if kind == "map":
            return {key: self.value(one) for key, one in encoded["of"]}
        if kind == "bytes":
            return self.blobs.read(BlobRef(*encoded["at"]))
        if kind in SCALARS:
            return SCALARS[kind][2](encoded["is"])
        fields = {name: self.value(one) for name, one in encoded.items() if name != "$"}
        return self.known[kind].model_construct(**fields)


def _endpoint(text: str) -> Endpoint:
    step, port = text.split(".")
    return Endpoint.model_construct(step=step, port=port)


def first_key(line: bytes) -> str:
    """The key of the source item in a line that `encode_seeds` wrote."""
    return str(json.loads(line)["key"])
