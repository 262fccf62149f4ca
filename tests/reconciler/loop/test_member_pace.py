"""How often a ready StageSet is looked at: its intervals, and the jitter that keeps thousands apart (CONTRACT §3.2)."""

from __future__ import annotations

import asyncio

import pytest

from tests.reconciler.loop.members import World, stageset
from tests.reconciler.loop.scripted import settled


def looks_in_s(*, names: int = 1, **fields: str) -> list[float]:
    """After how many seconds ready StageSets are looked at; they differ in name alone."""

    async def inside() -> list[float]:
        world = World()
        members = [world.member(stageset(name=f"rel{number}", **fields)) for number in range(names)]
        while any(member.driver.busy for member in members):
            await settled()
        now_ms = world.clock.now_ms()
        found = [(member.wake_ms(member.state) - now_ms) / 1000 for member in members]
        for member in members:
            await member.driver.close()
        return found

    return asyncio.run(inside())


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"interval": "1h"}, 3_600),
        ({"interval": "1h", "driftDetectionInterval": "5m"}, 300),
        ({"interval": "5m", "driftDetectionInterval": "1h"}, 300),
        ({"interval": "5m", "driftDetectionInterval": "0s"}, 300),
        ({"interval": "0s"}, 600),
        ({"interval": "0s", "driftDetectionInterval": "1m"}, 60),
        # Not for what is ready.
        ({"interval": "5m", "retryInterval": "1s"}, 300),
    ],
)
def test_the_shorter_of_the_intervals_counts(fields: dict[str, str], seconds: float) -> None:
    (found,) = looks_in_s(**fields)
    assert 0.95 * seconds <= found <= 1.05 * seconds


def test_looks_are_spread_evenly_over_five_per_cent_to_either_side() -> None:
    found = sorted(looks_in_s(names=100, interval="1000s"))
    assert 950 <= found[0] < 960
    assert 1_040 < found[-1] <= 1_050
    assert 980 < found[50] < 1_020
