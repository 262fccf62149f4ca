"""Two controllers and more on one ledger: each takes over while the one before stands still, and that one goes on.

The schedule follows from the seed: where one is stopped, how long, for how long both are awake, whether they look at
their Leases or only epochs keep them apart.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from tests.simulation.acting import VERBS
from tests.simulation.bases import CONFIG, SECRET, Script, act
from tests.simulation.life import TOTALS, finish, told
from tests.simulation.mishaps import Mishaps
from tests.simulation.ports import Chances
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World

WITHIN_S = 900.0
_REPEAT = ".venv/bin/python -m pytest -q tests/simulation/test_races.py -k one_race"


def race(seed: int) -> None:
    """Run a schedule. Raises `Broke` with how to repeat it."""
    worlds: list[World] = []

    async def main(loop: VirtualLoop) -> Any:
        rng = Random(f"{seed}/race")
        slow = rng.choice([0.0, 0.0, 0.02])
        world = World(loop, seed=f"race/{seed}", chances=Chances(delay_s=rng.choice([0.01, 0.05]), slow=slow))
        worlds.append(world)
        world.leases = rng.random() < 0.5
        world.trap = _Schedule(world, rng)
        await world.begin()
        await _story(world, rng)
        return await finish(world)

    told(lambda: run(main), worlds, f"RACE={seed} {_REPEAT}")
    TOTALS.update(races=1)


class _Schedule(Mishaps):
    """Stops whoever is at work, each time for another while."""

    def __init__(self, world: World, rng: Random) -> None:
        super().__init__(
            rng, chance=0.2, fates=("stop", "stop", "stop", "kill"), most=rng.randint(1, 4), anywhere=0.005
        )
        self._world = world

    def __call__(self, line: Any, where: str, about: Any) -> Any:
        world, rng = self._world, self._rng
        if world.standing or line.number != world.line.number:
            return ""
        world.stands_s = rng.choice([0.0, 0.05, 1.0, 15.0]) * rng.random()
        world.ending_s = rng.choice([0.05, 0.2, 0.2, 1.0]) * rng.random()
        return super().__call__(line, where, about)


async def _story(world: World, rng: Random) -> None:
    script = Script(world, one=(CONFIG,), two=(SECRET,))
    names = []
    for number in range(rng.randint(2, 4)):
        verb = rng.choice([name for name in VERBS if VERBS[name].request])
        names.append(f"act{number}")
        act(script, rng.randint(0, 1), rng.choice(["pre", "post"]), verb, names[-1])
    script.create()
    await _ready(world, script)
    script.publish(rng.choice(["one", "two"]), CONFIG._replace(name="more"))
    await asyncio.sleep(rng.random() * 5)
    await _ready(world, script)
    outside = world.monitor.outside
    for name in names:
        keys = {deed.key for deed in outside.of(name)}
        assert keys, f"{name} never took effect"
        repeated = [key for key in keys if key not in outside.repeatable and outside.seen(name, key) != 1]
        assert not repeated, f"I3: {name}: {outside.of(name)}"


async def _ready(world: World, script: Script) -> None:
    def holds() -> bool:
        # Whoever wants to know whether something happened looks when it cannot happen any more.
        if not world.standing:
            script.release.operate()
        return not world.standing and script.release.is_as_expected()

    await world.until("ready", holds, within_s=WITHIN_S)
