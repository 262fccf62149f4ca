"""Two StageSets that render the same new object at the same moment: one has it, the other is told who."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler.api import names
from reconciler.ports.cluster import Ref
from tests.simulation.life import finish
from tests.simulation.manifests import NAMESPACE, Thing
from tests.simulation.ports import CALM
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World, stageset, stageset_ref

BOTH = Ref("v1", "ConfigMap", NAMESPACE, "both")
NAMES = ("one", "two")


@pytest.mark.parametrize("seed", range(4))
def test_one_has_it_and_the_other_is_refused_naming_both(seed: int) -> None:
    owners: list[str] = []

    async def main(loop: VirtualLoop) -> None:
        world = World(loop, seed=f"claims/{seed}", chances=CALM._replace(delay_s=0.05))
        world.memory.hooks.after.append(lambda verb, ref: _noted(world, owners, ref) if verb == "apply" else None)
        await world.begin()
        world.publish("source", "v1", [Thing("ConfigMap", "both"), Thing("ConfigMap", f"beside-{seed}")])
        for name in NAMES:
            stage = {"name": "only", "sourceRef": {"name": "source"}}
            world.do(world.memory.create(stageset(name, [stage], interval="60s", retryInterval="10s")))
        await world.until("settled", lambda: _settled(world), within_s=120)
        await asyncio.sleep(120)
        assert _settled(world)
        assert len(set(owners)) == 1, f"it changed hands: {owners}"
        winner = owners[0]
        loser = next(name for name in NAMES if name != winner)
        message = world.ready(loser)[2]
        assert f"belongs to StageSet {NAMESPACE}/{winner}" in message
        assert f"not to StageSet {NAMESPACE}/{loser}" in message
        await _gone(world, loser)
        assert world.peek(BOTH) is not None, "what it never had went with it"
        await _gone(world, winner)
        assert world.peek(BOTH) is None
        await finish(world)

    run(main)


def _noted(world: World, owners: list[str], ref: Any) -> None:
    if ref == BOTH:
        owners.append(world.memory.world.store.get(_at(world)).obj["metadata"]["labels"][names.LABEL_NAME])


def _at(world: World) -> Any:
    return world.memory.world.location(world.memory.world.catalog.kind("v1", "ConfigMap"), NAMESPACE, "both")


def _settled(world: World) -> bool:
    return sorted(world.ready(name)[0] for name in NAMES) == ["False", "True"]


async def _gone(world: World, name: str) -> None:
    world.do(world.memory.delete(stageset_ref(name)))
    await world.until(f"{name} gone", lambda: world.stageset(name) is None, within_s=120)
