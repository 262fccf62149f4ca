"""A kill at every append and effect boundary of the base scenarios, one run each."""

from __future__ import annotations

import os
from random import Random

import pytest

from tests.simulation.bases import BASES, play
from tests.simulation.fleet import points
from tests.simulation.life import TOTALS

SOAK = bool(os.environ.get("SOAK"))
#: so that several processes have something to do
PARTS = 4
#: Of how many boundaries one is a kill: all of them are `make soak`.
EVERY = 1 if SOAK else 2


def test_one_point() -> None:
    """BASE and CRASH_AT from the environment, to repeat a failure."""
    places = {int(place) for place in os.environ.get("CRASH_AT", "").split(",") if place}
    play(os.environ.get("BASE", "rollout"), crash_at=places)


def test_some_points_of_a_rollout() -> None:
    points("rollout", parts=8)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", BASES)
def test_every_point(name: str, part: int) -> None:
    points(name, part=part, parts=PARTS * EVERY)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", BASES)
def test_two_and_three_kills(name: str) -> None:
    """The second kill comes while the first is being recovered from."""
    rng = Random(name)
    count = play(name, crash_at=set()).boundaries
    for _ in range(400 if SOAK else 6):
        first = rng.randint(1, count)
        play(name, crash_at={first, first + rng.randint(1, 12), first + rng.randint(13, 40)})
        TOTALS.update(several=1)
