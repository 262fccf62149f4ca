"""Dependencies: nothing starts before what it depends on is ready, and then at once; nobody else is woken."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from ledger import events as e
from reconciler.compute.dependencies import Key, Rules
from reconciler.loop.controller import Controller
from reconciler.loop.ordering import Ordering
from reconciler.ports.sources import Unknown
from reconciler.settings import Settings
from reconciler.transitions import Phase
from tests.reconciler.loop.members import NOT_READY, World, kept, stageset
from tests.reconciler.loop.scripted import settled

# ── who is asked, and who is woken ───────────────────────────────────────────────────────────────────────────────


class One:
    """A member that is as a test says, and counts how often it is woken."""

    def __init__(self, key: Key, woken: Counter[str]) -> None:
        self.key, self.woken = key, woken
        self.settled: bool | None = True

    def kick(self) -> None:
        self.woken["/".join(self.key)] += 1


class Bench:
    def __init__(self, **rules: Any) -> None:
        self.members: dict[Key, One] = {}
        self.woken: Counter[str] = Counter()
        self.known = True
        self.ordering = Ordering(self.members, rules=Rules(**rules), absent=lambda _: self.known)

    def see(self, name: str, *needed: str) -> None:
        key = key_of(name)
        new = key not in self.members
        self.members.setdefault(key, One(key, self.woken))
        depends_on = [dict(zip(("namespace", "name"), key_of(one), strict=True)) for one in needed]
        obj = stageset(name=key[1], metadata={"namespace": key[0], "name": key[1]}, dependsOn=depends_on)
        self.ordering.seen(key, kept(obj), new=new)

    def gone(self, name: str) -> None:
        del self.members[key_of(name)]
        self.ordering.seen(key_of(name), None)

    def look(self, name: str, *, settled: bool | None) -> None:
        self.members[key_of(name)].settled = settled
        self.ordering.looked(key_of(name), settled=settled)

    def ask(self, name: str) -> str:
        found = self.ordering.obstacle(key_of(name))
        return "" if found is None else "?" if isinstance(found, Unknown) else f"{found.reason}: {found.message}"

    def wakes(self) -> list[str]:
        """Who was woken since this was last asked."""
        found, self.woken = sorted(self.woken.elements()), Counter()
        for member in self.members.values():
            member.woken = self.woken
        return found


def key_of(name: str) -> Key:
    namespace, _, own = name.rpartition("/")
    return namespace or "shop", own


def test_the_first_dependency_that_is_not_ready_is_named() -> None:
    bench = Bench()
    for name in ("a", "b"):
        bench.see(name)
    bench.see("c", "a", "b")
    assert bench.ask("a") == bench.ask("c") == ""
    bench.look("b", settled=False)
    assert "StageSet shop/b is not ready" in bench.ask("c")
    bench.look("a", settled=False)
    assert "StageSet shop/a is not ready" in bench.ask("c")
    bench.look("a", settled=None)
    assert bench.ask("c") == "?"


def test_becoming_ready_wakes_those_who_were_turned_away_once() -> None:
    bench = Bench()
    for name in ("a", "ops/a", "other"):
        bench.see(name)
    bench.see("b", "a")
    bench.see("ops/b", "a")
    bench.see("c", "ops/a")
    bench.wakes()
    bench.look("a", settled=False)
    assert "not ready" in bench.ask("b")
    assert "not ready" in bench.ask("ops/b")
    bench.look("a", settled=False)
    bench.look("other", settled=True)
    assert bench.wakes() == []
    bench.look("a", settled=True)
    assert bench.wakes() == ["ops/b", "shop/b"]
    bench.look("a", settled=True)
    assert bench.wakes() == []


def test_who_could_not_be_told_is_told_whatever_it_is() -> None:
    bench = Bench()
    bench.see("a")
    bench.see("b", "a")
    bench.look("a", settled=None)
    assert bench.ask("b") == "?"
    bench.look("a", settled=None)
    assert bench.wakes() == []
    bench.look("a", settled=False)
    assert bench.wakes() == ["shop/b"]


def test_what_is_not_there_is_missing_once_everything_was_seen() -> None:
    bench = Bench()
    bench.known = False
    bench.see("b", "a")
    assert bench.ask("b") == "?"
    bench.known = True
    bench.ordering.all_known()
    assert bench.wakes() == ["shop/b"]
    assert "shop/a does not exist" in bench.ask("b")
    bench.see("a")
    assert bench.wakes() == ["shop/b"]
    bench.look("a", settled=False)
    assert "shop/a is not ready" in bench.ask("b")
    bench.gone("a")
    assert bench.wakes() == ["shop/b"]
    assert "shop/a does not exist" in bench.ask("b")


def test_a_circle_is_told_to_all_in_it_and_to_nobody_else() -> None:
    bench = Bench()
    bench.see("a", "b")
    bench.see("b", "ops/c")
    bench.see("leads-in", "a")
    bench.look("a", settled=False)
    assert bench.ask("leads-in").startswith("DependencyNotReady: ")
    bench.wakes()
    bench.see("ops/c", "a")
    assert bench.wakes() == ["ops/c", "shop/a", "shop/b"]
    assert "Stalled: dependsOn leads back to where it began: shop/a -> shop/b -> ops/c -> shop/a:" in bench.ask("a")
    assert "ops/c -> shop/a -> shop/b -> ops/c" in bench.ask("ops/c")
    assert bench.ask("leads-in").startswith("DependencyNotReady: ")


def test_who_was_in_a_circle_is_woken_when_it_is_broken() -> None:
    bench = Bench()
    bench.see("a", "b")
    bench.see("b", "a")
    assert bench.ask("a").startswith("Stalled")
    bench.wakes()
    bench.see("b")
    assert bench.wakes() == ["shop/a"]
    assert bench.ask("a") == ""
    bench.see("b", "b")
    assert "shop/b -> shop/b" in bench.ask("b")
    bench.gone("b")
    assert "shop/b does not exist" in bench.ask("a")


def test_who_does_not_wait_any_more_is_forgotten() -> None:
    bench = Bench()
    for name in ("b", "c", "d"):
        bench.see(name, "a")
        assert "does not exist" in bench.ask(name)
    bench.see("b")
    bench.gone("c")
    bench.wakes()
    bench.see("a")
    assert bench.wakes() == ["shop/d"]
    bench.look("a", settled=False)
    assert "not ready" in bench.ask("d")
    bench.gone("d")
    assert bench.ordering._waiting == {}
    assert bench.ordering._needs == {}


def test_refusals_come_before_everything() -> None:
    bench = Bench(cross_namespace=False)
    bench.see("a", "a", "ops/b")
    assert "--no-cross-namespace-refs" in bench.ask("a")
    # Nobody learns what is in another namespace.
    bench.see("ops/b")
    assert "--no-cross-namespace-refs" in bench.ask("a")


def test_one_of_ten_thousand_costs_as_much_as_there_are_that_wait_for_it() -> None:
    bench = Bench()
    for number in range(10_000):
        bench.see(f"n{number}", *([f"n{number - 1}"] if number % 100 else []))
    bench.wakes()
    asked = Counter[Key]()

    class Counting(dict[Key, One]):
        def get(self, key: Key, default: Any = None) -> Any:
            asked[key] += 1
            return super().get(key, default)

        def __iter__(self) -> Any:
            raise AssertionError("all of them")

    bench.ordering._members = Counting(bench.members)
    bench.look("n50", settled=False)
    assert "not ready" in bench.ask("n51")
    bench.look("n50", settled=True)
    assert bench.wakes() == ["shop/n51"]
    assert asked == {("shop", "n50"): 1, ("shop", "n51"): 1}


# ── in the loop ──────────────────────────────────────────────────────────────────────────────────────────────────


def run(test: Callable[[World, Controller], Awaitable[None]], **settings: Any) -> None:
    async def inside() -> None:
        world = World()
        world.shared = world.shared._replace(settings=Settings(**settings))
        controller = world.controller()
        await test(world, controller)
        await controller.close()
        await settled()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert world.dispossessed == []

    asyncio.run(inside())


def see(controller: Controller, name: str, *needed: str, generation: int = 1, **spec: Any) -> None:
    namespace, own = key_of(name)
    depends_on = [{"name": one.rpartition("/")[2], **_namespace(one)} for one in needed]
    fields = {**spec, **({"dependsOn": depends_on} if depends_on else {})}
    metadata = {"namespace": namespace, "generation": generation}
    obj = stageset(name=own, uid=f"uid-{namespace}-{own}", metadata=metadata, **fields)
    controller.stageset(namespace, own, kept=kept(obj))


def _namespace(name: str) -> dict[str, str]:
    return {"namespace": name.partition("/")[0]} if "/" in name else {}


def at(controller: Controller, name: str) -> Any:
    return controller.members[key_of(name)].state


def runs(world: World) -> list[str]:
    """The StageSets whose runs began, in order."""
    return [
        batch.stream.split("/")[2]
        for batch in world.journal.batches
        for draft in batch.drafts
        if isinstance(draft.event, e.RunOpened)
    ]


def test_a_chain_rolls_out_in_order_whatever_order_it_is_seen_in() -> None:
    async def test(world: World, controller: Controller) -> None:
        see(controller, "c", "b")
        see(controller, "b", "ops/a")
        see(controller, "ops/a")
        await settled()
        assert runs(world) == ["a", "b", "c"]
        assert {at(controller, name).phase for name in ("ops/a", "b", "c")} == {Phase.READY}
        assert at(controller, "c").blocked is None

    run(test)


def test_who_waits_says_for_whom_once_and_starts_at_once() -> None:
    async def test(world: World, controller: Controller) -> None:
        world.hands.held["verify"] = asyncio.Event()
        see(controller, "a")
        see(controller, "b", "a")
        await settled()
        state = at(controller, "b")
        assert (state.blocked.reason, state.run, state.phase) == ("DependencyNotReady", None, Phase.IDLE)
        controller.members["shop", "b"].kick()
        await settled()
        assert at(controller, "b").version == state.version == 1
        world.hands.held["verify"].set()
        await settled()
        assert runs(world) == ["a", "b"]
        assert at(controller, "b").phase == Phase.READY

    run(test)


def test_a_new_revision_goes_through_a_chain_in_order() -> None:
    async def test(world: World, controller: Controller) -> None:
        # Seen in the order in which each would start before the one that it depends on.
        for name, needed in (("c", ["b"]), ("b", ["a"]), ("a", [])):
            see(controller, name, *needed)
        await settled()
        world.journal.batches.clear()
        world.sources.revision = "v2"
        controller.sources_changed("shop")
        await settled()
        assert runs(world) == ["a", "b", "c"]
        assert at(controller, "c").stages["db"].revision == "v2"

    run(test)


def test_a_ready_one_stays_ready_while_what_it_depends_on_is_not() -> None:
    async def test(world: World, controller: Controller) -> None:
        see(controller, "a")
        see(controller, "b", "a")
        await settled()
        recorded = at(controller, "b").version
        see(controller, "a", generation=2, suspend=True)
        await settled()
        controller.members["shop", "b"].kick()
        await settled()
        assert (at(controller, "b").version, at(controller, "b").blocked) == (recorded, None)
        # It does not begin anything new, though.
        see(controller, "b", "a", generation=2, interval="1m")
        await settled()
        assert at(controller, "b").blocked.reason == "DependencyNotReady"
        see(controller, "a", generation=3)
        await settled()
        assert at(controller, "b").ready_generation == 2

    run(test)


def test_a_retry_goes_on_while_what_it_depends_on_is_not_ready() -> None:
    async def test(world: World, controller: Controller) -> None:
        see(controller, "a")
        await settled()
        world.hands.answers["verify"] = ValueError("x")
        see(controller, "b", "a")
        await settled()
        see(controller, "a", generation=2, suspend=True)
        await settled()
        assert at(controller, "b").phase == Phase.FAILED
        world.hands.answers.clear()
        world.clock.ms = at(controller, "b").retry_ms
        controller.members["shop", "b"].kick()
        await settled()
        assert at(controller, "b").phase == Phase.READY

    run(test)


def test_while_its_sources_are_not_known_nobody_can_tell_whether_it_is_ready() -> None:
    async def test(world: World, controller: Controller) -> None:
        known = world.sources.resolve
        instead: list[Any] = []

        def resolve(source: Any, *, stage: str, action: str = "", own_namespace: str) -> Any:
            found = instead if own_namespace == "ops" else []
            return found[0] if found else known(source, stage=stage, own_namespace=own_namespace)

        world.sources.resolve = resolve
        see(controller, "ops/a")
        await settled()
        instead.append(Unknown())
        controller.sources_changed("ops")
        await settled()
        see(controller, "b", "ops/a")
        await settled()
        assert at(controller, "b").version == 0
        # A source that is not ready has no newer revision to wait for.
        instead[0] = NOT_READY
        controller.sources_changed("ops")
        await settled()
        assert at(controller, "b").phase == Phase.READY

    run(test)


def test_who_is_about_to_begin_something_is_not_ready() -> None:
    async def test(world: World, controller: Controller) -> None:
        see(controller, "a")
        await settled()
        held = world.journal.held = asyncio.Event()
        world.sources.revision = "v2"
        controller.sources_changed("shop")
        await settled()
        assert at(controller, "a").phase == Phase.READY
        see(controller, "b", "a")
        await settled()
        world.journal.held = None
        held.set()
        await settled()
        b = [draft.event for batch in world.journal.batches for draft in batch.drafts if "/b/" in batch.stream]
        assert [e.tag_of(event) for event in b[:2]] == ["run.blocked", "run.opened"]

    run(test)


def test_what_is_deleted_while_others_wait_for_it_is_missing() -> None:
    async def test(world: World, controller: Controller) -> None:
        see(controller, "a", suspend=True)
        see(controller, "b", "a")
        await settled()
        assert "is not ready" in at(controller, "b").blocked.message
        controller.stageset("shop", "a", kept=None)
        await settled()
        assert "does not exist" in at(controller, "b").blocked.message
        see(controller, "a")
        await settled()
        assert at(controller, "b").phase == Phase.READY

    run(test)


def test_a_circle_of_two_is_stalled_until_it_is_broken() -> None:
    async def test(world: World, controller: Controller) -> None:
        see(controller, "a", "b")
        see(controller, "b", "a")
        await settled()
        assert at(controller, "a").blocked.reason == at(controller, "b").blocked.reason == "Stalled"
        assert "shop/a -> shop/b -> shop/a" in at(controller, "a").blocked.message
        see(controller, "b", generation=2)
        await settled()
        assert runs(world) == ["b", "a"]

    run(test)


def test_deletion_waits_for_nobody() -> None:
    async def test(world: World, controller: Controller) -> None:
        see(controller, "a")
        see(controller, "b", "a")
        await settled()
        see(controller, "a", generation=2, suspend=True)
        obj = stageset(
            name="b",
            uid="uid-shop-b",
            metadata={"generation": 2, "deletionTimestamp": "2030-01-01T00:00:00Z"},
            dependsOn=[{"name": "a"}],
        )
        controller.stageset("shop", "b", kept=kept(obj))
        await settled()
        assert at(controller, "b").phase == Phase.RELEASED

    run(test)


def test_settings_say_whom_one_may_depend_on() -> None:
    async def test(world: World, controller: Controller) -> None:
        see(controller, "a", "ops/base")
        await settled()
        assert "--no-cross-namespace-refs" in at(controller, "a").blocked.message

    run(test, no_cross_namespace_refs=True)

    async def narrow(world: World, controller: Controller) -> None:
        see(controller, "a", "ops/base")
        await settled()
        assert "--watch-namespaces" in at(controller, "a").blocked.message

    run(narrow, watch_namespaces=("shop",))
