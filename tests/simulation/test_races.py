"""Controllers that race, pause and resume over one ledger: no action twice, ever; see `tests/simulation/races.py`."""

from __future__ import annotations

import os

import pytest

from tests.simulation.fleet import spread
from tests.simulation.races import race

SOAK = bool(os.environ.get("SOAK"))
QUICK, MANY = 20, 20_000 if SOAK else 500
#: so that several processes have something to do
PARTS = 4


def test_one_race() -> None:
    """The seed of the environment variable RACE, to repeat a failure."""
    race(int(os.environ.get("RACE", "1")))


def test_quick_races() -> None:
    spread(race, list(range(QUICK)))


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("part", range(PARTS))
def test_many_races(part: int) -> None:
    spread(race, list(range(QUICK + part, QUICK + MANY, PARTS)))
