"""Base scenarios: short scripted lives, to be run once and then again with a kill at each boundary in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, NamedTuple

from reconciler.api import names
from reconciler.ports.cluster import Ref
from tests.simulation.acting import VERBS, annotate, job
from tests.simulation.life import TOTALS, Lived, finish, told
from tests.simulation.manifests import NAMESPACE, Thing
from tests.simulation.scenario import Release, Shown, allow_tenant, forbid_tenant
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World, stageset, stageset_ref

#: Longest time for anything in these scenarios, a kill included, in seconds.
WITHIN_S = 240.0

DEPLOYMENT = Thing("Deployment", "web")
CONFIG, SHARED = Thing("ConfigMap", "config"), Thing("ConfigMap", "shared")
SECRET, JOB = Thing("Secret", "secret"), Thing("Job", "job")
CUSTOM, SPACE = Thing("Custom", "widget"), Thing("Namespace", "space")


class Script:
    """One StageSet with named stages, and its model."""

    def __init__(self, world: World, **stages: tuple[Thing, ...]) -> None:
        self.world = world
        self.release = Release(world, "rel", Random(0))
        self.release.stages = [{"name": name, "sourceRef": {"name": f"src-{name}"}} for name in stages]
        self.release.spec = {"interval": "60s", "retryInterval": "10s", "timeout": "20s"}
        for name, things in stages.items():
            self.release.show(f"src-{name}", Shown(1, things))
        self.release.exists = True
        allow_tenant(world)

    def create(self) -> None:
        made = stageset("rel", self.release.stages, **self.release.spec)
        self.world.do(self.world.memory.create(made))

    def publish(self, stage: str, *things: Thing, **flaws: bool) -> None:
        source = f"src-{stage}"
        self.release.show(source, Shown(self.release.shown[source].revision + 1, things, **flaws))

    async def expected(self) -> None:
        """Until all is as it has to be; when ready, the cluster is exactly as rendered."""
        problem = self.release.problem()

        def holds() -> bool:
            self.release.operate()
            return self.release.is_as_expected()

        await self.world.until(f"expected {problem}", holds, within_s=WITHIN_S)
        if problem is None and not self.release.spec.get("suspend"):
            self.release.check_cluster()
            await self.world.until("inventories", self.release.shows_inventories, within_s=10)

    async def gone(self) -> None:
        self.world.do(self.world.memory.delete(stageset_ref("rel")))
        await self.world.until("gone", lambda: self.world.stageset("rel") is None, within_s=WITHIN_S)
        await asyncio.sleep(5)
        left = [obj["metadata"]["name"] for obj, *_ in self.world.owned_objects()]
        assert not left, f"I7: left after the deletion: {left}"


async def rollout(world: World) -> None:
    """Two stages; objects dropped, changed, and moved forwards and back between the stages; deletion."""
    script = Script(world, one=(DEPLOYMENT, CONFIG, SHARED), two=(JOB, SECRET))
    script.create()
    await script.expected()
    script.publish("one", DEPLOYMENT._replace(variant=2))
    script.publish("two", JOB._replace(variant=2), SECRET, SHARED)
    await script.expected()
    script.publish("two", JOB._replace(variant=2), SECRET._replace(variant=2))
    script.publish("one", DEPLOYMENT._replace(variant=2), SHARED)
    await script.expected()
    await script.gone()


async def failures(world: World) -> None:
    """Every operation fails once and heals by itself; drift; lost projections."""
    script = Script(world, one=(CONFIG,), two=(DEPLOYMENT,), three=(SECRET,))
    script.release.spec["serviceAccountName"] = "tenant"
    script.create()
    await script.expected()
    script.publish("two", DEPLOYMENT, lying=True)
    await script.expected()
    script.publish("two", DEPLOYMENT, broken=True)
    await script.expected()
    script.publish("two", DEPLOYMENT._replace(fixed=2))
    await script.expected()
    script.publish("two", DEPLOYMENT._replace(variant=2, outcome="fail"))
    await script.expected()
    script.publish("two", DEPLOYMENT._replace(variant=3, outcome="never"))
    await script.expected()
    forbid_tenant(world)
    script.publish("one", CONFIG._replace(variant=2))
    await script.expected()
    allow_tenant(world)
    script.publish("two", DEPLOYMENT._replace(variant=4))
    await script.expected()
    drifted = Ref("v1", "ConfigMap", NAMESPACE, "config")
    world.do(world.memory.delete(drifted))
    await world.until("drift healed", lambda: world.peek(drifted) is not None, within_s=WITHIN_S)
    await script.expected()
    await script.gone()


async def reshaping(world: World) -> None:
    """Stages renamed, removed, turned round; suspended in the middle of a verify; definitions and namespaces."""
    script = Script(world, one=(CUSTOM,), two=(SPACE, CONFIG), three=(DEPLOYMENT._replace(after_s=8.0),))
    script.create()
    await asyncio.sleep(3)
    script.release.spec["suspend"] = True
    script.release.write()
    await script.expected()
    script.release.spec["suspend"] = False
    script.release.write()
    await script.expected()
    script.release.stages[1]["name"] = "renamed"
    script.release.write()
    await script.expected()
    script.release.stages.reverse()
    del script.release.stages[1]
    script.release.write()
    await script.expected()
    await script.gone()


async def interrupted(world: World) -> None:
    """A new revision, a spec and the deletion come while a verify waits."""
    script = Script(world, one=(CONFIG, SECRET), two=(DEPLOYMENT._replace(outcome="never"),))
    script.release.spec["timeout"] = "10m"
    script.create()
    await asyncio.sleep(10)
    script.publish("one", CONFIG._replace(variant=2))
    await asyncio.sleep(10)
    script.release.stages[0]["prune"] = True
    script.release.write()
    await asyncio.sleep(10)
    script.publish("two", DEPLOYMENT._replace(variant=2), JOB)
    await script.expected()
    script.publish("two", DEPLOYMENT._replace(variant=3, outcome="never"))
    await asyncio.sleep(10)
    await script.gone()


async def acting(world: World) -> None:
    """Actions in every hook; new revisions of one stage and of an action's artifact; a failure; a request; deletion."""
    script = Script(world, one=(CONFIG,), two=(SECRET,))
    add = lambda stage, hook, verb, name, **more: act(script, stage, hook, verb, name, **more)  # noqa: E731
    add(0, "pre", "job", "migrate")
    add(0, "pre", "patch-list", "append")
    add(0, "post", "http", "announce")
    add(1, "pre", "delete", "remove", scope="Lifetime")
    add(1, "pre", "http", "register", scope="Lifetime")
    add(1, "post", "apply-wait", "banner")
    add(1, "post", "http-idempotent", "warm-up", retries=2)
    add(1, "onFailure", "patch", "flag")
    add(1, "onFailure", "http", "page")
    world.http.failures["/warm-up"] = 1
    script.create()
    await script.expected()
    script.publish("two", SECRET._replace(variant=2))
    await script.expected()
    script.publish("two", DEPLOYMENT._replace(outcome="fail", after_s=0.5))
    await script.expected()
    outside = world.monitor.outside
    await world.until("flagged", lambda: bool(outside.of("flag")), within_s=WITHIN_S)
    await asyncio.sleep(10)
    script.publish("two", DEPLOYMENT._replace(variant=2))
    world.publish_files("src-migrate", "v2", {"job.yaml": job("migrate", after_s=2.0, variant=2)})
    await script.expected()
    annotate(world, "rel", names.RECONCILE_STAGE, "one@1")

    def asked() -> bool:
        # Killed before it was sent, it is held until somebody says so.
        script.release.operate()
        return len(outside.of("announce")) == 3

    await world.until("asked", asked, within_s=WITHIN_S)
    await script.expected()
    # Each key once, and as many keys as there were occasions.
    wanted = {"migrate": 3, "append": 3, "announce": 3, "remove": 1, "register": 1, "banner": 1, "flag": 1}
    found = {name: outside.count(name) for name in wanted}
    assert found == wanted, f"I3: {found}, and it had to be {wanted}"
    # After a failure nobody is asked: where it is not known whether it was sent, it is passed over.
    assert outside.count("page") <= 1
    await script.gone()


def act(script: Script, stage: int, hook: str, verb: str, name: str, **more: Any) -> None:
    made = VERBS[verb].make(script.world, name) | more
    script.release.stages[stage].setdefault("actions", {}).setdefault(hook, []).append(made)


Story = Callable[[World], Awaitable[None]]
BASES: dict[str, Story] = {base.__name__: base for base in (rollout, failures, reshaping, interrupted, acting)}


def play(name: str, *, crash_at: set[int], runner: Any = None) -> Lived:
    """Run a base scenario with kills at these boundaries."""
    again = Again(f"base/{name}", f"BASE={name}", "test_crash_points.py")
    return killed(BASES[name], again, crash_at=crash_at, runner=runner)


class Again(NamedTuple):
    """How a story is repeated: its seed, the variable that chooses it, and the file of its test `one_point`."""

    seed: str
    chosen: str
    test: str


def killed(story: Story, again: Again, *, crash_at: set[int], runner: Any = None) -> Lived:
    """Run a story with kills at these boundaries."""
    worlds: list[World] = []

    async def main(loop: VirtualLoop) -> Lived:
        world = World(loop, seed=again.seed, runner=runner)
        worlds.append(world)
        world.crash_at = set(crash_at)
        await world.begin()
        await story(world)
        return await finish(world)

    at = ",".join(map(str, sorted(crash_at)))
    command = f"{again.chosen} CRASH_AT={at} .venv/bin/python -m pytest -q tests/simulation/{again.test} -k one_point"
    return told(lambda: run(main), worlds, command)


def every_point(name: str, *, step: int = 1, first: int = 1) -> int:
    """A run for each boundary, killed there; returns how many boundaries the base scenario has."""
    count = play(name, crash_at=set()).boundaries
    for boundary in range(first, count + 1, step):
        lived = play(name, crash_at={boundary})
        assert lived.crashes == 1, f"{name} was not killed at boundary {boundary}"
        TOTALS.update(crash_runs=1)
    TOTALS.update(bases=1, base_boundaries=count)
    return count
