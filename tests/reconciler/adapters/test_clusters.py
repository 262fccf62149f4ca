"""Identities: one client and one set of watches each, and none for those that nobody uses."""

from __future__ import annotations

import asyncio

from reconciler.adapters import clusters as module
from reconciler.adapters.clusters import Clusters
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.ports.cluster import Scope


def run(test) -> None:
    async def inside() -> None:
        made: list[tuple[str, str]] = []
        base = MemoryCluster(lambda: 0.0)

        def act_as(namespace: str, name: str) -> MemoryCluster:
            made.append((namespace, name))
            return base.as_user(f"system:serviceaccount:{namespace}:{name}")

        clusters = Clusters(base, act_as=act_as, jitter=lambda: 0.5)
        await test(clusters, made)
        await clusters.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(inside())


def test_an_identity_is_made_once_and_the_controllers_own_never():
    async def test(clusters, made):
        assert clusters.hand("shop", "") is clusters.own
        first = clusters.hand("shop", "deployer")
        assert clusters.hand("shop", "deployer") is first
        assert clusters.hand("other", "deployer") is not first
        assert made == [("shop", "deployer"), ("other", "deployer")]
        assert first.cluster.identity.user == "system:serviceaccount:shop:deployer"
        assert first.watches is not clusters.own.watches

    run(test)


def test_what_nobody_used_for_a_while_is_let_go_unless_somebody_listens(monkeypatch):
    async def test(clusters, made):
        clusters.hand("shop", "idle")
        listening = clusters.hand("shop", "busy").watches.subscribe(Scope("v1", "Pod", "shop"))
        await clusters.let_go()
        assert len(clusters._hands) == 2
        monkeypatch.setattr(module, "IDLE_S", -1.0)
        await clusters.let_go()
        assert list(clusters._hands) == [("shop", "busy")]
        assert [report.scope.kind for report in clusters.watches()] == ["Pod"]
        listening.close()
        await clusters.let_go()
        assert clusters._hands == clusters._used == {}

    run(test)
