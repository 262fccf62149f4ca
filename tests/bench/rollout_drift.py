"""Hand edits on objects of a fleet at rest: how long until each is corrected, and what watching them costs.

The same programs as in the rollout. The API server answers in memory: what is measured is the controller's own share,
from the edit's event to the corrected object.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec

from reconciler.adapters.kubernetes import KubernetesCluster
from reconciler.ports.cluster import Ref
from tests.bench import rollout_fleet as fleet
from tests.bench import rollout_world as world
from tests.bench.rollout import COUNT, MINUTE_S, Stage, staged
from tests.bench.row import Named, Row, row

#: A ConfigMap and a Deployment for each stage.
OBJECTS = COUNT * len(fleet.STAGES) * 2
EDITS = 24
CORRECTED_S = 5.0
LOOK_S = 0.02
QUIET_S = 20.0
CORRECTED = Named(
    name=f"a hand edit on any of {OBJECTS:,} owned objects is corrected, the slowest of {EDITS}",
    unit="s",
    against="5 s",
    target=1.0,
    bound="at most",
)
WATCHED = Named(
    name=f"requests of {COUNT} watched StageSets between two looks",
    unit="requests/min",
    against="one for each StageSet and minute",
    target=1.0,
    bound="at most",
)


class _Edit(NamedTuple):
    ref: Ref
    patch: dict[str, Any]
    #: where the edited value is
    path: tuple[str | int, ...]


def correcting(folder: Path) -> list[Row]:
    """The rows."""
    with staged(folder / "drift") as stage:
        seconds, requests = asyncio.run(_correct(stage))
    slowest = msgspec.structs.replace(
        row(CORRECTED, [max(seconds)], [CORRECTED_S]), note=f"median {median(seconds):.2f} s"
    )
    return [slowest, row(WATCHED, [requests], [float(COUNT)])]


async def _correct(stage: Stage) -> tuple[list[float], float]:
    async with world.client(stage.server.kubeconfig) as cluster:
        await world.prepare(cluster, served=stage.served, host=stage.host, after_s=0)
        controller = stage.controller()
        try:
            await world.roll_out(cluster, count=COUNT)
            await asyncio.sleep(QUIET_S)
            before, begun = stage.server.counts()["requests"], time.monotonic()
            await asyncio.sleep(QUIET_S)
            minutes = (time.monotonic() - begun) / MINUTE_S
            after = stage.server.counts()["requests"]
            requests = (sum(after.values()) - sum(before.values())) / minutes
            return [await _corrected(cluster, _edit(number)) for number in range(EDITS)], requests
        finally:
            controller.kill()


def _edit(number: int) -> _Edit:
    """The edits are spread over the fleet, its stages, and both kinds."""
    release = number * COUNT // EDITS
    name = f"release-{release:05}-{fleet.STAGES[number % len(fleet.STAGES)]}"
    if number % 2:
        return _Edit(Ref("v1", "ConfigMap", fleet.NAMESPACE, name), {"data": {"stage": "by hand"}}, ("data", "stage"))
    return _Edit(Ref("apps/v1", "Deployment", fleet.NAMESPACE, name), {"spec": {"replicas": 2}}, ("spec", "replicas"))


async def _corrected(cluster: KubernetesCluster, edit: _Edit) -> float:
    rendered = _value(await cluster.get(edit.ref), edit.path)
    begun = time.monotonic()
    edited = await cluster.patch(edit.ref, edit.patch, type="merge", manager="kubectl-edit")
    assert _value(edited, edit.path) != rendered
    async with asyncio.timeout(world.DEADLINE_S):
        while _value(await cluster.get(edit.ref), edit.path) != rendered:  # noqa: ASYNC110 - by polling, as people look
            await asyncio.sleep(LOOK_S)
    return time.monotonic() - begun


def _value(obj: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        obj = obj[part]
    return obj
