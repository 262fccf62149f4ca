"""The hands as one: a stage rolls out, is pruned and torn down, and a restart in the middle changes nothing."""

from __future__ import annotations

import asyncio

import pytest

from ledger.events import BuildFinished, FetchFinished, PruneFinished
from reconciler.adapters.hands import prune
from reconciler.api import names
from reconciler.errors import NotFound
from reconciler.ports.cluster import Ref
from reconciler.transitions import Phase
from tests.reconciler.adapters.hands.rollout import TARGET, config_map, one_stage, run


def test_a_stage_rolls_out_and_what_it_drops_is_pruned():
    async def test(rollout):
        rollout.open(one_stage(), db=[config_map("a", key="1"), config_map("b")])
        await rollout.rest()
        assert rollout.stream.state.phase == Phase.READY
        live = await rollout.get("ConfigMap", "a")
        assert live["data"] == {"key": "1"}
        assert live["metadata"]["labels"]["stages.metio.wtf/stage"] == "db"
        owned = rollout.stream.state.stages["db"].owned
        assert owned["shop_a__ConfigMap"].uid == live["metadata"]["uid"]
        rollout.open(one_stage(), db=[config_map("a", key="2")])
        await rollout.rest()
        assert (await rollout.get("ConfigMap", "a"))["data"] == {"key": "2"}
        with pytest.raises(NotFound):
            await rollout.get("ConfigMap", "b")
        assert list(rollout.stream.state.stages["db"].owned) == ["shop_a__ConfigMap"]

    run(test)


@pytest.mark.parametrize("operation", ["connect", "fetch", "build", "apply", "verify"])
def test_a_restart_before_any_operation_changes_nothing(operation):
    async def test(rollout):
        rollout.open(one_stage(), db=[config_map("a", key="1")])
        await rollout.until(operation)
        rollout.restart()
        await rollout.rest()
        assert rollout.stream.state.phase == Phase.READY
        assert len(rollout.artifacts.fetched) == 1

    run(test)


def test_an_operation_that_is_performed_twice_has_the_same_answer():
    async def test(rollout):
        rollout.open(one_stage(), db=[config_map("a", key="1")])
        await rollout.until("apply")
        first = await rollout.performer.perform(rollout.order())
        second = await rollout.performer.perform(rollout.order())
        assert first.outcome == second.outcome == "ok"
        assert [one.uid for one in first.event.objects] == [one.uid for one in second.event.objects]

    run(test)


def test_an_artifact_that_is_kept_needs_no_server():
    async def test(rollout):
        rollout.open(one_stage(), db=[config_map("a")])
        await rollout.rest()
        rollout.artifacts.bodies.clear()
        rollout.open(one_stage(timeout="3m"), db=[config_map("a")])
        rollout.artifacts.bodies.clear()
        await rollout.rest()
        assert rollout.stream.state.phase == Phase.READY
        event = rollout.answers["fetch"].event
        assert isinstance(event, FetchFinished)
        assert event.kept
        assert rollout.answers["fetch"].blobs == (rollout.stream.state.run.plans[0].pin.digest,)

    run(test)


def test_one_download_for_all_who_want_the_same_and_a_superseded_one_stops_nobody():
    async def test(rollout):
        rollout.artifacts.held = asyncio.Event()
        rollout.open(one_stage(), db=[config_map("a")])
        await rollout.until("fetch")
        perform = rollout.performer.perform
        one, two = (asyncio.ensure_future(perform(rollout.order())) for _ in "12")
        await asyncio.sleep(0.01)
        one.cancel()
        rollout.artifacts.held.set()
        assert (await two).outcome == "ok"
        assert len(rollout.artifacts.fetched) == 1
        assert rollout.performer._fetching == {}

    run(test)


def test_a_server_that_is_away_fails_the_fetch():
    async def test(rollout):
        rollout.open(one_stage(), db=[config_map("a")])
        rollout.artifacts.bodies.clear()
        await rollout.rest()
        failure = rollout.stream.state.failure
        assert (failure.operation, failure.reason, failure.retryable) == ("fetch artifact", "FetchFailed", True)

    run(test)


def test_wires_are_forgotten_with_their_run():
    async def test(rollout):
        rollout.open(one_stage(), db=[config_map("a")])
        await rollout.until("apply")
        assert [(target, stage) for target, (stage, _) in rollout.performer._wires.items()] == [(TARGET, "db")]
        rollout.performer.forget(TARGET)
        assert rollout.performer._wires == {}
        await rollout.rest()

    run(test)


def test_a_missing_blob_says_that_it_is_fetched_again():
    async def test(rollout):
        rollout.open(one_stage(), db=[config_map("a")])
        await rollout.until("build")
        rollout.tools.journal.blobs.clear()
        await rollout.perform()
        assert rollout.stream.state.failure.reason == "ArtifactMissing"
        assert rollout.stream.state.failure.retryable

    run(test)


# ── connect, apply, prune ────────────────────────────────────────────────────────────────────────────────────────


def test_connect_asks_as_the_stages_identity():
    async def test(rollout):
        rollout.open(one_stage(), db=[config_map("a")])
        answer = await rollout.perform()
        assert answer.event.server.startswith("v1.")

    run(test)


def test_a_service_account_that_does_not_exist_is_named():
    async def test(rollout):
        rollout.open(one_stage(serviceAccountName="ghost"), db=[config_map("a")])
        await rollout.rest()
        failure = rollout.stream.state.failure
        assert (failure.operation, failure.reason, failure.retryable) == ("connect to target cluster", "NotFound", True)
        assert failure.message == ("ServiceAccount shop/ghost does not exist: create it, or correct serviceAccountName")

    run(test)


def test_an_identity_that_may_not_apply_fails_with_the_apis_words_and_makes_nothing():
    async def test(rollout):
        await rollout.cluster.create(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "weak", "namespace": "shop"}}
        )
        rollout.open(one_stage(serviceAccountName="weak"), db=[config_map("a")])
        await rollout.rest()
        failure = rollout.stream.state.failure
        assert (failure.operation, failure.reason) == ("apply", "Forbidden")
        assert "system:serviceaccount:shop:weak" in failure.message
        with pytest.raises(NotFound):
            await rollout.get("ConfigMap", "a")

    run(test)


def test_an_apply_that_fails_half_way_owns_what_it_made():
    async def test(rollout):
        bad = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "bad", "namespace": "shop"},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "other"}},
                    "spec": {"containers": [{"name": "c", "image": "i"}]},
                },
            },
        }
        rollout.open(one_stage(), db=[config_map("a"), bad])
        await rollout.rest()
        state = rollout.stream.state
        assert state.failure.operation == "apply"
        assert rollout.answers["apply"].outcome == "failed"
        assert rollout.answers["apply"].event.evidence["failures"]
        live = await rollout.get("ConfigMap", "a")
        assert state.stages["db"].owned["shop_a__ConfigMap"].uid == live["metadata"]["uid"]
        assert state.stages["db"].owned["shop_bad_apps_Deployment"].uid == ""

    run(test)


def test_pruning_leaves_what_is_anothers_or_opted_out_and_lets_go_of_it():
    async def test(rollout):
        rollout.open(one_stage(), db=[config_map(name) for name in ("a", "taken", "keep", "old")])
        await rollout.rest()
        relabel = {"metadata": {"labels": {names.LABEL_NAME: "other"}}}
        await rollout.cluster.patch(Ref("v1", "ConfigMap", "shop", "taken"), relabel, type="merge")
        opt_out = {"metadata": {"annotations": {names.PRUNE: "disabled"}}}
        await rollout.cluster.patch(Ref("v1", "ConfigMap", "shop", "keep"), opt_out, type="merge")
        rollout.open(one_stage(), db=[config_map("a")])
        await rollout.rest()
        event = rollout.answers["prune"].event
        assert isinstance(event, PruneFinished)
        done = {one.id.split("_")[1]: one.action for one in event.objects}
        assert done["old"] == "deleted"
        assert (done["keep"], done["taken"]) == ("released", "released")
        assert await rollout.get("ConfigMap", "taken")
        assert await rollout.get("ConfigMap", "keep")
        assert list(rollout.stream.state.stages["db"].owned) == ["shop_a__ConfigMap"]

    run(test)


def test_a_teardown_waits_for_finalizers_and_keeps_what_is_left(monkeypatch):
    monkeypatch.setattr(prune, "_LOOKS", 2)
    monkeypatch.setattr(prune, "_PAUSE_S", 0)

    async def test(rollout):
        stuck = config_map("stuck")
        stuck["metadata"]["finalizers"] = ["their/finalizer"]
        rollout.open(one_stage(), db=[config_map("a"), stuck])
        await rollout.rest()
        rollout.open(one_stage(), trigger="deletion")
        await rollout.rest()
        failure = rollout.stream.state.failure
        assert (failure.operation, failure.reason, failure.retryable) == ("prune", "Terminating", True)
        assert "ConfigMap shop/stuck" in failure.message
        assert list(rollout.stream.state.stages["db"].owned) == ["shop_stuck__ConfigMap"]
        gone = {"metadata": {"finalizers": None}}
        await rollout.cluster.patch(Ref("v1", "ConfigMap", "shop", "stuck"), gone, type="merge")
        rollout.open(one_stage(), trigger="deletion")
        await rollout.rest()
        assert rollout.stream.state.phase == Phase.RELEASED

    run(test)


def test_a_build_names_every_object_it_renders():
    async def test(rollout):
        rollout.open(one_stage(), db=[config_map("b"), config_map("a")])
        await rollout.until("apply")
        event = rollout.answers["build"].event
        assert isinstance(event, BuildFinished)
        assert sorted(one.id for one in event.objects) == ["shop_a__ConfigMap", "shop_b__ConfigMap"]
        assert rollout.answers["build"].blobs == (event.manifests,)

    run(test)
