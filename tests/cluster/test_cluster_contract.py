"""The contract on a real kube-apiserver with its controllers, through the Kubernetes adapter: where it is true."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from reconciler.adapters.kubernetes import KubernetesCluster, ServiceAccountToken, from_kubeconfig
from reconciler.errors import AlreadyExists
from reconciler.ports.cluster import Cluster
from tests.contract.cluster_contract import CASES
from tests.controlplane.cluster import ControlPlane

PATIENCE_S = 60.0
PAUSE_S = 0.05


class _Real:
    """A bench whose time is the world's."""

    def __init__(self, cluster: KubernetesCluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._ends = asyncio.get_running_loop().time() + PATIENCE_S

    async def step(self) -> bool:
        await asyncio.sleep(PAUSE_S)
        return asyncio.get_running_loop().time() < self._ends

    async def account(self, name: str) -> Cluster:
        meta = {"name": name, "namespace": self.namespace}
        with contextlib.suppress(AlreadyExists):
            await self.cluster.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
        tokens = ServiceAccountToken(self.cluster, self.namespace, name, now=lambda: 0.0)
        return self.cluster.as_service_account(tokens, name=name)

    def behaviour(self, *, outcome: str = "ready", exit_code: int = 1) -> dict[str, str]:
        words = {"never": "never-ready", "fail": "fail"}
        return {"kwok.test/exit-code": str(exit_code)} | (
            {"kwok.test/behaviour": words[outcome]} if outcome in words else {}
        )


@pytest.mark.parametrize("name", CASES)
def test_contract(name: str, control_plane: ControlPlane, namespace: str) -> None:
    async def run() -> None:
        cluster = await from_kubeconfig(str(control_plane.kubeconfig), jitter=lambda: 0.5)
        try:
            await CASES[name](_Real(cluster, namespace))
        finally:
            await cluster.close()
            # aiohttp: connections with TLS need a moment to end after their session.
            await asyncio.sleep(0.3 if name.startswith("watch.") else 0)

    asyncio.run(run())
