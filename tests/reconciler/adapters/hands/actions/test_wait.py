"""A wait action: a time, or an expression; nothing is asked while nothing changes, and only fresh states count."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.adapters.hands.actions import wait
from reconciler.adapters.memory import faults
from reconciler.errors import Forbidden
from reconciler.ports.cluster import Ref
from tests.reconciler.adapters.hands.actions.verb_bench import run, words
from tests.reconciler.adapters.hands.rollout import config_map

READY = "metadata.annotations['state'] == 'ready'"


def pause(bench, duration: str, seconds: float):
    bench.verb, bench.action, bench.timeout_s = wait.perform, {"wait": {"duration": duration}}, seconds
    return bench


def until(bench, expr: str = READY, *, seconds: float = 300, **target: str):
    bench.verb, bench.timeout_s = wait.perform, seconds
    bench.action = {"wait": {"target": {"kind": "ConfigMap", "name": "a", **target}, "expr": expr}}
    return bench


def marked(state: str) -> dict:
    obj = config_map("a")
    obj["metadata"]["annotations"] = {"state": state}
    return obj


async def mark(bench, state: str) -> None:
    note = {"metadata": {"annotations": {"state": state}}}
    await bench.cluster.patch(Ref("v1", "ConfigMap", "shop", "a"), note, type="merge")


async def begun(bench, *, first: bool = True) -> asyncio.Task:
    work = asyncio.ensure_future(bench.attempt(first=first))
    await asyncio.sleep(10)
    return work


def test_a_duration_ends_at_its_time_and_asks_nothing():
    async def test(bench):
        requests = dict(bench.cluster.hooks.counts)
        before = bench.clock.now_ms()
        answer = await pause(bench, "30m", 1800).attempt()
        assert (answer.outcome, answer.event.message) == ("ok", "waited 30m")
        assert bench.clock.now_ms() - before == 1_800_000
        assert bench.cluster.hooks.counts == requests

    run(test)


@pytest.mark.parametrize(("away_s", "waits_s"), [(600, 1200), (3600, 0)])
def test_after_a_restart_a_duration_goes_on_from_where_it_began(away_s, waits_s):
    async def test(bench):
        work = await begun(pause(bench, "30m", 1800))
        work.cancel()
        await asyncio.sleep(away_s - 10)
        before = bench.clock.now_ms()
        assert (await bench.attempt(first=False)).outcome == "ok"
        assert bench.clock.now_ms() - before == waits_s * 1000

    run(test)


def test_a_clock_that_is_set_forward_ends_a_duration_early_rather_than_never():
    async def test(bench):
        work = await begun(pause(bench, "30m", 1800))
        bench.clock.skew_ms += 1_800_000
        await asyncio.sleep(60)
        assert work.done()
        await work

    run(test)


def test_with_nothing_to_wait_for_it_is_over():
    async def test(bench):
        bench.verb, bench.action, bench.timeout_s = wait.perform, {"wait": {}}, 300
        answer = await bench.attempt()
        assert (answer.outcome, answer.event.message) == ("ok", "there was nothing to wait for")
        bench.action = {"wait": {"duration": "0s"}}
        assert (await bench.attempt()).event.message == "there was nothing to wait for"

    run(test)


def test_it_hears_of_the_change_and_is_done():
    async def test(bench):
        await until(bench).cluster.create(marked("busy"))
        work = await begun(bench)
        await mark(bench, "ready")
        await asyncio.sleep(1)
        assert work.done()
        answer = await work
        assert answer.event.message == f"ConfigMap shop/a: `{READY}` is true"
        (item,) = answer.event.objects
        assert (item.id, item.action) == ("shop_a__ConfigMap", "current")
        assert item.rv == (await bench.get("a"))["metadata"]["resourceVersion"]

    run(test)


def test_waiting_costs_no_request():
    async def test(bench):
        await until(bench, seconds=3600).cluster.create(marked("busy"))
        work = await begun(bench)
        before = dict(bench.cluster.hooks.counts)
        await asyncio.sleep(3000)
        asked = {verb: count - before.get(verb, 0) for verb, count in bench.cluster.hooks.counts.items()}
        assert (asked["get"], asked["list"]) == (0, 0)
        work.cancel()

    run(test)


def test_an_object_that_does_not_exist_yet_is_not_yet_true():
    async def test(bench):
        work = await begun(until(bench))
        await bench.cluster.create(marked("ready"))
        await asyncio.sleep(1)
        assert (await work).outcome == "ok"

    run(test)


def test_a_kind_that_is_not_installed_yet_is_waited_for():
    async def test(bench):
        work = await begun(until(bench, "spec.done", kind="Gizmo", apiVersion="example.test/v1", name="g"))
        schema = {
            "type": "object",
            "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        }
        await bench.cluster.create({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "gizmos.example.test"},
            "spec": {"group": "example.test", "scope": "Cluster", "names": {"plural": "gizmos", "kind": "Gizmo"},
                     "versions": [{"name": "v1", "served": True, "storage": True,
                                   "schema": {"openAPIV3Schema": schema}}]},
        })  # fmt: skip
        await asyncio.sleep(60)
        assert not work.done()
        gizmo = {"apiVersion": "example.test/v1", "kind": "Gizmo", "metadata": {"name": "g"}, "spec": {"done": True}}
        await bench.cluster.create(gizmo)
        await asyncio.sleep(1)
        assert (await work).event.objects[0].id == "_g_example.test_Gizmo"

    run(test)


def test_what_a_watch_still_had_in_memory_does_not_count():
    async def test(bench):
        await until(bench).cluster.create(marked("ready"))
        assert (await bench.attempt()).outcome == "ok"
        # The watch lives on for a while, and does not hear of this change.
        bench.cluster.drop_watches()
        bench.faults.add("watch", faults.unavailable())
        await mark(bench, "busy")
        work = await begun(bench)
        assert not work.done()
        await mark(bench, "ready")
        assert (await work).outcome == "ok"

    run(test)


def test_a_kind_of_which_watches_keep_little_is_seen_in_full():
    async def test(bench):
        await until(bench, "metadata.labels['done'] == 'yes'").cluster.create(config_map("a"))
        bench.clusters.own.watches._project = lambda scope, found: {
            "metadata": {key: found["metadata"].get(key) for key in ("name", "namespace", "resourceVersion")}
        }
        work = await begun(bench)
        label = {"metadata": {"labels": {"done": "yes"}}}
        await bench.cluster.patch(Ref("v1", "ConfigMap", "shop", "a"), label, type="merge")
        assert (await work).outcome == "ok"

    run(test)


def test_the_time_out_says_what_was_seen_last():
    async def test(bench):
        await until(bench).cluster.create(marked("busy"))
        answer = await bench.attempt()
        assert words(answer) == "failed WaitTimeout True"
        version = (await bench.get("a"))["metadata"]["resourceVersion"]
        assert answer.event.message == (
            f"timed out: ConfigMap shop/a: `{READY}` did not become true: it was false at resourceVersion {version}"
        )
        assert answer.event.evidence["expression"] == READY
        assert answer.event.evidence["live"]["metadata"]["name"] == "a"

    run(test)


def test_the_time_out_says_that_the_object_does_not_exist_or_cannot_be_read():
    async def test(bench):
        answer = await until(bench).attempt()
        assert answer.event.message.endswith("did not become true: the object does not exist")
        await bench.cluster.create(marked("busy"))
        bench.account = "deployer"
        answer = await bench.attempt()
        assert 'the object cannot be read: configmaps "a" is forbidden' in answer.event.message
        assert "give system:serviceaccount:shop:deployer a Role that allows get on configmaps" in answer.event.message
        assert "kind: RoleBinding" in answer.event.evidence["grant"]

    run(test)


def test_an_expression_that_gives_no_answer_is_told_with_its_reason():
    async def test(bench):
        await until(bench, "status.replicas > 1").cluster.create(config_map("a"))
        answer = await bench.attempt()
        assert words(answer) == "failed WaitTimeout True"
        assert "`status.replicas > 1` did not become true: there is no field replicas (at" in answer.event.message

    run(test)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"expr": "true"}, "wait.expr needs wait.target, the object that it looks at: add it"),
        (
            {"expr": "spec.", "target": {"kind": "ConfigMap", "name": "a"}},
            "wait.expr: the CEL expression `spec.` is wrong at line 1",
        ),
        ({"expr": "true", "target": {"kind": "ConfigMap", "name": ""}}, "wait.target.name is empty: name the object"),
    ],
)
def test_a_mistake_in_the_action_is_told_at_once(action, message):
    async def test(bench):
        bench.verb, bench.action, bench.timeout_s = wait.perform, {"wait": action}, 300
        before = bench.clock.now_ms()
        answer = await bench.attempt()
        assert words(answer) == "failed InvalidAction False"
        assert answer.event.message.startswith(message)
        assert bench.clock.now_ms() == before

    run(test)


def test_a_server_that_is_away_is_asked_again():
    async def test(bench):
        await until(bench).cluster.create(marked("ready"))
        bench.away("get", times=3)
        assert (await bench.attempt()).outcome == "ok"
        bench.faults.add("get", Forbidden("not yet"))
        assert (await bench.attempt()).outcome == "ok"

    run(test)


def test_after_an_absence_that_outlasted_the_deadline_there_is_time_for_a_look():
    async def test(bench):
        await until(bench).cluster.create(marked("busy"))
        work = await begun(bench)
        work.cancel()
        await asyncio.sleep(3600)
        await mark(bench, "ready")
        assert (await bench.attempt(first=False)).outcome == "ok"
        await mark(bench, "busy")
        assert words(await bench.attempt(first=False)) == "failed WaitTimeout True"

    run(test)


def test_cancelled_it_leaves_nothing_behind():
    async def test(bench):
        await until(bench).cluster.create(marked("busy"))
        work = await begun(bench)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert work.cancelled()
        assert [report.subscribers for report in bench.clusters.own.watches.report()] == [0]

    run(test)
