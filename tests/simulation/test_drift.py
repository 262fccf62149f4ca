"""What other hands do to objects of a ready release: seen by watch, checked, corrected or told, recorded once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ledger import events as e
from ledger.log import EventLog
from reconciler.api import names
from reconciler.folds.drift import FLAPPING_TIMES
from reconciler.ports.cluster import Ref
from reconciler.transitions import Phase
from tests.simulation.acting import annotate
from tests.simulation.bases import CONFIG, DEPLOYMENT, SECRET, Script
from tests.simulation.checkers import records
from tests.simulation.life import finish
from tests.simulation.manifests import NAMESPACE
from tests.simulation.scenario import TENANT, allow_tenant, forbid_tenant
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World

#: From the hand edit to the corrected object.
CORRECTED_S = 5.0
MAP = Ref("v1", "ConfigMap", NAMESPACE, "config")
#: Rendered as it is written: the stage has no variables.
WHO = "${who:=nobody}"
APP = Ref("apps/v1", "Deployment", NAMESPACE, "web")


def play(story: Callable[[World, Script], Awaitable[None]], *, end: bool = True, **detection: Any) -> None:
    """A ready release of two stages; the first with these rules."""

    async def main(loop: VirtualLoop) -> None:
        world = World(loop, seed="drift")
        await world.begin(whole=True)
        script = Script(world, one=(CONFIG, SECRET), two=(DEPLOYMENT,))
        script.release.spec["interval"] = "10m"
        if detection:
            script.release.stages[0]["driftDetection"] = detection
        script.create()
        await script.expected()
        await asyncio.sleep(5)
        await story(world, script)
        if end:
            await finish(world)
        else:
            world.check_all()
            await world.end()

    run(main)


async def ready(world: World) -> None:
    """Until it is ready and nothing is under way."""
    state = lambda: next(iter(world.monitor.states.values()))  # noqa: E731
    await world.until("ready", lambda: state().phase == Phase.READY and not state().asked, within_s=30)
    await asyncio.sleep(3)


def edit(world: World, ref: Ref, patch: dict[str, Any], manager: str = "kubectl-edit") -> None:
    world.do(world.memory.patch(ref, patch, type="merge", manager=manager))


def drifts(log: EventLog) -> list[e.DriftObserved]:
    return [one.event for one in records(log) if isinstance(one.event, e.DriftObserved)]


def value(world: World, key: str = "variant") -> str:
    found = world.peek(MAP)
    return "" if found is None else found["data"].get(key, "")


def test_a_hand_edit_is_corrected_in_seconds_and_recorded() -> None:
    async def story(world: World, script: Script) -> None:
        before = world.log.head().number
        edit(world, MAP, {"data": {"variant": "by hand", "foreign": "stays"}})
        await world.until("corrected", lambda: value(world) == "v1", within_s=CORRECTED_S)
        await ready(world)
        assert value(world, "foreign") == "stays", "a field that nobody renders"
        edit(world, MAP, {"data": {"foreign": None}})
        (found,) = drifts(world.log)
        assert (found.manager, found.mode) == ("kubectl-edit", "Correct")
        (item,) = found.objects
        assert (item.action, item.message) == ("changed", "/data/variant, by kubectl-edit")
        new = [one for one in records(world.log) if one.header.seq > before]
        opened = [one.event for one in new if isinstance(one.event, e.RunOpened)]
        assert [one.trigger for one in opened] == ["drift"]
        applied = [item.action for one in new if isinstance(one.event, e.ApplyFinished) for item in one.event.objects]
        assert sorted(applied) == ["configured", "unchanged", "unchanged"]

    play(story)


def test_what_may_not_be_checked_is_corrected_when_rights_come_back() -> None:
    async def story(world: World, script: Script) -> None:
        allow_tenant(world)
        script.release.spec["serviceAccountName"] = TENANT
        script.release.write()
        await script.expected()
        await ready(world)
        forbid_tenant(world)
        edit(world, MAP, {"data": {"variant": "by hand"}})
        asked = world.monitor.requests.total()
        await asyncio.sleep(1_800)
        assert value(world) == "by hand"
        # Ever more rarely: a handful at first, then one check in five minutes.
        assert world.monitor.requests.total() - asked < 60
        allow_tenant(world)
        await world.until("corrected", lambda: value(world) == "v1", within_s=660)

    play(story)


def test_what_is_deleted_exists_again() -> None:
    async def story(world: World, script: Script) -> None:
        world.do(world.memory.delete(MAP))
        await world.until("made again", lambda: value(world) == "v1", within_s=CORRECTED_S)
        assert [item.message for one in drifts(world.log) for item in one.objects] == ["was deleted"]

    play(story)


def test_owner_labels_and_annotations_are_corrected() -> None:
    async def story(world: World, script: Script) -> None:
        labels = world.peek(APP)["metadata"]["labels"]
        edit(world, APP, {"metadata": {"labels": dict.fromkeys(labels), "annotations": {"team": "mine"}}})
        await world.until("again", lambda: world.peek(APP)["metadata"].get("labels") == labels, within_s=CORRECTED_S)
        await script.expected()
        # The generation stays what it is.
        notes = world.peek(APP)["metadata"]["annotations"]
        key = next(one for one in notes if one != "team")
        edit(world, APP, {"metadata": {"annotations": {key: "another"}}})
        again = lambda: world.peek(APP)["metadata"]["annotations"][key] == notes[key]  # noqa: E731
        await world.until("again", again, within_s=CORRECTED_S)
        assert len(drifts(world.log)) == 2

    play(story)


def test_nothing_is_recorded_where_nothing_drifted() -> None:
    async def story(world: World, script: Script) -> None:
        before = world.log.head()
        edit(world, MAP, {"data": {"foreign": "a"}})
        edit(world, APP, {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 5}}}})
        await asyncio.sleep(60)
        assert world.monitor.requests["apply"] >= 2
        checked = world.monitor.requests["apply"]
        await asyncio.sleep(500)
        assert world.monitor.requests["apply"] == checked, "checked again without a change"
        assert world.log.head() == before

    play(story)


def test_what_keeps_changing_without_a_difference_is_checked_ever_more_rarely() -> None:
    async def story(world: World, script: Script) -> None:
        before, head = world.monitor.requests["apply"], world.log.head()
        for number in range(300):
            edit(world, MAP, {"data": {"foreign": str(number)}})
            await asyncio.sleep(2)
        assert 3 < world.monitor.requests["apply"] - before < 15
        assert world.log.head() == head
        edit(world, MAP, {"data": {"variant": "by hand"}})
        await world.until("corrected all the same", lambda: value(world) == "v1", within_s=310)

    play(story)


@pytest.mark.parametrize("target", [None, {"kind": "ConfigMap"}, {"name": "config", "apiVersion": "v1"}])
def test_an_ignored_path_is_left_alone_also_when_another_is_corrected(target: Any) -> None:
    async def story(world: World, script: Script) -> None:
        edit(world, MAP, {"data": {"variant": "scaled"}}, "an-autoscaler")
        await asyncio.sleep(30)
        assert drifts(world.log) == []
        edit(world, MAP, {"data": {"who": "by hand"}})
        await world.until("corrected", lambda: value(world, "who") == WHO, within_s=CORRECTED_S)
        await ready(world)
        assert value(world) == "scaled"
        assert [item.message for one in drifts(world.log) for item in one.objects] == ["/data/who, by kubectl-edit"]
        # It is what is applied that others may change: where they did not, it is applied.
        world.do(world.memory.delete(MAP))
        await world.until("made again", lambda: value(world) == "v1", within_s=CORRECTED_S)

    rule = {"paths": ["/data/variant"]} | ({"target": target} if target else {})
    play(story, ignore=[rule])


def test_a_rule_for_another_object_is_none() -> None:
    async def story(world: World, script: Script) -> None:
        edit(world, MAP, {"data": {"variant": "by hand"}})
        await world.until("corrected", lambda: value(world) == "v1", within_s=CORRECTED_S)

    play(story, ignore=[{"target": {"kind": "Secret"}, "paths": ["/data"]}, {"target": {"name": "x"}}])


def test_an_ignored_object_may_go() -> None:
    async def story(world: World, script: Script) -> None:
        before = world.log.head()
        world.do(world.memory.delete(MAP))
        await asyncio.sleep(700)
        assert world.log.head() == before

    play(story, ignore=[{"target": {"kind": "ConfigMap"}}], end=False)


def test_warn_tells_once_for_each_difference_and_corrects_nothing() -> None:
    async def story(world: World, script: Script) -> None:
        for _ in range(3):
            edit(world, MAP, {"data": {"variant": "by hand"}})
            await asyncio.sleep(10)
            edit(world, MAP, {"data": {"foreign": world.now_text()}})
            await asyncio.sleep(10)
        assert [item.message for one in drifts(world.log) for item in one.objects] == ["/data/variant, by kubectl-edit"]
        edit(world, MAP, {"data": {"who": "too"}}, "somebody")
        await asyncio.sleep(30)
        assert len(drifts(world.log)) == 2
        assert (value(world), value(world, "who")) == ("by hand", "too")
        assert not [one for one in records(world.log) if getattr(one.event, "trigger", "") == "drift"]
        # What another stage's drift brings about leaves it alone.
        edit(world, APP, {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "other"}]}}}})
        image = lambda: world.peek(APP)["spec"]["template"]["spec"]["containers"][0]["image"]  # noqa: E731
        await world.until("corrected", lambda: image() == "app:1", within_s=CORRECTED_S)
        await ready(world)
        assert (value(world), value(world, "who")) == ("by hand", "too")
        # It is told as long as it is so.
        assert "1 object differs" in world.ready("rel")[2]
        edit(world, MAP, {"data": {"variant": "v1", "who": WHO}})
        await world.until("told no more", lambda: "differs" not in world.ready("rel")[2], within_s=310)
        assert drifts(world.log)[-1].objects[0].action == "restored"

    play(story, mode="Warn")


def test_ignore_does_not_look() -> None:
    async def story(world: World, script: Script) -> None:
        before = world.log.head()
        edit(world, MAP, {"data": {"variant": "by hand"}})
        await asyncio.sleep(700)
        assert world.log.head() == before
        assert value(world) == "by hand"

    play(story, mode="Ignore", end=False)


def test_what_comes_back_each_time_is_not_fought_for_ever() -> None:
    async def story(world: World, script: Script) -> None:
        async def fight() -> None:
            while True:
                if value(world) == "v1":
                    edit(world, MAP, {"data": {"variant": "theirs"}}, "their-controller")
                await asyncio.sleep(1)

        fighting = asyncio.ensure_future(fight())
        await asyncio.sleep(300)
        assert len(drifts(world.log)) == FLAPPING_TIMES
        head = world.log.head()
        assert value(world) == "theirs"
        status, _, message = world.ready("rel")
        assert status == "True"
        assert "their-controller" in message
        await asyncio.sleep(1200)
        assert world.log.head() == head
        fighting.cancel()
        # A word of somebody starts afresh.
        annotate(world, "rel", names.REQUESTED_AT, world.now_text())
        await world.until("corrected", lambda: value(world) == "v1", within_s=CORRECTED_S)
        await script.expected()
        assert "their-controller" not in world.ready("rel")[2]

    play(story)


def test_what_drifted_while_nobody_looked_is_seen_after_a_start() -> None:
    async def story(world: World, script: Script) -> None:
        world.line.cut()
        await asyncio.sleep(1)
        edit(world, MAP, {"data": {"variant": "by hand"}})
        await world.until("corrected", lambda: value(world) == "v1", within_s=world.down_s + CORRECTED_S + 2)

    play(story)


def test_a_suspended_release_is_left_alone_until_it_is_resumed() -> None:
    async def story(world: World, script: Script) -> None:
        script.release.spec["suspend"] = True
        script.release.write()
        await asyncio.sleep(5)
        edit(world, MAP, {"data": {"variant": "by hand"}})
        await asyncio.sleep(60)
        assert value(world) == "by hand"
        script.release.spec["suspend"] = False
        script.release.write()
        await world.until("corrected", lambda: value(world) == "v1", within_s=CORRECTED_S)

    play(story)
