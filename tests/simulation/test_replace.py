"""What is deleted to be made anew exists again, whatever is killed when, and is deleted once."""

from __future__ import annotations

import os

import pytest

from tests.simulation.fleet import spread
from tests.simulation.replacing import MATTERS, STORIES, play, point

#: so that several processes have something to do
PARTS = 4
#: Of how many boundaries one is a kill: all of them are `make soak`.
EVERY = 1 if os.environ.get("SOAK") else 3


def test_one_point() -> None:
    """STORY and CRASH_AT from the environment, to repeat a failure."""
    places = {int(place) for place in os.environ.get("CRASH_AT", "").split(",") if place}
    play(os.environ.get("STORY", "replacing"), crash_at=places)


@pytest.mark.parametrize("name", STORIES)
def test_a_story(name: str) -> None:
    play(name, crash_at=set())


def test_some_points_of_a_replacement() -> None:
    play("replacing", crash_at=set())
    spread(point, [("replacing", boundary) for boundary in MATTERS["replacing"][::4]])


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", STORIES)
def test_every_point(name: str, part: int) -> None:
    count = play(name, crash_at=set()).boundaries
    spread(point, [(name, boundary) for boundary in range(1 + part, count + 1, PARTS * EVERY)])
