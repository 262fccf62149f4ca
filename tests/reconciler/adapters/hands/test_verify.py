"""Verify: ready, failed for good, or late; with evidence, and with time for a look after a long absence."""

from __future__ import annotations

import asyncio

import pytest

from ledger.events import VerifyFinished
from reconciler.adapters.hands import verify
from reconciler.transitions import Phase
from tests.reconciler.adapters.hands.rollout import config_map, one_stage, run
from tests.reconciler.adapters.world import settled


def deployment(name: str, *, outcome: str = "ready", after: str = "0s") -> dict:
    notes = {"sandbox.stages.metio.wtf/ready-after": after, "sandbox.stages.metio.wtf/outcome": outcome}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "annotations": notes},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
                 "spec": {"containers": [{"name": "c", "image": "i:1"}]}}},
    }  # fmt: skip


async def verified(rollout, *, seconds: int = 30):
    """Verify while the cluster's time goes on."""
    work = asyncio.ensure_future(rollout.performer.perform(rollout.order()))
    for _ in range(seconds * 2):
        await settled(rollout.cluster)
        rollout.clock.ms += 500
        if work.done():
            break
    return await work


def test_it_is_ready_when_its_objects_are():
    async def test(rollout):
        rollout.open(one_stage(), db=[deployment("web", after="3s"), config_map("a")])
        await rollout.until("verify")
        answer = await verified(rollout)
        assert (answer.outcome, answer.event) == ("ok", VerifyFinished(message="2 of 2 objects ready"))

    run(test)


def test_it_is_late_and_says_what_is_not_ready():
    async def test(rollout):
        rollout.open(one_stage(timeout="50ms"), db=[deployment("web", outcome="never"), config_map("a")])
        await rollout.until("verify")
        answer = await verified(rollout)
        event = answer.event
        assert (answer.outcome, event.reason, event.retryable) == ("failed", "VerifyTimeout", True)
        assert event.message.startswith("timed out: 1 of 2 objects ready; not ready: Deployment shop/web")
        assert [one.id for one in event.objects] == ["shop_web_apps_Deployment"]
        assert event.evidence

    run(test)


def test_what_failed_for_good_fails_at_once():
    async def test(rollout):
        job = {
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "j", "namespace": "shop",
                         "annotations": {"sandbox.stages.metio.wtf/outcome": "fail"}},
            "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never",
                     "containers": [{"name": "c", "image": "i"}]}}},
        }  # fmt: skip
        rollout.open(one_stage(timeout="1h"), db=[job])
        await rollout.until("verify")
        answer = await verified(rollout, seconds=120)
        assert (answer.outcome, answer.event.reason) == ("failed", "VerifyFailed")
        assert "Job shop/j" in answer.event.message

    run(test)


def test_nothing_is_waited_for_where_it_is_not_wanted():
    async def test(rollout):
        rollout.open(one_stage(readyChecks={"disableWait": True}), db=[deployment("web", outcome="never")])
        await rollout.rest()
        assert rollout.stream.state.phase == Phase.READY

    run(test)


def test_after_an_absence_that_outlasted_the_deadline_there_is_time_for_a_look():
    async def test(rollout):
        rollout.open(one_stage(timeout="1m"), db=[deployment("web", after="1s")])
        await rollout.until("verify")
        rollout.clock.ms += 3_600_000
        await settled(rollout.cluster)
        rollout.restart()
        answer = await verified(rollout)
        assert answer.outcome == "ok"

    run(test)


@pytest.mark.parametrize(("late_ms", "left_ms"), [(0, 60_000), (10_000, 50_000), (59_000, 5_000), (3_600_000, 5_000)])
def test_how_long_it_has(late_ms, left_ms):
    async def test(rollout):
        rollout.open(one_stage(timeout="1m"), db=[config_map("a")])
        await rollout.until("verify")
        state = rollout.stream.state
        now_ms = state.pending.since_ms + late_ms
        assert verify._left_ms(state.pending.event, state, now_ms=now_ms) == left_ms

    run(test)
