"""The operations against MemoryCluster: server-side apply, readiness, denials and deletion as a server does them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from reconciler import errors
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.memory.faults import Script, timed_out, unavailable
from reconciler.adapters.operations.apply import ApplyOptions, apply_set
from reconciler.adapters.operations.evidence import evidence_of, headline
from reconciler.adapters.operations.existing import Owner
from reconciler.adapters.operations.manifests import Manifest
from reconciler.adapters.operations.prune import PruneOptions, PruneResult, prune_set, remaining
from reconciler.adapters.operations.results import ApplyResult, Known
from reconciler.adapters.operations.verify import Seen, Verification, VerifyOptions
from reconciler.adapters.watches import Watches
from reconciler.api import names
from reconciler.compute.assess import Assessment, Targets
from reconciler.compute.order import stamped
from reconciler.ports.cluster import Object, Ref

OWNER = Owner(namespace="team", name="app")
LABELS = names.stage_labels(namespace="team", name="app", stage="s")
SANDBOX = "sandbox.stages.metio.wtf/"


class Sandbox:
    """A cluster whose time passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.cluster = MemoryCluster(lambda: self.now)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await self.cluster.tick()

    async def namespace(self) -> None:
        await self.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        await self.cluster.tick()
        self.cluster.hooks.counts.clear()

    async def apply(self, *manifests: Manifest, cluster: MemoryCluster | None = None, **options: Any) -> ApplyResult:
        options = {"owner": OWNER, "sleep": self.sleep, **options}
        return await apply_set(cluster or self.cluster, manifests, options=ApplyOptions(**options))

    async def prune(self, *refs: Ref, **options: Any) -> PruneResult:
        return await prune_set(self.cluster, refs, options=PruneOptions(owner=OWNER, sleep=self.sleep, **options))

    @property
    def counts(self) -> dict[str, int]:
        return {k: v for k, v in self.cluster.hooks.counts.items() if k != "discover"}


def play(scenario: Callable[[Sandbox], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(Sandbox()), 30))  # type: ignore[arg-type]


def manifest(obj: Object, digest: str = "d1") -> Manifest:
    return Manifest(obj=stamped(obj, labels=LABELS), digest=digest)


def config(name: str, value: str = "1", **metadata: Any) -> Manifest:
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop", **metadata}}
    return manifest({**made, "data": {"k": value}}, f"d{value}")


def deployment(name: str = "web", image: str = "app:1", app: str = "", **annotations: str) -> Manifest:
    labels = {"app": app or name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": image}]}}
    notes = {SANDBOX + key.replace("_", "-"): value for key, value in annotations.items()}
    metadata = {"name": name, "namespace": "shop", "annotations": notes}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return manifest({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}, image)


def known_of(result: ApplyResult) -> dict[str, Known]:
    return {
        r.id: Known(digest=r.digest, uid=r.uid, resource_version=r.resource_version, generation=r.generation)
        for r in result.results
    }


WEB = Ref("apps/v1", "Deployment", "shop", "web")


def test_a_crd_its_namespace_and_its_object_in_one_set() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        spec = {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        }
        metadata = {"name": "widgets.example.com"}
        crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata}
        widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "new"}}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}}
        given = [manifest(widget), manifest(namespace), manifest({**crd, "spec": spec})]
        result = await sandbox.apply(*given)
        assert result.message == "3 objects applied: 3 created"
        assert (await sandbox.apply(*given)).message == "3 objects applied: 3 unchanged"

    play(scenario)


def test_requests_of_a_first_a_repeated_and_a_changed_apply() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.namespace()
        configs = [config(f"c{i}") for i in range(20)]
        first = await sandbox.apply(*configs, deployment())
        assert first.message == "21 objects applied: 21 created"
        assert sandbox.counts == {"list": 1, "get": 1, "apply": 21}
        await sandbox.sleep(5)
        sandbox.cluster.hooks.counts.clear()
        second = await sandbox.apply(*configs, deployment(), known=known_of(first))
        assert second.message == "21 objects applied: 21 unchanged"
        assert sandbox.counts == {"list": 1, "get": 1}
        third = await sandbox.apply(*configs, deployment(image="app:2"), known=known_of(second))
        assert third.message == "21 objects applied: 1 configured, 20 unchanged"
        assert sandbox.counts == {"list": 2, "get": 1, "apply": 1}

    play(scenario)


def test_without_memory_a_repeated_apply_is_unchanged_all_the_same() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.namespace()
        await sandbox.apply(config("a"), deployment())
        await sandbox.sleep(5)
        assert (await sandbox.apply(config("a"), deployment())).message == "2 objects applied: 2 unchanged"

    play(scenario)


def test_drift_is_corrected() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.namespace()
        known = known_of(await sandbox.apply(config("a"), deployment()))
        await sandbox.cluster.patch(WEB, {"spec": {"replicas": 5}}, type="merge", manager="kubectl")
        result = await sandbox.apply(config("a"), deployment(), known=known)
        assert [r.action for r in result.results] == ["unchanged", "configured"]
        assert (await sandbox.cluster.get(WEB))["spec"]["replicas"] == 2

    play(scenario)


def test_an_immutable_field_and_a_missing_namespace() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        result = await sandbox.apply(config("a"))
        assert result.message.endswith("create the Namespace shop in this or an earlier stage")
        await sandbox.namespace()
        assert (await sandbox.apply(deployment())).ok
        result = await sandbox.apply(deployment(app="other"))
        assert (result.reason, result.retryable) == ("ImmutableField", False)
        failure = result.results[0].failure
        assert failure is not None
        assert failure.immutable == ("spec.selector",)
        assert (failure.status["code"], failure.status["reason"]) == (422, "Invalid")

    play(scenario)


def test_a_denied_identity() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.namespace()
        tenant = sandbox.cluster.as_user("system:serviceaccount:team:deployer")
        result = await sandbox.apply(config("a"), config("b"), cluster=tenant)
        assert result.reason == "Forbidden"
        who = "system:serviceaccount:team:deployer"
        assert result.message == (
            f'ConfigMap shop/a: configmaps "a" is forbidden: User "{who}" cannot patch resource "configmaps" in API'
            f' group "" in the namespace "shop"; give {who} a Role that allows patch on configmaps in namespace shop:'
            ' {apiGroups: [""], resources: ["configmaps"], verbs: ["patch"]}; 1 other object failed too'
        )

    play(scenario)


def test_lost_answers_and_lost_requests() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.namespace()
        script = Script(sandbox.cluster.hooks)
        script.add("apply", timed_out(), name="a", when="after")
        script.add("apply", unavailable(), name="b")
        result = await sandbox.apply(config("a"), config("b"))
        assert [r.action for r in result.results] == ["created", "created"]
        assert script.left == 0
        assert sandbox.counts["apply"] == 3

    play(scenario)


def test_an_apply_cancelled_anywhere_ends_the_same_when_repeated() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.namespace()
        script = Script(sandbox.cluster.hooks)
        script.add("apply", asyncio.CancelledError(), name="c3", when="after")  # type: ignore[arg-type]
        given = [config(f"c{i}") for i in range(6)]
        told: list[str] = []
        try:
            await sandbox.apply(*given, concurrency=1, on_result=lambda r: told.append(r.id))
        except asyncio.CancelledError:
            told.append("cancelled")
        assert told == ["shop_c0__ConfigMap", "shop_c1__ConfigMap", "shop_c2__ConfigMap", "cancelled"]
        result = await sandbox.apply(*given)
        assert result.message == "6 objects applied: 2 created, 4 unchanged"

    play(scenario)


def test_another_stageset_owns_it() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.namespace()
        assert (await sandbox.apply(config("a"), owner=OWNER)).ok
        rival = await sandbox.apply(config("b"), config("a"), owner=Owner(namespace="team", name="rival"))
        assert rival.reason == "OwnedByAnother"
        assert "StageSet team/app" in rival.message
        assert "StageSet team/rival" in rival.message
        assert [r.action for r in rival.results] == ["skipped", "failed"]

    play(scenario)


def test_prune_and_wait_until_it_is_gone() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.namespace()
        opted_out = config("kept", annotations={names.PRUNE: "Disabled"})
        applied = await sandbox.apply(config("a"), config("slow", finalizers=["x.io/f"]), opted_out, deployment())
        refs = [r.ref for r in applied.results]
        result = await sandbox.prune(*refs)
        found = {entry.ref.name: entry.result for entry in result.entries}
        assert found == {"web": "deleted", "a": "deleted", "slow": "deleted", "kept": "kept"}
        await sandbox.sleep(60)
        assert [r.name for r in await remaining(sandbox.cluster, refs, owner=OWNER)] == ["slow"]
        slow = refs[1]
        await sandbox.cluster.patch(slow, {"metadata": {"finalizers": None}}, type="merge")
        assert await remaining(sandbox.cluster, refs, owner=OWNER) == []
        again = await sandbox.prune(*refs[:2])
        assert again.message == "2 gone"

    play(scenario)


class Verifying:
    """A verification on real shared watches."""

    def __init__(self, sandbox: Sandbox, applied: ApplyResult) -> None:
        self.sandbox, self.results = sandbox, list[Assessment]()
        self.watches = Watches(sandbox.cluster, jitter=lambda: 0.5)
        seen = {
            r.ref: Seen(uid=r.uid, resource_version=r.resource_version, generation=r.generation)
            for r in applied.results
        }
        options = VerifyOptions(
            clock_ms=lambda: int(sandbox.now * 1000), on_result=self.results.append, seen=seen, sleep=sandbox.sleep
        )
        self.verification = Verification(self.watches, Targets(wait=tuple(seen)), options=options)
        self.verification.start()

    async def after(self, seconds: float) -> None:
        await self.sandbox.sleep(seconds)
        for _ in range(50):
            await asyncio.sleep(0)

    async def end(self) -> None:
        self.verification.close()
        await self.watches.close()


def test_a_rollout_becomes_ready_and_the_next_one_is_waited_for_anew() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.namespace()
        first = Verifying(sandbox, await sandbox.apply(config("a"), deployment(ready_after="5s")))
        await first.after(1)
        assert first.results == []
        assert "1 of 2 objects ready; not ready: Deployment shop/web: " in first.verification.assessment().message
        await first.after(5)
        assert [r.message for r in first.results] == ["2 of 2 objects ready"]
        await first.end()
        second = Verifying(sandbox, await sandbox.apply(deployment(image="app:2", ready_after="5s")))
        await second.after(1)
        assert second.results == []
        await second.after(6)
        assert [r.done for r in second.results] == [True]
        await second.end()

    play(scenario)


def test_a_rollout_that_fails_ends_at_once_with_evidence() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.namespace()
        applied = await sandbox.apply(deployment(outcome="fail", ready_after="3s", exit_code="7"))
        verifying = Verifying(sandbox, applied)
        await verifying.after(1)
        assert verifying.results == []
        await verifying.after(3)
        assert [u.reason for u in verifying.results[0].failed] == ["ProgressDeadlineExceeded"]
        await verifying.end()
        found = await evidence_of(sandbox.cluster, verifying.results[0], objects=verifying.verification.objects())
        assert found["objects"][0]["object"] == "Deployment shop/web"
        assert "notes" not in found
        containers = [c for p in found["pods"] for c in p["status"]["containerStatuses"]]
        assert [c["state"]["terminated"]["exitCode"] for c in containers] == [7, 7]
        assert headline(found).endswith(" exited with code 7 (Error)")

    play(scenario)


def test_a_deleted_object_is_missed() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.namespace()
        verifying = Verifying(sandbox, await sandbox.apply(config("a"), deployment(outcome="never")))
        await verifying.after(1)
        await sandbox.cluster.delete(Ref("v1", "ConfigMap", "shop", "a"))
        await verifying.after(1)
        assert "ConfigMap shop/a: not found" in verifying.verification.assessment().message
        await verifying.end()

    play(scenario)


def test_an_unreachable_cluster_is_a_failure_and_not_an_exception() -> None:
    async def scenario(sandbox: Sandbox) -> None:
        await sandbox.namespace()

        def down(verb: str, ref: Ref | None) -> None:
            if verb != "discover":
                raise errors.Unavailable("no route to host")

        sandbox.cluster.hooks.before.append(down)
        assert (await sandbox.apply(config("a"))).retryable
        assert (await sandbox.prune(Ref("v1", "ConfigMap", "shop", "a"))).retryable

    play(scenario)
