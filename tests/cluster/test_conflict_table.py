"""The conflict table on a real kube-apiserver with its controllers: where it is true."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from reconciler.adapters.kubernetes import KubernetesCluster, from_kubeconfig
from reconciler.ports.cluster import Ref
from tests.contract.bench import eventually
from tests.contract.colliding import MAKERS, claim, define, service_cluster_ip, service_node_port, undefine
from tests.contract.conflict_table import MEANING, TYPOS, Cell, Policy, StageOf, cells, play, policies
from tests.controlplane.cluster import ControlPlane

PATIENCE_S = 120.0
PAUSE_S = 0.05


class _Bench(NamedTuple):
    cluster: KubernetesCluster
    namespace: str
    ends: float

    async def step(self) -> bool:
        await asyncio.sleep(PAUSE_S)
        return asyncio.get_running_loop().time() < self.ends

    async def account(self, name: str) -> KubernetesCluster:
        raise NotImplementedError

    def behaviour(self, *, outcome: str = "ready", exit_code: int = 1) -> dict[str, str]:
        return {}


async def _column(bench: _Bench, kind: str) -> list[str]:
    """Every policy on one kind, one after the other: they are about objects of one name."""
    wrong = []
    found = policies()
    for cell in (cell for cell in cells() if cell.kind == kind):
        outcome = await play(bench, kind, found[cell.policy])
        if outcome[:3] != MEANING[cell.expected] or outcome.reason != _reason(cell):
            wrong.append(f"{cell}: {outcome}")
    return wrong


def _reason(cell: Cell) -> str:
    if cell.expected != "fails":
        return ""
    return "Invalid" if cell.kind in TYPOS else "ImmutableField"


def test_a_claim_whose_class_does_not_let_it_grow(control_plane: ControlPlane, namespace: str) -> None:
    """Admission refuses that, with 403 and without causes: the words are the proof."""

    async def run() -> None:
        cluster = await from_kubeconfig(str(control_plane.kubeconfig), jitter=lambda: 0.5)
        try:
            bench = _Bench(cluster, namespace, asyncio.get_running_loop().time() + PATIENCE_S)
            pair = claim(bench)
            size = {"requests": {"storage": "1Gi"}}
            pair.before["spec"] |= {"storageClassName": "", "volumeName": namespace, "resources": size}
            source = {"hostPath": {"path": "/nowhere"}, "accessModes": ["ReadWriteOnce"], "storageClassName": ""}
            volume = {"capacity": size["requests"], "persistentVolumeReclaimPolicy": "Retain", **source}
            meta = {"name": namespace}
            made = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": meta, "spec": volume}
            await cluster.create(made)
            stage = StageOf(bench, Policy({"conflictPolicy": {"default": "KeepExisting"}}))
            assert (await stage.apply(pair.before)).ok
            await eventually(
                bench, lambda: cluster.get(pair.ref), lambda obj: obj.get("status", {}).get("phase") == "Bound"
            )
            pair.before["spec"]["resources"] = {"requests": {"storage": "2Gi"}}
            result = await stage.apply(pair.before)
            assert [(one.action, one.failure) for one in result.results] == [("kept", None)]
            assert "spec.resources.requests.storage cannot change" in result.message
            await cluster.delete(pair.ref)
            await cluster.delete(Ref("v1", "PersistentVolume", "", namespace))
        finally:
            await cluster.close()

    asyncio.run(run())


def test_an_address_that_another_service_has(control_plane: ControlPlane, namespace: str) -> None:
    """A dry-run does not ask for it, so it is looked up before anything is deleted."""

    async def run() -> None:
        cluster = await from_kubeconfig(str(control_plane.kubeconfig), jitter=lambda: 0.5)
        try:
            bench = _Bench(cluster, namespace, asyncio.get_running_loop().time() + PATIENCE_S)
            pair, other = service_node_port(bench), service_cluster_ip(bench)
            other.before["spec"]["clusterIP"] = pair.after["spec"]["clusterIP"]
            await cluster.create(other.before)
            stage = StageOf(bench, Policy({"force": True}))
            assert (await stage.apply(pair.before)).ok
            result = await stage.apply(pair.after)
            assert (result.ok, result.obstacles) == (False, ())
            assert f"the address {pair.after['spec']['clusterIP']} is another Service's" in result.message
            await cluster.delete(other.ref)
            assert (await stage.apply(pair.after)).obstacles
            await cluster.delete(pair.ref)
        finally:
            await cluster.close()

    asyncio.run(run())


def test_every_cell(control_plane: ControlPlane, namespace: str) -> None:
    async def run() -> list[str]:
        cluster = await from_kubeconfig(str(control_plane.kubeconfig), jitter=lambda: 0.5)
        try:
            bench = _Bench(cluster, namespace, asyncio.get_running_loop().time() + PATIENCE_S)
            await define(bench)
            # Kinds whose objects have one name in the tests do not get in each other's way by being of other kinds.
            lanes: dict[str, list[str]] = {}
            for kind, make in MAKERS.items():
                lanes.setdefault("/".join(make(bench).ref), []).append(kind)

            async def lane(kinds: list[str]) -> list[str]:
                return [word for kind in kinds for word in await _column(bench, kind)]

            wrong = await asyncio.gather(*map(lane, lanes.values()))
            await undefine(bench)
            return [word for found in wrong for word in found]
        finally:
            await cluster.close()

    assert asyncio.run(run()) == []
