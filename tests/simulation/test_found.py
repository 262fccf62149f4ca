"""What the simulation found, one small story each, and promises about time that a storm cannot keep track of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from ledger.envelope import Actor
from reconciler.adapters.hands.verify import _settle
from reconciler.api import names
from reconciler.ports.cluster import Ref
from tests.simulation.bases import CONFIG, DEPLOYMENT, JOB, SECRET, SHARED, Script
from tests.simulation.life import finish, lost_projections
from tests.simulation.manifests import NAMESPACE
from tests.simulation.ports import CALM, Chances
from tests.simulation.scenario import TENANT, allow_tenant, forbid_tenant
from tests.simulation.virtual import Spinning, Stuck, VirtualLoop, run
from tests.simulation.world import World, stageset_ref

#: A user's word has its effect within this many seconds, whatever the run waits for (I11).
SOON_S = 5.0


def play(story: Callable[[World], Awaitable[None]], *, chances: Chances = CALM) -> None:
    """A story in a world of its own, with the checks of the end."""

    async def main(loop: VirtualLoop) -> None:
        world = World(loop, seed="found", chances=chances)
        await world.begin()
        await story(world)
        await finish(world)

    run(main)


def config(name: str) -> Ref:
    return Ref("v1", "ConfigMap", NAMESPACE, name)


def inventoried(world: World) -> set[str]:
    found = world.list(names.API_VERSION, "StageInventory", NAMESPACE)
    return {one["metadata"]["labels"][names.LABEL_STAGE] for one in found}


# ── found ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_verify_that_ends_in_the_turn_of_its_result() -> None:
    """The result came in the same turn as a kill or a newer run: it was set on a cancelled future."""

    async def story() -> None:
        result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        result.cancel()
        _settle(result, None)

    asyncio.run(story())


def test_a_busy_server_is_a_failure_and_not_a_bug() -> None:
    """Requests made side by side raised a group that nobody expected: InternalError, and no steady look ever again."""

    async def story(world: World) -> None:
        script = Script(world, one=(CONFIG, SECRET, DEPLOYMENT))
        script.create()
        await script.expected()
        world.line.chances = Chances(throttled=1.0)
        await asyncio.sleep(200)
        world.calm()
        world.do(world.memory.delete(config("config")))
        await world.until("healed", lambda: world.peek(config("config")) is not None, within_s=100)

    play(story)


def test_a_kept_object_that_somebody_deletes_is_no_drift() -> None:
    """With pruning off a dropped object stays owned; once it was gone a run was opened at every interval for ever."""

    async def story(world: World) -> None:
        script = Script(world, one=(CONFIG, SHARED))
        script.release.stages[0]["prune"] = False
        script.create()
        await script.expected()
        script.publish("one", CONFIG)
        script.release.lenient = True
        await script.expected()
        assert world.peek(config("shared")) is not None
        world.do(world.memory.delete(config("shared")))
        before = world.log.head()
        await asyncio.sleep(600)
        assert world.log.head() == before

    play(story)


def test_the_inventory_of_a_stage_that_left_before_a_kill() -> None:
    """Killed between the record and the deletion of the inventory: the next process did not know of it."""

    async def story(world: World) -> None:
        script = Script(world, one=(CONFIG,), two=(SECRET,))
        script.create()
        await script.expected()
        del script.release.stages[1]
        script.release.write()
        state = lambda: next(iter(world.monitor.states.values()))  # noqa: E731
        await world.until("removed", lambda: "two" not in state().stages, within_s=30, pause_s=0.001)
        # The ledger says that the stage is gone, and nobody has told the cluster yet.
        assert inventoried(world) == {"one", "two"}
        await world.restart()
        await world.until("inventory gone", lambda: inventoried(world) == {"one"}, within_s=60)

    play(story)


def test_an_inventory_whose_answer_was_lost_is_known_of() -> None:
    """Made, its answer lost, and then its stage left the spec: nobody deleted it."""

    async def story(world: World) -> None:
        script = Script(world, one=(CONFIG,), two=(SECRET,))

        def lost(verb: str, ref: Ref | None) -> str:
            made = ref is not None and ref.kind == "StageInventory" and "two" in ref.name and verb == "create"
            return "lost" if made else ""

        world.line.fault = lost
        script.create()
        await world.until("made", lambda: "two" in inventoried(world), within_s=30, pause_s=0.01)
        # Before the projection is tried again.
        del script.release.stages[1]
        script.release.write()
        await script.expected()
        await world.until("inventory gone", lambda: inventoried(world) == {"one"}, within_s=60)

    play(story)


def test_a_conflict_on_the_finalizer_is_tried_again() -> None:
    """It was left to a watch event that may have come before the conflict: the StageSet was never looked at."""

    async def story(world: World) -> None:
        script = Script(world, one=(CONFIG,))
        left = [1]

        def once(verb: str, ref: Ref | None) -> str:
            return "conflict" if verb == "patch" and left and left.pop() else ""

        world.line.fault = once
        script.create()
        await script.expected()

    play(story)


def test_a_teardown_that_failed_while_suspended_is_tried_again() -> None:
    """Suspending does not hold a deletion, but the retry of one that failed was never due."""

    async def story(world: World) -> None:
        script = Script(world, one=(CONFIG,))
        script.release.spec |= {"serviceAccountName": TENANT, "suspend": False}
        script.create()
        await script.expected()
        script.release.spec["suspend"] = True
        script.release.write()
        await script.expected()
        forbid_tenant(world)
        world.do(world.memory.delete(stageset_ref("rel")))
        await world.until("failed", lambda: world.ready("rel")[1] == "StageFailed", within_s=30)
        allow_tenant(world)
        await world.until("gone", lambda: world.stageset("rel") is None, within_s=120)

    play(story)


def test_what_a_stage_dropped_goes_even_if_later_stages_could_not_be_seen_at_first() -> None:
    """Nothing is deleted while a later stage cannot be rendered; once it was, the run succeeded and forgot about it."""

    async def story(world: World) -> None:
        script = Script(world, one=(CONFIG, SHARED), two=(SECRET,))
        script.create()
        await script.expected()
        world.server.refusals["http://artifacts.shop/src-two/v2.tar.gz"] = 1
        script.publish("two", SECRET._replace(variant=2))
        script.publish("one", CONFIG)
        await script.expected()
        assert world.peek(config("shared")) is None

    play(story)


# ── time (I11), other writers (I2) ───────────────────────────────────────────────────────────────────────────────


async def _waiting(world: World) -> Script:
    """A StageSet whose verify will wait for an hour."""
    script = Script(world, one=(CONFIG,), two=(DEPLOYMENT._replace(outcome="never"),))
    script.release.spec["timeout"] = "1h"
    script.create()
    state = lambda: next(iter(world.monitor.states.values()), None)  # noqa: E731
    await world.until("verifying", lambda: state() is not None and state().phase == "verifying", within_s=30)
    await asyncio.sleep(100)
    return script


def test_a_suspension_takes_effect_during_a_verify() -> None:
    async def story(world: World) -> None:
        script = await _waiting(world)
        script.release.spec["suspend"] = True
        script.release.write()
        await world.until("suspended", lambda: world.ready("rel")[1] == "Suspended", within_s=SOON_S)

    play(story)


def test_a_deletion_takes_effect_during_a_verify() -> None:
    async def story(world: World) -> None:
        await _waiting(world)
        world.do(world.memory.delete(stageset_ref("rel")))
        await world.until("gone", lambda: world.stageset("rel") is None, within_s=SOON_S)
        assert not world.owned_objects()

    play(story)


def test_a_new_revision_takes_effect_during_a_verify() -> None:
    async def story(world: World) -> None:
        script = await _waiting(world)
        script.publish("two", DEPLOYMENT._replace(variant=2))
        await world.until("ready", lambda: world.ready("rel")[0] == "True", within_s=SOON_S)

    play(story)


def test_a_spec_fix_takes_effect_during_a_verify() -> None:
    async def story(world: World) -> None:
        script = await _waiting(world)
        script.release.spec["timeout"] = "1s"
        script.release.write()
        await world.until("failed", lambda: world.ready("rel")[1] == "StageFailed", within_s=SOON_S)
        await script.expected()

    play(story)


def test_a_request_takes_effect_during_a_retry_pause() -> None:
    async def story(world: World) -> None:
        script = Script(world, one=(DEPLOYMENT._replace(outcome="fail"),))
        script.release.spec |= {"interval": "1h", "retryInterval": "1h"}
        script.create()
        await script.expected()
        await asyncio.sleep(2_000)
        version = world.log.head().number

        def ask(found: dict[str, Any]) -> None:
            found["metadata"]["annotations"] = {names.REQUESTED_AT: "now"}

        world.edit("rel", ask)
        await world.until("looked", lambda: world.log.head().number > version, within_s=SOON_S)

    play(story)


def test_lost_projections_come_back_in_every_phase() -> None:
    """I6 while a verify waits, after a failure, and when ready; the process is killed in between."""

    async def story(world: World) -> None:
        script = await _waiting(world)
        await lost_projections(world, [script.release], Random(1))
        script.publish("two", DEPLOYMENT._replace(variant=2, outcome="fail"))
        script.release.spec |= {"interval": "1h", "retryInterval": "1h"}
        script.release.write()
        await script.expected()
        await asyncio.sleep(3_700)
        await lost_projections(world, [script.release], Random(1))
        script.publish("two", DEPLOYMENT._replace(variant=3))
        await script.expected()
        for seed in (1, 2, 3, 4):
            await lost_projections(world, [script.release], Random(seed))

    play(story)


def test_a_writer_that_was_replaced_stops() -> None:
    """I2: another process opens an epoch; what the first one does then is refused, and it says so and does nothing."""

    async def story(world: World) -> None:
        script = Script(world, one=(CONFIG,), two=(JOB,))
        script.create()
        await script.expected()
        world.log.open_epoch(actor=Actor(kind="controller"), at=world.now_text(), reason="another")
        before = world.log.head()
        script.publish("one", CONFIG._replace(variant=2))
        await asyncio.sleep(30)
        assert world.log.head() == before
        assert world.peek(config("config"))["data"]["variant"] == "v1"
        assert [v for v in world.monitor.violations if v.startswith("dispossessed")] == world.monitor.violations != []
        world.monitor.violations.clear()

    play(story)


def test_nothing_grows_with_the_number_of_revisions_and_of_deleted_stagesets() -> None:
    """Tasks, watches and what parts remember are the same after four lives as after one."""

    def kept(world: World) -> dict[str, int]:
        installation = world.installation
        parts = {
            "projector": installation.projector,
            "inspector": installation.inspector,
            "hands": installation.performer,
        }
        parts["controller"] = installation.controller
        sizes = {
            f"{part}.{name}": len(value)
            for part, thing in parts.items()
            for name, value in vars(thing).items()
            if isinstance(value, dict | set | list)
        }
        tasks = len(world.loop.tasks[world.line.number])
        return {**sizes, "tasks": tasks, "watches": len(world.memory.world.store.watchers)}

    async def story(world: World) -> None:
        seen = []
        for _ in range(4):
            script = Script(world, one=(CONFIG, DEPLOYMENT), two=(SECRET,))
            script.create()
            for variant in range(2, 8):
                await script.expected()
                script.publish("one", CONFIG._replace(variant=variant), DEPLOYMENT._replace(variant=variant))
            await script.expected()
            await script.gone()
            await asyncio.sleep(120)
            seen.append(kept(world))
        assert seen[0] == seen[-1]

    play(story)


# ── the simulation itself ────────────────────────────────────────────────────────────────────────────────────────


def test_a_busy_loop_is_noticed() -> None:
    async def main(loop: VirtualLoop) -> None:
        while True:  # noqa: ASYNC110 (that is the point)
            await asyncio.sleep(0)

    with pytest.raises(Spinning):
        run(main)


def test_waiting_for_nothing_is_noticed() -> None:
    async def main(loop: VirtualLoop) -> None:
        await loop.create_future()

    with pytest.raises(Stuck):
        run(main)


def test_time_passes_without_waiting() -> None:
    async def main(loop: VirtualLoop) -> float:
        await asyncio.sleep(86_400 * 365)
        return loop.time()

    assert run(main) == pytest.approx(86_400 * 365)


def test_an_effect_without_an_intent_is_noticed() -> None:
    async def story(world: World) -> None:
        script = Script(world, one=(CONFIG,))
        script.create()
        await script.expected()
        world.monitor.writes("delete", config("config"), None, world.line.number)
        assert "without a committed intent" in world.monitor.violations.pop()

    play(story)
