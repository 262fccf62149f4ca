"""A member: from what is seen of a StageSet to its driver, its looks and its projections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ledger import events as e
from ledger.envelope import Draft
from reconciler.ports.sources import Unknown
from reconciler.transitions import Phase
from tests.reconciler.loop.members import NOT_READY, World, kept, stageset
from tests.reconciler.loop.scripted import settled


def run(test: Callable[[World], Awaitable[None]]) -> None:
    async def inside() -> None:
        await test(World())
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            raise AssertionError(f"left behind: {task}")

    asyncio.run(inside())


def show(member, obj) -> None:
    member.seen(kept(obj))


def facts(world) -> list[str]:
    return [e.tag_of(batch.drafts[0].event) for batch in world.journal.batches]


def test_nothing_is_started_before_the_finalizer_is_there():
    async def test(world):
        member = world.member(stageset(metadata={"finalizers": []}))
        await settled()
        assert (member.state.version, world.hands.performed) == (0, [])
        assert world.outlet.told == [member]
        show(member, stageset())
        await settled()
        assert member.state.phase == Phase.READY
        await member.driver.close()

    run(test)


def test_a_ready_stageset_is_looked_at_at_its_interval_and_records_nothing():
    async def test(world):
        member = world.member(stageset(interval="10m"))
        await settled()
        version = member.state.version
        timer = member.driver._timer
        ahead_s = timer.when() - asyncio.get_running_loop().time()
        assert 600 * 0.94 < ahead_s < 600 * 1.06
        world.clock.ms += 631_000
        member.driver.kick()
        await settled()
        assert world.inspected == [member]
        # While the look is under way there is nothing to wait for.
        assert member.driver._timer is None
        member.inspected(outdated=False)
        await settled()
        assert member.state.version == version
        assert member.driver._timer is not None
        await member.driver.close()

    run(test)


def test_what_is_outdated_opens_one_run():
    async def test(world):
        member = world.member()
        await settled()
        world.journal.batches.clear()
        member.inspected(outdated=True)
        await settled()
        assert facts(world)[0] == "run.opened"
        assert world.journal.batches[0].drafts[0].event.trigger == "drift"
        assert facts(world).count("run.opened") == 1
        assert member.outdated is False
        assert member.state.phase == Phase.READY
        await member.driver.close()

    run(test)


def test_drift_is_recorded_and_opens_one_run():
    async def test(world):
        member = world.member()
        await settled()
        stage = next(iter(member.state.stages.values()))
        known = next(iter(stage.owned.values()))
        world.journal.batches.clear()

        def found(manager, key=known.id):
            item = e.Item(id=key, v=known.v, action="changed", message=f"/data/x, by {manager}")
            return e.DriftObserved(objects=[item], manager=manager)

        # What was found of a stage later takes the place of what was found before.
        member.drifted(stage.name, [found("nobody")])
        member.drifted(stage.name, [found("hpa"), found("else", key="another"), found("kubectl")])
        await settled()
        drafts = [draft for batch in world.journal.batches for draft in batch.drafts]
        seen = [(draft.stage, draft.event.manager, draft.run) for draft in drafts if draft.actor.id == "drift"]
        assert [one[:2] for one in seen] == [(stage.name, "hpa"), (stage.name, "kubectl")]
        assert all(one[2] for one in seen)
        assert [draft.event.trigger for draft in drafts if isinstance(draft.event, e.RunOpened)] == ["drift"]
        assert member.state.phase == Phase.READY
        await member.driver.close()

    run(test)


def test_drift_of_what_is_going_is_nobodys_concern():
    async def test(world):
        member = world.member()
        await settled()
        stage = next(iter(member.state.stages.values()))
        item = e.Item(id=next(iter(stage.owned)), v="v1", action="gone", message="was deleted")
        member.observed = member.observed._replace(deleting=True)
        member.drifted(stage.name, [e.DriftObserved(objects=[item])])
        await settled()
        assert "drift.observed" not in facts(world)
        await member.driver.close()

    run(test)


def test_a_changed_interval_takes_effect():
    async def test(world):
        member = world.member(stageset(interval="10m"))
        await settled()
        show(member, stageset(interval="1m", metadata={"generation": 2}))
        await settled()
        assert member.state.ready_generation == 2
        ahead_s = member.driver._timer.when() - asyncio.get_running_loop().time()
        assert 55 < ahead_s < 65
        await member.driver.close()

    run(test)


def test_a_failed_run_is_tried_again_when_it_is_due_also_while_its_source_is_away():
    async def test(world):
        world.hands.answers["verify"] = ValueError("x")
        member = world.member()
        await settled()
        assert member.state.phase == Phase.FAILED
        assert 4.9 < member.driver._timer.when() - asyncio.get_running_loop().time() < 5.6
        world.hands.answers.clear()
        world.sources.instead = NOT_READY
        world.clock.ms = member.state.retry_ms
        member.driver.kick()
        await settled()
        assert member.state.phase == Phase.READY
        await member.driver.close()

    run(test)


@pytest.mark.parametrize("why", ["invalid", "unknown"])
def test_a_retry_that_is_due_and_cannot_be_made_does_not_spin(why):
    async def test(world):
        world.hands.answers["verify"] = ValueError("x")
        member = world.member()
        await settled()
        if why == "invalid":
            show(member, stageset({"name": "Not a name"}, metadata={"generation": 2}))
        else:
            world.sources.instead = Unknown()
            show(member, stageset(metadata={"generation": 2}))
        await settled()
        world.clock.ms = member.state.retry_ms + 1
        recorded = len(world.journal.batches)
        member.driver.kick()
        await settled()
        assert member.driver._timer is None
        assert len(world.journal.batches) == recorded
        await member.driver.close()

    run(test)


def test_an_invalid_spec_is_told_once_and_healed_by_a_better_one():
    async def test(world):
        member = world.member(stageset({"name": "Not a name"}))
        await settled()
        assert facts(world) == ["run.blocked"]
        assert member.state.blocked.reason == "InvalidSpec"
        member.driver.kick()
        await settled()
        assert facts(world) == ["run.blocked"]
        show(member, stageset(metadata={"generation": 2}))
        await settled()
        assert member.state.phase == Phase.READY
        assert member.state.blocked is None
        await member.driver.close()

    run(test)


def test_what_is_suspended_stays_so_when_its_spec_is_broken_too():
    async def test(world):
        member = world.member(stageset(suspend=True))
        await settled()
        show(member, stageset({"name": "Not a name"}, suspend=True, metadata={"generation": 2}))
        await settled()
        assert facts(world) == ["operator.suspended"]
        await member.driver.close()

    run(test)


def test_a_stageset_is_deleted_with_an_invalid_spec_and_before_its_first_run():
    async def test(world):
        bad = stageset({"name": "Not a name"}, metadata={"deletionTimestamp": "2030-01-01T00:00:00Z"})
        member = world.member(bad)
        await settled()
        assert member.state.phase == Phase.RELEASED
        assert facts(world) == ["run.opened"]
        show(member, bad)
        await settled()
        assert len(world.journal.batches) == 1
        await member.driver.close()

    run(test)


def test_a_deletion_waits_for_nothing_that_the_run_waits_for():
    async def test(world):
        world.hands.held["verify"] = asyncio.Event()
        member = world.member()
        await settled()
        show(member, stageset(metadata={"deletionTimestamp": "2030-01-01T00:00:00Z", "generation": 2}))
        await settled()
        assert world.hands.cancelled == ["verify db"]
        assert member.state.phase == Phase.RELEASED
        await member.driver.close()

    run(test)


def test_what_is_recorded_is_told_with_the_head_of_the_stream():
    async def test(world):
        member = world.member()
        await settled()
        assert [draft.event for draft in world.outlet.drafts][-1] == e.RunSucceeded()
        assert member.head.number == member.state.version == world.journal.log.version(member.state.stream)
        assert member.head.hash.startswith("sha256:")
        await member.driver.close()

    run(test)


def test_requested_at_is_handled_once():
    async def test(world):
        member = world.member()
        await settled()
        asked = {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}
        for _ in range(3):
            show(member, stageset(metadata=asked))
            await settled()
        assert facts(world).count("run.opened") == 2
        assert member.state.requested_at == "now"
        await member.driver.close()

    run(test)


def test_which_namespaces_it_refers_to():
    async def test(world):
        other = {"name": "db", "sourceRef": {"name": "db", "namespace": "infra"}}
        member = world.member(stageset(other, "app"))
        assert member.refers_to("infra")
        assert member.refers_to("shop")
        assert not member.refers_to("else")
        await settled()
        await member.driver.close()

    run(test)


# ── a ledger that may be older than the world ────────────────────────────────────────────────────────────────────


AHEAD = {"ledger": {"stream": "stageset/shop/rel/0a1b2c3d", "version": 40, "head": "sha256:x"}}


def test_nothing_is_done_or_projected_while_the_world_shows_more_than_the_ledger_has():
    async def test(world):
        member = world.member(stageset(status=AHEAD))
        await settled()
        assert world.recovering == [member]
        show(member, stageset(status=AHEAD, metadata={"resourceVersion": "2"}))
        await settled()
        assert world.recovering == [member]
        assert (member.state.version, world.hands.performed, world.outlet.told) == (0, [], [])
        await member.driver.close()

    run(test)


def test_what_the_world_shows_is_recorded_before_the_first_run():
    async def test(world):
        member = world.member(stageset(status=AHEAD))
        member.recovered(e.StageSetAdopted(shown_version=41, shown_head="sha256:y", why="behind"))
        await settled()
        assert facts(world)[:2] == ["stageset.adopted", "run.opened"]
        assert member.cleared
        assert member.state.phase == Phase.READY
        assert world.outlet.told
        await member.driver.close()

    run(test)


def test_a_ledger_that_turns_out_to_have_it_all_goes_on():
    async def test(world):
        member = world.member(stageset(status=AHEAD))
        member.recovered(None)
        await settled()
        assert facts(world)[0] == "run.opened"
        await member.driver.close()

    run(test)


def test_the_head_of_another_stream_proves_nothing():
    async def test(world):
        ahead = {"ledger": {**AHEAD["ledger"], "stream": "stageset/shop/rel/another"}}
        member = world.member(stageset(status=ahead))
        await settled()
        assert world.recovering == []
        assert member.state.phase == Phase.READY
        await member.driver.close()

    run(test)


def test_what_is_called_for_beside_the_spec_is_waited_for_and_comes_first():
    async def test(world):
        world.beside = False
        member = world.member(stageset())
        await settled()
        assert member.state.version == 0
        found = [Draft(event=e.OperatorRequested(request="reconcile-stage", token="db@1"))]
        world.call = lambda: found.pop() if found else None
        member.driver.kick()
        await settled()
        assert facts(world)[:2] == ["operator.requested", "run.opened"]
        await member.driver.close()

    run(test)


def test_at_rest_the_spec_that_was_read_is_not_kept():
    async def test(world):
        member = world.member()
        await settled()
        assert member.state.phase == Phase.READY
        assert member._parsed is None
        assert member.refers_to("shop")
        assert not member.refers_to("elsewhere")
        assert member._parsed is None
        await member.driver.close()

    run(test)


def test_before_its_spec_was_read_it_is_read_to_tell_its_sources():
    async def test(world):
        member = world.member(stageset(metadata={"finalizers": []}))
        assert member.refers_to("shop")
        await settled()
        await member.driver.close()

    run(test)
