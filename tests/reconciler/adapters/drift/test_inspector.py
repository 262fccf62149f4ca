"""The steady look: variables that differ, objects that are asked for by others, and what cannot be told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler import errors
from reconciler.adapters.clusters import Clusters
from reconciler.adapters.drift.inspector import CONCURRENT_MAX, Inspector
from reconciler.api import names
from reconciler.ports.cluster import Object, Ref
from reconciler.ports.members import Member
from tests.reconciler.adapters.world import Clock, Shown, cluster_with_crds, settled, shown
from tests.reconciler.making import opened


class Bench:
    def __init__(self, cluster: Any, member: Shown) -> None:
        self.cluster, self.member = cluster, member
        self.identities: list[str] = []
        self.looked_at: list[Member] = []
        self.failure: Exception | None = None
        clusters = Clusters(cluster, act_as=self._act_as, jitter=lambda: 0.5)
        self.inspector = Inspector(clusters, objects=self._objects)

    def _act_as(self, namespace: str, name: str) -> Any:
        self.identities.append(name)
        return self.cluster

    async def _objects(self, member: Member) -> None:
        self.looked_at.append(member)
        if self.failure is not None:
            raise self.failure

    def from_variables(self, *origins: str) -> None:
        """A ready state whose stage was built from these."""
        stream = self.member.stream
        stream.fact(opened("db"))
        stream.rest()
        stage = replace(stream.state.stages["db"], variables=origins, service_account="stage-sa")
        stream.state = replace(stream.state, stages={"db": stage})

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


def config_map(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": data}


VARS = Ref("v1", "ConfigMap", "shop", "vars")


@pytest.mark.parametrize("what", ["same", "changed", "gone", "made"])
def test_variables_are_looked_at_as_the_stagesets_identity(what):
    async def test(bench):
        live = await bench.cluster.create(config_map("vars"))
        bench.from_variables(f"ConfigMap/vars@{live['metadata']['resourceVersion']}", "Secret/optional@absent")
        if what == "changed":
            await bench.cluster.patch(VARS, {"data": {"a": "b"}}, type="merge")
        elif what == "gone":
            await bench.cluster.delete(VARS)
        elif what == "made":
            obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "optional", "namespace": "shop"}}
            await bench.cluster.create(obj)
        spec = b'{"serviceAccountName": "spec-sa", "stages": []}'
        bench.member.observed = bench.member.observed._replace(spec=spec)
        assert await bench.look() is (what != "same")
        assert bench.identities == ["spec-sa"]
        # A run is due in any case: what it applies need not be looked at.
        assert bench.looked_at == ([bench.member] if what == "same" else [])

    run(test)


def test_an_outage_turns_nothing_red_and_hides_nothing():
    async def test(bench):
        bench.from_variables("ConfigMap/vars@7")
        stages = bench.member.stream.state.stages
        first = replace(stages["db"], name="first", variables=("Secret/denied@1",))
        bench.member.stream.state = replace(bench.member.stream.state, stages={"first": first, **stages})

        def denied(verb: str, ref: Ref | None) -> None:
            if ref is not None and ref.name == "denied":
                raise errors.Forbidden("no")

        def away(verb: str, ref: Ref | None) -> None:
            raise errors.Unavailable("away")

        bench.cluster.hooks.before.append(away)
        assert await bench.look() is False
        bench.cluster.hooks.before[:] = [denied]
        assert await bench.look() is True

    run(test)


@pytest.mark.parametrize(
    "failure", [errors.Unavailable("away"), errors.OperationError("no", reason="X", retryable=True)]
)
def test_objects_that_cannot_be_looked_at_turn_nothing_red(failure):
    async def test(bench):
        bench.from_variables()
        bench.failure = failure
        assert await bench.look() is False
        assert bench.looked_at == [bench.member]

    run(test)


def test_few_looks_at_once_and_none_after_closing():
    async def test(bench):
        bench.from_variables()
        members = [Shown(bench.cluster, await bench.member.live(), bench.member.stream) for _ in range(12)]
        under_way = asyncio.Event()
        at_once: list[int] = []

        async def held(*_: Any) -> None:
            at_once.append(1)
            await under_way.wait()

        bench.inspector._objects = held
        for member in members:
            bench.inspector(member)
        await settled(bench.cluster)
        assert len(at_once) == CONCURRENT_MAX
        await bench.inspector.close()
        assert not any(member.looks for member in members)
        assert bench.inspector._tasks == {}

    run(test)
