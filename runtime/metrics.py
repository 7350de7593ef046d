"""Metrics in the text format of Prometheus. Labels are bounded: accounts, states and routes, never runs or addresses.

What is counted in the store is asked for when somebody looks. Counting all mails may take a while where there are
millions, so that count is kept for twenty times as long as it took.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select

from .outbox import MailState
from .outbox.pace import Trouble
from .runs.states import RunState
from .store import Store, accounts, outbox, runs
from .store.schema import firings, triggers

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds; a commit on a good disk takes one to five thousandths."""
SHARE = 20
"""Counting takes at most one part in so many of the time."""
FRESH_SECONDS = 5.0
MOST_ACCOUNTS = 200
"""Accounts with metrics of their own; those of further ones are added up under `other`."""
OTHER = "other"
REMOVED = "removed"
LIVE = (MailState.QUEUED, MailState.SENDING, MailState.DEFERRED)
LEFT = (MailState.SENT, MailState.BOUNCED, MailState.DELIVERED_UNKNOWN)


@dataclass(frozen=True, slots=True)
class Queue:
    """The mails of one account that wait."""

    mails: Mapping[MailState, int]
    oldest: datetime | None
    """When the one that has waited longest was queued."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the store said at one moment."""

    at: datetime
    mails: Mapping[tuple[str, MailState], int]
    queues: Mapping[str, Queue]
    runs: Mapping[RunState, int]
    names: frozenset[str]
    counted_at: datetime
    """When `mails` and `firings` were counted."""
    firings: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By kind of the trigger and outcome."""


class Meters:
    """Everything that is measured in this process, and the place where it is asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "postwerk_request_seconds", "How long requests took.", ("method", "route", "status"), buckets=QUICK,
            registry=self.registry,
        )  # fmt: skip
        self.refused_logins = Counter(
            "postwerk_refused_logins", "Passwords and tokens that did not hold.", registry=self.registry
        )
        self.database = Histogram(
            "postwerk_database_seconds", "How long the store took, waiting for others included.", ("kind",),
            buckets=QUICK, registry=self.registry,
        )  # fmt: skip
        self.streams = Gauge("postwerk_progress_streams", "Clients that watch runs.", registry=self.registry)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def watch_store(self, kind: Literal["read", "write"], seconds: float) -> None:
        """For `Store.watch`."""
        self.database.labels(kind).observe(seconds)

    def text(self, snapshot: Snapshot, troubles: Mapping[str, Trouble]) -> bytes:
        """All metrics as Prometheus reads them."""
        registry = CollectorRegistry()
        registry.register(_Counted(self.registry))
        registry.register(_Told(snapshot, troubles))
        return generate_latest(registry)


@dataclass
class Census:
    """Counts in the store, and does not count again too soon."""

    store: Store
    _mails: Mapping[tuple[str, MailState], int] = field(default_factory=dict)
    _firings: Mapping[tuple[str, str], int] = field(default_factory=dict)
    _counted_at: datetime | None = None
    _again_at: float = 0.0

    async def take(self) -> Snapshot:
        """How things stand now."""
        is_due = time.monotonic() >= self._again_at
        if is_due:
            self._again_at = time.monotonic() + 600  # whoever asks meanwhile does not count too
            began = time.monotonic()
            try:
                self._mails = await self.store.read(_mails)
                self._firings = await self.store.read(_firings)
                self._counted_at = datetime.now(UTC)
            finally:
                self._again_at = time.monotonic() + max(FRESH_SECONDS, SHARE * (time.monotonic() - began))
        found = await self.store.read(_standing)
        mails = {key: number for key, number in self._mails.items() if key[1] not in LIVE}
        mails |= {(name, state): number for name, queue in found[0].items() for state, number in queue.mails.items()}
        now = datetime.now(UTC)
        return Snapshot(now, mails, found[0], found[1], found[2], self._counted_at or now, self._firings)


def _mails(connection: Connection) -> dict[tuple[str, MailState], int]:
    query = select(outbox.c.account, outbox.c.state, func.count()).group_by(outbox.c.account, outbox.c.state)
    return {(account, MailState(state)): number for account, state, number in connection.execute(query)}


def _firings(connection: Connection) -> dict[tuple[str, str], int]:
    """Of triggers that were removed since, too."""
    of = firings.outerjoin(triggers, triggers.c.id == firings.c.trigger)
    query = select(triggers.c.kind, firings.c.state, func.count()).select_from(of)
    found = connection.execute(query.group_by(triggers.c.kind, firings.c.state))
    return {(kind or REMOVED, state): number for kind, state, number in found}


def _standing(connection: Connection) -> tuple[dict[str, Queue], dict[RunState, int], frozenset[str]]:
    """What waits is found by its own indexes, however many mails there are."""
    queues: dict[str, dict[MailState, int]] = {}
    for state in LIVE:
        query = select(outbox.c.account, func.count()).where(outbox.c.state == state.value).group_by(outbox.c.account)
        for account, number in connection.execute(query):
            queues.setdefault(account, {})[state] = number
    oldest = _oldest(connection)
    states = select(runs.c.state, func.count()).group_by(runs.c.state)
    counted = {RunState(state): number for state, number in connection.execute(states)}
    names = frozenset(connection.execute(select(accounts.c.name)).scalars())
    return {name: Queue(mails, oldest.get(name)) for name, mails in queues.items()}, counted, names


def _oldest(connection: Connection) -> dict[str, datetime]:
    query = (
        select(outbox.c.account, func.min(outbox.c.queued_at))
        .where(outbox.c.state == MailState.QUEUED.value)
        .group_by(outbox.c.account)
    )
    return {account: moment for account, moment in connection.execute(query) if moment is not None}


@dataclass(eq=False)
class _Counted(Collector):
    """What was counted in this process, without the moments of creation: as many series again, that nobody asks for."""

    registry: CollectorRegistry

    def collect(self) -> Iterator[Metric]:
        for metric in self.registry.collect():
            metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
            yield metric


class _Told(Collector):
    """A snapshot as metrics."""

    def __init__(self, snapshot: Snapshot, troubles: Mapping[str, Trouble]) -> None:
        self._snapshot, self._troubles = snapshot, troubles
        named = sorted(snapshot.names | {account for account, _ in snapshot.mails})
        self._labels = {name: name if at < MOST_ACCOUNTS else OTHER for at, name in enumerate(named)}

    def collect(self) -> Iterable[Metric]:
        yield from self._mails()
        yield from self._queues()
        yield from self._troubled()
        counted = GaugeMetricFamily("postwerk_runs", "Runs by state.", labels=["state"])
        for state in RunState:
            counted.add_metric([state.value], self._snapshot.runs.get(state, 0))
        yield counted
        fired = CounterMetricFamily(
            "postwerk_trigger_firings", "Triggers that fired, by kind and outcome.", labels=["kind", "outcome"]
        )
        for (kind, outcome), number in self._snapshot.firings.items():
            fired.add_metric([kind, outcome], number)
        yield fired

    def _mails(self) -> Iterator[Metric]:
        by_state = GaugeMetricFamily("postwerk_mails", "Mails in the outbox.", labels=["account", "state"])
        left = CounterMetricFamily("postwerk_mails_left", "Mails that a server took over.", labels=["account"])
        sums: dict[tuple[str, str], int] = {(label, one.value): 0 for label in self._all for one in MailState}
        gone = dict.fromkeys(self._all, 0)
        for (account, state), number in self._snapshot.mails.items():
            sums[self._label(account), state.value] += number
            gone[self._label(account)] += number if state in LEFT else 0
        for (label, state_name), number in sums.items():
            by_state.add_metric([label, state_name], number)
        for label, number in gone.items():
            left.add_metric([label], number)
        age = (self._snapshot.at - self._snapshot.counted_at).total_seconds()
        yield by_state
        yield left
        yield GaugeMetricFamily("postwerk_mails_counted_seconds", "How old the count of mails is.", value=max(0.0, age))

    def _queues(self) -> Iterator[Metric]:
        told = GaugeMetricFamily(
            "postwerk_queue_age_seconds", "How long the mail has waited that was queued first.", labels=["account"]
        )
        ages = dict.fromkeys(self._all, 0.0)
        for account, queue in self._snapshot.queues.items():
            if queue.oldest is not None:
                age = (self._snapshot.at - queue.oldest).total_seconds()
                ages[self._label(account)] = max(ages[self._label(account)], age)
        for label, age in ages.items():
            told.add_metric([label], age)
        yield told

    def _troubled(self) -> Iterator[Metric]:
        told = GaugeMetricFamily(
            "postwerk_account_troubled", "1 while an account sends nothing because of its server.", labels=["account"]
        )
        troubled = {self._label(account) for account in self._troubles}
        for label in sorted(set(self._all) | troubled):
            told.add_metric([label], int(label in troubled))
        yield told

    @property
    def _all(self) -> list[str]:
        return sorted(set(self._labels.values()))

    def _label(self, account: str) -> str:
        return self._labels.get(account, OTHER)
