"""A ready StageSet on a MemoryCluster, and a sentry that watches what it owns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from ledger import events as e
from reconciler.adapters.clusters import Clusters
from reconciler.adapters.drift import Sentry, Sight, turns
from reconciler.adapters.hands import Performer
from reconciler.adapters.kustomize import Builder
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.api import names
from reconciler.installation import project
from reconciler.ports.cluster import Object, Ref
from reconciler.ports.hands import Target
from reconciler.ports.members import Observed
from reconciler.state import State
from tests.reconciler.adapters.hands import rollout
from tests.reconciler.adapters.hands.rollout import Rollout, config_map, one_stage
from tests.reconciler.adapters.world import settled
from tests.simulation.ports import Renderer

MAP = Ref("v1", "ConfigMap", "shop", "config")
WEB = Ref("apps/v1", "Deployment", "shop", "web")
ACCOUNT = "deployer"
_RBAC = "rbac.authorization.k8s.io/v1"


def web(replicas: int = 0) -> Object:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"team": "web"}},
        "spec": spec,
    }


class FakeMember:
    """What a StageSet is to the sentry."""

    cleared = True

    def __init__(self, rolled: Rollout, given: dict[str, Any]) -> None:
        self._rolled = rolled
        self.target = Target("shop", "rel", "uid")
        generation = rolled.stream.state.run.generation if rolled.stream.state.run else 1
        self.observed = Observed(
            "shop", "rel", "uid", generation, "1", msgspec.json.encode(given), "", False, (names.FINALIZER,), "",
            (0, ""), {}, ("True", "Succeeded"),
        )  # fmt: skip
        self.found: list[tuple[str, e.DriftObserved]] = []

    @property
    def state(self) -> State:
        return self._rolled.stream.state

    @property
    def head(self) -> Any:
        raise AssertionError("nobody asks")

    def inspected(self, *, outdated: bool) -> None:
        raise AssertionError("nobody looked")

    def drifted(self, stage: str, found: Sequence[e.DriftObserved]) -> None:
        self.found += [(stage, event) for event in found]


class Bench:
    def __init__(self, rolled: Rollout, sentry: Sentry, member: FakeMember) -> None:
        self.rolled, self.sentry, self.member = rolled, sentry, member
        self.cluster = rolled.cluster

    def messages(self) -> list[str]:
        """What was told since the last time."""
        found = [item.message for _, event in self.member.found for item in event.objects]
        self.member.found.clear()
        return found

    async def quiet(self) -> None:
        """Until nothing is to be looked at."""
        todo = self.sentry._turns
        for _ in range(200):
            await settled(self.cluster)
            if todo._timer is None and not todo._running and not len(todo._line):
                return
        raise AssertionError("it never comes to rest")

    async def edit(self, ref: Ref, patch: dict[str, Any], manager: str = "kubectl-edit") -> list[str]:
        """Change an object by hand; returns what is told of it."""
        await self.cluster.patch(ref, patch, type="merge", manager=manager)
        await self.quiet()
        return self.messages()

    def checks(self) -> int:
        """Dry-runs so far."""
        return self.cluster.hooks.counts.get("apply", 0)


def run(
    test: Callable[[Bench], Awaitable[None]], *objects: Object, wide: bool = True, account: str = "", **stage: Any
) -> None:
    """A test on a ready StageSet with these objects, and a stage like this."""

    async def inside(rolled: Rollout) -> None:
        turns.PAUSE_S, pause_s = 0.0, turns.PAUSE_S
        act_as = lambda namespace, name: rolled.cluster.as_user(f"system:serviceaccount:{namespace}:{name}")  # noqa: E731
        clusters = Clusters(rolled.cluster, act_as=act_as, jitter=lambda: 0.5, project=project)
        tools = rolled.tools._replace(clusters=clusters, builder=Builder(Renderer()))
        rolled.performer = Performer(tools)
        if account:
            await allow(rolled.cluster, "get", "list", "watch", "create", "patch")
        given = one_stage(**stage, **({"serviceAccountName": account} if account else {}))
        rolled.open(given, db=list(objects or (config_map("config", variant="v1"), web())))
        await rolled.rest()
        member = FakeMember(rolled, given)
        sentry = Sentry(Sight(tools, member=lambda owner: member if owner == ("shop", "rel") else None, wide=wide))
        bench = Bench(rolled, sentry, member)
        try:
            sentry.changed(member)
            await bench.quiet()
            await test(bench)
        finally:
            turns.PAUSE_S = pause_s
            await sentry.close()
            await clusters.close()

    rollout.run(inside)


async def allow(cluster: MemoryCluster, *verbs: str) -> None:
    """What the tenant's account may do in its namespace."""
    metadata = {"name": ACCOUNT, "namespace": "shop"}
    rules = [{"apiGroups": ["", "apps"], "resources": ["configmaps", "deployments"], "verbs": list(verbs)}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT}
    subjects = [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": "shop"}]
    await cluster.apply({"apiVersion": _RBAC, "kind": "Role", "metadata": metadata, "rules": rules}, manager="admin")
    binding = {"apiVersion": _RBAC, "kind": "RoleBinding", "metadata": metadata, "roleRef": role, "subjects": subjects}
    await cluster.apply(binding, manager="admin")
