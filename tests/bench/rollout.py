"""Rollouts of whole fleets: convergence, requests, memory, watches, builds, and what the ledger costs.

The controller is a process of its own against the cluster in memory in another: wall-clock time, memory and requests
are those of programs as they are run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from tests.bench import rollout_fleet as fleet
from tests.bench import rollout_world as world
from tests.bench.rollout_processes import Controller, Server, cpu_s, resident_mib, serving
from tests.bench.row import Named, Row, row

COUNT = 200
AFTER_S = 5.0
#: What no controller can beat: the stages wait for one another.
FLOOR_S = AFTER_S * len(fleet.STAGES)
_ROUNDS = 2
MINUTE_S = 60.0
#: Looks are this often in the steady measurement; by default they are every ten minutes.
LOOK_S = 30.0
DEFAULT_LOOK_S = 600.0
LOOKS = 2
IDLE_S = 35.0
MANY = 1_000

CONVERGED = Named(
    name=f"{COUNT} StageSets of 3 stages converge, workloads need {AFTER_S:g} s each",
    unit="s",
    against="the sum of the waits, which no controller can beat",
    target=1.5,
    bound="at most",
)
BUILDS = Named(
    name=f"kustomize builds of {COUNT * 3} stages",
    unit="builds",
    against="distinct inputs",
    target=1.0,
    bound="at most",
)
REQUESTS = Named(
    name=f"requests of {COUNT} StageSets at rest, default interval",
    unit="requests/min",
    against="one for each StageSet and minute",
    target=1.0,
    bound="at most",
)
MEMORY = Named(
    name=f"resident memory, {MANY:,} StageSets at rest", unit="MiB", against="96 MiB", target=1.0, bound="at most"
)
WATCHES = Named(
    name=f"watches with {MANY:,} StageSets", unit="watches", against=f"with {COUNT}", target=1.0, bound="at most"
)


class Stage(NamedTuple):
    """Where a measurement takes place: folders, the cluster in memory, the artifacts' host."""

    folder: Path
    served: Path
    host: str
    server: Server

    def controller(self, *flags: str) -> Controller:
        """The controller, started here."""
        return Controller(self.folder, *flags, kubeconfig=self.server.kubeconfig, artifact_host=self.host)


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """A fresh cluster in memory and a server for artifacts; both are ended."""
    folder.mkdir(parents=True, exist_ok=True)
    served = folder / "served"
    served.mkdir()
    with serving(served) as host:
        server = Server(folder)
        try:
            yield Stage(folder, served, host, server)
        finally:
            server.end()


# ── convergence, builds, the ledger's share ──────────────────────────────────────────────────────────────────────


class _Round(NamedTuple):
    seconds: float
    figures: dict[str, float]
    watches: int


def converging(folder: Path) -> list[Row]:
    """How long a fleet takes, how often kustomize is run, and what the ledger costs."""
    rounds = []
    for number in range(_ROUNDS):
        with staged(folder / str(number)) as stage:
            rounds.append(asyncio.run(_converge(stage)))
    converged = row(CONVERGED, [one.seconds for one in rounds], [FLOOR_S] * _ROUNDS)
    return [
        msgspec.structs.replace(converged, note=_ledger(rounds)),
        row(BUILDS, [one.figures["builds"] for one in rounds], [float(len(fleet.STAGES))] * _ROUNDS),
    ]


def ledger_cpu_s(figures: dict[str, float]) -> float:
    """CPU of the writer thread and of the way to it in the event loop: sealing, hashing, SQLite, blobs, its syncs."""
    return figures["writer_cpu_s"] + figures["append_cpu_s"]


def _ledger(rounds: list[_Round]) -> str:
    of_wall = median(ledger_cpu_s(one.figures) / one.seconds for one in rounds)
    of_own = median(ledger_cpu_s(one.figures) / one.figures["cpu_s"] for one in rounds)
    return f"the ledger took {of_own:.1%} of the controller's CPU, {of_wall:.1%} of the time"


async def _converge(stage: Stage) -> _Round:
    async with world.client(stage.server.kubeconfig) as cluster:
        await world.prepare(cluster, served=stage.served, host=stage.host, after_s=AFTER_S)
        controller = stage.controller()
        try:
            await _watching(stage)
            seconds = await world.roll_out(cluster, count=COUNT)
            watches = stage.server.counts()["watches"]
            return _Round(seconds, controller.end(), watches)
        finally:
            controller.kill()


# ── at rest ──────────────────────────────────────────────────────────────────────────────────────────────────────


def resting(folder: Path) -> list[Row]:
    """Requests of a fleet at rest, counted by the server over whole intervals."""
    with staged(folder / "steady") as stage:
        found = asyncio.run(_rest(stage))
    return [row(REQUESTS, [found], [float(COUNT)])]


async def _rest(stage: Stage) -> float:
    async with world.client(stage.server.kubeconfig) as cluster:
        await world.prepare(cluster, served=stage.served, host=stage.host, after_s=0)
        controller = stage.controller("--default-interval", f"{LOOK_S:g}s")
        try:
            await world.roll_out(cluster, count=COUNT)
            await asyncio.sleep(LOOK_S)
            before, begun = stage.server.counts()["requests"], time.monotonic()
            await asyncio.sleep(LOOK_S * LOOKS)
            minutes = (time.monotonic() - begun) / MINUTE_S
            after = stage.server.counts()["requests"]
            return _a_minute(before, after, minutes=minutes)
        finally:
            controller.kill()


def _a_minute(before: dict[str, int], after: dict[str, int], *, minutes: float) -> float:
    """Requests a minute at the default interval: looks are rarer by that much, watches begin as often as they do."""
    spent = {verb: after[verb] - before.get(verb, 0) for verb in after}
    watching = spent.pop("watch", 0)
    return (sum(spent.values()) * LOOK_S / DEFAULT_LOOK_S + watching) / minutes


def remembering(folder: Path) -> list[Row]:
    """Memory and watches of a controller that was started again on a fleet that is at rest."""
    with staged(folder / "memory") as stage:
        resident, watches = asyncio.run(_remember(stage))
    return [row(MEMORY, [resident], [96.0]), row(WATCHES, [float(watches[1])], [float(watches[0])])]


async def _remember(stage: Stage) -> tuple[float, tuple[int, int]]:
    async with world.client(stage.server.kubeconfig) as cluster:
        await world.prepare(cluster, served=stage.served, host=stage.host, after_s=0)
        controller = stage.controller()
        try:
            await world.roll_out(cluster, count=COUNT)
            few = stage.server.counts()["watches"]
            await world.roll_out(cluster, first=COUNT, count=MANY - COUNT)
            many = stage.server.counts()["watches"]
            controller.end()
            controller = stage.controller()
            await _watching(stage)
            await quiet(controller)
            return resident_mib(controller.pid), (few, many)
        finally:
            controller.kill()


async def _watching(stage: Stage) -> None:
    """Until the controller watches, and has nothing left to ask at once."""
    async with asyncio.timeout(world.DEADLINE_S):
        while stage.server.counts()["watches"] < 2:  # noqa: ASYNC110 - another process: nothing here could wake us
            await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)


async def quiet(controller: Controller, *, within_s: float = 2 * world.DEADLINE_S) -> None:
    """Until the controller has spent next to no CPU for longer than anything is kept for newcomers."""
    quiet_since, spent = time.monotonic(), cpu_s(controller.pid)
    async with asyncio.timeout(within_s):
        while time.monotonic() - quiet_since < IDLE_S:
            await asyncio.sleep(1.0)
            if cpu_s(controller.pid) - spent > 0.2:
                quiet_since, spent = time.monotonic(), cpu_s(controller.pid)
