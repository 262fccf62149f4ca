"""A Job runs only after its UID is on record: whoever cannot record it any more creates one that never runs."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.adapters.hands.actions.job_start import QUEUE, WAITS, is_waiting, started, waiting, withdrawn
from reconciler.adapters.memory import faults, status
from reconciler.errors import Forbidden, OperationError
from reconciler.ports.cluster import Ref, Scope
from tests.reconciler.adapters.hands.actions.job_bench import OLD_KEY, Through, a_job, copy_of, run, words

_DENIED = status.make(Forbidden, 'jobs.batch "x" is forbidden')


def _ref(live) -> Ref:
    return Ref("batch/v1", "Job", "shop", live["metadata"]["name"])


async def _pods(bench) -> list[str]:
    return [pod["metadata"]["name"] for pod in (await bench.admin.list(Scope("v1", "Pod", "shop"))).items]


# ── what is created ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("suspend", [{}, {"suspend": False}])
def test_a_job_is_created_suspended_and_says_what_for(suspend):
    wire = waiting(a_job(**suspend))
    assert wire["spec"]["suspend"] is True
    assert is_waiting(wire)
    assert not is_waiting(a_job())


@pytest.mark.parametrize("whose", ["its own", "a queue's", "a custom kind"])
def test_what_somebody_else_starts_is_created_as_it_is(whose):
    wire = a_job(suspend=True) if whose == "its own" else a_job()
    if whose == "a queue's":
        wire["metadata"]["labels"] = {QUEUE: "nightly"}
    if whose == "a custom kind":
        wire |= {"apiVersion": "example.com/v1"}
    assert waiting(wire) == wire


def test_it_is_started_when_its_uid_is_on_record_and_not_before():
    async def test(bench):
        seen = []
        report = bench.report

        async def looking(items, message):
            await asyncio.sleep(60)
            seen.append(([item.action for item in items], await _pods(bench)))
            await report(items, message)

        acting = bench.acting(first=True)._replace(report=looking)
        assert (await bench.perform(acting)).outcome == "ok"
        assert seen == [(["planned"], []), (["created"], [])]
        live = await bench.the_job()
        assert live["spec"]["suspend"] is False
        assert WAITS not in live["metadata"]["labels"]
        assert len(await _pods(bench)) == 1

    run(test)


def test_a_creation_that_arrives_when_it_cannot_be_recorded_any_more_runs_nothing():
    async def test(bench):
        late = bench.acting(first=True)
        assert (await bench.attempt(first=True)).outcome == "ok"
        await bench.remove(await bench.the_job())

        async def refused(items, message):
            if items[0].action == "created":
                await asyncio.get_running_loop().create_future()

        work = asyncio.ensure_future(bench.perform(late._replace(report=refused)))
        await asyncio.sleep(120)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert is_waiting(await bench.the_job())
        assert await _pods(bench) == []

    run(test)


def test_a_job_that_its_manifest_suspends_is_left_to_whoever_starts_it():
    async def test(bench):
        bench.objects = [a_job(suspend=True)]
        work = asyncio.ensure_future(bench.attempt(first=True))
        live = await bench.under_way()
        assert live["spec"]["suspend"] is True
        assert not is_waiting(live)
        await bench.admin.patch(_ref(live), {"spec": {"suspend": False}}, type="merge")
        assert (await work).outcome == "ok"

    run(test)


# ── whatever dies when ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("verb", ["create", "patch"])
def test_after_a_crash_beside_a_request_it_runs_once(first, verb):
    async def test(bench):
        await bench.crashing_after(verb)
        await asyncio.sleep(60)
        assert len(await _pods(bench)) == (verb == "patch")
        assert (await bench.attempt(first=first)).outcome == "ok"
        assert len(await _pods(bench)) == 1
        assert [one.split()[0] for one in bench.reported] == ["planned", "created"]

    run(test)


def test_after_a_crash_with_the_uid_on_record_it_is_started():
    async def test(bench):
        await bench.crashing(2)
        await asyncio.sleep(60)
        assert await _pods(bench) == []
        assert (await bench.attempt()).outcome == "ok"
        assert len(await _pods(bench)) == 1
        assert len(bench.effects) == 1

    run(test)


def test_a_job_that_somebody_suspends_while_it_runs_is_not_started_against_them():
    async def test(bench):
        bench.objects = [a_job(after="100s")]
        await bench.crashing_after("patch")
        live = await bench.the_job()
        await bench.admin.patch(_ref(live), {"spec": {"suspend": True}}, type="merge")
        work = asyncio.ensure_future(bench.attempt())
        await asyncio.sleep(200)
        assert (await bench.the_job())["spec"]["suspend"] is True
        await bench.admin.patch(_ref(live), {"spec": {"suspend": False}}, type="merge")
        assert (await work).outcome == "ok"

    run(test)


def test_nothing_is_started_after_the_deadline():
    async def test(bench):
        await bench.crashing(2)
        bench.timeout_s = -1
        answer = await bench.attempt()
        assert words(answer) == "failed JobTimeout True"
        assert answer.event.message.startswith("the time of the action was over before Job shop/migrate-")
        assert await _pods(bench) == []

    run(test)


def test_one_that_is_gone_before_it_is_started_is_in_doubt():
    class Gone(Through):
        async def patch(self, ref, patch, **options):
            await self.cluster.delete(ref)
            return await self.cluster.patch(ref, patch, **options)

    async def test(bench):
        bench.cluster = Gone(bench.admin)
        answer = await bench.attempt(first=True)
        assert words(answer) == "indeterminate Indeterminate False"
        assert len(bench.effects) == 2

    run(test)


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_is_lost_is_looked_for(when):
    async def test(bench):
        script = faults.Script(bench.admin.hooks)
        script.add("patch", faults.timed_out() if when == "after" else faults.unavailable(), kind="Job", when=when)
        assert (await bench.attempt(first=True)).outcome == "ok"
        assert len(await _pods(bench)) == 1

    run(test)


def test_a_start_that_is_refused_fails_the_action_and_may_follow_later():
    async def test(bench):
        script = faults.Script(bench.admin.hooks)
        script.add("patch", _DENIED, kind="Job")
        answer = await bench.attempt(first=True)
        assert words(answer) == "failed Forbidden False"
        assert "Job shop/migrate-" in answer.event.message
        assert await _pods(bench) == []
        assert (await bench.attempt()).outcome == "ok"
        assert len(bench.effects) == 1

    run(test)


def test_another_job_of_its_name_is_not_started():
    async def test(bench):
        await bench.crashing(2)
        before = await bench.the_job()
        await bench.remove(before)
        await bench.admin.create(waiting(copy_of(before)))
        now = await started(bench.admin, _ref(before), before)
        assert now is not None
        assert is_waiting(now)
        assert await started(bench.admin, _ref(before)._replace(name="other"), before) is None

    run(test)


def test_the_server_is_asked_to_refuse_what_is_another_job_or_was_started_before():
    class Sent(Through):
        async def patch(self, ref, patch, **options):
            sent.extend(one for one in patch if one["op"] == "test")
            return await self.cluster.patch(ref, patch, **options)

    async def test(bench):
        await bench.crashing(2)
        live = await bench.the_job()
        await started(Sent(bench.admin), _ref(live), live)
        assert [(one["path"].split("/")[2], one["value"]) for one in sent] == [
            ("uid", live["metadata"]["uid"]),
            ("labels", "true"),
        ]

    sent: list = []
    run(test)


# ── withdrawn ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("report", [1, 2])
def test_one_of_an_older_revision_that_was_never_started_is_taken_away_at_once(report):
    async def test(bench):
        bench.key = OLD_KEY
        if report == 1:
            await bench.crashing_after("create")
        else:
            await bench.crashing(2)
        old = await bench.the_job()
        bench.earlier, bench.items, bench.key = tuple(bench.items.values()), {}, "a" * 64
        begun = bench.clock.now_ms()
        assert (await bench.attempt(first=True)).outcome == "ok"
        assert bench.clock.now_ms() - begun < 20_000
        assert await bench.gone(old) or (await bench.the_job())["metadata"]["uid"] != old["metadata"]["uid"]
        assert len(await _pods(bench)) == 1

    run(test)


def test_one_that_is_started_at_the_same_moment_is_not_withdrawn():
    class Starting(Through):
        async def delete(self, ref, **options):
            await started(self.cluster, ref, live)
            await self.cluster.delete(ref, **options)

    async def test(bench):
        nonlocal live
        await bench.crashing(2)
        live = await bench.the_job()
        now = await withdrawn(Starting(bench.admin), _ref(live), live)
        assert now is not None
        assert (now["metadata"]["uid"], is_waiting(now)) == (live["metadata"]["uid"], False)

    live: dict = {}
    run(test)


def test_one_that_cannot_be_withdrawn_holds_the_newer_one_back():
    async def test(bench):
        await bench.crashing(2)
        live = await bench.the_job()
        faults.Script(bench.admin.hooks).add("delete", _DENIED, kind="Job")
        with pytest.raises(OperationError, match="Job shop/migrate-"):
            await withdrawn(bench.admin, _ref(live), live)

    run(test)
