"""Benches on MemoryCluster: time is stepped, never waited for."""

from __future__ import annotations

import contextlib

from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.memory.policy import PREFIX
from reconciler.errors import AlreadyExists
from reconciler.ports.cluster import Cluster


def sandbox_behaviour(outcome: str, exit_code: int) -> dict[str, str]:
    """The annotations that make the sandbox's Pods behave so."""
    return {f"{PREFIX}outcome": outcome, f"{PREFIX}exit-code": str(exit_code), f"{PREFIX}log": "one\ntwo\nthree\n"}


class MemoryBench:
    """A bench whose `step` jumps to when the next work is due."""

    namespace = "contract"

    def __init__(self, cluster: Cluster, memory: MemoryCluster, now: list[float]) -> None:
        self.cluster = cluster
        self.memory = memory
        self._now = now
        self._steps_left = 200

    async def start(self) -> None:
        """Makes the namespace."""
        await self.memory.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        await self.memory.tick()

    async def step(self) -> bool:
        due = self.memory.next_due()
        if due is None or self._steps_left == 0:
            return False
        self._steps_left -= 1
        self._now[0] = max(self._now[0], due)
        await self.memory.tick()
        return True

    async def make_account(self, name: str) -> None:
        """Makes a ServiceAccount, unless it is there."""
        meta = {"name": name, "namespace": self.namespace}
        with contextlib.suppress(AlreadyExists):
            await self.memory.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})

    async def account(self, name: str) -> Cluster:
        raise NotImplementedError

    def behaviour(self, *, outcome: str = "ready", exit_code: int = 1) -> dict[str, str]:
        return sandbox_behaviour(outcome, exit_code)
