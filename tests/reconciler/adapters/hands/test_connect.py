"""Who works where: with a kubeconfig on the remote cluster, while what is named beside the objects is read at home."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.errors import Forbidden, NotFound
from reconciler.ports.cluster import Ref
from reconciler.state import Phase
from tests.reconciler.adapters.clusters.remote import Remotes, document, secret
from tests.reconciler.adapters.hands.rollout import Rollout, config_map, one_stage, run

EAST = {"kubeConfig": {"secretRef": {"name": "prod"}}}
DEPLOYER = "system:serviceaccount:shop:deployer"


def account(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"}}


def role(name: str, resource: str, *verbs: str) -> list[dict[str, Any]]:
    group = "rbac.authorization.k8s.io"
    head = {"apiVersion": f"{group}/v1", "metadata": {"name": name, "namespace": "shop"}}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": "shop"}
    rule = {"apiGroups": [""], "resources": [resource], "verbs": list(verbs)}
    return [
        {**head, "kind": "Role", "rules": [rule]},
        {
            **head,
            "kind": "RoleBinding",
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [subject],
        },
    ]


class Away:
    """A rollout at home whose StageSet leads to `east`."""

    def __init__(self, rollout: Rollout, remotes: Remotes) -> None:
        self.rollout, self.remotes = rollout, remotes
        self.east = remotes.clusters["https://east.test"]

    async def has(self, cluster: MemoryCluster, name: str) -> bool:
        try:
            await cluster.get(Ref("v1", "ConfigMap", "shop", name))
        except NotFound:
            return False
        return True

    def failure(self) -> tuple[str, str, str]:
        found = self.rollout.stream.state.failure
        assert found is not None
        return found.operation, found.reason, found.message


def away(test: Any, *secrets: dict[str, Any]) -> None:
    async def inside(rollout: Rollout) -> None:
        for cluster in remotes.clusters.values():
            await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        for one in secrets or (secret("prod", document("https://east.test")),):
            await rollout.cluster.create(one)
        await test(Away(rollout, remotes))

    remotes = Remotes(east=MemoryCluster(lambda: 0.0), west=MemoryCluster(lambda: 0.0))
    run(inside, reach=remotes.reach)


def test_objects_go_to_the_target_and_what_is_named_beside_them_is_read_at_home():
    async def test(world):
        rollout = world.rollout
        await rollout.cluster.create(config_map("values", word="home"))
        await world.east.create(config_map("values", word="east"))
        variables = {"postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "values"}]}}
        rollout.open(one_stage(**EAST, **variables), db=[config_map("a", word="${word}")])
        await rollout.rest()
        assert rollout.stream.state.phase == Phase.READY
        found = await world.east.get(Ref("v1", "ConfigMap", "shop", "a"))
        assert found["data"] == {"word": "home"}
        assert not await world.has(rollout.cluster, "a")

    away(test)


def test_pruning_and_teardown_happen_on_the_target():
    async def test(world):
        rollout = world.rollout
        rollout.open(one_stage(**EAST), db=[config_map("a"), config_map("b")])
        await rollout.rest()
        await rollout.cluster.create(config_map("b"))
        rollout.open(one_stage(**EAST), db=[config_map("a")])
        await rollout.rest()
        assert [await world.has(world.east, name) for name in ("a", "b")] == [True, False]
        # What has the same name at home is another object.
        assert await world.has(rollout.cluster, "b")
        rollout.open(one_stage(**EAST), trigger="deletion")
        while rollout.stream.state.pending is not None:
            await rollout.perform()
        assert not await world.has(world.east, "a")
        assert rollout.stream.state.phase == Phase.RELEASED

    away(test)


def test_it_works_as_the_impersonated_serviceaccount():
    async def test(world):
        rollout = world.rollout
        rollout.open(one_stage(**EAST, serviceAccountName="deployer"), db=[config_map("a")])
        await rollout.rest()
        operation, reason, message = world.failure()
        # It may not read its kubeconfig at home yet.
        assert (operation, reason) == ("connect to target cluster", "Forbidden")
        assert DEPLOYER in message
        assert world.remotes.made == []

    away(test)


def test_a_denied_impersonation_says_what_the_kubeconfigs_user_lacks():
    async def test(world):
        rollout = world.rollout
        told = 'forbidden: User "gateway" cannot impersonate-on:serviceaccount:get path "/version"'
        world.remotes.denied = Forbidden(told)
        await rollout.cluster.create(account("deployer"))
        for one in role("deployer", "secrets", "get"):
            await rollout.cluster.create(one)
        rollout.open(one_stage(**EAST, serviceAccountName="deployer"), db=[config_map("a")])
        answer = await rollout.perform()
        assert answer.outcome == "refused"
        assert answer.event.message.startswith(told)
        rule = '{apiGroups: [""], resources: ["serviceaccounts"], resourceNames: ["deployer"], verbs: ["impersonate"]}'
        assert rule in answer.event.message
        assert "kind: RoleBinding" in answer.event.evidence["grant"]

    away(test)


@pytest.mark.parametrize("named", [True, False])
def test_a_kubeconfig_that_may_not_be_read_says_by_whom(named):
    async def test(world):
        rollout = world.rollout
        await rollout.cluster.create(account("deployer"))
        weak = rollout.cluster.as_user("system:serviceaccount:stageset-system:stageset-controller")
        clusters = rollout.tools.clusters
        clusters.own = clusters.own._replace(cluster=weak)
        who = {"serviceAccountName": "deployer"} if named else {}
        rollout.open(one_stage(**EAST, **who), db=[config_map("a")])
        answer = await rollout.perform()
        user = DEPLOYER if named else "system:serviceaccount:stageset-system:stageset-controller"
        assert f'User "{user}" cannot get resource "secrets"' in answer.event.message
        assert ("without a serviceAccountName" in answer.event.message) is not named
        assert world.remotes.made == []

    away(test)


@pytest.mark.parametrize(
    ("given", "reason", "words"),
    [
        ({}, "KubeconfigMissing", "Secret shop/prod does not exist: create it, or correct kubeConfig.secretRef"),
        (
            secret("prod", document("https://east.test"), key="kube"),
            "KubeconfigMissing",
            "Secret shop/prod has no key value: put the kubeconfig there, or correct kubeConfig.secretRef.key",
        ),
        (secret("prod", "a: [b"), "KubeconfigInvalid", "is not YAML (line 2, column 1)"),
        (secret("prod", "just words"), "KubeconfigInvalid", "is not a kubeconfig: expected a mapping"),
        (
            secret("prod", {**document("https://east.test"), "current-context": ""}),
            "KubeconfigInvalid",
            "current-context is missing; set it to the name of the context to use",
        ),
        (
            secret("prod", document("https://east.test", exec={"command": "aws"})),
            "KubeconfigInvalid",
            "users[0].user.exec runs a program, which is refused",
        ),
        (
            secret("prod", document("https://east.test", **{"auth-provider": {"name": "gcp"}})),
            "KubeconfigInvalid",
            "users[0].user.auth-provider needs a plugin, which is refused",
        ),
        (
            secret("prod", document("https://east.test", tokenFile="/var/run/secrets/token")),
            "KubeconfigInvalid",
            "users[0].user.tokenFile names a file, which would be read from the controller's disk",
        ),
        (secret("prod", document("https://none.test")), "Unavailable", "https://none.test could not be asked"),
    ],
)
def test_what_keeps_it_from_connecting_is_said_and_heals(given, reason, words):
    async def test(world):
        rollout = world.rollout
        if not given:
            await rollout.cluster.delete(Ref("v1", "Secret", "shop", "prod"))
        rollout.open(one_stage(**EAST), db=[config_map("a")])
        await rollout.rest()
        operation, found, message = world.failure()
        assert (operation, found) == ("connect to target cluster", reason)
        assert words in message
        assert rollout.stream.state.failure.retryable
        # Each run reads the Secret anew.
        good = secret("prod", document("https://east.test"))
        await (rollout.cluster.apply(good, manager="test") if given else rollout.cluster.create(good))
        rollout.open(one_stage(**EAST), trigger="retry", db=[config_map("a")])
        await rollout.rest()
        assert rollout.stream.state.phase == Phase.READY

    away(test, *([given] if given else []))


def test_a_configmap_is_not_supported():
    async def test(world):
        rollout = world.rollout
        rollout.open(one_stage(kubeConfig={"configMapRef": {"name": "eks"}}), db=[config_map("a")])
        await rollout.rest()
        assert world.failure() == (
            "connect to target cluster",
            "KubeconfigInvalid",
            "kubeConfig.configMapRef (eks) is not supported: put a kubeconfig into a Secret and name it in "
            "kubeConfig.secretRef",
        )

    away(test)


def test_the_operations_of_a_run_stay_where_it_connected():
    async def test(world):
        rollout = world.rollout
        rollout.open(one_stage(**EAST), db=[config_map("a")])
        await rollout.until("apply")
        there = secret("prod", document("https://west.test"))["data"]
        await rollout.cluster.patch(Ref("v1", "Secret", "shop", "prod"), {"data": there}, type="merge")
        await rollout.rest()
        assert await world.has(world.east, "a")
        assert len(world.remotes.made) == 1

    away(test)


def test_a_kubeconfig_that_goes_while_a_run_is_under_way_is_a_failure_and_no_crash():
    async def test(world):
        rollout = world.rollout
        rollout.open(one_stage(**EAST), db=[config_map("a")])
        await rollout.until("apply")
        # The process starts again, and what it read is in no memory.
        await rollout.tools.clusters.close()
        rollout.tools.clusters._versions.clear()
        rollout.tools.clusters._hands.clear()
        await rollout.cluster.delete(Ref("v1", "Secret", "shop", "prod"))
        await rollout.rest()
        assert world.failure()[:2] == ("apply", "KubeconfigMissing")
        await asyncio.sleep(0)

    away(test)
