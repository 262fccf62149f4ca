"""Prometheus metrics: counted from what is recorded, looked up from what is, never stored.

Not logs and not a source of truth: losing all of it loses nothing. Nothing is counted that is not in the ledger, so
nothing secret can be. Invariant: the series of a StageSet go with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ledger.envelope import Draft
from ledger.errors import AppendRefused, LedgerError
from ledger.events import ApplyFinished, RunBlocked, RunFailed, RunSucceeded, StageSetReleased
from ledger.log import Appended, Batch
from reconciler.adapters.watches.registry import WatchReport
from reconciler.api import reasons
from reconciler.compute.drift import corrected
from reconciler.compute.status import status_of
from reconciler.decide import hopeless
from reconciler.ports.journal import Journal
from reconciler.ports.members import Member
from reconciler.state import State

#: What `generate_latest` writes: the text format of Prometheus, version 0.0.4.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: Seconds. An append waits for a disk: about a millisecond, or tens of them on a network volume.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
#: An append that takes longer than this many seconds counts as one that will not come back.
STUCK_S = 30.0


class Sight(NamedTuple):
    """What a scrape looks at."""

    members: Callable[[], Iterable[Member]]
    #: how many members have something under way
    busy: Callable[[], int]
    watches: Callable[[], Iterable[WatchReport]]
    #: how often kustomize was run
    builds: Callable[[], int]


class _Counts:
    """What was counted of one StageSet."""

    def __init__(self) -> None:
        self.reconciles: dict[str, int] = {}
        self.applied: dict[str, int] = {}
        self.corrected: dict[str, int] = {}


class Metrics(Collector):
    """The metrics of one controller: a `Teller` that counts, and a collector that looks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counts: dict[tuple[str, str], _Counts] = {}
        #: teardowns that were given up, by namespace, name and why; these stay when the StageSet has gone
        self._forced: dict[tuple[str, str, str], int] = {}
        self._sight: Sight | None = None
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def look_at(self, sight: Sight) -> None:
        """What scrapes look at from now on."""
        self._sight = sight

    def leads(self, leads: Callable[[], bool]) -> None:
        """What tells whether this process may act; there from the start, so that a standby shows 0."""
        gauge = Gauge("stageset_leader", "Whether this process may act; a standby may not.", registry=self.registry)
        gauge.set_function(lambda: float(leads()))

    def render(self) -> bytes:
        """All metrics in the text format. Takes long with thousands of StageSets: call it in a thread."""
        return generate_latest(self.registry)

    def recorded(self, member: Member, drafts: tuple[Draft, ...]) -> None:
        key = (member.target.namespace, member.target.name)
        counts = self._counts.setdefault(key, _Counts())
        for draft in drafts:
            match draft.event:
                case ApplyFinished():
                    if draft.outcome == "ok":
                        _add(counts.applied, draft.stage)
                    _add(counts.corrected, draft.stage, len(corrected(member.state, draft)))
                case RunSucceeded():
                    _add(counts.reconciles, reasons.SUCCEEDED)
                case RunFailed(reason=reason) | RunBlocked(reason=reason):
                    _add(counts.reconciles, reason)
                case StageSetReleased(left=left):
                    self._counts.pop(key, None)
                    if left:
                        forced = (*key, _why_forced(member.state))
                        self._forced[forced] = self._forced.get(forced, 0) + 1
                case _:
                    pass

    def collect(self) -> Iterator[Metric]:
        sight = self._sight
        if sight is None:
            return
        # A copy at once: the event loop goes on while a thread renders.
        members = list(sight.members())
        yield from self._counted({(member.target.namespace, member.target.name) for member in members})
        yield _stages_ready(members)
        yield _watches(sight.watches())
        builds = CounterMetricFamily("stageset_kustomize_builds", "Times that kustomize was run.")
        builds.add_metric([], sight.builds())
        yield builds
        busy = GaugeMetricFamily("stageset_busy", "StageSets with something under way.")
        busy.add_metric([], sight.busy())
        yield busy

    def _counted(self, present: set[tuple[str, str]]) -> Iterator[Metric]:
        # One that was deleted without its finalizer was never released.
        for key in [key for key in list(self._counts) if key not in present]:
            self._counts.pop(key, None)
        of = ["namespace", "name"]
        reconciles = CounterMetricFamily("stageset_reconcile", "Runs by how they ended.", labels=[*of, "reason"])
        applied = CounterMetricFamily("stageset_stage_applied", "Stages that were applied.", labels=[*of, "stage"])
        corrected = CounterMetricFamily(
            "stageset_drift_corrected", "Objects that were not as they had been applied.", labels=[*of, "stage"]
        )
        for (namespace, name), counts in list(self._counts.items()):
            for family, found in (
                (reconciles, counts.reconciles),
                (applied, counts.applied),
                (corrected, counts.corrected),
            ):
                for label, count in list(found.items()):
                    family.add_metric([namespace, name, label], count)
        yield from (reconciles, applied, corrected)
        forced = CounterMetricFamily(
            "stageset_teardown_force_drop",
            "Teardowns that were given up and left objects behind.",
            labels=[*of, "reason"],
        )
        for forced_labels, count in list(self._forced.items()):
            forced.add_metric(forced_labels, count)
        yield forced


class MeasuredJournal:
    """A `Journal` that counts and times the appends of another, and knows whether the ledger can be written."""

    def __init__(self, journal: Journal, *, registry: CollectorRegistry) -> None:
        self._journal = journal
        #: sentence of the last append's failure; empty once one succeeded
        self._failure = ""
        #: when the appends under way were begun, in the event loop's seconds
        self._begun: dict[int, float] = {}
        self._next = 0
        self._appends = Counter("stageset_ledger_appends", "Appends to the ledger.", ["outcome"], registry=registry)
        self._records = Counter("stageset_ledger_records", "Records appended to the ledger.", registry=registry)
        self._seconds = Histogram(
            "stageset_ledger_append_seconds",
            "How long a durable append took, waiting for others included.",
            buckets=_BUCKETS,
            registry=registry,
        )

    @property
    def problem(self) -> str:
        """Why the ledger cannot be written; empty while it can."""
        now = asyncio.get_running_loop().time()
        if self._begun and now - min(self._begun.values()) > STUCK_S:
            return f"an append has not come back for more than {STUCK_S:.0f} s"
        return self._failure

    async def append(self, batch: Batch) -> Appended:
        time, ticket = asyncio.get_running_loop().time, self._next
        self._next += 1
        begun = self._begun[ticket] = time()
        try:
            appended = await self._journal.append(batch)
        except AppendRefused:
            # An answer of a ledger that works.
            self._appends.labels("refused").inc()
            raise
        except LedgerError as error:
            self._appends.labels("failed").inc()
            self._failure = str(error)
            raise
        finally:
            del self._begun[ticket]
        self._failure = ""
        self._appends.labels("ok").inc()
        self._records.inc(len(batch.drafts))
        self._seconds.observe(time() - begun)
        return appended

    async def put_blob(self, chunks: bytes) -> str:
        return await self._journal.put_blob(chunks)

    async def get_blob(self, digest: str) -> bytes | None:
        return await self._journal.get_blob(digest)


def _why_forced(state: State) -> str:
    """Why a teardown was given up, in the words of CONTRACT §5.2."""
    if not hopeless(state):
        return "timed_out"
    return "unauthorized" if state.failure is not None and state.failure.reason == "Unauthorized" else "permanent"


def _add(counts: dict[str, int], label: str, count: int = 1) -> None:
    if count:
        counts[label] = counts.get(label, 0) + count


def _stages_ready(members: list[Member]) -> Metric:
    family = GaugeMetricFamily(
        "stageset_stage_ready", "Whether a stage is ready.", labels=["namespace", "stageset", "stage"]
    )
    for member in members:
        status = status_of(member.state, generation=member.observed.generation, head=member.head)
        for stage in status["stages"]:
            labels = [member.target.namespace, member.target.name, stage["name"]]
            family.add_metric(labels, float(stage["phase"] == "Ready"))
    return family


def _watches(reports: Iterable[WatchReport]) -> Metric:
    """By mode, so that one that polls because listing is forbidden can be alerted on."""
    family = GaugeMetricFamily("stageset_watches", "Watches that are open, by mode.", labels=["mode"])
    modes = dict.fromkeys(("starting", "watching", "polling", "failing"), 0)
    for report in reports:
        modes[report.mode] += 1
    for mode, count in modes.items():
        family.add_metric([mode], count)
    return family
