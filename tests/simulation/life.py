"""One seed: a storm, calm, mended causes, a steady time, lost projections, and the deletion of everything."""

from __future__ import annotations

import asyncio
import hashlib
from random import Random
from typing import Any, NamedTuple

from reconciler.ports.cluster import Ref
from tests.counted import SIMULATION
from tests.simulation.checkers import id_of
from tests.simulation.manifests import NAMESPACE
from tests.simulation.mishaps import Mishaps
from tests.simulation.scenario import (
    SETTLE_S,
    Release,
    Storm,
    allow_tenant,
    chances_of,
    wipe_inventories,
    wipe_status,
)
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World, stageset_ref


class Lived(NamedTuple):
    """What a run was made of."""

    appends: int
    boundaries: int
    crashes: int
    requests: int
    virtual_s: float
    #: digest of the whole ledger: the same seed gives the same
    digest: str
    #: effects of actions, and how many times one was in doubt
    deeds: int = 0
    doubts: int = 0


class Broke(AssertionError):
    """A seed that broke something, with its story."""


TOTALS = SIMULATION


def live(seed: int, *, runner: Any = None, command: str = "") -> Lived:
    """Run a seed. Raises `Broke` with how to repeat it and the end of its story."""
    worlds: list[World] = []

    async def main(loop: VirtualLoop) -> Lived:
        rng = Random(f"{seed}/world")
        world = World(loop, seed=seed, chances=chances_of(rng), runner=runner)
        worlds.append(world)
        for _ in range(rng.choice([0, 1, 2, 4])):
            world.crash_at.add(rng.randint(1, 400))
        if rng.random() < 0.5:
            most = rng.choice([1, 2, 5])
            world.trap = Mishaps(rng, chance=0.3, fates=("kill", "kill", "stop", "lose", "fill"), most=most)
        return await _life(world, rng)

    return told(lambda: run(main), worlds, f"SEED={seed} {command or _REPEAT}")


_REPEAT = ".venv/bin/python -m pytest -q tests/simulation/test_simulation.py -k one_seed"


def told(call: Any, worlds: list[World], command: str) -> Lived:
    """Call; a failure tells the command that repeats it and the end of the story."""
    try:
        lived = call()
    except Exception as error:
        tail = worlds[0].tail() if worlds else ""
        raise Broke(f"{type(error).__name__}: {error}\n\n{tail}\n\nrepeat with: {command}") from error
    TOTALS.update(runs=1, appends=lived.appends, boundaries=lived.boundaries, crashes=lived.crashes)
    TOTALS.update(
        deeds=lived.deeds, doubts=lived.doubts, requests=lived.requests, virtual_h=int(lived.virtual_s // 3600)
    )
    return lived


async def _life(world: World, rng: Random) -> Lived:
    # Reading the whole schema costs as much as a small life.
    await world.begin(whole=rng.random() < 0.1)
    storm = Storm(world, rng)
    storm.begin()
    await storm.rage(rng.randint(3, 25))
    await settle(world, storm.releases)
    await steady(world, storm.releases, hours=0.1 if rng.random() < 0.9 else 1.0)
    await lost_projections(world, storm.releases, rng)
    await gone(world, storm.releases)
    return await finish(world)


async def finish(world: World) -> Lived:
    await world.end()
    world.check_all()
    ledger = hashlib.sha256(b"".join(row.header + (row.body or b"") for row in world.log.rows)).hexdigest()
    return Lived(
        world.monitor.appends,
        world.boundaries,
        len(world.crashes),
        world.monitor.requests.total(),
        world.loop.time(),
        ledger,
        len(world.monitor.outside.deeds),
        world.monitor.outside.doubts,
    )


async def settle(world: World, releases: list[Release]) -> None:
    """The storm is over: everybody shows what has to be; then the causes are mended and everybody is ready."""
    world.calm()
    world.server.down = False
    world.clock.skew_ms = 0
    world.tell("calm")
    for release in releases:
        for source in release.shown:
            # The source is there again, with what it showed last.
            release.show(source, release.shown[source])
        if not release.exists:
            # Without rights nothing can be taken down: that is as it has to be.
            allow_tenant(world)
            await world.until(
                f"{release.name} gone", lambda r=release: world.stageset(r.name) is None, within_s=SETTLE_S
            )
            release.create()
    await world.until(
        f"expected {[(r.name, r.problem()) for r in releases]}", lambda: _expected(releases), within_s=SETTLE_S
    )
    world.tell("mended")
    for release in releases:
        release.mend()
        if release.spec.get("suspend"):
            release.spec["suspend"] = False
            release.write()
    await world.until(
        "ready", lambda: all(r.problem() is None for r in releases) and _expected(releases), within_s=SETTLE_S
    )


def _expected(releases: list[Release]) -> bool:
    for release in releases:
        release.operate()
    return all(release.is_as_expected() for release in releases)


async def steady(world: World, releases: list[Release], *, hours: float) -> None:
    """I10: nothing is recorded and little is asked while nothing happens. Drift of before is healed first."""
    longest_s = max({"30s": 30, "60s": 60, "5m": 300}[release.spec["interval"]] for release in releases)
    await asyncio.sleep(longest_s * 1.1)
    await world.until("ready", lambda: _expected(releases), within_s=SETTLE_S)
    for release in releases:
        release.check_cluster()
        await world.until("inventories", release.shows_inventories, within_s=10)
    before, written, asked = world.log.head(), _writes(world), world.monitor.requests.total()
    await asyncio.sleep(hours * 3600)
    world.check()
    assert world.log.head() == before, "I10: something was recorded in a steady state"
    assert _writes(world) == written, "I10: something was written in a steady state"
    TOTALS.update(
        steady_minutes=int(hours * 60) * len(releases), steady_requests=world.monitor.requests.total() - asked
    )


def _writes(world: World) -> int:
    return sum(world.monitor.requests[verb] for verb in ("apply", "patch", "create", "replace", "delete"))


async def lost_projections(world: World, releases: list[Release], rng: Random) -> None:
    """I6: what is only shown is shown again within a minute, and nothing is recorded for it."""
    before, inventories = world.log.head(), world.inventories()
    statuses = {release.name: world.stageset(release.name)["status"] for release in releases}
    for release in releases:
        wipe_status(world, release.name)
    wipe_inventories(world)
    restarted = rng.random() < 0.3
    if restarted:
        await world.restart()
    await asyncio.sleep(60)
    world.check()
    for release in releases:
        assert world.stageset(release.name).get("status") == statuses[release.name], f"I6: status of {release.name}"
    assert world.inventories() == inventories, f"I6: {inventories} became {world.inventories()}"
    assert world.log.head().number == before.number + restarted, "I6: something was recorded"


async def gone(world: World, releases: list[Release]) -> None:
    """I7: a deletion takes what is owned, leaves what is foreign, and ends."""
    keep = {one["name"] for release in releases for one in release.stages if one.get("prune") is False}
    keep |= {name for release in releases for name in release.kept}
    for release in releases:
        world.do(world.memory.delete(stageset_ref(release.name)))
        release.exists = False
    world.tell("all deleted")
    everybody = [release.name for release in releases]
    await world.until("gone", lambda: not any(world.stageset(name) for name in everybody), within_s=SETTLE_S)
    await asyncio.sleep(60)
    orphans = {key for release in releases for key in release.orphans}
    owned = [(id_of(obj), stage) for obj, _, _, stage in world.owned_objects()]
    left = [(key, stage) for key, stage in owned if stage not in keep and key not in orphans]
    assert not left, f"I7: left after the deletion: {left}"
    assert not world.inventories(), f"inventories left: {world.inventories()}"
    assert world.peek(Ref("v1", "ConfigMap", NAMESPACE, "foreign")) is not None, "a foreign object was deleted"
