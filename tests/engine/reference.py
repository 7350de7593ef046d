"""Two ways to run a flow of small nodes: stage by stage, in a random order; and at one stroke, with no plan at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from postwerk.engine import Arity, Item, Key, Outputs, PostwerkError, Record, Unreadable
from postwerk.engine.flow import Endpoint, Flow
from postwerk.engine.graph import Graph, build_graph
from postwerk.engine.passage import Call, Ending, Given, Items, Passage, Seed, Suspended, Trail, Walk
from postwerk.engine.plan import Plan, Root, Stage, make_plan

from tests.surroundings import Surroundings

from .small_nodes import CLASSES, Letter, Row, SmallNode

Step = str


@dataclass
class Outcome:
    """What became of a flow."""

    calls: dict[tuple[Step, Key], str] = field(default_factory=dict)
    """What each call was given and gave."""
    failures: set[tuple[Step, Key]] = field(default_factory=set)
    suspended: set[tuple[Step, Key]] = field(default_factory=set)
    endings: dict[tuple[Step, str], Ending] = field(default_factory=dict)
    """(root, key of the source item) -> ending, for streams that have stages."""


def nodes_of(graph: Graph) -> dict[Step, SmallNode]:
    made = {}
    for step, node_class in graph.classes.items():
        assert issubclass(node_class, SmallNode)
        made[step] = node_class(**graph.flow.steps[step].params, stream=graph.joins[step].root)
    return made


Pairs = list[tuple[str, Any]]


def given_by(node: SmallNode, step: Step, item: Item[Any], inputs: dict[str, Any]) -> Pairs | PostwerkError:
    """What `run` gives, as the runtime hands it to a walk."""
    try:
        result = node.run(**inputs, ctx=Surroundings(Path(), step=step, item=item))  # type: ignore[attr-defined]
        values = list(result) if node.ports.is_iterator else [result]
    except PostwerkError as error:
        return error
    if node.ports.is_suspension or (node.ports.is_iterator and isinstance(next(iter(values), None), Outputs)):
        return [("", value) for value in values]
    return [pair for value in values if value is not None for pair in _pairs(node, value)]


def _pairs(node: SmallNode, value: Any) -> Pairs:
    if isinstance(value, Outputs):
        return [(name, one) for name, one in value.__dict__.items() if one is not None]
    return [(next(iter(node.ports.outputs)), value)]


def told(given: Given | Exception) -> str:
    if isinstance(given, Exception):
        return str(given)
    return str([(name, getattr(one, "text", one)) for name, one in given])


def of_one_record(graph: Graph, call: Call) -> None:
    """No item ever meets an item of another record."""
    values = [one for value in call.inputs.values() for one in (value if isinstance(value, list) else [value])]
    for value in [*values, call.item.record, call.item.value]:
        if value is None:
            continue
        key = value.path if isinstance(value, Row) else value.key
        if value.stream == graph.joins[call.step].root:
            length = min(len(key), len(call.item.key))
            assert key[:length] == call.item.key[:length], f"{value} came to {call}"
            assert key[0] == call.item.key[0]
        else:
            assert graph.lineages[value.stream].is_single, f"{value} came to {call}"
            assert value is not call.item.record


class Stagewise:
    """Runs the plan, each stage when it may, its records in any order and interleaved."""

    def __init__(self, flow: Flow, seed: int) -> None:
        self.random = Random(seed)
        self.graph = build_graph(flow, CLASSES)
        self.plan: Plan = make_plan(self.graph)
        self.nodes = nodes_of(self.graph)
        self.outcome = Outcome()
        self.seeds: dict[Step, dict[str, Seed]] = {}
        self.trails: dict[Step, dict[str, list[Trail]]] = {}
        self.gone: set[Step] = set()
        """Roots that failed."""
        self.complete: set[Step | int] = set()

    def run(self) -> Outcome:
        waiting: list[Root | Stage] = [*self.plan.roots, *self.plan.stages]
        while waiting:
            ready = [unit for unit in waiting if self.is_ready(unit)]
            assert ready, f"nothing can begin: {waiting}"
            unit = self.random.choice(ready)
            waiting.remove(unit)
            if isinstance(unit, Root):
                self.begin(unit)
                self.complete.add(unit.step)
            else:
                self.work(unit)
                self.complete.add(unit.number)
        for root, by_key in self.trails.items():
            for key, trails in by_key.items():
                self.outcome.endings[root, key] = Ending.of(trail.ending for trail in trails)
        return self.outcome

    def is_ready(self, unit: Root | Stage) -> bool:
        if isinstance(unit, Root):
            return all(self.home(output.step) in self.complete for output in unit.takes)
        before = {stage.number for stage in self.plan.stages_of(unit.root) if stage.level < unit.level}
        return self.complete >= {unit.root, *before, *unit.after}

    def home(self, step: Step) -> Step | int:
        return next((stage.number for stage in self.plan.stages if step in stage.steps), step)

    def begin(self, root: Root) -> None:
        inputs: dict[str, Any] = {}
        for name, sources in self.graph.feeds.get(root.step, {}).items():
            items = [item for source in sources for item in self.items_at(source)]
            self.random.shuffle(items)
            inputs[name] = iter(items)
        given = given_by(self.nodes[root.step], root.step, Item((root.step,), None), inputs)
        self.note(root.step, (root.step,), given, {})
        self.seeds[root.step] = {}
        if isinstance(given, Exception):
            self.gone.add(root.step)
            return
        for number, (port, value) in enumerate(given):
            key = root.step if root.is_single else value.key if isinstance(value, Record) else str(number)
            item = Item((key,), value, value if isinstance(value, Record) else None)
            self.seeds[root.step][key] = Seed(key, {Endpoint(step=root.step, port=port): [item]})

    def items_at(self, output: Endpoint) -> Iterator[Item[Any]]:
        root = self.graph.lineage(output).root
        for key in self.seeds[root]:
            yield from self.seed(root, key).items.get(output, ())

    def seed(self, root: Step, key: str) -> Seed:
        """All that the item left behind so far."""
        first = self.seeds[root][key]
        merged = Seed(key, {output: list(items) for output, items in first.items.items()})
        for trail in self.trails.get(root, {}).get(key, ()):
            for output, items in trail.items.items():
                merged.items.setdefault(output, []).extend(items)
            for output, keys in trail.lost.items():
                merged.lost.setdefault(output, set()).update(keys)
        return merged

    def work(self, stage: Stage) -> None:
        passage = Passage(self.graph, stage)
        shared: Items = {output: list(self.items_at(output)) for output in stage.shared}
        lost = {output for output in stage.shared if self.is_lost(output)}
        seeds = [self.seed(stage.root, key) for key in self.seeds[stage.root]]
        self.random.shuffle(seeds)
        for trail in self.interleaved(passage.walk(seed, shared, lost) for seed in seeds):
            self.keep(stage, passage, trail)

    def is_lost(self, output: Endpoint) -> bool:
        root = self.graph.lineage(output).root
        trails = [trail for each in self.trails.get(root, {}).values() for trail in each]
        return root in self.gone or any(trail.lost.get(output) for trail in trails)

    def interleaved(self, walks: Iterable[Walk]) -> Iterator[Trail]:
        coming, active = iter(walks), list[tuple[Walk, Call | None]]()
        while True:
            while len(active) < 3 and (walk := next(coming, None)) is not None:
                active.append((walk, None))
            if not active:
                return
            walk, call = active.pop(self.random.randrange(len(active)))
            try:
                active.append((walk, next(walk) if call is None else walk.send(self.answer(call))))
            except StopIteration as end:
                yield end.value

    def answer(self, call: Call) -> Given | Exception:
        of_one_record(self.graph, call)
        given = given_by(self.nodes[call.step], call.step, call.item, dict(call.inputs))
        self.note(call.step, call.item.key, given, call.inputs)
        return given

    def note(self, step: Step, key: Key, given: Given | Exception, inputs: object) -> None:
        assert (step, key) not in self.outcome.calls, f"{step} is called twice for {key}"
        self.outcome.calls[step, key] = told(given)

    def keep(self, stage: Stage, passage: Passage, trail: Trail) -> None:
        settled = [passage.settle(one, self.settled(one)) for one in trail.suspended]
        self.random.shuffle(settled)
        trails = self.trails.setdefault(stage.root, {}).setdefault(trail.key, [])
        trails += [trail, *settled]
        self.outcome.suspended |= {(one.step, one.key) for one in trail.suspended}
        for each in (trail, *settled):
            self.outcome.failures |= {(failure.step, failure.key) for failure in each.failures}

    def settled(self, one: Suspended) -> Outputs | Exception:
        assert isinstance(one.value, Letter)
        return one.value.settled(one.step, self.graph.joins[one.step].root, one.key)


class AtOneStroke:
    """Works out each step for all records together, straight from the words of the design."""

    def __init__(self, flow: Flow) -> None:
        self.graph = build_graph(flow, CLASSES)
        self.nodes = nodes_of(self.graph)
        self.items: dict[Endpoint, dict[Key, Any]] = {}
        self.lost: dict[Endpoint, set[Key]] = {}
        self.arrived: set[tuple[Step, str]] = set()
        self.unmet: set[tuple[Step, str]] = set()
        self.sources: set[tuple[Step, str]] = set()
        self.outcome = Outcome()

    def run(self) -> Outcome:
        for step in self.graph.order:
            for name in self.graph.ports(step).outputs:
                self.items[Endpoint(step=step, port=name)] = {}
                self.lost[Endpoint(step=step, port=name)] = set()
            if self.graph.joins[step].path == (step,):
                self.begin(step)
            else:
                self.join(step)
        streams = {joined.root for step, joined in self.graph.joins.items() if step != joined.root}
        for root, key in self.sources:
            if root in streams:
                self.outcome.endings[root, key] = self.ending(root, key)
        return self.outcome

    def ending(self, root: Step, key: str) -> Ending:
        if any(self.graph.joins[step].root == root and path[0] == key for step, path in self.outcome.failures):
            return Ending.FAILED
        if (root, key) in self.arrived:
            return Ending.DONE
        return Ending.JOINED_AWAY if (root, key) in self.unmet else Ending.FILTERED

    def begin(self, step: Step) -> None:
        feeds = self.graph.feeds.get(step, {})
        inputs = {
            name: iter([Item(key, value) for source in sources for key, value in self.items[source].items()])
            for name, sources in feeds.items()
        }
        given = given_by(self.nodes[step], step, Item((step,), None), inputs)
        self.outcome.calls[step, (step,)] = told(given)
        if isinstance(given, Exception):
            for name in self.graph.ports(step).outputs:
                self.lost[Endpoint(step=step, port=name)] = {()}
            return
        for number, (port, value) in enumerate(given):
            is_single = not self.graph.ports(step).is_iterator
            key = step if is_single else value.key if isinstance(value, Record) else str(number)
            self.sources.add((step, key))
            self.put(step, port, (key,), value)

    def put(self, step: Step, port: str, key: Key, value: Any) -> None:
        output = Endpoint(step=step, port=port)
        takers = self.graph.takers.get(output, [])
        if isinstance(value, Unreadable) or (self.graph.ports(step).outputs[port].is_reject and not takers):
            self.fail(step, key)
            return
        self.items[output][key] = value
        root = self.graph.lineage(output).root
        if any(self.graph.joins[target.step].root != root for target in takers):
            self.arrived.add((root, key[0]))

    def fail(self, step: Step, key: Key) -> None:
        self.outcome.failures.add((step, key))
        for name in self.graph.ports(step).outputs:
            self.lost[Endpoint(step=step, port=name)].add(key)

    def join(self, step: Step) -> None:
        joined = self.graph.joins[step]
        depth, feeds = len(joined.path), self.graph.feeds[step]
        sources = [source for each in feeds.values() for source in each]
        own = [source for source in sources if self.graph.lineage(source).root == joined.root]
        arriving = {key for source in own for key in self.items[source]}
        missing = {key[:depth] for source in own for key in self.lost[source]}
        missing |= {() for source in sources if source not in own and self.lost[source]}
        for name in self.graph.ports(step).outputs:
            self.lost[Endpoint(step=step, port=name)] |= missing
        made = {
            key
            for key in {key[:depth] for key in arriving if len(key) >= depth}
            if not any(key[: len(one)] == one for one in missing) and self.call(step, key)
        }
        for key in arriving:
            if not any(key[: len(one)] == one[: len(key)] for one in made):
                self.unmet.add((joined.root, key[0]))

    def call(self, step: Step, key: Key) -> bool:
        """False when it can't be called because something that it needs did not come."""
        inputs: dict[str, Any] = {}
        is_crowded = False
        for name, sources in self.graph.feeds[step].items():
            port = self.graph.ports(step).inputs[name]
            values = self.at(step, key, sources)
            if not values and port.is_required:
                return False
            if port.arity is Arity.COLLECT:
                inputs[name] = values
            else:
                is_crowded |= len(values) > 1
                inputs.update((name, value) for value in values)
        if is_crowded:
            self.fail(step, key)
        else:
            self.take(step, key, given_by(self.nodes[step], step, Item(key, None), inputs))
        return True

    def at(self, step: Step, key: Key, sources: list[Endpoint]) -> list[Any]:
        root = self.graph.joins[step].root
        own = [source for source in sources if self.graph.lineage(source).root == root]
        found = [(one, value) for source in own for one, value in self.items[source].items() if _fits(one, key)]
        found.sort(key=lambda pair: [(len(part), part) for part in pair[0][1:]])
        everyone = [value for source in sources if source not in own for value in self.items[source].values()]
        return [value for _, value in found] + everyone

    def take(self, step: Step, key: Key, given: Pairs | PostwerkError) -> None:
        self.outcome.calls[step, key] = told(given)
        if isinstance(given, Exception):
            self.fail(step, key)
            return
        ports = self.graph.ports(step)
        source = (self.graph.joins[step].root, key[0])
        if not any(self.graph.is_wired(step, name) for name in ports.outputs):
            self.arrived.add(source)
        for number, (port, value) in enumerate(given):
            own = (*key, str(number)) if ports.is_iterator else key
            if isinstance(value, Letter):
                self.arrived.add(source)
                self.outcome.suspended.add((step, key))
                value = value.settled(step, source[0], key)
            if isinstance(value, Exception):
                self.fail(step, own)
            elif isinstance(value, Outputs):
                for name, one in value.__dict__.items():
                    if one is not None:
                        self.put(step, name, own, one)
            else:
                self.put(step, port, own, value)


def _fits(one: Key, key: Key) -> bool:
    """Whether an item's key and the key of a call begin alike."""
    length = min(len(one), len(key))
    return one[:length] == key[:length]
