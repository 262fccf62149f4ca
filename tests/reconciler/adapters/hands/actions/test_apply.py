"""An apply action: objects outside the inventory, applied again without harm, awaited where the action says so."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from reconciler.adapters.hands.actions import apply
from reconciler.ports.cluster import Ref
from tests.reconciler.adapters.hands.actions.verb_bench import actions, run, words
from tests.reconciler.adapters.hands.rollout import config_map
from tests.reconciler.adapters.hands.test_variables import CANARY, secret


def deployment(name: str = "web", *, outcome: str = "ready", after: str = "30s") -> dict:
    notes = {"sandbox.stages.metio.wtf/ready-after": after, "sandbox.stages.metio.wtf/outcome": outcome}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "annotations": notes},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
                 "spec": {"containers": [{"name": "c", "image": "i:1"}]}}},
    }  # fmt: skip


def of(bench, *objects, wait: bool = False, seconds: float = 300):
    bench.verb, bench.timeout_s = apply.perform, seconds if wait else 0
    bench.action = {"apply": {"sourceRef": {"name": "act"}, **({"wait": True} if wait else {})}}
    bench.holds(*objects)
    return bench


async def begun(bench, *, first: bool = True) -> asyncio.Task:
    work = asyncio.ensure_future(bench.attempt(first=first))
    await asyncio.sleep(5)
    return work


def test_the_objects_are_applied_and_are_nobody_s_inventory():
    async def test(bench):
        homeless = config_map("a", key="1")
        del homeless["metadata"]["namespace"]
        answer = await of(bench, homeless, config_map("b")).attempt()
        assert (words(answer), answer.event.message) == ("ok  False", "2 objects applied: 2 created")
        live = await bench.get("a")
        assert live["data"] == {"key": "1"}
        assert live["metadata"]["labels"] == {"stages.metio.wtf/name": "rel", "stages.metio.wtf/namespace": "shop"}
        (entry,) = live["metadata"]["managedFields"]
        assert (entry["manager"], entry["operation"]) == ("stageset-controller", "Apply")
        # What is recorded as created would be the stage's, and be pruned.
        assert (actions(answer), bench.reported) == ({"a": "applied", "b": "applied"}, ["applied a", "applied b"])
        assert answer.event.objects[0].uid == live["metadata"]["uid"]
        assert answer.blobs[0] == bench.pin.digest
        assert set(answer.blobs) <= set(bench.journal.blobs)

    run(test)


def test_it_waits_until_they_are_ready():
    async def test(bench):
        work = await begun(of(bench, deployment(), config_map("a"), wait=True))
        assert (work.done(), bench.reported) == (False, ["applied web", "applied a"])
        answer = await work
        assert (answer.outcome, answer.event.message) == (
            "ok",
            "2 objects applied: 2 created; 2 of 2 objects ready",
        )

    run(test)


def test_without_wait_it_does_not():
    async def test(bench):
        before = bench.clock.now_ms()
        assert (await of(bench, deployment(outcome="never")).attempt()).outcome == "ok"
        assert bench.clock.now_ms() == before

    run(test)


def test_the_time_out_says_what_is_not_ready():
    async def test(bench):
        before = bench.clock.now_ms()
        answer = await of(bench, deployment(outcome="never"), config_map("a"), wait=True).attempt()
        assert words(answer) == "failed ApplyTimeout True"
        assert answer.event.message.startswith("timed out: 1 of 2 objects ready; not ready: Deployment shop/web: ")
        assert bench.clock.now_ms() - before == 300_000
        assert actions(answer) == {"web": "applied", "a": "applied"}
        assert answer.event.evidence["objects"][0]["object"] == "Deployment shop/web"

    run(test)


def test_what_failed_for_good_ends_the_wait():
    async def test(bench):
        job = {
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "j", "annotations": {"sandbox.stages.metio.wtf/outcome": "fail"}},
            "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never",
                     "containers": [{"name": "c", "image": "i"}]}}},
        }  # fmt: skip
        answer = await of(bench, job, wait=True, seconds=3600).attempt()
        assert words(answer) == "failed ApplyFailed True"
        assert "Job shop/j" in answer.event.message

    run(test)


def test_an_object_of_another_stageset_is_refused():
    async def test(bench):
        theirs = config_map("a")
        theirs["metadata"]["labels"] = {"stages.metio.wtf/name": "other", "stages.metio.wtf/namespace": "shop"}
        await bench.cluster.create(theirs)
        answer = await of(bench, config_map("a", key="1")).attempt()
        assert words(answer) == "failed OwnedByAnother False"
        assert "belongs to StageSet shop/other" in answer.event.message
        assert (actions(answer), bench.reported) == ({"a": "failed"}, [])

    run(test)


def test_a_refusal_has_the_api_s_status_and_nothing_secret():
    async def test(bench):
        await bench.cluster.create(secret(word=CANARY))
        wrong = config_map("a")
        wrong["metadata"]["labels"] = {"app": "${word} is no label"}
        bench.stage = {**bench.stage, "postBuild": {"substituteFrom": [{"kind": "Secret", "name": "creds"}]}}
        answer = await of(bench, wrong).attempt()
        assert answer.outcome == "failed"
        assert answer.event.message.startswith("ConfigMap shop/a: ")
        assert "[redacted] is no label" in answer.event.evidence["failures"][0]["message"]
        assert CANARY not in repr(answer)

    run(test)


def test_an_artifact_that_cannot_be_had_is_a_failure():
    async def test(bench):
        of(bench, config_map("a"))
        bench.artifacts.bodies.clear()
        answer = await bench.attempt()
        assert words(answer) == "failed FetchFailed True"

    run(test)


def test_killed_in_the_middle_it_applies_again():
    async def test(bench):
        of(bench, config_map("a"), config_map("b"))
        await bench.crashing("apply", when="after", number=1)
        answer = await bench.attempt(first=False)
        assert (answer.outcome, actions(answer)) == ("ok", {"a": "applied", "b": "applied"})
        assert len(bench.artifacts.fetched) == 1

    run(test)


def test_killed_while_it_waits_it_waits_on_and_writes_nothing():
    async def test(bench):
        work = await begun(of(bench, deployment(), config_map("a"), wait=True))
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        writes = bench.counts("apply")
        answer = await bench.attempt(first=False)
        assert (answer.outcome, bench.counts("apply")) == ("ok", writes)

    run(test)


def test_what_changed_meanwhile_is_applied_again():
    async def test(bench):
        work = await begun(of(bench, deployment(), config_map("a", key="1"), wait=True))
        work.cancel()
        await bench.change("a", key="2")
        assert (await bench.attempt(first=False)).outcome == "ok"
        assert (await bench.get("a"))["data"] == {"key": "1"}

    run(test)


def test_after_an_absence_that_outlasted_the_deadline_there_is_time_for_a_look():
    async def test(bench):
        work = await begun(of(bench, deployment(), wait=True))
        work.cancel()
        await asyncio.sleep(3600)
        assert (await bench.attempt(first=False)).outcome == "ok"

    run(test)


def test_cancelled_it_leaves_nothing_behind():
    async def test(bench):
        work = await begun(of(bench, deployment(), wait=True))
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert work.cancelled()
        assert {report.subscribers for report in bench.clusters.own.watches.report()} == {0}

    run(test)


def test_nothing_is_applied_after_the_action_s_time():
    async def test(bench):
        of(bench, config_map("a"))
        bench.begin()
        acting = bench.acting(first=True)._replace(deadline_ms=bench.clock.now_ms())
        answer = await apply.perform(acting)
        assert words(answer) == "failed ActionTimeout True"
        assert bench.counts("apply") == 0

    run(test)


def test_it_acts_as_the_stage_s_identity():
    async def test(bench):
        bench.account = "deployer"
        answer = await of(bench, config_map("a")).attempt()
        assert words(answer) == "failed Forbidden False"
        assert "system:serviceaccount:shop:deployer" in answer.event.message

    run(test)


def test_a_record_of_another_render_does_not_save_the_request():
    async def test(bench):
        of(bench, config_map("a", key="1"))
        first = await bench.attempt()
        assert first.outcome == "ok"
        item = replace(first.event.objects[0], digest="sha256:other")
        await bench.cluster.patch(Ref("v1", "ConfigMap", "shop", "a"), {"data": {"key": "9"}}, type="merge")
        bench.items = {item.id: replace(item, rv=(await bench.get("a"))["metadata"]["resourceVersion"])}
        assert (await bench.attempt(first=False)).outcome == "ok"
        assert (await bench.get("a"))["data"] == {"key": "1"}

    run(test)
