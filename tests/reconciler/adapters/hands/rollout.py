"""The shipped hands on a MemoryCluster with a real kustomize: one StageSet's effects, performed one by one."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import tarfile
from typing import Any

import yaml
from msgspec.structs import replace

from ledger import events as e
from ledger.events import Event
from reconciler.adapters.clusters import Clusters, Reach
from reconciler.adapters.hands import Performer, Tools
from reconciler.adapters.kustomize import Builder, Kustomize, find_tool
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.requests import Caller
from reconciler.compute.urlguard import Guard
from reconciler.errors import NoAccount, OperationError
from reconciler.plan import plan
from reconciler.ports.cluster import Object, Ref
from reconciler.ports.hands import Answer, Order, Target
from tests.reconciler.adapters.world import Clock, cluster_with_crds, settled
from tests.reconciler.loop.scripted import Journal
from tests.reconciler.making import Stream, opened, pins, spec

TARGET = Target("shop", "rel", "0a1b2c3d")


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": data}


def artifact(*objects: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for at, obj in enumerate(objects):
            content = yaml.safe_dump(obj).encode()
            info = tarfile.TarInfo(f"{at}.yaml")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


class Artifacts:
    """Instead of a server: bodies by URL."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.held: asyncio.Event | None = None

    async def fetch(self, url: str, digest: str) -> bytes:
        self.fetched.append(url)
        if self.held is not None:
            await self.held.wait()
        if url not in self.bodies:
            raise OperationError(f"{url}: 404", reason="FetchFailed", retryable=True)
        return self.bodies[url]


class Ghost:
    """The client of a ServiceAccount that does not exist: its token cannot be had."""

    async def version(self) -> dict[str, str]:
        raise NoAccount("ServiceAccount shop/ghost does not exist: create it, or correct serviceAccountName")


class Rollout:
    """A StageSet that is rolled out step by step."""

    def __init__(self, cluster: MemoryCluster, tools: Tools, artifacts: Artifacts, clock: Clock) -> None:
        self.cluster, self.tools, self.artifacts, self.clock = cluster, tools, artifacts, clock
        self.stream = Stream()
        self.performer = Performer(tools)
        self.answers: dict[str, Answer] = {}

    def open(self, given: dict[str, Any], *, trigger: e.Trigger = "snapshot", **objects: list[dict[str, Any]]) -> None:
        """A run of this spec, with the objects of each stage's artifact."""
        found = []
        for pin in [] if trigger == "deletion" else pins(*objects):
            body = artifact(*objects[pin.stage])
            digest = "sha256:" + hashlib.sha256(body).hexdigest()
            url = f"http://source.test/{digest[-12:]}"
            self.artifacts.bodies[url] = body
            found.append(replace(pin, url=url, digest=digest))
        number = self.stream.state.version + 1
        self.stream.fact(replace(opened(given=given, trigger=trigger, generation=number), pins=found))

    def restart(self) -> None:
        """What was in memory only is gone."""
        self.performer = Performer(self.tools)

    def order(self, *, first: bool = True) -> Order:
        """What is pending, as the loop would order it."""
        (effect,) = plan(self.stream.state).effects

        async def report(event: Event) -> None:
            self.stream.fact(event, stage=effect.stage, intent=effect.intent, idem=effect.key)

        return Order(effect._replace(first=first), TARGET, self.stream.state, report)

    async def perform(self, *, first: bool = True) -> Answer:
        """Perform what is pending, and record its answer."""
        order = self.order(first=first)
        effect = order.effect
        work = asyncio.ensure_future(self.performer.perform(order))
        while not work.done():
            await settled(self.cluster)
        answer = await work
        self.answers[effect.operation] = answer
        self.stream.answer(answer.event, outcome=answer.outcome)
        return answer

    async def until(self, operation: str) -> None:
        while self.stream.state.pending is not None and self.stream.state.pending.operation != operation:
            await self.perform()

    async def rest(self) -> None:
        while self.stream.state.pending is not None:
            await self.perform()

    async def get(self, kind: str, name: str) -> Object:
        return await self.cluster.get(Ref("v1", kind, "shop", name))


def run(test: Any, *, reach: Reach | None = None) -> None:
    """Run an async test with a `Rollout`; nothing may be left behind. `reach` makes clients of remote clusters."""

    async def inside() -> None:
        clock = Clock()
        cluster = await cluster_with_crds(clock)

        def act_as(namespace: str, name: str) -> Any:
            return Ghost() if name == "ghost" else cluster.as_user(f"system:serviceaccount:{namespace}:{name}")

        clusters = Clusters(cluster, act_as=act_as, jitter=lambda: 0.5, reach=reach)
        tool = await find_tool()
        artifacts: Any = Artifacts()
        tools = Tools(
            clusters=clusters,
            fetcher=artifacts,
            caller=Caller(Guard.of((), flag="--allowed-action-hosts", narrow=True)),
            builder=Builder(Kustomize(tool)),
            tool=tool.identity,
            journal=Journal(),
            clock=clock,
            key=b"k" * 32,
        )
        await test(Rollout(cluster, tools, artifacts, clock))
        await clusters.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            raise AssertionError(f"left behind: {task}")

    asyncio.run(inside())


def one_stage(**fields: Any) -> dict[str, Any]:
    top = {key: fields.pop(key) for key in ("serviceAccountName", "timeout", "kubeConfig") if key in fields}
    return spec({"name": "db", "sourceRef": {"name": "db"}, **fields}, **top)
