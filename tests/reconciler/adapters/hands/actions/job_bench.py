"""One job action on a MemoryCluster in virtual time: what is recorded, what a later try is given, what was changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ledger.events import Item
from reconciler.adapters.clusters import Hand
from reconciler.adapters.hands.actions import job
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.actions.rendering import ActionObjects, Made
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.watches import Watches
from reconciler.api.names import owner_labels
from reconciler.api.types import Action
from reconciler.api.types.actions import JobAction
from reconciler.api.types.sources import SourceRef
from reconciler.compute.order import ref_of, stamped
from reconciler.errors import NotFound, OperationError
from reconciler.ports.cluster import Object, Ref, Scope
from reconciler.ports.hands import Answer, Target
from tests.simulation.virtual import VirtualClock, VirtualLoop
from tests.simulation.virtual import run as run_virtual

TARGET = Target("shop", "rel", "0a1b2c3d")
KEY, OLD_KEY = "a" * 64, "b" * 64
SECRET = "hunter2-hunter2"


class Crash(BaseException):
    """The process dies here."""


def a_job(name: str = "migrate", *, outcome: str = "ready", after: str = "3s", log: str = "", **spec: Any) -> Object:
    notes = {"outcome": outcome, "ready-after": after, "exit-code": "3", "log": log}
    return {
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name, "namespace": "shop",
                     "annotations": {f"sandbox.stages.metio.wtf/{key}": value for key, value in notes.items()}},
        "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never",
                 "containers": [{"name": "migrate", "image": "i:1"}]}}, **spec},
    }  # fmt: skip


def words(answer: Answer) -> str:
    event: Any = answer.event
    return f"{answer.outcome} {event.reason} {event.retryable}".strip()


def actions(answer: Answer) -> list[str]:
    event: Any = answer.event
    return [item.action for item in event.objects]


def copy_of(live: Object) -> Object:
    """What somebody creates who has copied a Job."""
    kept = {key: live["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    template = {**live["spec"]["template"], "metadata": {}}
    return {**live, "metadata": kept, "spec": {"backoffLimit": 0, "template": template}, "status": {}}


class Through:
    """A cluster with one request of its own."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self.cluster = cluster

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cluster, name)


class DyingAfter(Through):
    """The process dies right after the server has carried out one request."""

    def __init__(self, cluster: MemoryCluster, verb: str) -> None:
        super().__init__(cluster)
        self._verb = verb

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if name != self._verb:
            return found

        async def dying(*args: Any, **options: Any) -> None:
            await found(*args, **options)
            raise Crash

        return dying


class Parts:
    """`Tools`, as far as a job action uses them."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock


class Bench:
    """One action. `try_` performs one attempt and folds what it records, as the core does."""

    def __init__(self, cluster: MemoryCluster, clock: VirtualClock) -> None:
        self.admin = self.cluster = cluster
        self.clock = clock
        self.objects: list[Object] = [a_job()]
        self.items: dict[str, Item] = {}
        #: `action name` of each reported item, in order
        self.reported: list[str] = []
        self.earlier: tuple[Item, ...] = ()
        self.crash_at = 0
        self.render_error: OperationError | None = None
        self.renders = 0
        self.timeout_s = 600.0
        self.key = KEY
        #: requests that changed something
        self.effects: list[str] = []
        cluster.hooks.after.append(self._saw)
        self._open: list[Watches] = []

    def _saw(self, verb: str, ref: Ref | None) -> None:
        if verb in ("create", "delete") and ref is not None and ref.kind != "Pod":
            self.effects.append(f"{verb} {ref.name}")

    def hand(self) -> Hand:
        watches = Watches(self.cluster, jitter=lambda: 0.5)
        self._open.append(watches)
        return Hand(self.cluster, watches)

    def acting(self, *, first: bool = False) -> Acting:
        part = JobAction(source_ref=SourceRef(name="db"), path="./jobs")
        tools: Any = Parts(self.clock)
        spec: Any = None
        return Acting(
            tools=tools, target=TARGET, spec=spec, stage="db", hook="pre",
            action=Action(name="migrate", job=part), key=self.key, pin=None, first=first,
            seen=tuple(self.items.values()), earlier=self.earlier,
            deadline_ms=self.clock.now_ms() + int(self.timeout_s * 1000), hand=self.hand(), report=self.report,
        )  # fmt: skip

    async def report(self, items: Sequence[Item], message: str) -> None:
        await asyncio.sleep(0)
        self.items |= {item.id: item for item in items}
        self.reported += [f"{item.action} {item.id.split('_')[1]}" for item in items]
        if self.crash_at:
            self.crash_at -= 1
            if not self.crash_at:
                raise Crash

    async def render(self, acting: Acting) -> ActionObjects:
        self.renders += 1
        if self.render_error is not None:
            raise self.render_error
        labels = owner_labels(namespace="shop", name="rel")
        made = [Made(ref_of(obj), stamped(obj, labels=labels), stamped(obj, labels=labels)) for obj in self.objects]
        return ActionObjects(tuple(made), ("sha256:artifact",), lambda text: text.replace(SECRET, "[redacted]"))

    async def perform(self, acting: Acting | None = None, *, first: bool = False) -> Answer:
        return await job.perform(acting or self.acting(first=first), render=self.render)

    async def attempt(self, *, first: bool = False) -> Answer:
        """One attempt, and its answer recorded."""
        answer = await self.perform(first=first)
        event: Any = answer.event
        if answer.outcome == "ok":
            self.items = {}
        else:
            self.items |= {item.id: item for item in event.objects}
        return answer

    async def crashing(self, report: int) -> None:
        """An attempt that dies right after its nth report became durable."""
        self.crash_at = report
        try:
            await self.perform(first=True)
        except Crash:
            return
        raise AssertionError("it did not come that far")

    async def crashing_after(self, verb: str, *, first: bool = True) -> None:
        """An attempt that dies right after its first request with this verb was carried out."""
        cluster: Any = DyingAfter(self.admin, verb)
        self.cluster = cluster
        try:
            await self.perform(first=first)
        except Crash:
            return
        finally:
            self.cluster = self.admin
        raise AssertionError("it did not come that far")

    async def jobs(self) -> list[Object]:
        return (await self.admin.list(Scope("batch/v1", "Job", "shop"))).items

    async def the_job(self) -> Object:
        (found,) = await self.jobs()
        return found

    async def under_way(self) -> Object:
        """The Job of an attempt that waits for it."""
        await asyncio.sleep(5)
        return await self.the_job()

    async def gone(self, obj: Object) -> bool:
        try:
            await self.admin.get(Ref(obj["apiVersion"], obj["kind"], "shop", obj["metadata"]["name"]))
        except NotFound:
            return True
        return False

    async def remove(self, obj: Object) -> None:
        await self.admin.delete(Ref(obj["apiVersion"], obj["kind"], "shop", obj["metadata"]["name"]))

    async def close(self) -> None:
        for watches in self._open:
            await watches.close()


def run(test: Any) -> None:
    """Run an async test with a `Bench`; nothing may be left behind."""

    async def inside(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop)
        cluster = MemoryCluster(lambda: clock.now_ms() / 1000)
        await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        bench = Bench(cluster, clock)
        world = asyncio.create_task(_tick(cluster))
        try:
            await test(bench)
        finally:
            await bench.close()
            world.cancel()
        await asyncio.gather(world, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not loop.bugs

    run_virtual(inside)


async def _tick(cluster: MemoryCluster) -> None:
    while True:
        await cluster.tick()
        await asyncio.sleep(0.1)
