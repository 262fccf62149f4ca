"""What a retry, a raised timeout or another revision performs again: nothing that is done for its snapshot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.simulation.acting import VERBS
from tests.simulation.bases import CONFIG, DEPLOYMENT, SECRET, SHARED, Script, act
from tests.simulation.life import finish
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World

#: Those that the world can count, and those whose requests are counted although they may be repeated.
COUNTED = [name for name, verb in VERBS.items() if verb.request]


def play(story: Callable[[World, Script], Awaitable[None]]) -> None:
    async def main(loop: VirtualLoop) -> None:
        world = World(loop, seed="retries")
        await world.begin()
        script = Script(world, one=(CONFIG,), two=(SECRET,), three=(SHARED,))
        for stage in range(3):
            for verb in COUNTED:
                for hook in ("pre", "post"):
                    act(script, stage, hook, verb, f"s{stage + 1}-{hook}-{verb}", scope=_scope(hook, verb))
        await story(world, script)
        await finish(world)

    run(main)


def _scope(hook: str, verb: str) -> str:
    return "Lifetime" if (hook, verb) in {("pre", "http"), ("post", "job")} else "Revision"


def requests(world: World, stage: int) -> dict[str, int]:
    """How many requests of each action of a stage arrived, repeatable ones too."""
    outside = world.monitor.outside
    return {name: len(outside.of(name)) for name in sorted(outside.intents) if name.startswith(f"s{stage}-")}


def keys(world: World, stage: int) -> set[str]:
    return {deed.key for deed in world.monitor.outside.deeds if deed.action.startswith(f"s{stage}-")}


def test_a_retry_after_a_failure_in_stage_three_fires_nothing_of_stages_one_and_two() -> None:
    async def story(world: World, script: Script) -> None:
        script.publish("three", DEPLOYMENT._replace(outcome="fail", after_s=0.5))
        script.create()
        await script.expected()
        before = [requests(world, stage) for stage in (1, 2)]
        assert all(len(found) == 2 * len(COUNTED) and set(found.values()) == {1} for found in before)
        state = lambda: next(iter(world.monitor.states.values()))  # noqa: E731
        await world.until("tried again", lambda: state().failures >= 4, within_s=300)
        assert [requests(world, stage) for stage in (1, 2)] == before
        assert set(requests(world, 3).values()) == {1}, "the pre actions of stage three, once"
        script.publish("three", DEPLOYMENT._replace(variant=2))
        await script.expected()
        assert [requests(world, stage) for stage in (1, 2)] == before

    play(story)


def test_a_raised_timeout_fires_nothing() -> None:
    async def story(world: World, script: Script) -> None:
        script.create()
        await script.expected()
        before = list(world.monitor.outside.deeds)
        script.release.spec["timeout"] = "45s"
        script.release.spec["retryInterval"] = "30s"
        for stage in script.release.stages:
            for actions in stage["actions"].values():
                for action in actions:
                    action |= {"timeout": "20m", "retries": 3}
        script.release.write()
        await script.expected()
        assert world.monitor.outside.deeds == before

    play(story)


def test_a_new_revision_of_stage_two_fires_nothing_of_the_others() -> None:
    async def story(world: World, script: Script) -> None:
        script.create()
        await script.expected()
        before, old = [requests(world, stage) for stage in (1, 3)], keys(world, 2)
        script.publish("two", SECRET._replace(variant=2))
        await script.expected()
        assert [requests(world, stage) for stage in (1, 3)] == before
        after = requests(world, 2)
        once = {"s2-pre-http", "s2-post-job", "s2-pre-delete", "s2-post-delete"}
        # A patch that sets fields, and an apply, have nothing left to change; what is deleted is gone.
        changed = {name for name, count in after.items() if count == 2}
        assert changed == {f"s2-{hook}-{verb}" for hook in ("pre", "post") for verb in _AGAIN} - once
        assert keys(world, 2) > old

    play(story)


#: Whose second effect is seen.
_AGAIN = ("patch-list", "http", "http-idempotent", "http-get", "job")


def test_a_new_revision_of_an_actions_artifact_fires_the_actions_of_its_stage() -> None:
    """The stage digest holds the pins of its actions too."""

    async def story(world: World, script: Script) -> None:
        from tests.simulation.acting import job

        script.create()
        await script.expected()
        before = [requests(world, stage) for stage in (1, 3)]
        world.publish_files("src-s2-pre-job", "v2", {"job.yaml": job("s2-pre-job", after_s=1.0, variant=2)})
        await world.until("ran again", lambda: requests(world, 2)["s2-pre-job"] == 2, within_s=60)
        await script.expected()
        assert [requests(world, stage) for stage in (1, 3)] == before
        assert requests(world, 2)["s2-post-job"] == 1, "once and for all"

    play(story)
