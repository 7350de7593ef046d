"""The passage of one source item through a stage. No I/O: it asks for each call of a node, and is told the result.

An item only ever meets items whose keys begin alike, so a document can't meet the message of another row.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any

from .errors import Refused
from .flow import Endpoint
from .graph import Graph, Lineage
from .item import Item, Key, key_text
from .plan import Stage
from .ports import Arity, Outputs, Port, Suspension
from .values import Record, Unreadable

Items = dict[Endpoint, list[Item[Any]]]
Lost = dict[Endpoint, set[Key]]
"""Keys that a failure kept from an output: whoever would join them must not run."""


class Ending(Enum):
    """What becomes of a source item: exactly one of these."""

    FAILED = "failed"
    DONE = "done"
    JOINED_AWAY = "joined_away"
    """What it should have been joined with never came."""
    FILTERED = "filtered"

    @classmethod
    def of(cls, endings: Iterable[Ending]) -> Ending:
        """The ending of an item that took part in several stages: the one that stands first above."""
        found = set(endings)
        return next((one for one in cls if one in found), cls.FILTERED)


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that a step could not do."""

    step: str
    key: Key
    record: Record | None
    error: Exception


@dataclass(frozen=True, slots=True)
class Suspended:
    """An item that a step left with the runtime."""

    step: str
    key: Key
    record: Record | None
    value: Suspension


@dataclass(slots=True)
class Seed:
    """What of one source item enters a stage."""

    key: str
    items: Items = field(default_factory=dict)
    lost: Lost = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """Counts of one step."""

    taken: int = 0
    failed: int = 0
    given: dict[str, int] = field(default_factory=dict)
    """output port -> items."""


@dataclass(slots=True)
class Trail:
    """What one source item left behind in a stage."""

    key: str
    items: Items = field(default_factory=dict)
    lost: Lost = field(default_factory=dict)
    suspended: list[Suspended] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    has_arrived: bool = False
    is_joined_away: bool = False

    @property
    def ending(self) -> Ending:
        if self.failures:
            return Ending.FAILED
        if self.has_arrived:
            return Ending.DONE
        return Ending.JOINED_AWAY if self.is_joined_away else Ending.FILTERED


@dataclass(slots=True)
class Call:
    """A call of a step's node that is due. `inputs` holds the arguments of `run` that are ports."""

    step: str
    item: Item[Any]
    inputs: Mapping[str, Any]
    refusal: Refused | None = None
    """Why it can't be made; then nobody is asked."""


Given = Iterable[tuple[str, Any]]
"""What a call gave: output port and value, in order. A step that suspends gives ('', its suspension); a 1:n step with
several outputs gives ('', each Outputs), so that it is known what came together."""

Walk = Generator[Call, Given | Exception, Trail]


class _Kind(Enum):
    """What a walk must know of a value. Told by its type, once: `isinstance` is slow for pydantic's models."""

    PLAIN = 0
    RECORD = 1
    UNREADABLE = 2
    OUTPUTS = 3
    SUSPENSION = 4


@lru_cache(maxsize=1024)
def _kind(of: type) -> _Kind:
    kinds = {Record: _Kind.RECORD, Unreadable: _Kind.UNREADABLE, Outputs: _Kind.OUTPUTS, Suspension: _Kind.SUSPENSION}
    return next((kind for one, kind in kinds.items() if issubclass(of, one)), _Kind.PLAIN)


@dataclass(frozen=True, slots=True)
class _Feed:
    output: Endpoint
    depth: int
    """Length of its items' keys, as far as this step joins them."""
    has_record: bool
    """Its items descend from one record for each key at which they are joined, not from a record of each part."""


@dataclass(frozen=True, slots=True)
class _PortPlan:
    name: str
    is_required: bool
    is_collect: bool
    own: tuple[_Feed, ...]
    shared: tuple[Endpoint, ...]
    """Other streams' single items, which go to all."""
    depths: tuple[int, ...]
    """Of its own feeds, each once."""


@dataclass(frozen=True, slots=True)
class _StepPlan:
    step: str
    depth: int
    """Length of the keys at which its inputs are joined."""
    ports: tuple[_PortPlan, ...]
    """Wired input ports."""
    straight: tuple[str, Endpoint] | None
    """Its only input and what feeds it: nothing is joined."""
    outputs: Mapping[str, Endpoint]
    wired: frozenset[str]
    rejects: frozenset[str]
    """Outputs for items that are not in order, and that nobody takes: such an item fails."""
    handed_on: frozenset[str]
    """Outputs that a gather or another stream takes: there an item has arrived."""
    is_iterator: bool


class Passage:
    """The way through one stage, worked out once."""

    def __init__(self, graph: Graph, stage: Stage) -> None:
        self.stage = stage
        self.steps = tuple(_plan_step(graph, step) for step in stage.steps)
        root = _plan_step(graph, stage.root)
        self._arrived = tuple(root.outputs[name] for name in root.handed_on)

    def walk(self, seed: Seed, shared: Items, lost: Collection[Endpoint] = ()) -> Walk:
        """Yields each call that is due and wants what it gave, or the error that it met; returns the trail.

        `lost` are shared outputs whose single item a failure kept away: what needs them is not done.
        """
        trail = Trail(seed.key, items={**shared, **seed.items}, lost=dict(seed.lost))
        trail.has_arrived = any(output in seed.items for output in self._arrived)
        for plan in self.steps:
            tally = trail.tallies[plan.step] = Tally()
            for call in _calls(plan, trail, lost):
                given = call.refusal or (yield call)
                tally.taken += 1
                if isinstance(given, Exception):
                    tally.failed += 1
                    _fail(plan, trail, call, given, call.item.key)
                else:
                    _route(plan, trail, tally, call, given)
        trail.items = {output: trail.items[output] for output in self.stage.leaves if output in trail.items}
        return trail

    def settle(self, suspended: Suspended, outcome: Outputs | Exception) -> Trail:
        """What the outcome of a suspended item leaves behind, for the stages that go on with it."""
        plan = next(plan for plan in self.steps if plan.step == suspended.step)
        tally = Tally()
        trail = Trail(suspended.key[0], tallies={plan.step: tally})
        call = Call(plan.step, Item(suspended.key, None, suspended.record), {})
        if isinstance(outcome, Exception):
            tally.failed += 1
            _fail(plan, trail, call, outcome, suspended.key)
        else:
            _route(plan, trail, tally, call, _fields(outcome))
        return trail


def _plan_step(graph: Graph, step: str) -> _StepPlan:
    ports, joined = graph.ports(step), graph.joins[step]
    wired = frozenset(name for name in ports.outputs if graph.is_wired(step, name))
    feeds = graph.feeds.get(step, {})
    plans = tuple(_plan_port(graph, port, feeds[name], joined) for name, port in ports.inputs.items() if name in feeds)
    return _StepPlan(
        step=step,
        depth=len(joined.path),
        ports=plans,
        straight=_straight(plans),
        outputs={name: Endpoint.model_construct(step=step, port=name) for name in ports.outputs},
        wired=wired,
        rejects=frozenset(name for name, port in ports.outputs.items() if port.is_reject) - wired,
        handed_on=frozenset(name for name in wired if _is_handed_on(graph, step, name)),
        is_iterator=ports.is_iterator,
    )


def _plan_port(graph: Graph, port: Port, sources: list[Endpoint], joined: Lineage) -> _PortPlan:
    lineages = [(source, graph.lineage(source)) for source in sources]
    own = tuple(
        _Feed(source, min(len(lineage.path), len(joined.path)), graph.record_depth(source) <= len(joined.path))
        for source, lineage in lineages
        if lineage.root == joined.root
    )
    return _PortPlan(
        port.name, port.is_required, port.arity is Arity.COLLECT, own,
        shared=tuple(source for source, lineage in lineages if lineage.root != joined.root),
        depths=tuple(sorted({feed.depth for feed in own})),
    )  # fmt: skip


def _straight(ports: tuple[_PortPlan, ...]) -> tuple[str, Endpoint] | None:
    is_lone = len(ports) == 1 and len(ports[0].own) == 1 and not ports[0].shared and not ports[0].is_collect
    return (ports[0].name, ports[0].own[0].output) if is_lone else None


def _is_handed_on(graph: Graph, step: str, port: str) -> bool:
    targets = graph.takers[Endpoint.model_construct(step=step, port=port)]
    return any(graph.joins[target.step].root != graph.joins[step].root for target in targets)


def _calls(plan: _StepPlan, trail: Trail, lost_shares: Collection[Endpoint]) -> Iterator[Call]:
    lost = _lost_keys(plan, trail, lost_shares) if trail.lost or lost_shares else None
    if plan.straight and not lost:
        port, output = plan.straight
        for item in trail.items.get(output, ()):
            yield Call(plan.step, item, {port: item.value})
        return
    for key, found in _meetings(plan, trail):
        is_lost = lost and any(key[: len(one)] == one for one in lost)
        call = None if is_lost else _call(plan, trail, key, found)
        if call:
            yield call
        else:
            trail.is_joined_away = True
    if lost:
        for output in plan.outputs.values():
            trail.lost.setdefault(output, set()).update(lost)


def _lost_keys(plan: _StepPlan, trail: Trail, lost_shares: Collection[Endpoint]) -> set[Key]:
    """Keys at which something is missing that a failure kept away; () when it is missing for all."""
    own = {
        key[: plan.depth] for port in plan.ports for feed in port.own for key in trail.lost.get(feed.output, ())
    }  # fmt: skip
    is_for_all = any(output in lost_shares for port in plan.ports for output in port.shared)
    return own | {()} if is_for_all else own


Found = Sequence[Sequence[Item[Any]]]
"""For each port the items of its own stream that meet at one key."""


def _meetings(plan: _StepPlan, trail: Trail) -> Iterator[tuple[Key, Found]]:
    """The keys at which the step's inputs meet, each with what arrived there."""
    if plan.depth == 1:
        found = [[item for feed in port.own for item in trail.items.get(feed.output, ())] for port in plan.ports]
        if any(found):
            yield (trail.key,), found
        return
    arrived = [_by_key(port, trail) for port in plan.ports]
    keys = {key: None for by_key in arrived for key in by_key}
    complete = [key for key in keys if len(key) == plan.depth]
    if len(complete) < len(keys):
        begun = {key[:length] for key in complete for length in range(1, plan.depth)}
        trail.is_joined_away |= any(len(key) < plan.depth and key not in begun for key in keys)
    for key in complete:
        yield key, [_at(key, port, by_key) for port, by_key in zip(plan.ports, arrived, strict=True)]


ByKey = dict[Key, list[Item[Any]]]


def _by_key(port: _PortPlan, trail: Trail) -> ByKey:
    found: ByKey = {}
    for feed in port.own:
        for item in trail.items.get(feed.output, ()):
            found.setdefault(item.key[: feed.depth], []).append(item)
    return found


def _at(key: Key, port: _PortPlan, by_key: ByKey) -> list[Item[Any]]:
    return [item for depth in port.depths for item in by_key.get(key[:depth], ())]


def _call(plan: _StepPlan, trail: Trail, key: Key, found: Found) -> Call | None:
    """The call at a key; None when something that it needs did not come."""
    inputs: dict[str, Any] = {}
    crowded: Refused | None = None
    for port, own in zip(plan.ports, found, strict=True):
        parts = sorted(own, key=_place) if port.is_collect and len(own) > 1 else own
        items = [*parts, *(item for output in port.shared for item in trail.items.get(output, ()))]
        if not items and port.is_required:
            return None
        if port.is_collect:
            inputs[port.name] = [item.value for item in items]
        elif items:
            inputs[port.name] = items[0].value
            crowded = crowded or (_two_items(port, key, items) if len(items) > 1 else None)
    return Call(plan.step, _item(plan, trail, key, found), inputs, crowded)


def _place(item: Item[Any]) -> list[tuple[int, str]]:
    """Parts of a record come in the order in which they were made: '2' stands before '10'."""
    return [(len(part), part) for part in item.key[1:]]


def _item(plan: _StepPlan, trail: Trail, key: Key, found: Found) -> Item[Any]:
    """The item at hand. Its record is that of the first input that is a record, else of the first input.

    When all is collected, it is the record that the parts have in common.
    """
    first: Item[Any] | None = None
    for port, items in zip(plan.ports, found, strict=True):
        if items and not port.is_collect:
            if _kind(items[0].value.__class__) is _Kind.RECORD:
                return Item(key, (first or items[0]).value, items[0].value)
            first = first or items[0]
    if first:
        return Item(key, first.value, first.record)
    parts = (
        item for port in plan.ports for feed in port.own if feed.has_record for item in trail.items.get(feed.output, ())
    )
    return Item(key, None, next((item.record for item in parts), None))


def _two_items(port: _PortPlan, key: Key, items: list[Item[Any]]) -> Refused:
    return Refused(
        f"{len(items)} items of {key_text(key)!r} arrive at the input {port.name!r}, which takes one. "
        f"Wire branches that exclude each other, or filter before."
    )


def _fail(plan: _StepPlan, trail: Trail, call: Call, error: Exception, key: Key) -> None:
    trail.failures.append(Failure(plan.step, key, call.item.record, error))
    for output in plan.outputs.values():
        trail.lost.setdefault(output, set()).add(key)


def _route(plan: _StepPlan, trail: Trail, tally: Tally, call: Call, given: Given) -> None:
    trail.has_arrived |= not plan.wired
    for number, (name, value) in enumerate(given):
        key = (*call.item.key, str(number)) if plan.is_iterator else call.item.key
        kind = _kind(value.__class__)
        if kind is _Kind.SUSPENSION:
            trail.has_arrived = True
            trail.suspended.append(Suspended(plan.step, key, call.item.record, value))
        elif kind is _Kind.OUTPUTS:
            for port, one in _fields(value):
                _give(plan, trail, tally, call, port, one, key)
        else:
            _give(plan, trail, tally, call, name, value, key)


def _fields(outputs: Outputs) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in outputs.__dict__.items() if value is not None]


def _give(plan: _StepPlan, trail: Trail, tally: Tally, call: Call, port: str, value: Any, key: Key) -> None:
    kind = _kind(value.__class__)
    if kind is _Kind.UNREADABLE or port in plan.rejects:
        tally.failed += 1
        _fail(plan, trail, call, Refused(value.complaint, column=value.blamed), key)
        return
    tally.given[port] = tally.given.get(port, 0) + 1
    if port in plan.wired:
        item = Item(key, value, value if kind is _Kind.RECORD else call.item.record)
        trail.items.setdefault(plan.outputs[port], []).append(item)
        trail.has_arrived |= port in plan.handed_on
