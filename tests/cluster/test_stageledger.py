"""StageLedgers, the baseline and recovery against a real API server: what only a real one proves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from ledger.memory_log import MemoryLog
from reconciler.adapters.clock import SystemClock
from reconciler.adapters.kubernetes import KubernetesCluster, from_kubeconfig
from reconciler.adapters.recovery import Means, Recovery
from reconciler.adapters.stageledgers import StageLedgers, Surroundings
from reconciler.adapters.watches import Watches
from reconciler.api import crd, names
from reconciler.cli.reaching import Options, Reached
from reconciler.cli.stageledgers import add_baseline, drop_baseline, read
from reconciler.compute.stageledger import StageLedgerShown
from reconciler.errors import AlreadyExists, NoSuchKind
from reconciler.ports.cluster import Scope
from reconciler.ports.hands import Target
from reconciler.state import Completion
from tests.controlplane.cluster import ControlPlane
from tests.ledger.making import AT, LEDGER, chance
from tests.reconciler.adapters.test_recovery import STAGES
from tests.reconciler.adapters.test_recovery import Member as Doubtful
from tests.reconciler.adapters.test_stageledgers import Member
from tests.reconciler.making import stage

OPTIONS = Options(namespace="", kubeconfig="", context="", wait=True, timeout=1, form="text")


def play(plane: ControlPlane, story: Callable[[KubernetesCluster], Awaitable[None]]) -> None:
    async def run() -> None:
        cluster = await from_kubeconfig(str(plane.kubeconfig), jitter=lambda: 0.0)
        try:
            async with asyncio.timeout(60):
                for definition in map(crd.document, crd.CRDS):
                    try:
                        await cluster.create(definition)
                    except AlreadyExists:
                        continue
                await _served(cluster)
                await story(cluster)
        finally:
            await cluster.close()
            # A watch that was broken off says good-bye to the server (TLS close_notify) after its task has ended.
            await asyncio.sleep(0.1)

    asyncio.run(run())


async def _served(cluster: KubernetesCluster) -> None:
    for one in crd.CRDS:
        while True:
            try:
                # Discovery knows a kind before every request for it is answered.
                await cluster.list(Scope(names.API_VERSION, one.kind))
                break
            except NoSuchKind:
                await asyncio.sleep(0.1)


class Seen:
    """The projection on a real cluster; told of every change, it looks again."""

    def __init__(self, cluster: KubernetesCluster, namespace: str) -> None:
        self.member = Member()
        self.member.target = Target(namespace, "rel", "0a1b2c3d")
        self.watches = Watches(cluster, jitter=lambda: 0.0)
        self.changed = asyncio.Event()
        self.ledgers = StageLedgers(
            Surroundings(
                cluster=cluster,
                watches=self.watches,
                clock=SystemClock(),
                namespaces=(namespace,),
                on_change=self._changed,
                on_known=lambda: None,
                cleared=lambda _: True,
            )
        )

    def _changed(self, *_: str) -> None:
        self.ledgers.changed(self.member)
        self.changed.set()

    async def until(self, is_so: Callable[[StageLedgerShown], bool]) -> StageLedgerShown:
        self.ledgers.changed(self.member)
        while True:
            found = self.ledgers.shown(self.member.target.namespace, "rel")
            if found is not None and is_so(found):
                return found
            self.changed.clear()
            await self.changed.wait()

    async def close(self) -> None:
        await self.ledgers.close()
        await self.watches.close()


def test_the_status_is_kept_and_the_baseline_with_it(control_plane: ControlPlane, namespace: str) -> None:
    async def story(cluster: KubernetesCluster) -> None:
        seen = Seen(cluster, namespace)
        try:
            await told(Reached(cluster, namespace, "rel", OPTIONS), seen)
        finally:
            await seen.close()

    async def told(reached: Reached, seen: Seen) -> None:
        seen.ledgers.start()
        await add_baseline(reached, stage="db", action="gone")
        await add_baseline(reached, stage="db", action="too")
        done = Completion(stage="db", action="migrate", at=AT)
        seen.member.state = replace(seen.member.state, completions={"db/migrate": done})
        found = await seen.until(lambda one: len(one.completions) == 1 and len(one.baseline) == 2)
        # A write of the status leaves the spec and its generation alone.
        assert (found.generation, found.uid) == (2, (await _live(reached)).uid)
        await drop_baseline(reached, stage="db", action="gone")
        await seen.until(lambda one: one.status["conditions"][0]["observedGeneration"] == 3)
        # Deleted by hand, it is made again.
        await reached.cluster.delete(found.ref)
        made = await seen.until(lambda one: one.uid != found.uid and len(one.completions) == 1)
        assert made.baseline == ()

    play(control_plane, story)


async def _live(reached: Reached) -> StageLedgerShown:
    found = await read(reached)
    assert found is not None
    return found


def test_what_a_real_cluster_shows_is_taken_over(control_plane: ControlPlane, namespace: str) -> None:
    async def story(cluster: KubernetesCluster) -> None:
        stageset = await cluster.create(
            {
                "apiVersion": names.API_VERSION,
                "kind": "StageSet",
                "metadata": {"name": "rel", "namespace": namespace},
                "spec": {"stages": [stage("db")]},
            }
        )
        uid = stageset["metadata"]["uid"]
        stream = f"stageset/{namespace}/rel/{uid}"
        status = {"stages": STAGES, "ledger": {"stream": stream, "version": 57, "head": "sha256:57"}}
        patch = [{"op": "add", "path": "/status", "value": {**status, "handledRequests": {"resolve": "sha256:1"}}}]
        ref = Reached(cluster, namespace, "rel", OPTIONS).ref
        stageset = await cluster.patch(ref, patch, type="json", subresource="status")
        assert stageset["status"]["handledRequests"] == {"resolve": "sha256:1"}
        member = Doubtful(stageset)
        member.target, member.stream = Target(namespace, "rel", uid), stream
        member.state = replace(member.state, stream=stream)
        log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
        recovery = Recovery(Means(cluster=cluster, reader=log, clock=SystemClock(), stageledger=lambda *_: None))
        recovery(member)
        await asyncio.gather(*recovery._tasks.values())
        (adopted,) = member.heard
        assert adopted is not None
        assert [(one.name, one.executed) for one in adopted.stages] == [("db", ["warm", "announce"]), ("app", [])]

    play(control_plane, story)
