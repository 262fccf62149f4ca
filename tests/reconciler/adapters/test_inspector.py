"""The steady look: what differs, what does not, and what cannot be told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler import errors
from reconciler.adapters.clusters import Clusters
from reconciler.adapters.inspector import CONCURRENT_MAX, Inspector
from reconciler.api import names
from reconciler.ports.cluster import Object, Ref
from reconciler.state import Owned
from tests.reconciler.adapters.world import Clock, Shown, cluster_with_crds, settled, shown
from tests.reconciler.making import opened


class Bench:
    def __init__(self, cluster: Any, member: Shown) -> None:
        self.cluster, self.member = cluster, member
        self.identities: list[str] = []
        self.inspector = Inspector(Clusters(cluster, act_as=self._act_as, jitter=lambda: 0.5))

    def _act_as(self, namespace: str, name: str) -> Any:
        self.identities.append(name)
        return self.cluster

    async def own(self, *objects: Object, variables: tuple[str, ...] = (), account: str = "") -> None:
        """Make objects, and a ready state that owns them."""
        owned = {}
        for obj in objects:
            labels = names.stage_labels(namespace="shop", name="rel", stage="db")
            live = await self.cluster.create({**obj, "metadata": {**obj["metadata"], "labels": labels}})
            meta = live["metadata"]
            group = obj["apiVersion"].rpartition("/")[0]
            key = f"shop_{meta['name']}_{group}_{obj['kind']}"
            owned[key] = Owned(
                id=key, v=obj["apiVersion"].rpartition("/")[2], uid=meta["uid"], rv=meta["resourceVersion"],
                generation=meta.get("generation", 0),
            )  # fmt: skip
        stream = self.member.stream
        stream.fact(opened("db"))
        stream.rest()
        db = replace(stream.state.stages["db"], owned=owned, variables=variables, service_account=account)
        stream.state = replace(stream.state, stages={"db": db})

    async def look(self) -> bool:
        self.inspector(self.member)
        # A look under way is not begun again.
        self.inspector(self.member)
        await settled(self.cluster)
        (found,) = self.member.looks
        self.member.looks.clear()
        return found


def run(test: Callable[[Bench], Awaitable[None]]) -> None:
    async def inside() -> None:
        cluster = await cluster_with_crds(Clock())
        bench = Bench(cluster, await shown(cluster, names.FINALIZER))
        await test(bench)
        await bench.inspector.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(inside())


def config_map(name: str = "a", **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": data}


WEB_OBJECT = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
             "spec": {"containers": [{"name": "c", "image": "i"}]}}},
}  # fmt: skip
A = Ref("v1", "ConfigMap", "shop", "a")
WEB = Ref("apps/v1", "Deployment", "shop", "web")


def test_what_is_as_it_was_has_not_drifted():
    async def test(bench):
        await bench.own(config_map(), config_map("b"), WEB_OBJECT)
        assert await bench.look() is False
        # Status is not ours, and a generation does not count it.
        await bench.cluster.patch(WEB, {"status": {"observedGeneration": 1}}, type="merge", subresource="status")
        assert await bench.look() is False

    run(test)


@pytest.mark.parametrize("what", ["changed", "gone", "another", "another of the same generation", "spec"])
def test_what_differs_has_drifted(what):
    async def test(bench):
        await bench.own(config_map(), config_map("b"), WEB_OBJECT)
        if what == "changed":
            await bench.cluster.patch(A, {"data": {"by": "hand"}}, type="merge")
        elif what == "spec":
            await bench.cluster.patch(WEB, {"spec": {"replicas": 3}}, type="merge")
        elif what == "another of the same generation":
            await bench.cluster.delete(WEB)
            await settled(bench.cluster)
            await bench.cluster.create(WEB_OBJECT)
        else:
            await bench.cluster.delete(A)
            if what == "another":
                await bench.cluster.create(config_map())
        assert await bench.look() is True

    run(test)


@pytest.mark.parametrize("what", ["same", "changed", "gone", "made"])
def test_variables_are_looked_at_as_the_stagesets_identity(what):
    async def test(bench):
        live = await bench.cluster.create(config_map("vars"))
        origin = f"ConfigMap/vars@{live['metadata']['resourceVersion']}"
        await bench.own(variables=(origin, "Secret/optional@absent"), account="stage-sa")
        if what == "changed":
            await bench.cluster.patch(Ref("v1", "ConfigMap", "shop", "vars"), {"data": {"a": "b"}}, type="merge")
        elif what == "gone":
            await bench.cluster.delete(Ref("v1", "ConfigMap", "shop", "vars"))
        elif what == "made":
            obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "optional", "namespace": "shop"}}
            await bench.cluster.create(obj)
        spec = b'{"serviceAccountName": "spec-sa", "stages": []}'
        bench.member.observed = bench.member.observed._replace(spec=spec)
        assert await bench.look() is (what != "same")
        assert bench.identities == ["stage-sa", "spec-sa"]

    run(test)


def test_an_outage_turns_nothing_red():
    async def test(bench):
        await bench.own(config_map())

        def away(verb: str, ref: Ref | None) -> None:
            raise errors.Unavailable("away")

        bench.cluster.hooks.before.append(away)
        assert await bench.look() is False
        bench.cluster.hooks.before.clear()
        await bench.cluster.delete(A)
        assert await bench.look() is True

    run(test)


def test_an_outage_of_one_stage_does_not_hide_the_drift_of_another():
    async def test(bench):
        await bench.own(config_map())
        stages = bench.member.stream.state.stages
        first = replace(stages["db"], name="first", owned={}, variables=("ConfigMap/vars@1",))
        bench.member.stream.state = replace(bench.member.stream.state, stages={"first": first, **stages})
        await bench.cluster.delete(A)

        def denied(verb: str, ref: Ref | None) -> None:
            if ref is not None and ref.name == "vars":
                raise errors.Forbidden("no")

        bench.cluster.hooks.before.append(denied)
        assert await bench.look() is True

    run(test)


def test_few_looks_at_once_and_none_after_closing():
    async def test(bench):
        await bench.own(config_map())
        members = [Shown(bench.cluster, await bench.member.live(), bench.member.stream) for _ in range(12)]
        under_way = asyncio.Event()
        at_once: list[int] = []

        async def held(*_: Any) -> bool:
            at_once.append(1)
            await under_way.wait()
            return False

        bench.inspector._differs = held
        for member in members:
            bench.inspector(member)
        await settled(bench.cluster)
        assert len(at_once) == CONCURRENT_MAX
        await bench.inspector.close()
        assert not any(member.looks for member in members)
        assert bench.inspector._tasks == {}

    run(test)
