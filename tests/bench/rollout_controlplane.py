"""The same fleet on the real control plane, and how much of the CPU its API server took.

Everything shares one machine here, the API server with its etcd, controllers and nodes included: the figure is a bound
for the controller, not a benchmark of Kubernetes. Where the control plane is not built, the row says so.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import msgspec

from reconciler.adapters.kubernetes import KubernetesCluster
from reconciler.adapters.memory.flux import source_crds
from reconciler.api import crd
from reconciler.errors import ClusterError
from reconciler.ports.cluster import Scope
from tests.bench import rollout_world as world
from tests.bench.rollout import AFTER_S, COUNT, FLOOR_S, ledger_cpu_s
from tests.bench.rollout_processes import Controller, cpu_s, serving
from tests.bench.row import Named, Row, not_measured, row
from tests.controlplane.binaries import ControlPlaneMissingError, locate
from tests.controlplane.cluster import ControlPlane

REAL = Named(
    name=f"{COUNT} StageSets of 3 stages converge on a real control plane",
    unit="s",
    against="the sum of the waits, which no controller can beat",
    target=3.0,
    bound="at most",
)
LEDGER = Named(
    name="the ledger's share of the CPU of that rollout",
    unit="s",
    against="controller, API server and etcd",
    target=0.05,
    bound="at most",
)
#: What a rollout takes besides: Pods, ReplicaSets and their like would be made in any case.
_OF_A_ROLLOUT = ("controller", "kube-apiserver", "etcd")


class _Found(NamedTuple):
    seconds: float
    #: CPU by program
    spent: dict[str, float]
    figures: dict[str, float]


def converging_for_real(folder: Path) -> list[Row]:
    """How long it takes, and what the ledger costs of it."""
    try:
        binaries = locate()
    except ControlPlaneMissingError as missing:
        return [not_measured(one, f"not measured: {missing}") for one in (REAL, LEDGER)]
    served = folder / "served"
    served.mkdir()
    with serving(served) as host, ControlPlane(binaries) as plane:
        found = asyncio.run(_converge(plane, folder, served=served, host=host))
    whole = sum(found.spent[name] for name in _OF_A_ROLLOUT)
    return [
        msgspec.structs.replace(row(REAL, [found.seconds], [FLOOR_S]), note=_told(found.spent)),
        row(LEDGER, [ledger_cpu_s(found.figures)], [whole]),
    ]


def _told(spent: dict[str, float]) -> str:
    share = spent["kube-apiserver"] / sum(spent.values())
    listed = ", ".join(f"{name} {cpu:.1f} s" for name, cpu in sorted(spent.items(), key=lambda item: -item[1]))
    return f"the API server took {share:.0%} of the CPU ({listed})"


async def _converge(plane: ControlPlane, folder: Path, *, served: Path, host: str) -> _Found:
    async with world.client(plane.kubeconfig) as cluster:
        await _install(cluster)
        await world.prepare(cluster, served=served, host=host, after_s=AFTER_S)
        controller = Controller(folder, kubeconfig=plane.kubeconfig, artifact_host=host)
        try:
            # Its watches are open when it has been quiet for a moment.
            await asyncio.sleep(3.0)
            before = _spent(plane, controller)
            seconds = await world.roll_out(cluster, count=COUNT)
            after = _spent(plane, controller)
            # The ledger's figures are of its whole life; the little before the rollout counts against it.
            return _Found(seconds, {name: after[name] - before[name] for name in after}, controller.end())
        finally:
            controller.kill()


def _spent(plane: ControlPlane, controller: Controller) -> dict[str, float]:
    found = {name: cpu_s(component.pid) for name, component in plane.components.items()}
    return {**found, "controller": cpu_s(controller.pid)}


async def _install(cluster: KubernetesCluster) -> None:
    definitions = [*map(crd.document, crd.CRDS), *source_crds()]
    for definition in definitions:
        await cluster.create(definition)
    async with asyncio.timeout(world.DEADLINE_S):
        for definition in definitions:
            spec = definition["spec"]
            scope = Scope(f"{spec['group']}/v1", spec["names"]["kind"])
            while not await _is_served(cluster, scope):  # noqa: ASYNC110 - the API server wakes nobody for this
                await asyncio.sleep(0.2)


async def _is_served(cluster: KubernetesCluster, scope: Scope) -> bool:
    try:
        await cluster.list(scope)
    except ClusterError:
        return False
    return True
