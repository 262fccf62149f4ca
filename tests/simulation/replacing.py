"""Stories in which an object has to be deleted to be made anew, to be run once and with a kill at each boundary."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from reconciler.ports.cluster import Ref
from tests.simulation.bases import CONFIG, DEPLOYMENT, SECRET, WITHIN_S, Again, Script, Story, killed
from tests.simulation.life import Lived
from tests.simulation.manifests import NAMESPACE
from tests.simulation.world import World

WEB = Ref("apps/v1", "Deployment", NAMESPACE, "web")
HOLD = "example.test/hold"
#: The selector of the second one is another.
SECOND = DEPLOYMENT._replace(fixed=2, variant=2)


#: By story: the boundaries from the change to its end, of the last time that it was played.
MATTERS: dict[str, range] = {}


class Deletions:
    """Deletions that were carried out, by the UID of what was deleted."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._about = ""
        self.of: Counter[str] = Counter()
        world.memory.hooks.before.append(self._before)
        world.memory.hooks.after.append(self._after)

    def _before(self, verb: str, ref: Ref | None) -> None:
        if verb == "delete" and ref == WEB:
            # Not by a request: this is one.
            kind = self._world.memory.world.catalog.kind("apps/v1", "Deployment")
            entry = self._world.memory.world.store.get(self._world.memory.world.location(kind, NAMESPACE, "web"))
            self._about = entry.obj["metadata"]["uid"] if entry else ""

    def _after(self, verb: str, ref: Ref | None) -> None:
        if verb == "delete" and ref == WEB:
            self.of[self._about] += 1


def _script(world: World) -> Script:
    script = Script(world, one=(DEPLOYMENT, CONFIG), two=(SECRET,))
    script.release.stages[0]["conflictPolicy"] = {"rules": [{"target": {"kind": "Deployment"}, "action": "Recreate"}]}
    return script


def _uid(world: World) -> str:
    found = world.peek(WEB)
    return found["metadata"]["uid"] if found else ""


async def replacing(world: World) -> None:
    """A revision changes a selector."""
    script, deletions = _script(world), Deletions(world)
    script.create()
    await script.expected()
    first, began = _uid(world), world.boundaries
    script.publish("one", SECOND, CONFIG._replace(variant=2))
    await world.until("made anew", lambda: _uid(world) not in ("", first), within_s=WITHIN_S)
    await script.expected()
    MATTERS["replacing"] = range(began + 1, world.boundaries + 1)
    script.release.check_cluster()
    assert deletions.of == {first: 1}, f"deleted {deletions.of}, and only {first} was in the way"
    await script.gone()


async def interrupted(world: World) -> None:
    """A finalizer holds it; a newer revision, a suspension and a spec come; it exists again before anything else."""
    script, deletions = _script(world), Deletions(world)
    script.create()
    await script.expected()
    first = _uid(world)
    _finalized(world, [HOLD])
    script.publish("one", SECOND, CONFIG)
    await world.until("on its way out", lambda: _terminating(world), within_s=WITHIN_S)
    script.publish("one", SECOND._replace(variant=3), CONFIG._replace(variant=3))
    script.release.spec["suspend"] = True
    script.release.write()
    await asyncio.sleep(3)
    _finalized(world, [])
    await world.until("made anew", lambda: _uid(world) not in ("", first), within_s=WITHIN_S)
    script.release.spec["suspend"] = False
    script.release.write()
    await script.expected()
    script.release.check_cluster()
    assert deletions.of == {first: 1}
    await script.gone()


async def held(world: World) -> None:
    """A finalizer holds it for longer than the stage may take: the stage fails, and heals when it is gone."""
    script, deletions = _script(world), Deletions(world)
    script.create()
    await script.expected()
    first = _uid(world)
    _finalized(world, [HOLD])
    script.publish("one", SECOND, CONFIG)
    words = f"kept by its finalizers {HOLD}"
    await world.until("told", lambda: words in world.ready("rel")[2], within_s=WITHIN_S)
    assert world.ready("rel")[2].startswith("stage one: apply: Deployment shop/web was deleted to be made anew")
    await asyncio.sleep(30)
    assert _uid(world) == first
    _finalized(world, [])
    await world.until("made anew", lambda: _uid(world) not in ("", first), within_s=WITHIN_S)
    await script.expected()
    assert deletions.of[first] == 1
    await script.gone()


def _terminating(world: World) -> bool:
    found = world.peek(WEB)
    return bool(found and found["metadata"].get("deletionTimestamp"))


def _finalized(world: World, finalizers: list[str]) -> None:
    patch = {"metadata": {"finalizers": finalizers or None}}
    world.do(world.memory.patch(WEB, patch, type="merge", manager="somebody"))


STORIES: dict[str, Story] = {story.__name__: story for story in (replacing, interrupted, held)}


def play(name: str, *, crash_at: set[int], runner: Any = None) -> Lived:
    """Run a story with kills at these boundaries."""
    again = Again(f"replace/{name}", f"STORY={name}", "test_replace.py")
    return killed(STORIES[name], again, crash_at=crash_at, runner=runner)


def point(place: tuple[str, int]) -> None:
    """Run a story with a kill at one boundary."""
    name, boundary = place
    lived = play(name, crash_at={boundary})
    assert lived.crashes == 1, f"{name} was not killed at boundary {boundary}"
