"""The passage of one source item through a stage. No I/O: it asks for each call of a node, and is told the result.

An item only ever meets items whose keys begin alike, so a document can't meet the message of another row.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .errors import Refused
from .flow import Endpoint
from .graph import Graph
from .item import Item, Key, key_text
from .plan import Stage
from .ports import Arity, Port, Suspension
from .values import Record, Unreadable

Items = dict[Endpoint, list[Item[Any]]]
Lost = dict[Endpoint, set[Key]]
"""Keys that a failure kept from an output: whoever would join them must not run."""


class Ending(Enum):
    """What becomes of a source item: exactly one of these."""

    DONE = "done"
    FAILED = "failed"
    FILTERED = "filtered"
    JOINED_AWAY = "joined_away"
    """What it should have been joined with never came."""


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


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a step's node that is due. `inputs` holds the arguments of `run` that are ports."""

    step: str
    item: Item[Any]
    inputs: Mapping[str, Any]
    refusal: Refused | None = None
    """Why it can't be made; then nobody is asked."""


Given = Iterable[tuple[str, Any]]
"""What a call gave: output port and value, in order. A step that suspends gives ('', its suspension)."""

Walk = Generator[Call, Given | Exception, Trail]


@dataclass(frozen=True, slots=True)
class _Feed:
    output: Endpoint
    depth: int
    """Length of its items' keys."""
    is_shared: bool
    """It is another stream's single item, which goes to all."""


@dataclass(frozen=True, slots=True)
class _StepPlan:
    step: str
    depth: int
    """Length of the keys at which its inputs are joined."""
    ports: tuple[tuple[Port, tuple[_Feed, ...]], ...]
    """Wired input ports."""
    outputs: Mapping[str, Endpoint]
    wired: frozenset[str]
    rejects: frozenset[str]
    """Outputs for items that are not in order, and that nobody takes: such an item fails."""
    gathered: frozenset[str]
    is_iterator: bool
    is_suspension: bool


class Passage:
    """The way through one stage, worked out once."""

    def __init__(self, graph: Graph, stage: Stage) -> None:
        self.stage = stage
        self.steps = tuple(_plan_step(graph, step) for step in stage.steps)

    def walk(self, seed: Seed, shared: Items) -> Walk:
        """Yields each call that is due and wants what it gave, or the error that it met; returns the trail."""
        trail = Trail(seed.key, items={**shared, **seed.items}, lost=dict(seed.lost))
        for plan in self.steps:
            tally = trail.tallies[plan.step] = Tally()
            for call in _calls(plan, trail):
                given = call.refusal or (yield call)
                tally.taken += 1
                if isinstance(given, Exception):
                    tally.failed += 1
                    _fail(plan, trail, call, given)
                else:
                    _route(plan, trail, call, given)
        return self._only_leaving(trail)

    def _only_leaving(self, trail: Trail) -> Trail:
        trail.items = {output: items for output, items in trail.items.items() if output in self.stage.leaves and items}
        return trail


def _plan_step(graph: Graph, step: str) -> _StepPlan:
    ports, joined = graph.ports(step), graph.joins[step]
    wired = frozenset(name for name in ports.outputs if graph.is_wired(step, name))
    return _StepPlan(
        step=step,
        depth=len(joined.path),
        ports=tuple(
            (port, tuple(_feed(graph, output, joined.root) for output in graph.feeds[step][name]))
            for name, port in ports.inputs.items()
            if name in graph.feeds.get(step, {})
        ),
        outputs={name: Endpoint(step=step, port=name) for name in ports.outputs},
        wired=wired,
        rejects=frozenset(name for name, port in ports.outputs.items() if port.is_reject) - wired,
        gathered=frozenset(name for name in wired if _is_gathered(graph, Endpoint(step=step, port=name))),
        is_iterator=ports.is_iterator,
        is_suspension=ports.is_suspension,
    )


def _feed(graph: Graph, output: Endpoint, root: str) -> _Feed:
    lineage = graph.lineage(output)
    return _Feed(output, len(lineage.path), lineage.root != root)


def _is_gathered(graph: Graph, output: Endpoint) -> bool:
    return any(graph.ports(target.step).is_gather for target in graph.takers[output])


def _calls(plan: _StepPlan, trail: Trail) -> Iterator[Call]:
    lost = _lost_keys(plan, trail)
    if lost:
        _lose(plan, trail, lost)
    arrivals = [(port, _Arrivals(plan, feeds, trail)) for port, feeds in plan.ports]
    keys = {key: None for _, arrived in arrivals for key in arrived.keys}
    complete = [key for key in keys if len(key) == plan.depth]
    if len(complete) < len(keys):
        begun = {key[:length] for key in complete for length in range(1, plan.depth)}
        trail.is_joined_away |= any(len(key) < plan.depth and key not in begun for key in keys)
    for key in complete:
        if lost and any(key[: len(one)] == one for one in lost):
            continue
        call = _call(plan, key, arrivals)
        if call is None:
            trail.is_joined_away = True
        else:
            yield call


def _lost_keys(plan: _StepPlan, trail: Trail) -> set[Key]:
    if not trail.lost:
        return set()
    feeds = [feed for _, feeds in plan.ports for feed in feeds if not feed.is_shared]
    return {key[: plan.depth] for feed in feeds for key in trail.lost.get(feed.output, ())}


def _lose(plan: _StepPlan, trail: Trail, keys: set[Key]) -> None:
    for output in plan.outputs.values():
        trail.lost.setdefault(output, set()).update(keys)


class _Arrivals:
    """What arrived at one port, by the key at which it is joined."""

    def __init__(self, plan: _StepPlan, feeds: tuple[_Feed, ...], trail: Trail) -> None:
        self.depth = min(max((feed.depth for feed in feeds if not feed.is_shared), default=0), plan.depth)
        self.shared: list[Item[Any]] = []
        self.keys: dict[Key, list[Item[Any]]] = {}
        for feed in feeds:
            for item in trail.items.get(feed.output, ()):
                if feed.is_shared:
                    self.shared.append(item)
                else:
                    self.keys.setdefault(item.key[: self.depth], []).append(item)

    def at(self, key: Key) -> list[Item[Any]]:
        own = self.keys.get(key[: self.depth], [])
        return [*own, *self.shared] if self.shared else own


def _call(plan: _StepPlan, key: Key, arrivals: list[tuple[Port, _Arrivals]]) -> Call | None:
    """The call at a key; None when something that it needs did not come."""
    inputs: dict[str, Any] = {}
    first: Item[Any] | None = None
    record: Record | None = None
    for port, arrived in arrivals:
        items = arrived.at(key)
        if not items and port.is_required:
            return None
        if port.arity is Arity.COLLECT:
            inputs[port.name] = [item.value for item in items]
            continue
        if len(items) > 1:
            return Call(plan.step, Item(key, None, items[0].record), {}, refusal=_two_items(port, key, items))
        for item in items:
            inputs[port.name] = item.value
            first = first or (None if arrived.shared else item)
            record = item.value if record is None and isinstance(item.value, Record) and not arrived.shared else record
    origin = record or (first.record if first else None)
    return Call(plan.step, Item(key, first.value if first else None, origin), inputs)


def _two_items(port: Port, key: Key, items: list[Item[Any]]) -> Refused:
    return Refused(
        f"{len(items)} items of {key_text(key)!r} arrive at the input {port.name!r}, which takes one. "
        f"Wire branches that exclude each other, or filter before."
    )


def _fail(plan: _StepPlan, trail: Trail, call: Call, error: Exception) -> None:
    trail.failures.append(Failure(plan.step, call.item.key, call.item.record, error))
    _lose(plan, trail, {call.item.key})


def _route(plan: _StepPlan, trail: Trail, call: Call, given: Given) -> None:
    key, record = call.item.key, call.item.record
    trail.has_arrived |= not plan.wired
    for number, (name, value) in enumerate(given):
        if isinstance(value, Suspension):
            trail.has_arrived = True
            trail.suspended.append(Suspended(plan.step, key, record, value))
            continue
        if isinstance(value, Unreadable) or name in plan.rejects:
            _reject(plan, trail, call, value)
            continue
        origin = value if isinstance(value, Record) else record
        item = Item((*key, str(number)) if plan.is_iterator else key, value, origin)
        trail.items.setdefault(plan.outputs[name], []).append(item)
        trail.has_arrived |= name in plan.gathered
        trail.tallies[plan.step].given[name] = trail.tallies[plan.step].given.get(name, 0) + 1


def _reject(plan: _StepPlan, trail: Trail, call: Call, value: Any) -> None:
    trail.tallies[plan.step].failed += 1
    column = value.column if isinstance(value, Unreadable) else None
    _fail(plan, trail, call, Refused(value.complaint, column=column))
