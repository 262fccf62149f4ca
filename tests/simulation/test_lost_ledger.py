"""A ledger that is older than the world, or not the world's: nothing fires twice, nothing is orphaned or deleted."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import pytest

from ledger.memory_log import MemoryLog
from tests.simulation.bases import SECRET, Script
from tests.simulation.fleet import spread
from tests.simulation.ledgers import (
    copy_of,
    counts,
    empty,
    goes_on,
    lose_at_random,
    owned,
    ready,
    scripted,
    told_of,
)
from tests.simulation.life import finish
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World

SOAK = bool(os.environ.get("SOAK"))
QUICK, MANY = 25, 10_000 if SOAK else 300
#: so that several processes have something to do
PARTS = 4

Story = Callable[[World, Script], Awaitable[None]]


def play(story: Story) -> None:
    async def main(loop: VirtualLoop) -> None:
        world = World(loop, seed="ledgers")
        await world.begin()
        await story(world, scripted(world))
        await finish(world)

    run(main)


def another_cluster() -> MemoryLog:
    """The ledger of a cluster in which the same things were done to a StageSet of the same name."""

    async def main(loop: VirtualLoop) -> MemoryLog:
        world = World(loop, seed="another", name="another")
        await world.begin()
        await ready(world, scripted(world))
        await world.end()
        return world.log

    return run(main)


async def replaced(world: World, script: Script, log: MemoryLog) -> list[tuple[str, str]]:
    """Another ledger is put in place of a StageSet that is Ready; nothing may come of it but questions."""
    before, objects = counts(world), owned(world)
    await world.replace_ledger(log)
    await world.until("noticed", lambda: bool(told_of(world)), within_s=60)
    answered = await ready(world, script)
    assert counts(world) == before, f"I3: {before} became {counts(world)}"
    assert owned(world) == objects, "objects were made anew, deleted or orphaned"
    script.release.check_cluster()
    return answered


def test_the_ledger_is_lost() -> None:
    async def story(world: World, script: Script) -> None:
        await ready(world, script)
        await replaced(world, script, empty(world))
        await goes_on(world, script)

    play(story)


def test_an_older_copy_is_restored() -> None:
    async def story(world: World, script: Script) -> None:
        await ready(world, script)
        backup = copy_of(world.log)
        script.publish("two", SECRET._replace(variant=2))
        await ready(world, script)
        await replaced(world, script, backup)
        await goes_on(world, script)

    play(story)


def test_a_copy_from_the_middle_of_a_rollout_is_restored() -> None:
    async def story(world: World, script: Script) -> None:
        await world.until("in the middle", lambda: world.log.head().number > 20, within_s=60, pause_s=0.01)
        backup = copy_of(world.log)
        await ready(world, script)
        await replaced(world, script, backup)
        await goes_on(world, script)

    play(story)


def test_the_ledger_of_another_cluster() -> None:
    other = another_cluster()

    async def story(world: World, script: Script) -> None:
        await ready(world, script)
        await replaced(world, script, other)
        await goes_on(world, script)

    play(story)


def test_two_went_on_from_one_copy() -> None:
    """The same stream with other records: the newer one in this world is not the one that is put in place."""

    async def story(world: World, script: Script) -> None:
        await ready(world, script)
        backup = copy_of(world.log)
        newest = world.log
        script.publish("two", SECRET._replace(variant=2))
        await ready(world, script)
        await replaced(world, script, backup)
        # The world now shows what the copy went on with; the one before comes back.
        await replaced(world, script, newest)
        await goes_on(world, script)

    play(story)


def test_an_empty_ledger_beside_what_has_never_run_is_a_new_installation() -> None:
    async def story(world: World, script: Script) -> None:
        await ready(world, script)
        assert not told_of(world)

    play(story)


def test_one_seed() -> None:
    """The seed of the environment variable SEED, to repeat a failure."""
    lose_at_random(int(os.environ.get("SEED", "1")))


def test_lost_at_any_moment() -> None:
    spread(lose_at_random, list(range(QUICK)))


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("part", range(PARTS))
def test_lost_at_many_moments(part: int) -> None:
    spread(lose_at_random, list(range(QUICK + part, QUICK + MANY, PARTS)))
