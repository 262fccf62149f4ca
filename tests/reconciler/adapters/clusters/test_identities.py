"""Identities: one client and one set of watches each, on each cluster, and none for those that nobody uses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler.adapters.clusters import Clusters, identities
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.errors import Forbidden, OperationError
from reconciler.ports.cluster import Ref, Scope
from tests.reconciler.adapters.clusters.remote import Remotes, document, secret

DEPLOYER = "system:serviceaccount:shop:deployer"
SECRET = Ref("v1", "Secret", "shop", "prod")
#: The kubeconfig's Secret may be read by the deployer, and nothing else.
ROLE: list[dict[str, Any]] = [
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader", "namespace": "shop"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["prod"], "verbs": ["get"]}],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "reader", "namespace": "shop"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "deployer", "namespace": "shop"}],
    },
]


class Bench:
    """The own cluster with a kubeconfig that leads to `east`."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str]] = []
        self.base = MemoryCluster(lambda: 0.0)
        self.remotes = Remotes(east=MemoryCluster(lambda: 0.0), west=MemoryCluster(lambda: 0.0))
        self.clusters = Clusters(self.base, act_as=self._act_as, jitter=lambda: 0.5, reach=self.remotes.reach)

    def _act_as(self, namespace: str, name: str) -> MemoryCluster:
        self.made.append((namespace, name))
        return self.base.as_user(f"system:serviceaccount:{namespace}:{name}")

    async def prepare(self) -> None:
        await self.base.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        for obj in (secret("prod", document("https://east.test")), *ROLE):
            await self.base.create(obj)

    async def lead_to(self, server: str) -> None:
        """Somebody writes another kubeconfig into the Secret."""
        await self.base.patch(SECRET, {"data": secret("prod", document(server))["data"]}, type="merge")


def run(test: Any) -> None:
    async def inside() -> None:
        bench = Bench()
        await bench.prepare()
        await test(bench)
        await bench.clusters.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(inside())


def test_an_identity_is_made_once_and_the_controllers_own_never():
    async def test(bench):
        clusters = bench.clusters
        assert await clusters.hand("shop", "") is clusters.own
        first = await clusters.hand("shop", "deployer")
        assert await clusters.hand("shop", "deployer") is first is clusters.local("shop", "deployer")
        assert await clusters.hand("other", "deployer") is not first
        assert bench.made == [("shop", "deployer"), ("other", "deployer")]
        assert first.cluster.identity.user == DEPLOYER
        assert first.watches is not clusters.own.watches

    run(test)


def test_what_nobody_used_for_a_while_is_let_go_unless_somebody_listens(monkeypatch):
    async def test(bench):
        clusters = bench.clusters
        await clusters.hand("shop", "idle")
        listening = (await clusters.hand("shop", "busy")).watches.subscribe(Scope("v1", "Pod", "shop"))
        await clusters.let_go()
        assert len(clusters._hands) == 2
        monkeypatch.setattr(identities, "IDLE_S", -1.0)
        await clusters.let_go()
        assert [key.service_account for key in clusters._hands] == ["busy"]
        assert [report.scope.kind for report in clusters.watches()] == ["Pod"]
        listening.close()
        await clusters.let_go()
        assert clusters._hands == clusters._used == {}

    run(test)


def test_on_a_remote_cluster_the_serviceaccount_is_impersonated():
    async def test(bench):
        hand = await bench.clusters.hand("shop", "deployer", "prod/value")
        assert bench.remotes.made == [("https://east.test", DEPLOYER)]
        assert hand.cluster.identity.user == DEPLOYER
        assert hand.cluster.world is bench.remotes.clusters["https://east.test"].world
        # Without an account it is the kubeconfig's own user.
        await bench.clusters.hand("shop", "", "prod/value")
        assert bench.remotes.made[1:] == [("https://east.test", "")]

    run(test)


def test_the_kubeconfig_is_read_as_the_identity_that_works_with_it():
    async def test(bench):
        with pytest.raises(Forbidden, match="shop:other"):
            await bench.clusters.hand("shop", "other", "prod/value")
        assert bench.remotes.made == []

    run(test)


def test_a_client_is_kept_for_a_version_of_the_secret():
    async def test(bench):
        clusters = bench.clusters
        first = await clusters.hand("shop", "deployer", "prod/value")
        assert await clusters.hand("shop", "deployer", "prod/value", anew=True) is first
        await bench.lead_to("https://west.test")
        # The operations of a run stay where its connect was, until another connect.
        assert await clusters.hand("shop", "deployer", "prod/value") is first
        second = await clusters.hand("shop", "deployer", "prod/value", anew=True)
        assert second is not first
        assert await clusters.hand("shop", "deployer", "prod/value") is second
        assert [server for server, _ in bench.remotes.made] == ["https://east.test", "https://west.test"]

    run(test)


def test_several_who_come_at_once_share_one_client():
    async def test(bench):
        wanted = [bench.clusters.hand("shop", "deployer", "prod/value", anew=True) for _ in range(5)]
        assert len({id(hand) for hand in await asyncio.gather(*wanted)}) == 1
        assert len(bench.remotes.made) == 1

    run(test)


def test_the_client_of_an_older_secret_is_closed_once_it_is_not_used(monkeypatch):
    async def test(bench):
        clusters = bench.clusters
        first = await clusters.hand("shop", "deployer", "prod/value")
        watching = first.watches.subscribe(Scope("v1", "Pod", "shop"))
        await bench.lead_to("https://west.test")
        await clusters.hand("shop", "deployer", "prod/value", anew=True)
        monkeypatch.setattr(identities, "IDLE_S", -1.0)
        await clusters.let_go()
        # Who verifies with it goes on.
        assert bench.remotes.closed == [("https://west.test", DEPLOYER)]
        watching.close()
        await clusters.let_go()
        assert bench.remotes.closed[1:] == [("https://east.test", DEPLOYER)]
        assert clusters._hands == clusters._used == clusters._versions == {}

    run(test)


def test_after_its_credential_was_refused_the_secret_is_read_again():
    async def test(bench):
        clusters = bench.clusters
        first = await clusters.hand("shop", "deployer", "prod/value")
        first.cluster.spent = True
        assert await clusters.hand("shop", "deployer", "prod/value") is first, "there is no other one yet"
        await bench.lead_to("https://west.test")
        second = await clusters.hand("shop", "deployer", "prod/value")
        assert second is not first
        assert await clusters.hand("shop", "deployer", "prod/value") is second

    run(test)


def test_what_cannot_be_used_any_more_is_not_used_any_more():
    async def test(bench):
        clusters = bench.clusters
        await clusters.hand("shop", "deployer", "prod/value")
        await bench.base.delete(SECRET)
        for anew in (True, False):
            with pytest.raises(OperationError, match="does not exist"):
                await clusters.hand("shop", "deployer", "prod/value", anew=anew)

    run(test)


def test_an_installation_that_reaches_no_other_cluster_says_so():
    async def test(bench):
        alone = Clusters(bench.base, act_as=lambda *_: bench.base, jitter=lambda: 0.5)
        with pytest.raises(OperationError, match="reaches its own only"):
            await alone.hand("shop", "", "prod/value")
        await alone.close()

    run(test)
