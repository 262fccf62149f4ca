"""What MemoryCluster has beside the contract: its own time, determinism, faults, dropped watches, refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from reconciler import errors
from reconciler.adapters.memory import faults, flux
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.memory.policy import PREFIX, Behaviour, Workloads
from reconciler.ports.cluster import Object, Ref, Scope, WatchEvent

START = 1_700_000_000.0
WEB = Ref("apps/v1", "Deployment", "default", "web")


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def run(case: Callable[[MemoryCluster, Clock], Awaitable[None]], **options: Any) -> None:
    async def inner() -> None:
        clock = Clock()
        cluster = MemoryCluster(clock, **options)
        await cluster.tick()
        await case(cluster, clock)

    asyncio.run(inner())


def deployment(**notes: str) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "annotations": {f"{PREFIX}{name.replace('_', '-')}": value for name, value in notes.items()},
        },
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]},
            },
        },
    }


def config(name: str = "a", **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}


def test_time_passes_only_by_the_clock() -> None:
    async def case(cluster: MemoryCluster, clock: Clock) -> None:
        await cluster.apply(deployment(ready_after="5s"), manager="m")
        await cluster.tick()
        assert "availableReplicas" not in (await cluster.get(WEB))["status"]
        assert cluster.next_due() == START + 5
        clock.now = START + 4.999
        assert await cluster.tick() == 0
        clock.now = START + 5
        await cluster.tick()
        assert (await cluster.get(WEB))["status"]["availableReplicas"] == 1

    run(case)


def test_the_same_requests_give_the_same_cluster() -> None:
    def world() -> bytes:
        found: list[bytes] = []

        async def case(cluster: MemoryCluster, clock: Clock) -> None:
            for crd in flux.source_crds():
                await cluster.apply(crd, manager="m")
            await cluster.apply(deployment(ready_after="5s"), manager="m")
            await cluster.create({**config(), "metadata": {"generateName": "x-", "namespace": "default"}})
            while (due := cluster.next_due()) is not None and due < START + 700:
                clock.now = max(clock.now, due)
                await cluster.tick()
            for kind in cluster.world.catalog:
                listed = await cluster.list(Scope(kind.api_version, kind.kind))
                found.append(msgspec.json.encode([listed.items, listed.resource_version]))

        run(case)
        return b"\n".join(found)

    assert world() == world()


def test_objects_belong_to_the_caller() -> None:
    async def case(cluster: MemoryCluster, clock: Clock) -> None:
        given = config(a="1")
        made = await cluster.create(given)
        given["data"]["a"] = made["data"]["a"] = "changed"
        found = (await cluster.list(Scope("v1", "ConfigMap", "default"))).items[0]
        found["metadata"].clear()
        assert (await cluster.get(Ref("v1", "ConfigMap", "default", "a")))["data"] == {"a": "1"}

    run(case)


def test_a_function_may_decide() -> None:
    def decide(obj: Any) -> Behaviour | None:
        return Behaviour("fail", 2.0, pods=False) if obj["kind"] == "Deployment" else None

    async def case(cluster: MemoryCluster, clock: Clock) -> None:
        await cluster.apply(deployment(), manager="m")
        clock.now += 2
        await cluster.tick()
        clock.now += 2
        await cluster.tick()
        conditions = {c["type"]: c["reason"] for c in (await cluster.get(WEB))["status"]["conditions"]}
        assert conditions["Progressing"] == "ProgressDeadlineExceeded"
        assert (await cluster.list(Scope("v1", "Pod"))).items == []

    run(case, workloads=Workloads(decide=decide))


def test_a_healed_annotation_heals_the_workload() -> None:
    async def case(cluster: MemoryCluster, clock: Clock) -> None:
        await cluster.apply(deployment(outcome="fail"), manager="m")
        await cluster.tick()
        assert (await cluster.get(WEB))["status"]["unavailableReplicas"] == 1
        await cluster.apply(deployment(), manager="m")
        await cluster.tick()
        status = (await cluster.get(WEB))["status"]
        assert (status["availableReplicas"], status["observedGeneration"]) == (1, 2)

    run(case)


def test_crash_loops_restart_and_warn() -> None:
    async def case(cluster: MemoryCluster, clock: Clock) -> None:
        await cluster.apply(deployment(outcome="crashloop", log="panic\n"), manager="m")
        restarts = []
        for _ in range(4):
            await cluster.tick()
            pod = (await cluster.list(Scope("v1", "Pod", "default"))).items[0]
            state = pod["status"]["containerStatuses"][0]
            assert state["state"]["waiting"]["reason"] == "CrashLoopBackOff"
            restarts.append((clock.now - START, state["restartCount"]))
            due = cluster.next_due()
            assert due is not None
            clock.now = due
        assert restarts == [(0, 1), (10, 2), (30, 3), (70, 4)]
        assert await cluster.logs("default", pod["metadata"]["name"]) == "panic\n"
        events = (await cluster.list(Scope("v1", "Event", "default", field_selector="reason=BackOff"))).items
        assert [event["involvedObject"]["uid"] for event in events] == [pod["metadata"]["uid"]]

    run(case)


def test_rolling_updates_keep_the_old_pods_until_the_new_are_ready() -> None:
    async def case(cluster: MemoryCluster, clock: Clock) -> None:
        await cluster.apply(deployment(), manager="m")
        await cluster.tick()
        changed = deployment(ready_after="5s")
        changed["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
        await cluster.apply(changed, manager="m")
        await cluster.tick()
        status = (await cluster.get(WEB))["status"]
        assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (2, 1, 1)
        assert len((await cluster.list(Scope("v1", "Pod"))).items) == 2
        clock.now += 5
        await cluster.tick()
        images = [p["spec"]["containers"][0]["image"] for p in (await cluster.list(Scope("v1", "Pod"))).items]
        assert images == ["web:2"]

    run(case)


async def _watch(cluster: MemoryCluster, seen: list[WatchEvent], version: str) -> None:
    async for event in cluster.watch(Scope("v1", "ConfigMap", "default"), resource_version=version):
        seen += [event]


async def _turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_watches_are_dropped_and_bookmarked() -> None:
    async def case(cluster: MemoryCluster, clock: Clock) -> None:
        seen: list[WatchEvent] = []
        start = (await cluster.list(Scope("v1", "ConfigMap"))).resource_version
        first = asyncio.create_task(_watch(cluster, seen, start))
        broken = asyncio.create_task(_watch(cluster, [], start))
        await _turn()
        await cluster.create(config())
        cluster.send_bookmarks()
        await _turn()
        assert [event.type for event in seen] == ["ADDED", "BOOKMARK"]
        assert seen[1].object["metadata"]["resourceVersion"] == seen[0].object["metadata"]["resourceVersion"]
        assert cluster.drop_watches(api_version="v1", kind="Secret") == 0
        assert cluster.drop_watches(error=faults.unavailable()) == 2
        with pytest.raises(errors.Unavailable):
            await first
        with pytest.raises(errors.Unavailable):
            await broken
        assert cluster.world.store.watchers == []
        quiet = asyncio.create_task(_watch(cluster, [], start))
        await _turn()
        assert cluster.drop_watches() == 1
        await quiet

    run(case)


def test_old_positions_are_gone() -> None:
    async def case(cluster: MemoryCluster, clock: Clock) -> None:
        start = (await cluster.list(Scope("v1", "ConfigMap"))).resource_version
        for number in range(8):
            await cluster.create(config(f"c{number}"))
        with pytest.raises(errors.Gone, match="too old resource version"):
            await _watch(cluster, [], start)
        now = (await cluster.list(Scope("v1", "ConfigMap"))).resource_version
        cluster.forget_history()
        watching = asyncio.create_task(_watch(cluster, [], now))
        await _turn()
        cluster.drop_watches()
        await watching

    run(case, history_max=5)


def test_faults_before_and_after_the_effect() -> None:
    async def case(cluster: MemoryCluster, clock: Clock) -> None:
        script = faults.Script(cluster.hooks)
        script.add("apply", faults.unavailable(), name="a")
        script.add("apply", faults.timed_out(), when="after", kind="ConfigMap")
        script.add("get", faults.too_many_requests(7))
        with pytest.raises(errors.Unavailable):
            await cluster.apply(config(), manager="m")
        ref = Ref("v1", "ConfigMap", "default", "a")
        with pytest.raises(errors.TooManyRequests) as slow:
            await cluster.get(ref)
        assert slow.value.retry_after_s == 7
        with pytest.raises(errors.NotFound):
            await cluster.get(ref)
        with pytest.raises(errors.Unavailable):
            await cluster.apply(config(), manager="m")
        assert script.left == 0
        assert await cluster.get(ref)
        assert cluster.hooks.counts["apply"] == 2

    run(case)


def test_faults_reach_every_identity() -> None:
    async def case(cluster: MemoryCluster, clock: Clock) -> None:
        user = cluster.as_user("system:serviceaccount:default:default")
        faults.Script(cluster.hooks).add("version", faults.unavailable())
        with pytest.raises(errors.Unavailable):
            await user.version()

    run(case)


def test_tokens_expire_and_die_with_their_account() -> None:
    async def case(cluster: MemoryCluster, clock: Clock) -> None:
        token, _ = await cluster.token("default", "default", expires_s=600)
        view = cluster.authenticate(token)
        assert view is not None
        assert view.identity.user == "system:serviceaccount:default:default"
        assert "system:serviceaccounts:default" in view.identity.groups
        assert cluster.authenticate("nonsense") is None
        clock.now += 600
        assert cluster.authenticate(token) is None
        token, _ = await cluster.token("default", "default", expires_s=600)
        await cluster.delete(Ref("v1", "ServiceAccount", "default", "default"))
        assert cluster.authenticate(token) is None

    run(case)


def test_what_is_not_imitated_is_refused() -> None:
    async def case(cluster: MemoryCluster, clock: Clock) -> None:
        crd = flux.source_crds()[0]
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        schema["x-kubernetes-validations"] = [{"rule": "quantity(self.x).isGreaterThan(quantity('1'))", "message": "m"}]
        with pytest.raises(errors.Unsupported, match="the CEL rule"):
            await cluster.create(crd)
        with pytest.raises(errors.NoSuchKind):
            await cluster.get(Ref("metrics.k8s.io/v1", "PodMetrics", "default", "x"))

    run(case)


def test_jobs_are_tried_again_and_cleaned_up() -> None:
    async def case(cluster: MemoryCluster, clock: Clock) -> None:
        pod = deployment()["spec"]["template"]
        pod["spec"]["restartPolicy"] = "Never"
        notes = {f"{PREFIX}outcome": "fail"}
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "j", "namespace": "default", "annotations": notes},
            "spec": {"backoffLimit": 2, "ttlSecondsAfterFinished": 60, "template": pod},
        }
        await cluster.create(job)
        ref = Ref("batch/v1", "Job", "default", "j")
        ended = 0.0
        while (due := cluster.next_due()) is not None:
            clock.now = max(clock.now, due)
            await cluster.tick()
            try:
                status = (await cluster.get(ref))["status"]
            except errors.NotFound:
                break
            if not ended and "conditions" in status:
                ended = clock.now
                assert status["failed"] == 3
        assert (ended - START, clock.now - START) == (30, 90)
        assert (await cluster.list(Scope("v1", "Pod"))).items == []

    run(case)


def test_claims_are_bound_and_load_balancers_get_an_address() -> None:
    async def case(cluster: MemoryCluster, clock: Clock) -> None:
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "c", "namespace": "default", "annotations": {f"{PREFIX}ready-after": "2s"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "s", "namespace": "default"},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
        }
        await cluster.create(claim)
        await cluster.create(service)
        await cluster.tick()
        ref = Ref("v1", "PersistentVolumeClaim", "default", "c")
        assert (await cluster.get(ref))["status"]["phase"] == "Pending"
        found = await cluster.get(Ref("v1", "Service", "default", "s"))
        assert found["status"]["loadBalancer"]["ingress"]
        clock.now += 2
        await cluster.tick()
        assert (await cluster.get(ref))["status"]["phase"] == "Bound"

    run(case)
