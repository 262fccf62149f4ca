"""One tenant's thousand StageSets do not delay another's one: the whole loop, virtual time, narrow places."""

from __future__ import annotations

import asyncio
import os
from typing import Any, NamedTuple

import pytest
import yaml

from reconciler.adapters.fair import FairSlots
from reconciler.api import names
from reconciler.compute.kustomization import BuildTree
from reconciler.ports.cluster import Ref
from tests.simulation import world as worlds
from tests.simulation.manifests import NAMESPACE
from tests.simulation.ports import Renderer, SimCluster, SimFetcher
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World

CROWD, ALONE = "crowd", "alone"
#: As in the shipped adapters: requests, downloads and builds at once; and how long one takes, in seconds.
REQUESTS, DOWNLOADS, BUILDS = 16, 4, 2
REQUEST_S, DOWNLOAD_S, BUILD_S = 0.2, 0.5, 1.0


class Narrow:
    """The places where StageSets meet, and who was let in, in order."""

    def __init__(self) -> None:
        self.requests, self.downloads, self.builds = FairSlots(REQUESTS), FairSlots(DOWNLOADS), FairSlots(BUILDS)
        self.built: list[str] = []


class Took(NamedTuple):
    """What the rollout of the one took."""

    seconds: float
    #: builds that began before its own, after it was there
    builds_before: int
    #: how many of the crowd were ready by then
    others: int


def narrowed(narrow: Narrow, monkeypatch: pytest.MonkeyPatch) -> Renderer:
    """Put the simulated adapters into narrow places; returns the tool."""

    class Cluster(SimCluster):
        async def _read(self, *arguments: Any) -> Any:
            async with narrow.requests.turn():
                await asyncio.sleep(REQUEST_S)
            return await super()._read(*arguments)

        async def _write(self, *arguments: Any) -> Any:
            async with narrow.requests.turn():
                await asyncio.sleep(REQUEST_S)
            return await super()._write(*arguments)

    class Fetcher(SimFetcher):
        async def fetch(self, url: str, digest: str) -> bytes:
            async with narrow.downloads.turn():
                await asyncio.sleep(DOWNLOAD_S)
                return await super().fetch(url, digest)

    class Tool(Renderer):
        async def run(self, tree: BuildTree) -> str:
            async with narrow.builds.turn():
                text = await super().run(tree)
                narrow.built.append(yaml.load(text, yaml.CSafeLoader)["metadata"]["namespace"])
                await asyncio.sleep(BUILD_S)
                return text

    monkeypatch.setattr(worlds, "SimCluster", Cluster)
    monkeypatch.setattr(worlds, "SimFetcher", Fetcher)
    return Tool()


def create(world: World, namespace: str, number: int) -> None:
    """A StageSet with an artifact of its own."""
    name = f"{namespace}-{number}"
    config = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace},
        "data": {"number": str(number)},
    }  # fmt: skip
    world.publish_files(name, "v1", {"config.yaml": config})
    made = worlds.stageset(name, [{"name": "one", "sourceRef": {"name": name, "namespace": NAMESPACE}}], interval="1h")
    made["metadata"]["namespace"] = namespace
    world.do(world.memory.create(made))


def ready(world: World, namespace: str, number: int) -> bool:
    found = world.peek(Ref(names.API_VERSION, "StageSet", namespace, f"{namespace}-{number}")) or {}
    conditions = (found.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def rolled_out(crowd: int, monkeypatch: pytest.MonkeyPatch) -> Took:
    """Create a crowd, and when it is at work the one; until that is ready."""

    async def inside(loop: VirtualLoop) -> Took:
        narrow = Narrow()
        world = World(loop, seed=1, runner=narrowed(narrow, monkeypatch))
        await world.begin()
        for namespace in (CROWD, ALONE):
            world.do(world.memory.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
        for number in range(crowd):
            create(world, CROWD, number)
        await asyncio.sleep(5)
        builds = len(narrow.built)
        create(world, ALONE, 0)
        seconds = await world.until("ready", lambda: ready(world, ALONE, 0), within_s=3_600, pause_s=0.05)
        found = Took(
            seconds,
            narrow.built.index(ALONE) - builds,
            sum(ready(world, CROWD, number) for number in range(crowd)),
        )
        await world.end()
        return found

    return run(inside)


def check(crowd: int, monkeypatch: pytest.MonkeyPatch) -> Took:
    alone, among = rolled_out(0, monkeypatch), rolled_out(crowd, monkeypatch)
    # At each place it waits for one turn of the others at most; builds are few, and take long.
    assert among.builds_before <= 4 * BUILDS
    assert among.seconds < 2 * alone.seconds
    return among


def test_one_is_ready_nearly_as_soon_as_if_it_were_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(80, monkeypatch).others < 40


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("SOAK"), reason="a minute: make soak")
def test_beside_a_thousand_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(1_000, monkeypatch).others < 40
