"""Whatever dies when: a Job is created once, and its end is seen."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.adapters.memory import faults
from reconciler.errors import OperationError
from tests.reconciler.adapters.hands.actions.job_bench import a_job, actions, run, words


@pytest.mark.parametrize("first", [True, False])
def test_after_a_crash_before_the_creation_it_is_created_once(first):
    async def test(bench):
        await bench.crashing(1)
        assert bench.effects == []
        answer = await bench.attempt(first=first)
        assert answer.outcome == "ok"
        assert len(bench.effects) == 1
        # What is on record already is not recorded again.
        assert [one.split()[0] for one in bench.reported] == ["planned", "created"]

    run(test)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("pause_s", [0, 60])
def test_after_a_crash_with_the_uid_on_record_it_is_watched_on(first, pause_s):
    async def test(bench):
        await bench.crashing(2)
        await asyncio.sleep(pause_s)
        answer = await bench.attempt(first=first)
        assert answer.outcome == "ok"
        assert len(bench.effects) == 1
        assert [one.split()[0] for one in bench.reported] == ["planned", "created"]

    run(test)


def test_what_runs_needs_nothing_of_the_artifact_any_more():
    async def test(bench):
        await bench.crashing(2)
        bench.render_error = OperationError("the artifact is gone", reason="FetchFailed", retryable=True)
        assert (await bench.attempt()).outcome == "ok"

    run(test)


def test_what_was_planned_under_another_name_is_not_waited_for():
    async def test(bench):
        await bench.crashing(1)
        bench.objects = [a_job("renamed")]
        await bench.crashing(2)
        bench.render_error = OperationError("the artifact is gone", reason="FetchFailed", retryable=True)
        assert (await bench.attempt()).outcome == "ok"

    run(test)


@pytest.mark.parametrize("pause_s", [0, 60])
@pytest.mark.parametrize("outcome", ["ready", "fail"])
def test_after_a_crash_between_creation_and_record_it_is_found_by_its_name(pause_s, outcome):
    async def test(bench):
        bench.objects = [a_job(outcome=outcome)]
        planned = {}

        async def dying(items, message):
            if any(item.action == "created" for item in items):
                raise RuntimeError("killed")
            planned.update({item.id: item for item in items})

        acting = bench.acting(first=True)._replace(report=dying)
        with pytest.raises(RuntimeError, match="killed"):
            await bench.perform(acting)
        bench.items = dict(planned)
        await asyncio.sleep(pause_s)
        answer = await bench.attempt()
        assert answer.outcome == {"ready": "ok", "fail": "failed"}[outcome]
        assert len(bench.effects) == 1
        # The core learns that it is ours to delete, however it ended.
        assert [one.split()[0] for one in bench.reported] == ["created"]

    run(test)


def test_an_answer_lost_on_the_way_is_looked_for():
    async def test(bench):
        faults.Script(bench.admin.hooks).add("create", faults.timed_out(), kind="Job", when="after")
        answer = await bench.attempt(first=True)
        assert answer.outcome == "ok"
        assert len(await bench.jobs()) == 1

    run(test)


def test_a_creation_that_did_not_arrive_fails_and_may_be_tried_again():
    async def test(bench):
        faults.Script(bench.admin.hooks).add("create", faults.unavailable(), kind="Job")
        answer = await bench.attempt(first=True)
        assert words(answer) == "failed ServiceUnavailable True"
        assert answer.event.message.startswith("Job shop/migrate-")
        assert actions(answer) == ["planned"]
        assert (await bench.attempt()).outcome == "ok"

    run(test)


def test_cancelled_while_it_waits_it_leaves_the_job():
    async def test(bench):
        bench.objects = [a_job(after="1m")]
        work = asyncio.ensure_future(bench.perform(first=True))
        before = await bench.under_way()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await asyncio.sleep(120)
        (after,) = await bench.jobs()
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert after["status"]["succeeded"] == 1
        assert (await bench.attempt()).outcome == "ok"
        assert len(bench.effects) == 1

    run(test)
