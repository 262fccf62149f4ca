"""One action of any verb on a MemoryCluster in virtual time: what is recorded, and what a later try is given."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from ledger.events import Item, Pin
from reconciler.adapters.clusters import Clusters
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.tools import Tools
from reconciler.adapters.kustomize import Builder
from reconciler.adapters.memory import faults
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.api.types import Action, StageSetSpec
from reconciler.errors import ClusterError, NotFound
from reconciler.ports.cluster import Object, Ref
from reconciler.ports.hands import Answer, Target
from tests.reconciler.adapters.hands.rollout import Artifacts, artifact
from tests.reconciler.loop.scripted import Journal
from tests.reconciler.making import spec as spec_of
from tests.simulation.ports import Renderer
from tests.simulation.virtual import VirtualClock, VirtualLoop
from tests.simulation.virtual import run as run_virtual

TARGET = Target("shop", "rel", "0a1b2c3d")
KEY = "a" * 64
DB = {"name": "db", "sourceRef": {"name": "db"}}

Verb = Callable[[Acting], Awaitable[Answer]]


class Crash(BaseException):
    """The process dies here."""


class Bench:
    """One action. `attempt` performs one try and folds what it records, as the core does."""

    def __init__(self, cluster: MemoryCluster, clock: VirtualClock) -> None:
        self.cluster, self.clock = cluster, clock
        self.faults = faults.Script(cluster.hooks)
        self.journal, self.artifacts = Journal(), Artifacts()
        fetcher: Any = self.artifacts
        renderer: Any = Renderer()
        self.clusters = Clusters(cluster, act_as=self._act_as, jitter=lambda: 0.5)
        nothing: Any = None
        self.tools = Tools(
            clusters=self.clusters, fetcher=fetcher, caller=nothing, builder=Builder(renderer), tool="test",
            journal=self.journal, clock=clock, key=b"k" * 32,
        )  # fmt: skip
        self.verb: Verb
        self.action: dict[str, Any] = {}
        self.stage: dict[str, Any] = DB
        self.account = ""
        self.timeout_s = 0.0
        self.pin: Pin | None = None
        self.items: dict[str, Item] = {}
        #: `action name` of each reported item, in order
        self.reported: list[str] = []
        self.deadline_ms = 0

    def _act_as(self, namespace: str, name: str) -> MemoryCluster:
        return self.cluster.as_user(f"system:serviceaccount:{namespace}:{name}")

    def holds(self, *objects: Object) -> None:
        """The artifact of the action has these objects."""
        body = artifact(*objects)
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        url = f"http://source.test/{digest[-12:]}"
        self.artifacts.bodies[url] = body
        self.pin = Pin(stage="db", action="act", source="OCIRepository/shop/act", url=url, revision="1", digest=digest)

    def begin(self) -> None:
        """The intent of an attempt: its deadline counts from now."""
        self.deadline_ms = self.clock.now_ms() + int(self.timeout_s * 1000) if self.timeout_s else 0

    def acting(self, *, first: bool) -> Acting:
        return Acting(
            tools=self.tools, target=TARGET, spec=msgspec.convert(spec_of(self.stage), StageSetSpec), stage="db",
            hook="pre", action=msgspec.convert({"name": "act", **self.action}, Action), key=KEY, pin=self.pin,
            first=first, seen=tuple(self.items.values()), earlier=(), deadline_ms=self.deadline_ms,
            hand=self.clusters.local("shop", self.account), report=self.report,
        )  # fmt: skip

    async def report(self, items: Sequence[Item], message: str) -> None:
        await asyncio.sleep(0)
        self.items |= {item.id: item for item in items}
        self.reported += [f"{item.action} {item.id.split('_')[1]}" for item in items]

    async def attempt(self, *, first: bool = True) -> Answer:
        """One try, and its answer recorded."""
        if first:
            self.begin()
        answer = await self.verb(self.acting(first=first))
        event: Any = answer.event
        self.items = {} if answer.outcome == "ok" else self.items | {item.id: item for item in event.objects}
        return answer

    async def crashing(self, verb: str, *, when: str, number: int = 1) -> None:
        """A first try that dies right before, or right after, its nth request of a kind is carried out."""
        left = [number]

        def die(asked: str, ref: Ref | None) -> None:
            if asked == verb:
                left[0] -= 1
                if not left[0]:
                    raise Crash

        hooks = getattr(self.cluster.hooks, when)
        hooks.append(die)
        try:
            await self.attempt()
        except Crash:
            return
        finally:
            hooks.remove(die)
        raise AssertionError("it did not come that far")

    async def get(self, name: str, kind: str = "ConfigMap") -> Object:
        return await self.cluster.get(Ref("v1", kind, "shop", name))

    async def gone(self, name: str, kind: str = "ConfigMap") -> bool:
        try:
            await self.get(name, kind)
        except NotFound:
            return True
        return False

    async def change(self, name: str, **data: str) -> Object:
        """Somebody else writes."""
        return await self.cluster.patch(Ref("v1", "ConfigMap", "shop", name), {"data": data}, type="merge")

    def counts(self, verb: str) -> int:
        return self.cluster.hooks.counts.get(verb, 0)

    def away(self, verb: str, *, times: int, error: ClusterError | None = None) -> None:
        """The server does not answer so many requests."""
        for _ in range(times):
            self.faults.add(verb, error or faults.unavailable())


def words(answer: Answer) -> str:
    event: Any = answer.event
    return f"{answer.outcome} {event.reason} {event.retryable}".strip()


def actions(answer: Answer) -> dict[str, str]:
    """What became of each object, by name."""
    event: Any = answer.event
    return {item.id.split("_")[1]: item.action for item in event.objects}


def run(test: Callable[[Bench], Awaitable[None]]) -> None:
    """Run an async test with a `Bench`; nothing may be left behind."""

    async def inside(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop)
        cluster = MemoryCluster(lambda: clock.now_ms() / 1000)
        await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        bench = Bench(cluster, clock)
        world = asyncio.create_task(_tick(cluster))
        try:
            await test(bench)
            assert not bench.faults.left, "a planned fault was not met"
        finally:
            await bench.clusters.close()
            world.cancel()
        await asyncio.gather(world, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not loop.bugs

    run_virtual(inside)


async def _tick(cluster: MemoryCluster) -> None:
    while True:
        await cluster.tick()
        await asyncio.sleep(0.1)
