"""StageLedgers on a cluster: restored when somebody changes them, and never written over before they are read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ledger import events as e
from ledger.chain import Head
from reconciler import errors
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.stageledgers import StageLedgers, Surroundings
from reconciler.adapters.watches import Watches
from reconciler.api import names
from reconciler.compute.stageledger import invalid_baseline
from reconciler.ports.cluster import Object, Ref, Scope
from reconciler.ports.hands import Target
from reconciler.ports.members import Observed
from reconciler.state import Completion, State
from tests.reconciler.adapters.test_projector import Counted
from tests.reconciler.adapters.world import Clock, cluster_with_crds, exists, settled
from tests.reconciler.making import START_MS, STREAM, stage

LEDGER = Ref(names.API_VERSION, "StageLedger", "shop", "rel")
LIFETIME = [{"name": "migrate", "scope": "Lifetime", "wait": {}}, {"name": "seed", "scope": "Lifetime", "wait": {}}]
SPEC = msgspec.json.encode({"stages": [stage("db", actions={"pre": LIFETIME})]})


class Member:
    """A StageSet as its projections see it."""

    def __init__(self, *done: str, stream: str = STREAM, spec: bytes = SPEC) -> None:
        self.target = Target("shop", "rel", "0a1b2c3d")
        self.observed = Observed(
            namespace="shop", name="rel", uid="0a1b2c3d", generation=1, resource_version="1", spec=spec,
            requested_at="", deleting=False, finalizers=(), status="", ready=("", ""), ledger=(0, ""), requests={},
        )  # fmt: skip
        self.state = State(stream=stream, version=7, now_ms=START_MS)
        self.complete(*done)

    @property
    def head(self) -> Head:
        return Head(self.state.version, f"sha256:{self.state.version:064x}")

    def complete(self, *names: str) -> None:
        done = {f"db/{name}": Completion(stage="db", action=name, at="2030-01-01T00:00:00.000Z") for name in names}
        completions = {**self.state.completions, **done}
        self.state = msgspec.structs.replace(self.state, version=self.state.version + 1, completions=completions)

    def revoke(self, name: str) -> None:
        completions = {key: one for key, one in self.state.completions.items() if key != f"db/{name}"}
        version = self.state.version + 1
        self.state = msgspec.structs.replace(
            self.state, version=version, completions=completions, revoked={f"db/{name}": version}
        )

    def inspected(self, *, drifted: bool) -> None: ...


class Bench:
    """A cluster, the projection, and a controller that does what the loop will: adopt, and look again."""

    def __init__(self, cluster: MemoryCluster, clock: Clock) -> None:
        self.plain, self.clock = cluster, clock
        self.cluster = Counted(cluster)
        self.watches = Watches(cluster, jitter=lambda: 0.5)
        self.member = Member()
        self.cleared = True
        self.slept: list[float] = []
        self.told: list[tuple[str, str]] = []
        self.heard: list[str] = []
        self.ledgers = self.another()

    def another(self) -> StageLedgers:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            await asyncio.sleep(0)

        return StageLedgers(
            Surroundings(
                cluster=self.cluster,
                watches=self.watches,
                clock=self.clock,
                namespaces=("",),
                on_change=self.changed,
                on_known=lambda: self.heard.append("all"),
                cleared=lambda _: self.cleared,
                sleep=sleep,
            )
        )

    def changed(self, namespace: str, name: str) -> None:
        self.told.append((namespace, name))
        self.ledgers.changed(self.member)

    def adopt(self) -> list[str]:
        """Take over what is shown, as the core does with the facts."""
        adopted: list[str] = []
        while draft := self.ledgers.fact(self.member, self.member.state):
            event = draft.event
            assert isinstance(event, e.ActionAdopted)
            done = Completion(
                stage=draft.stage, action=event.action, origin=event.origin, at=event.completed_at, source=event.source
            )
            completions = {**self.member.state.completions, f"{draft.stage}/{event.action}": done}
            self.member.state = msgspec.structs.replace(
                self.member.state, version=self.member.state.version + 1, completions=completions
            )
            adopted.append(event.action)
        return adopted

    async def project(self) -> Any:
        """Let everything be written; what was written since the last time."""
        self.cluster.writes.clear()
        self.ledgers.changed(self.member)
        await settled(self.plain)
        return dict(self.cluster.writes)

    async def put(self, *done: str, baseline: tuple[str, ...] = (), stream: str = STREAM, version: int = 1) -> None:
        """A StageLedger that is there already."""
        entries = [{"stage": "db", "action": name} for name in baseline]
        metadata = {"namespace": "shop", "name": "rel"}
        await self.plain.create(
            {
                "apiVersion": names.API_VERSION,
                "kind": "StageLedger",
                "metadata": metadata,
                "spec": {"baseline": entries},
            }
        )
        completed = [
            {"stage": "db", "action": name, "origin": "Executed", "completedAt": "2030-01-01T00:00:00Z"}
            for name in done
        ]
        await self.set_status(
            {"completedActions": completed, "ledger": {"stream": stream, "version": version, "head": "sha256:1"}}
        )

    async def set_status(self, status: Object) -> None:
        patch = [{"op": "add", "path": "/status", "value": status}]
        await self.plain.patch(LEDGER, patch, type="json", subresource="status")

    async def set_baseline(self, *actions: str) -> None:
        entries = [{"stage": "db", "action": name} for name in actions]
        await self.plain.patch(LEDGER, {"spec": {"baseline": entries}}, type="merge")

    async def live(self) -> Object:
        return await self.plain.get(LEDGER)

    async def done(self) -> list[str]:
        return [one["action"] for one in (await self.live())["status"].get("completedActions", [])]

    async def events(self) -> list[tuple[str, str, str, str]]:
        listed = await self.plain.list(Scope("events.k8s.io/v1", "Event", "shop"))
        return [(one["type"], one["reason"], one["regarding"]["kind"], one["note"]) for one in listed.items]


def run(test: Callable[[Bench], Awaitable[None]], *, started: bool = True) -> None:
    async def inside() -> None:
        clock = Clock()
        bench = Bench(await cluster_with_crds(clock), clock)
        if started:
            bench.ledgers.start()
            await settled(bench.plain)
        await test(bench)
        await bench.ledgers.close()
        await bench.watches.close()

    asyncio.run(inside())


def test_it_is_made_without_an_owner_and_then_left_alone() -> None:
    async def test(bench: Bench) -> None:
        bench.member.complete("migrate")
        assert await bench.project() == {"create StageLedger": 1, "replace status": 1}
        live = await bench.live()
        assert "ownerReferences" not in live["metadata"]
        assert await bench.done() == ["migrate"]
        assert live["status"]["ledger"] == {"stream": STREAM, "version": 9, "head": f"sha256:{9:064x}"}
        # Records that change nothing of it cost no request, neither do our own writes seen again.
        bench.member.complete("migrate")
        assert await bench.project() == {}
        bench.member.complete("seed")
        assert await bench.project() == {"replace status": 1}
        assert await bench.done() == ["migrate", "seed"]

    run(test)


def test_none_is_made_for_a_stageset_without_lifetime_actions() -> None:
    async def test(bench: Bench) -> None:
        bench.member = Member(spec=b"{}")
        assert await bench.project() == {}
        assert not await exists(bench.plain, LEDGER)

    run(test)


def test_what_somebody_deletes_or_edits_is_restored() -> None:
    async def test(bench: Bench) -> None:
        bench.member.complete("migrate")
        await bench.project()
        await bench.plain.delete(LEDGER)
        await settled(bench.plain)
        assert await bench.done() == ["migrate"]
        await bench.set_status({"completedActions": []})
        await settled(bench.plain)
        assert await bench.done() == ["migrate"]

    run(test)


def test_what_is_shown_is_taken_over_before_it_is_written_over() -> None:
    async def test(bench: Bench) -> None:
        # The StageSet was deleted and made again: its stream is new and empty.
        await bench.put("migrate", stream="stageset/shop/rel/older", version=40)
        await settled(bench.plain)
        assert await bench.project() == {}
        assert await bench.done() == ["migrate"]
        assert bench.adopt() == ["migrate"]
        assert await bench.project() == {"replace status": 1}
        assert (await bench.live())["status"]["ledger"]["stream"] == STREAM
        assert await bench.done() == ["migrate"]

    run(test)


def test_nothing_is_written_before_the_first_look() -> None:
    async def test(bench: Bench) -> None:
        await bench.put("migrate", stream="stageset/shop/rel/older")
        assert not bench.ledgers.known
        assert bench.ledgers.fact(bench.member, bench.member.state) is False
        assert await bench.project() == {}
        assert bench.slept == [], "it tried to write"
        bench.ledgers.start()
        await settled(bench.plain)
        assert bench.ledgers.known
        assert bench.told == [("shop", "rel")]
        assert bench.adopt() == ["migrate"]

    run(test, started=False)


def test_nothing_is_written_before_it_is_known_that_the_ledger_is_not_older_than_the_world() -> None:
    async def test(bench: Bench) -> None:
        bench.cleared = False
        bench.member.complete("migrate")
        assert await bench.project() == {}
        bench.cleared = True
        assert await bench.project() == {"create StageLedger": 1, "replace status": 1}

    run(test)


def test_what_was_taken_back_stays_so() -> None:
    async def test(bench: Bench) -> None:
        bench.member.complete("migrate")
        await bench.project()
        old = (await bench.live())["status"]
        bench.member.revoke("migrate")
        assert bench.adopt() == []
        await bench.project()
        assert await bench.done() == []
        # Somebody puts the old status back.
        await bench.set_status(old)
        await settled(bench.plain)
        assert bench.adopt() == []
        assert await bench.done() == []

    run(test)


def test_a_baseline_is_taken_over_and_shown_as_such() -> None:
    async def test(bench: Bench) -> None:
        await bench.put(baseline=("migrate",))
        await settled(bench.plain)
        assert bench.adopt() == ["migrate"]
        await bench.project()
        (one,) = (await bench.live())["status"]["completedActions"]
        assert one["origin"] == "Baselined"
        # Additive only: what left the baseline stays done.
        await bench.set_baseline()
        await settled(bench.plain)
        assert await bench.done() == ["migrate"]

    run(test)


def test_a_baseline_that_means_nothing_is_told_once() -> None:
    async def test(bench: Bench) -> None:
        await bench.put(baseline=("gone",))
        await settled(bench.plain)
        ((kind, reason, regarding, note),) = await bench.events()
        assert (kind, reason, regarding) == ("Warning", "BaselineInvalid", "StageLedger")
        assert note.startswith("spec.baseline: db/gone: ")
        assert invalid_baseline((await bench.live())["status"])
        bench.member.complete("migrate")
        await bench.project()
        assert len(await bench.events()) == 1
        # Nor again by a controller that starts, when the Event has long expired.
        (event,) = (await bench.plain.list(Scope("events.k8s.io/v1", "Event", "shop"))).items
        await bench.plain.delete(Ref("events.k8s.io/v1", "Event", "shop", event["metadata"]["name"]))
        await bench.ledgers.close()
        bench.ledgers = bench.another()
        bench.ledgers.start()
        await settled(bench.plain)
        bench.member.complete("seed")
        assert await bench.project() == {"replace status": 1}
        assert await bench.events() == []
        await bench.set_baseline("gone", "too")
        await settled(bench.plain)
        assert len(await bench.events()) == 1
        await bench.set_baseline("migrate")
        await settled(bench.plain)
        assert invalid_baseline((await bench.live())["status"]) == ""
        assert len(await bench.events()) == 1

    run(test)


def test_a_completion_that_is_added_meanwhile_is_not_written_over() -> None:
    async def test(bench: Bench) -> None:
        bench.member.complete("migrate")
        await bench.project()

        async def meanwhile(what: str) -> None:
            bench.cluster.during = None
            await bench.set_status(
                {
                    "completedActions": [
                        {"stage": "db", "action": "seed", "origin": "Executed", "completedAt": "2030-01-01T00:00:00Z"}
                    ]
                }
            )

        # Between our look and our write.
        before = bench.cluster.__getattr__("replace")

        async def replace(obj: Object, *, subresource: str = "") -> Object:
            if bench.cluster.during is not None:
                await bench.cluster.during("")
            found: Object = await before(obj, subresource=subresource)
            return found

        bench.cluster.during = meanwhile
        bench.cluster.replace = replace
        bench.member.complete("other")
        await bench.project()
        assert bench.slept, "the write was not refused"
        assert bench.adopt() == ["seed"]
        await bench.project()
        assert await bench.done() == ["migrate", "other", "seed"]

    run(test)


def test_a_write_that_fails_is_tried_again_with_longer_pauses() -> None:
    async def test(bench: Bench) -> None:
        bench.member.complete("migrate")
        bench.cluster.fail["create StageLedger"] = [errors.Unavailable("away") for _ in range(7)]
        await bench.project()
        assert bench.slept == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
        assert await bench.done() == ["migrate"]

    run(test)


def test_a_cluster_without_the_kind_has_no_stageledgers() -> None:
    async def test(bench: Bench) -> None:
        await bench.plain.delete(
            Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "stageledgers.stages.metio.wtf")
        )
        await settled(bench.plain)
        bench.ledgers.start()
        await settled(bench.plain)
        assert bench.ledgers.known
        assert bench.told == [("", "")]
        assert bench.adopt() == []

    run(test, started=False)


def test_a_stageset_that_is_gone_leaves_its_stageledger() -> None:
    async def test(bench: Bench) -> None:
        bench.member.complete("migrate")
        await bench.project()
        bench.member.complete("seed")
        bench.ledgers.changed(bench.member)
        bench.ledgers.forget(bench.member)
        await settled(bench.plain)
        assert await bench.done() == ["migrate"]

    run(test)
