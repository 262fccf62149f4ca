"""The contract on MemoryCluster, in process and on its own clock."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.ports.cluster import Cluster
from tests.contract.cluster_contract import CASES
from tests.contract.memory import MemoryBench, sandbox_behaviour


class _Direct(MemoryBench):
    async def account(self, name: str) -> Cluster:
        await self.make_account(name)
        return self.memory.as_user(f"system:serviceaccount:{self.namespace}:{name}", manager="account")


@pytest.mark.parametrize("name", CASES)
def test_contract(name: str) -> None:
    async def run() -> None:
        now = [1_700_000_000.0]
        cluster = MemoryCluster(lambda: now[0])
        bench = _Direct(cluster, cluster, now)
        await bench.start()
        await CASES[name](bench)

    asyncio.run(run())


def test_every_module_of_cases_is_collected() -> None:
    assert len(CASES) > 60
    assert sandbox_behaviour("ready", 1)
