"""A MemoryCluster with the kinds of Flux and of this project, and a StageSet on it as its projections see it."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ledger.chain import Head
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.memory.flux import source_crds
from reconciler.api import names
from reconciler.compute.observed import project_stageset
from reconciler.errors import NotFound
from reconciler.ports.cluster import Object, Ref, Scope
from reconciler.ports.hands import Target
from reconciler.state import State
from tests.reconciler.making import START_MS, Stream, spec

CRDS = Path(__file__).parents[3] / "deploy" / "crds"
STAGESET = Ref(names.API_VERSION, "StageSet", "shop", "rel")


class Clock:
    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        return self.ms


@cache
def crd(kind: str) -> Object:
    """One of this project's CRDs. Parsed once: a cluster keeps no part of what it is given."""
    found: Object = yaml.load((CRDS / f"stages.metio.wtf_{kind}.yaml").read_text(), Loader=yaml.CSafeLoader)
    return found


async def cluster_with_crds(clock: Clock, *, flux: bool = False) -> MemoryCluster:
    """A cluster with the namespace `shop`."""
    cluster = MemoryCluster(lambda: clock.ms / 1000)
    for kind in ("stagesets", "stageinventories", "stageledgers"):
        await cluster.create(crd(kind))
    for definition in source_crds() if flux else ():
        await cluster.create(definition)
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    await settled(cluster)
    return cluster


async def settled(cluster: MemoryCluster) -> None:
    for _ in range(40):
        await cluster.tick()
        await asyncio.sleep(0)


class Shown:
    """A StageSet on the cluster with a state from a `Stream`: what `ports.members.Member` is to a projection."""

    def __init__(self, cluster: MemoryCluster, obj: Object, stream: Stream) -> None:
        self.cluster, self.stream = cluster, stream
        self.observed = observe(obj)
        self.target = Target("shop", "rel", obj["metadata"]["uid"])
        self.looks: list[bool] = []

    @property
    def state(self) -> State:
        return self.stream.state

    @property
    def head(self) -> Head:
        return Head(self.state.version, "sha256:" + f"{self.state.version:064x}")

    def inspected(self, *, outdated: bool) -> None:
        self.looks.append(outdated)

    async def refresh(self) -> None:
        """The watch shows the object as it is now."""
        self.observed = observe(await self.cluster.get(STAGESET))

    async def live(self) -> Object:
        return await self.cluster.get(STAGESET)


def observe(obj: Object) -> Any:
    return project_stageset(Scope(names.API_VERSION, "StageSet"), obj)


async def shown(cluster: MemoryCluster, *finalizers: str, **renders: tuple[str, ...]) -> Shown:
    obj = await cluster.create(
        {
            "apiVersion": names.API_VERSION,
            "kind": "StageSet",
            "metadata": {"name": "rel", "namespace": "shop", "finalizers": list(finalizers)},
            "spec": spec("db", "app"),
        }
    )
    return Shown(cluster, obj, Stream(**renders))


async def exists(cluster: MemoryCluster, ref: Ref) -> bool:
    try:
        await cluster.get(ref)
    except NotFound:
        return False
    return True
