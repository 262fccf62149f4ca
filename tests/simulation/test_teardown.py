"""Teardowns and prunes under faults: foreign finalizers, accounts that are gone, namespaces that end, kills anywhere.

Nothing owned is left, nothing foreign is touched, and what cannot be deleted is said before the finalizer goes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from ledger.events import StageSetReleased
from ledger.log import EVERYTHING
from ledger.upcast import decode
from reconciler.ports.cluster import Ref
from tests.simulation.bases import CONFIG, DEPLOYMENT, JOB, SECRET, Script
from tests.simulation.fleet import spread
from tests.simulation.life import TOTALS, Lived, finish, told
from tests.simulation.manifests import NAMESPACE
from tests.simulation.mishaps import Mishaps
from tests.simulation.ports import CALM
from tests.simulation.scenario import TENANT, chances_of
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World, stageset_ref

SOAK = bool(os.environ.get("SOAK"))
QUICK, MANY, PART = 10, 5_000 if SOAK else 100, 50
HOLD = "example.test/hold"
ACCOUNT = Ref("v1", "ServiceAccount", NAMESPACE, TENANT)

Story = Callable[[World], Awaitable[None]]


def of(kind: str, name: str) -> Ref:
    return Ref({"Deployment": "apps/v1", "Job": "batch/v1"}.get(kind, "v1"), kind, NAMESPACE, name)


def hold(world: World, ref: Ref, *finalizers: str) -> None:
    """Somebody else puts a finalizer on an object, or (none given) takes it away."""
    if world.peek(ref) is not None:
        patch = {"metadata": {"finalizers": list(finalizers)}}
        world.do(world.memory.patch(ref, patch, type="merge", manager="somebody"))
        world.tell(f"{ref.kind}/{ref.name} has the finalizers {finalizers}")


def foreign(world: World) -> None:
    metadata = {"name": "foreign", "namespace": NAMESPACE}
    world.do(world.memory.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}, manager="somebody"))


def released(world: World) -> list[StageSetReleased]:
    events = (decode(stored).event for stored in world.log.read(EVERYTHING))
    return [event for event in events if isinstance(event, StageSetReleased)]


def events(world: World) -> list[tuple[str, str]]:
    return [(one["reason"], one["note"]) for one in world.list("events.k8s.io/v1", "Event", NAMESPACE)]


def lived(story: Story, *, seed: Any, prepare: Callable[[World], None] = lambda _: None, command: str = "") -> Lived:
    worlds: list[World] = []

    async def main(loop: VirtualLoop) -> Lived:
        rng = Random(f"{seed}/teardown")
        world = World(loop, seed=seed, chances=chances_of(rng) if isinstance(seed, int) else CALM)
        worlds.append(world)
        prepare(world)
        await world.begin()
        foreign(world)
        await story(world)
        assert world.peek(of("ConfigMap", "foreign")) is not None, "a foreign object was deleted"
        return await finish(world)

    return told(lambda: run(main), worlds, command or f"SEED={seed} {_REPEAT}")


_REPEAT = ".venv/bin/python -m pytest -q tests/simulation/test_teardown.py -k one_seed"


# ── order, and finalizers of others ──────────────────────────────────────────────────────────────────────────────


async def held_up(world: World) -> None:
    """A finalizer holds the second stage up: the first one stays whole until the second is gone."""
    script = Script(world, one=(CONFIG, DEPLOYMENT), two=(SECRET, JOB))
    script.create()
    await script.expected()
    hold(world, of("Secret", "secret"), HOLD)
    world.do(world.memory.delete(stageset_ref("rel")))
    await world.until("the Job is gone", lambda: world.peek(of("Job", "job")) is None, within_s=240)
    await asyncio.sleep(60)
    for kind, name in (("ConfigMap", "config"), ("Deployment", "web")):
        live = world.peek(of(kind, name))
        assert live is not None, f"{kind}/{name} of the first stage went before the second stage had gone"
        assert "deletionTimestamp" not in live["metadata"]
    status, reason, message = world.ready("rel")
    assert (status, reason) == ("False", "StageFailed")
    assert "Secret" in message, message
    assert "finalizers" in message, message
    hold(world, of("Secret", "secret"))
    await world.until("gone", lambda: world.stageset("rel") is None, within_s=900)
    left = [obj["metadata"]["name"] for obj, *_ in world.owned_objects()]
    assert not left, f"I7: left after the deletion: {left}"
    assert [event.left for event in released(world)] == [[]]


def test_stages_go_one_after_the_other_and_wait_for_each_other() -> None:
    lived(held_up, seed="held up")


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("part", range(4))
def test_killed_at_every_boundary_of_it(part: int) -> None:
    count = lived(held_up, seed="held up").boundaries

    def killed(at: int) -> None:
        command = f"CRASH_AT={at}: lived(held_up, …)"
        found = lived(held_up, seed="held up", prepare=lambda w: w.crash_at.add(at), command=command)
        assert found.crashes == 1

    todo = list(range(1 + part, count + 1, 4 if SOAK else 12))
    spread(killed, todo)
    TOTALS.update(crash_runs=len(todo), bases=part == 0, base_boundaries=count if part == 0 else 0)


# ── what cannot be deleted ───────────────────────────────────────────────────────────────────────────────────────


def tenants(world: World) -> Script:
    script = Script(world, one=(CONFIG,), two=(SECRET,))
    script.release.spec["serviceAccountName"] = TENANT
    return script


async def account_gone(world: World) -> None:
    """Nobody can act as an account that does not exist: that is known within seconds, and said."""
    script = tenants(world)
    script.create()
    await script.expected()
    world.do(world.memory.delete(ACCOUNT))
    world.do(world.memory.delete(stageset_ref("rel")))
    took = await world.until("gone", lambda: world.stageset("rel") is None, within_s=240)
    assert took < 60, f"it took {took:.0f} s to find out"
    (release,) = released(world)
    assert sorted(item.id for item in release.left) == ["shop_config__ConfigMap", "shop_secret__Secret"]
    assert f"ServiceAccount {NAMESPACE}/{TENANT} does not exist" in release.why
    note = next(note for reason, note in events(world) if reason == "TeardownForced")
    assert "2 objects are left behind: ConfigMap/shop/config, Secret/shop/secret: " in note
    assert release.why in note
    assert world.peek(of("ConfigMap", "config")) is not None


def test_an_account_that_is_gone_is_found_out_within_seconds() -> None:
    lived(account_gone, seed="account")


async def account_back(world: World) -> None:
    """An account that comes back in time takes its objects down."""
    script = tenants(world)
    script.create()
    await script.expected()
    account = world.peek(ACCOUNT)
    world.do(world.memory.delete(ACCOUNT))
    world.do(world.memory.delete(stageset_ref("rel")))
    await asyncio.sleep(2)
    metadata = {"name": account["metadata"]["name"], "namespace": NAMESPACE}
    world.do(world.memory.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}, manager="admin"))
    await world.until("gone", lambda: world.stageset("rel") is None, within_s=240)
    assert [event.left for event in released(world)] == [[]]
    assert not world.owned_objects()


def test_an_account_that_comes_back_in_time_takes_its_objects_down() -> None:
    lived(account_back, seed="back")


async def never_gone(world: World) -> None:
    """A finalizer that nobody serves: after the time for a teardown it is listed and left."""
    script = Script(world, one=(CONFIG,), two=(SECRET,))
    script.create()
    await script.expected()
    hold(world, of("Secret", "secret"), HOLD)
    world.do(world.memory.delete(stageset_ref("rel")))
    took = await world.until("gone", lambda: world.stageset("rel") is None, within_s=4_500)
    assert took > 3_500, f"it was given up after {took:.0f} s"
    (release,) = released(world)
    assert {item.id for item in release.left} == {"shop_secret__Secret", "shop_config__ConfigMap"}
    assert "finalizers" in release.why
    assert any(reason == "TeardownForced" and "Secret/shop/secret" in note for reason, note in events(world))


@pytest.mark.slow
def test_what_never_goes_is_left_when_the_time_is_over_and_said() -> None:
    lived(never_gone, seed="never")


# ── over seeds ───────────────────────────────────────────────────────────────────────────────────────────────────


def one(seed: int) -> None:
    """Stages and objects come, go, move and are held by others, with faults and kills, and then all of it goes."""
    rng = Random(f"{seed}/what")

    def prepare(world: World) -> None:
        if rng.random() < 0.6:
            world.trap = Mishaps(rng, chance=0.2, fates=("kill", "kill", "stop", "lose", "fill"), most=3)

    async def story(world: World) -> None:
        script = Script(world, one=(CONFIG, DEPLOYMENT), two=(SECRET, JOB), three=(DEPLOYMENT._replace(name="api"),))
        script.release.spec["timeout"] = "30s"
        script.create()
        held: list[Ref] = []
        names = [("ConfigMap", "config"), ("Deployment", "web"), ("Secret", "secret"), ("Job", "job")]
        for turn in range(rng.randint(1, 5)):
            await asyncio.sleep(rng.choice([0.2, 3.0, 15.0]))
            what = rng.choice(["remove", "rename", "drop", "move", "hold", "hold", "free", "broken"])
            if what == "remove" and len(script.release.stages) > 1:
                script.release.stages.pop(rng.randrange(len(script.release.stages)))
                script.release.write()
            elif what == "rename":
                rng.choice(script.release.stages)["name"] += "x"
                script.release.write()
            elif what in {"drop", "move", "broken"}:
                _publish(script, rng, what, variant=turn + 2)
            elif what == "hold":
                ref = of(*rng.choice(names))
                held.append(ref)
                hold(world, ref, HOLD)
            elif held:
                hold(world, held.pop())
        script.world.do(script.world.memory.delete(stageset_ref("rel")))
        await asyncio.sleep(rng.choice([0.5, 20.0, 90.0]))
        world.calm()
        while held:
            hold(world, held.pop())
        await world.until("gone", lambda: world.stageset("rel") is None, within_s=1_200)
        await asyncio.sleep(30)
        left = [obj["metadata"]["name"] for obj, *_ in world.owned_objects()]
        assert not left, f"I7: left after the deletion: {left}"
        assert not world.inventories()

    lived(story, seed=seed, prepare=prepare)
    TOTALS.update(teardowns=1)


def _publish(script: Script, rng: Random, what: str, *, variant: int) -> None:
    kept = [stage["sourceRef"]["name"].removeprefix("src-") for stage in script.release.stages]
    name = rng.choice(kept)
    shown = script.release.shown[f"src-{name}"].things
    if what == "broken":
        script.publish(name, *shown, broken=True)
    elif what == "drop" or len(kept) < 2:
        script.publish(name, *[thing._replace(variant=variant) for thing in shown[1:] or shown])
    else:
        to = rng.choice([other for other in kept if other != name])
        taken = script.release.shown[f"src-{to}"].things
        script.publish(to, *taken, *shown[:1])
        script.publish(name, *shown[1:])


def test_one_seed() -> None:
    """The seed of the environment variable SEED, to repeat a failure."""
    one(int(os.environ.get("SEED", "1")))


def test_quick_teardowns() -> None:
    spread(one, range(QUICK))


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("first", range(QUICK, QUICK + MANY, PART))
def test_many_teardowns(first: int) -> None:
    spread(one, range(first, first + PART))
