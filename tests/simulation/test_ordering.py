"""A chain of StageSets rolls out in order, revision after revision, wherever the controller is killed meanwhile."""

from __future__ import annotations

import asyncio
import os
from functools import partial

import pytest

from ledger import events as e
from reconciler.ports.cluster import ObjectList, Ref, Scope
from reconciler.settings import Settings
from tests.simulation import world as worlds
from tests.simulation.checkers import records
from tests.simulation.manifests import NAMESPACE, Thing
from tests.simulation.ports import SimCluster
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World, stageset, stageset_ref

#: Each depends on the one before.
CHAIN = ("base", "middle", "top")
#: As they are created: in the order in which each would begin before the one that it depends on.
CREATED = CHAIN[::-1]
STEP = 11


def create(world: World, name: str) -> None:
    position = CHAIN.index(name)
    needed = [{"name": CHAIN[position - 1]}] if position else []
    stages = [{"name": "one", "sourceRef": {"name": f"src-{name}"}}]
    world.do(world.memory.create(stageset(name, stages, dependsOn=needed)))


def publish(world: World, revision: str) -> None:
    """All sources at once: the first of the chain last, so that the others know first."""
    for name in CREATED:
        world.publish(f"src-{name}", revision, [Thing("ConfigMap", name, variant=int(revision[1:]))])


def has(world: World, revision: str) -> bool:
    found = [world.peek(Ref("v1", "ConfigMap", NAMESPACE, name)) for name in CHAIN]
    shown = [one["data"]["variant"] if one else "" for one in found]
    return shown == [revision] * len(CHAIN) and all(world.ready(name)[0] == "True" for name in CHAIN)


def rolled_out(*, crash_at: set[int]) -> tuple[int, World]:
    """Two revisions and the way out; returns how many boundaries were passed."""

    async def inside(loop: VirtualLoop) -> tuple[int, World]:
        world = World(loop, seed="ordering")
        world.crash_at = crash_at
        await world.begin()
        # Only what is published is seen by all at one moment: the wish before the means.
        for name in CREATED:
            create(world, name)
        for revision in ("v1", "v2"):
            publish(world, revision)
            await world.until(revision, lambda revision=revision: has(world, revision), within_s=240)
        boundaries = world.boundaries
        for name in CHAIN:
            world.do(world.memory.delete(stageset_ref(name)))
        await world.until("gone", lambda: all(world.stageset(name) is None for name in CHAIN), within_s=240)
        await world.end()
        world.check_all()
        return boundaries, world

    return run(inside)


def check_order(world: World) -> None:
    """A run of a revision begins after the run of that revision has succeeded in what it depends on."""
    done: set[tuple[str, str]] = set()
    revisions: dict[str, str] = {}
    begun = 0
    for header, event in records(world.log):
        name = header.stream.split("/")[2] if header.stream.startswith("stageset/") else ""
        if isinstance(event, e.RunOpened) and event.pins:
            revisions[name] = event.pins[0].revision
            position = CHAIN.index(name)
            assert position == 0 or (CHAIN[position - 1], revisions[name]) in done, f"{name} began {revisions[name]}"
            begun += 1
        if isinstance(event, e.RunSucceeded) and name in revisions:
            done.add((name, revisions[name]))
    assert begun >= 2 * len(CHAIN)


@pytest.mark.parametrize("part", range(3))
def test_a_kill_at_any_moment_changes_no_order(part: int) -> None:
    count, world = rolled_out(crash_at=set())
    check_order(world)
    for boundary in range(1 + part * STEP, count + 1, 3 * STEP):
        _, world = rolled_out(crash_at={boundary})
        assert len(world.crashes) == 1
        check_order(world)


@pytest.mark.slow
def test_many_moments() -> None:
    """Every moment, in a soak."""
    count, _ = rolled_out(crash_at=set())
    for boundary in range(1, count + 1, 1 if os.environ.get("SOAK") else 5):
        check_order(rolled_out(crash_at={boundary})[1])


def test_what_is_in_none_of_the_namespaces_is_told_apart_from_what_is_not_there(monkeypatch) -> None:
    """Also where a namespace has no StageSet at all: its watch tells nothing, and here it is slow besides."""

    class Slow(SimCluster):
        async def list(self, scope: Scope) -> ObjectList:
            if (scope.kind, scope.namespace) == ("StageSet", "ops"):
                await asyncio.sleep(5)
            return await super().list(scope)

    async def inside(loop: VirtualLoop) -> None:
        world = World(loop, seed="namespaces")
        await world.begin()
        stages = [{"name": "one", "sourceRef": {"name": "src-base"}}]
        for name, namespace in (("inside", "ops"), ("outside", "elsewhere")):
            needed = [{"name": "base", "namespace": namespace}]
            world.do(world.memory.create(stageset(name, stages, dependsOn=needed)))
        publish(world, "v1")
        await asyncio.sleep(3)
        assert [world.ready(name)[1] for name in ("inside", "outside")] == ["", "DependencyNotReady"]
        for name, words in (("inside", "is not there, or not ready"), ("outside", "does not look at")):
            await world.until(words, lambda name=name, words=words: words in world.ready(name)[2], within_s=10)
            assert world.ready(name)[1] == "DependencyNotReady"
        world.do(world.memory.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ops"}}))
        base = stageset("base", [{"name": "one", "sourceRef": {"name": "src-top", "namespace": NAMESPACE}}])
        base["metadata"]["namespace"] = "ops"
        world.do(world.memory.create(base))
        await world.until("ready", lambda: world.ready("inside")[0] == "True", within_s=10)
        await world.end()

    made = partial(Settings, watch_namespaces=(NAMESPACE, "ops"))
    monkeypatch.setattr(worlds, "Settings", made)
    monkeypatch.setattr(worlds, "SimCluster", Slow)
    run(inside)
