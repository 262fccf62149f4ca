"""A fleet on a cluster: made, awaited, counted. The same for the cluster in memory and for a real API server.

The bench's own client of the cluster; nothing of it runs in the controller or in the server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from reconciler.adapters.kubernetes import KubernetesCluster, from_kubeconfig
from reconciler.ports.cluster import Ref, Scope
from tests.bench import rollout_fleet as fleet

DEADLINE_S = 150.0
_STAGESETS = Scope("stages.metio.wtf/v1", "StageSet", fleet.NAMESPACE)


class Overdue(Exception):
    """A fleet did not converge; the message says how far it came."""


@asynccontextmanager
async def client(kubeconfig: Path) -> AsyncIterator[KubernetesCluster]:
    """The administrator's client."""
    cluster = await from_kubeconfig(str(kubeconfig), jitter=lambda: 0.0)
    try:
        yield cluster
    finally:
        await cluster.close()


async def prepare(cluster: KubernetesCluster, *, served: Path, host: str, after_s: float) -> None:
    """The namespace, the artifacts and their sources."""
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": fleet.NAMESPACE}})
    for stage in fleet.STAGES:
        body = fleet.artifact(stage, after_s=after_s)
        (served / f"{stage}.tar.gz").write_bytes(body)
        await cluster.create(fleet.source(stage))
        status = fleet.source_status(stage, body, url=f"http://{host}")
        ref = Ref(fleet.SOURCES, "ExternalArtifact", fleet.NAMESPACE, stage)
        await cluster.patch(ref, {"status": status}, type="merge", subresource="status")


async def roll_out(cluster: KubernetesCluster, *, first: int = 0, count: int) -> float:
    """Create StageSets and return the seconds until all of them are ready. Raises `Overdue`."""
    begun = time.monotonic()
    found = await cluster.list(_STAGESETS)
    ready = {obj["metadata"]["name"]: _is_ready(obj) for obj in found.items}
    creating = asyncio.ensure_future(_create(cluster, range(first, first + count)))
    try:
        async with asyncio.timeout(DEADLINE_S):
            version = found.resource_version
            while len(ready) < first + count or not all(ready.values()):
                version = await _follow(cluster, ready, version, wanted=first + count)
    except TimeoutError:
        raise Overdue(f"{sum(ready.values())} of {first + count} are ready after {DEADLINE_S:.0f} s") from None
    finally:
        await creating
    return time.monotonic() - begun


async def _follow(cluster: KubernetesCluster, ready: dict[str, bool], version: str, *, wanted: int) -> str:
    """One watch, until it ends or all are ready; returns the version to go on from."""
    async for event in cluster.watch(_STAGESETS, resource_version=version):
        version = event.object["metadata"]["resourceVersion"]
        if event.type != "BOOKMARK":
            ready[event.object["metadata"]["name"]] = _is_ready(event.object)
            if len(ready) == wanted and all(ready.values()):
                break
    return version


async def _create(cluster: KubernetesCluster, numbers: range) -> None:
    slots = asyncio.Semaphore(8)

    async def one(number: int) -> None:
        async with slots:
            await cluster.create(fleet.stageset(number))

    await asyncio.gather(*map(one, numbers))


def _is_ready(obj: dict[str, Any]) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
