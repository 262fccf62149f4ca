"""The contract through the HTTP face: the Kubernetes adapter on a MemoryCluster behind loopback."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.sandbox import serve
from reconciler.ports.cluster import Cluster
from tests.contract.cluster_contract import CASES
from tests.contract.memory import MemoryBench

kubernetes = pytest.importorskip(
    "reconciler.adapters.kubernetes", reason="NOT TESTED through HTTP: no Kubernetes adapter"
)


class _Http(MemoryBench):
    async def account(self, name: str) -> Cluster:
        await self.make_account(name)
        tokens = kubernetes.ServiceAccountToken(self.cluster, self.namespace, name, now=lambda: self._now[0])
        view: Cluster = self.cluster.as_service_account(tokens, name=name)  # type: ignore[attr-defined]
        return view


@pytest.mark.parametrize("name", CASES)
def test_contract(name: str, tmp_path: Path) -> None:
    async def run() -> None:
        now = [1_700_000_000.0]
        memory = MemoryCluster(lambda: now[0])
        async with await serve(memory, kubeconfig_path=tmp_path / "kubeconfig") as running:
            cluster = await kubernetes.from_kubeconfig(str(running.kubeconfig), jitter=lambda: 0.5)
            try:
                bench = _Http(cluster, memory, now)
                await bench.start()
                await CASES[name](bench)
            finally:
                await cluster.close()

    asyncio.run(run())
