"""What the world shows is read whole or not at all, and a ledger that is whole is left in peace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from ledger.envelope import Head, Stored, digest
from ledger.errors import Unreadable
from ledger.events import CompletionShown, Item, StageSetAdopted, StageShown
from ledger.log import EVERYTHING, Selection
from ledger.memory_log import MemoryLog
from reconciler import errors
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.recovery import Means, Recovery, forked, recover
from reconciler.api import names
from reconciler.api.types import LedgerPosition
from reconciler.compute.behind import Sighting
from reconciler.compute.inventory import StageOf, shard_objects
from reconciler.compute.stageledger import shown_of
from reconciler.ports.cluster import Object, Ref, Scope
from reconciler.ports.hands import Target
from reconciler.state import State
from tests.ledger.making import AT, LEDGER, append, chance
from tests.reconciler.adapters.test_projector import Counted
from tests.reconciler.adapters.world import STAGESET, Clock, cluster_with_crds, settled
from tests.reconciler.making import stage

DONE = {"stage": "db", "action": "migrate", "origin": "Executed", "completedAt": "2030-01-01T00:00:00Z"}
STAGES = [
    {"name": "db", "appliedRevision": "v1", "executedActions": ["warm", "announce"], "ledgerRevision": "v1"},
    {"name": "app", "appliedRevision": "v0"},
]


class Member:
    """A StageSet that waits to hear whether its ledger can be trusted."""

    def __init__(self, stageset: Object, *, version: int = 0) -> None:
        uid = stageset["metadata"]["uid"]
        self.target = Target("shop", "rel", uid)
        self.stream = f"stageset/shop/rel/{uid}"
        self.state = State(stream=self.stream, version=version)
        self.head = Head(version, f"sha256:{version}")
        shown = (stageset.get("status") or {}).get("ledger") or {}
        self.observed: Any = type("Observed", (), {"ledger": (shown.get("version", 0), shown.get("head", ""))})
        self.heard: list[StageSetAdopted | None] = []

    def inspected(self, *, drifted: bool) -> None: ...

    def recovered(self, adopted: StageSetAdopted | None) -> None:
        self.heard.append(adopted)


class Broken:
    """A reader that fails some times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def read(self, selection: Selection = EVERYTHING) -> Iterator[Stored]:
        self.times -= 1
        if self.times >= 0:
            raise Unreadable("ledger.db", "it is away")
        return iter(())


class Bench:
    def __init__(self, cluster: MemoryCluster, clock: Clock) -> None:
        self.plain, self.clock = cluster, clock
        self.cluster = Counted(cluster)
        self.slept: list[float] = []
        self.log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def stageset(self, version: int = 57, head: str = "sha256:57", **spec: Any) -> Object:
        """A StageSet whose status shows a place of its stream."""
        stages = [stage("db", serviceAccountName="dba"), stage("app")]
        made = await self.plain.create(
            {
                "apiVersion": names.API_VERSION,
                "kind": "StageSet",
                "metadata": {"name": "rel", "namespace": "shop"},
                "spec": {"serviceAccountName": "shopper", "stages": stages, **spec},
            }
        )
        stream = f"stageset/shop/rel/{made['metadata']['uid']}"
        status = {"stages": STAGES, "ledger": {"stream": stream, "version": version, "head": head}}
        return await self.plain.patch(STAGESET, {"status": status}, type="merge", subresource="status")

    async def inventory(self, owner: str, stage: str, *names_: str, position: int = 0) -> None:
        of = StageOf(namespace="shop", name="rel", uid=owner, stage=stage)
        refs = [Ref("apps/v1", "Deployment", "shop", name) for name in names_]
        for shard in shard_objects(refs, of=of, position=position, entries_max=2):
            await self.plain.create(shard)

    async def stageledger(self, *done: Object, stream: str = "", version: int = 0) -> Object:
        await self.plain.create(
            {
                "apiVersion": names.API_VERSION,
                "kind": "StageLedger",
                "metadata": {"name": "rel", "namespace": "shop"},
            }
        )
        ledger = {"stream": stream, "version": version, "head": "sha256:l"} if stream else None
        status = {"completedActions": list(done), **({"ledger": ledger} if ledger else {})}
        ref = Ref(names.API_VERSION, "StageLedger", "shop", "rel")
        return await self.plain.patch(ref, {"status": status}, type="merge", subresource="status")

    def recovery(self, *, reader: Any = None, stageledger: Object | None = None) -> Recovery:
        return Recovery(
            Means(
                cluster=self.cluster,
                reader=reader or self.log,
                clock=self.clock,
                stageledger=lambda *_: shown_of(stageledger) if stageledger else None,
                sleep=self.sleep,
            )
        )

    async def look(self, member: Member, recovery: Recovery) -> list[StageSetAdopted | None]:
        recovery(member)
        recovery(member)
        async with asyncio.timeout(10):
            await asyncio.gather(*recovery._tasks.values())
        return member.heard

    async def events(self) -> list[str]:
        listed = await self.plain.list(Scope("events.k8s.io/v1", "Event", "shop"))
        return [f"{one['type']} {one['reason']}: {one['note']}" for one in listed.items]


def run(test: Callable[[Bench], Awaitable[None]]) -> None:
    async def inside() -> None:
        clock = Clock()
        bench = Bench(await cluster_with_crds(clock), clock)
        await test(bench)
        await settled(bench.plain)

    asyncio.run(inside())


def test_all_that_the_world_shows_is_taken_over() -> None:
    async def test(bench: Bench) -> None:
        found = await bench.stageset()
        member = Member(found)
        await bench.inventory(member.target.uid, "db", "a", "b", "c")
        # A stage that is in the spec no more, and an inventory of a StageSet that is gone.
        await bench.inventory(member.target.uid, "old", "d", position=2)
        await bench.inventory("another", "gone", "e")
        await bench.stageledger(DONE)
        (adopted,) = await bench.look(member, bench.recovery())
        assert adopted is not None
        assert (adopted.shown_version, adopted.shown_head) == (57, "sha256:57")
        ids = [f"shop_{name}_apps_Deployment" for name in "abcd"]
        assert adopted.stages == [
            StageShown(
                name="db",
                service_account="dba",
                revision="v1",
                objects=[Item(id=key, v="v1") for key in ids[:3]],
                executed=["warm", "announce"],
                executed_revision="v1",
            ),
            StageShown(name="app", position=1, service_account="shopper", revision="v0"),
            StageShown(name="old", position=2, service_account="shopper", objects=[Item(id=ids[3], v="v1")]),
        ]
        assert adopted.completions == [
            CompletionShown(stage="db", action="migrate", completed_at="2030-01-01T00:00:00Z")
        ]
        assert "shows version 57" in adopted.why
        assert "3 stages with 4 objects, 2 executed actions and 1 completed Lifetime actions" in adopted.why

    run(test)


def test_people_are_told_once() -> None:
    async def test(bench: Bench) -> None:
        found = await bench.stageset()
        for _ in range(2):
            await bench.look(Member(found), bench.recovery())
        (said,) = await bench.events()
        assert said.startswith("Warning LedgerBehind: status.ledger of StageSet shop/rel shows version 57 of stream ")
        assert said.endswith("/runbooks/ledgerbehind/)")

    run(test)


def test_what_cannot_be_read_is_read_again_and_nothing_is_told_before() -> None:
    async def test(bench: Bench) -> None:
        member = Member(await bench.stageset())
        bench.cluster.fail["list"] = [errors.Unavailable("away"), errors.NoSuchKind("no StageInventory")]
        original = bench.cluster.list

        async def watched(scope: Scope) -> Any:
            assert member.heard == []
            return await original(scope)

        bench.cluster.list = watched
        (adopted,) = await bench.look(member, bench.recovery())
        assert adopted is not None
        assert bench.slept == [1.0, 2.0]

    run(test)


def test_a_stageset_that_is_gone_is_told_nothing() -> None:
    async def test(bench: Bench) -> None:
        found = await bench.stageset()
        found["metadata"]["uid"] = "older"
        found["status"]["ledger"]["stream"] = "stageset/shop/rel/older"
        assert await bench.look(Member(found), bench.recovery()) == []
        await bench.plain.delete(STAGESET)
        assert await bench.look(Member(found), bench.recovery()) == []
        assert await bench.events() == []

    run(test)


def test_a_ledger_that_is_whole_takes_nothing() -> None:
    async def test(bench: Bench) -> None:
        found = await bench.stageset(version=3, head="sha256:3")
        assert await bench.look(Member(found, version=3), bench.recovery()) == [None]
        del found["status"]
        assert await bench.look(Member(found), bench.recovery()) == [None]
        assert await bench.events() == []

    run(test)


def test_the_stageledger_tells_where_the_status_is_gone() -> None:
    async def test(bench: Bench) -> None:
        found = await bench.stageset()
        member = Member({**found, "status": {}})
        ledger = await bench.stageledger(DONE, stream=member.stream, version=40)
        (adopted,) = await bench.look(member, bench.recovery(stageledger=ledger))
        assert adopted is not None
        assert (adopted.shown_version, adopted.shown_head) == (40, "sha256:l")
        assert "status.ledger of StageLedger shop/rel" in adopted.why

    run(test)


def test_a_record_before_the_head_tells_two_ledgers_apart() -> None:
    async def test(bench: Bench) -> None:
        found = await bench.stageset(version=2)
        member = Member(found, version=3)
        for _ in range(3):
            append(bench.log, "stageset/shop/other/1")
            append(bench.log, member.stream)
        second = list(bench.log.read(Selection(stream=member.stream)))[1]
        member.observed.ledger = (2, digest(second.header))
        assert await bench.look(member, bench.recovery()) == [None]
        member.observed.ledger = (2, "sha256:foreign")
        (_, adopted) = await bench.look(member, bench.recovery())
        assert adopted is not None
        assert "shows another record as version 2" in adopted.why

    run(test)


def test_a_ledger_that_cannot_be_read_clears_nothing() -> None:
    async def test(bench: Bench) -> None:
        member = Member(await bench.stageset(version=2), version=3)
        (adopted,) = await bench.look(member, bench.recovery(reader=Broken(2)))
        assert bench.slept == [1.0, 2.0]
        assert adopted is not None

    run(test)


@pytest.mark.parametrize("version", [0, 3, 4])
def test_only_a_place_before_the_head_is_looked_up(version: int) -> None:
    state = State(stream="stageset/shop/rel/1", version=3)
    shown = Sighting(LedgerPosition(stream=state.stream, version=version or 3, head="x"), "here") if version else None
    assert asyncio.run(forked(Broken(1), state=state, shown=shown)) == ""  # type: ignore[arg-type]


def test_closing_ends_a_look() -> None:
    async def test(bench: Bench) -> None:
        member = Member(await bench.stageset())
        bench.cluster.fail["list"] = [errors.Unavailable("away")] * 1000
        recovery = bench.recovery()
        recovery(member)
        await asyncio.sleep(0)
        await recovery.close()
        other = Member(await bench.plain.get(STAGESET))
        recovery(other)
        recovery.forget(other)
        await settled(bench.plain)
        assert (member.heard, other.heard) == ([], [])

    run(test)


def test_recover_goes_on_from_the_reason() -> None:
    async def test(bench: Bench) -> None:
        found = await bench.stageset()
        target = Target("shop", "rel", found["metadata"]["uid"])
        shown = Sighting(LedgerPosition(stream="s", version=1, head="h"), "here")
        event = await recover(bench.cluster, target=target, shown=shown, why="Because", sleep=bench.sleep)
        assert event is not None
        assert event.why.startswith("Because. So this ledger is older")
        assert (event.shown_version, event.shown_head, event.completions) == (1, "h", [])

    run(test)
