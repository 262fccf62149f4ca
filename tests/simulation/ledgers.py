"""Ledgers that are not the newest: lost, restored from an older copy, of another cluster; and what must come of it.

0 actions twice, 0 objects orphaned or deleted; then everything is Ready again, after answers where it is held.
"""

from __future__ import annotations

import asyncio
import copy
from random import Random
from typing import Any

from ledger.memory_log import MemoryLog
from reconciler.ports.cluster import Object, Ref
from tests.simulation.acting import held
from tests.simulation.bases import CONFIG, SECRET, SHARED, Script, act
from tests.simulation.checkers import id_of
from tests.simulation.life import TOTALS, finish, told
from tests.simulation.manifests import NAMESPACE
from tests.simulation.ports import Fate, Line
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World

WITHIN_S = 900.0
#: (stage, hook, verb, scope) of the actions of every story.
ACTIONS = (
    (0, "pre", "job", "Lifetime"),
    (0, "pre", "patch-list", "Revision"),
    (0, "post", "http", "Revision"),
    (1, "pre", "http", "Lifetime"),
    (1, "pre", "delete", "Revision"),
    (1, "post", "job", "Revision"),
    (1, "post", "patch", "Lifetime"),
    (1, "post", "http-idempotent", "Revision"),
    (1, "post", "apply", "Revision"),
)
ACTS = tuple(f"act{number}" for number in range(len(ACTIONS)))


def empty(world: World) -> MemoryLog:
    """A ledger that was just made."""
    return MemoryLog(ledger="another", at=world.now_text(), chance=Random(f"{world.seed}/another").randbytes)


def copy_of(log: MemoryLog) -> MemoryLog:
    """A backup as it is now."""
    made = MemoryLog(ledger=log.ledger, at="2030-01-01T00:00:00.000Z", chance=Random("copy").randbytes)
    made._tip = copy.deepcopy(log._tip)
    made.rows = list(log.rows)
    made.blobs = copy.copy(log.blobs)
    return made


def scripted(world: World) -> Script:
    """A StageSet with an action of every kind that has an effect."""
    script = Script(world, one=(CONFIG, SHARED), two=(SECRET,))
    for name, (stage, hook, verb, scope) in zip(ACTS, ACTIONS, strict=True):
        act(script, stage, hook, verb, name, scope=scope)
    script.create()
    return script


def counts(world: World) -> dict[str, int]:
    return {name: world.monitor.outside.count(name) for name in ACTS}


def owned(world: World) -> dict[str, str]:
    """UIDs of what the stages made, by id; Jobs of actions come and go."""
    found = {id_of(obj): obj["metadata"]["uid"] for obj, *_ in world.owned_objects()}
    return {key: uid for key, uid in found.items() if not key.endswith("_Job")}


async def ready(world: World, script: Script) -> list[tuple[str, str]]:
    """Wait until it is Ready, answering what is held; returns what was."""
    answered: list[tuple[str, str]] = []

    def holds() -> bool:
        answered.extend(one for one in held(world, "rel") if one not in answered)
        script.release.operate()
        return script.release.is_as_expected() and shown_version(world) == world.log.version(stream(world))

    await world.until("ready", holds, within_s=WITHIN_S)
    return answered


def stream(world: World) -> str:
    found: Object = world.stageset("rel")
    return f"stageset/{NAMESPACE}/rel/{found['metadata']['uid']}"


def shown_version(world: World) -> int:
    """Version of the stream that the world shows."""
    found = world.stageset("rel") or {}
    return found.get("status", {}).get("ledger", {}).get("version", 0)


def told_of(world: World) -> list[str]:
    """Messages of the Events about a ledger that is behind."""
    return [one["message"] for one in world.list("v1", "Event", NAMESPACE) if one.get("reason") == "LedgerBehind"]


async def goes_on(world: World, script: Script) -> None:
    """Afterwards it works as before: what is dropped is pruned, what is new acts once, and deletion leaves nothing."""
    before = counts(world)
    script.publish("one", CONFIG._replace(variant=7))
    await ready(world, script)
    script.release.check_cluster()
    after = counts(world)
    for name, (stage, _, verb, scope) in zip(ACTS, ACTIONS, strict=True):
        # What a delete action deleted is not there any more, and the patch of a list adds once more.
        again = stage == 0 and scope == "Revision" and verb != "delete"
        assert after[name] == before[name] + again, f"{name}: {before[name]}, then {after[name]}"
    await script.gone()


# ── at any moment ────────────────────────────────────────────────────────────────────────────────────────────────

_REPEAT = ".venv/bin/python -m pytest -q tests/simulation/test_lost_ledger.py -k one_seed"


def lose_at_random(seed: int) -> None:
    """A backup is made at some boundary, and at a later one it, or nothing, is all that is left."""
    worlds: list[World] = []

    async def main(loop: VirtualLoop) -> Any:
        rng = Random(f"{seed}/lost")
        world = World(loop, seed=f"lost/{seed}")
        worlds.append(world)
        loss = world.trap = Loss(world, rng)
        await world.begin()
        script = scripted(world)
        await ready(world, script)
        script.publish("two", SECRET._replace(variant=2))
        await ready(world, script)
        await world.until("lost", lambda: loss.happened or _exhausted(world, loss), within_s=60)
        await asyncio.sleep(5)
        await ready(world, script)
        sweep(world)
        script.release.check_cluster()
        _check_once(world)
        await script.gone()
        return await finish(world)

    told(lambda: run(main), worlds, f"SEED={seed} {_REPEAT}")
    TOTALS.update(losses=1)


def sweep(world: World) -> None:
    """What whoever answers for a Job does with it: no ledger that is left knows that it was made."""
    known = {key for state in world.monitor.states.values() for stage in state.stages.values() for key in stage.owned}
    for obj, *_ in world.owned_objects():
        if obj["kind"] == "Job" and id_of(obj) not in known:
            world.do(world.memory.delete(Ref("batch/v1", "Job", NAMESPACE, obj["metadata"]["name"])))


def _exhausted(world: World, loss: Loss) -> bool:
    return world.boundaries > loss.second or world.ready("rel")[0] == "True"


def _check_once(world: World) -> None:
    outside = world.monitor.outside
    for name in ACTS:
        for key in {deed.key for deed in outside.of(name)} - outside.repeatable:
            assert outside.seen(name, key) == 1, f"I3: {name}: {outside.of(name)}"


class Loss:
    """A trap: the first boundary makes the copy, the second kills the controller and exchanges the ledger."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._first = rng.randint(0, 250)
        self.second = self._first + rng.randint(5, 150)
        self._copy: MemoryLog | None = None
        self._nothing = rng.random() < 0.3
        self.happened = False

    def __call__(self, line: Line, where: str, about: Any) -> Fate:
        world = self._world
        if self.happened:
            return ""
        if self._copy is None and world.boundaries >= self._first:
            self._copy = empty(world) if self._nothing else copy_of(world.log)
        if self._copy is None or world.boundaries < self.second or not self._shows():
            return ""
        self.happened = True
        world.exchange(self._copy)
        return "kill"

    def _shows(self) -> bool:
        """Whether the world shows all that was recorded: what it never showed cannot be known."""
        world = self._world
        if self._copy is None or world.stageset("rel") is None:
            return False
        shown = shown_version(world)
        return self._copy.version(stream(world)) < shown == world.log.version(stream(world))
