"""A patch action: each target once, in order of name; what is missing or wrong is named before anything is touched."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.adapters.hands.actions import patch
from reconciler.errors import Conflict
from reconciler.ports.cluster import Ref
from tests.reconciler.adapters.hands.actions.patch_bench import APPEND, create, labelled, marks, of
from tests.reconciler.adapters.hands.actions.verb_bench import actions, run, words
from tests.reconciler.adapters.hands.rollout import config_map


def test_the_target_is_planned_with_uid_and_version_and_patched():
    async def test(bench):
        await create(of(bench))
        before = await bench.get("a")
        items = []
        report = bench.report

        async def keep(found, message):
            items.extend(found)
            await report(found, message)

        bench.report = keep
        answer = await bench.attempt()
        after = await bench.get("a")
        assert (words(answer), answer.event.message) == ("ok  False", "ConfigMap shop/a patched")
        assert after["data"] == {"state": "one", "done": "yes"}
        metadata = before["metadata"]
        assert [(one.action, one.uid, one.rv) for one in items] == [
            ("planned", metadata["uid"], metadata["resourceVersion"])
        ]
        (item,) = answer.event.objects
        assert (item.action, item.rv) == ("patched", after["metadata"]["resourceVersion"])

    run(test)


def test_all_that_a_selector_matches_are_patched_by_name_and_only_those():
    async def test(bench):
        await create(bench, "c", "a", "b")
        await bench.cluster.create(config_map("other"))
        answer = await of(bench, APPEND, **labelled()).attempt()
        assert (answer.outcome, answer.event.message) == ("ok", "3 objects patched")
        assert bench.reported == ["planned a", "planned b", "planned c", "patched a", "patched b"]
        assert [await marks(bench, name) for name in "abc"] == [1, 1, 1]
        assert "done" not in (await bench.get("other")).get("data", {})

    run(test)


def test_progress_that_a_later_try_does_not_need_is_not_recorded():
    async def test(bench):
        await create(bench, "a", "b")
        assert (await of(bench, **labelled()).attempt()).outcome == "ok"
        assert bench.reported == ["planned a", "planned b"]

    run(test)


def test_a_selector_s_expressions_count():
    async def test(bench):
        await create(bench, "a", "b")
        await bench.cluster.patch(
            Ref("v1", "ConfigMap", "shop", "b"), {"metadata": {"labels": {"old": "1"}}}, type="merge"
        )
        rules = [
            {"key": "tier", "operator": "In", "values": ["db", "app"]}, {"key": "old", "operator": "DoesNotExist"},
            {"key": "tier", "operator": "NotIn", "values": ["web"]}, {"key": "tier", "operator": "Exists"},
        ]  # fmt: skip
        answer = await of(bench, selector={"matchLabels": {"tier": "db"}, "matchExpressions": rules}).attempt()
        assert actions(answer) == {"a": "patched"}

    run(test)


def test_a_built_in_kind_is_merged_by_its_keys():
    async def test(bench):
        labels = {"app": "web"}
        spec = {"containers": [{"name": "c", "image": "i:1"}]}
        await bench.cluster.create({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
        })  # fmt: skip
        text = '{"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "s:1"}]}}}}'
        assert (await of(bench, text, kind="Deployment", name="web").attempt()).outcome == "ok"
        live = await bench.cluster.get(Ref("apps/v1", "Deployment", "shop", "web"))
        assert {one["name"] for one in live["spec"]["template"]["spec"]["containers"]} == {"c", "side"}
        # A merge that is refused is not tried as the other kind of merge, which would replace the list.
        text = '{"spec": {"template": {"spec": {"containers": [{"image": "s:2"}]}}}}'
        answer = await of(bench, text, kind="Deployment", name="web").attempt()
        assert (answer.outcome, answer.event.retryable) == ("failed", False)
        assert "does not contain declared merge key" in answer.event.message

    run(test)


async def gizmos(bench, *names: str) -> None:
    spec = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    await bench.cluster.create({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gizmos.example.test"},
        "spec": {"group": "example.test", "scope": "Namespaced", "names": {"plural": "gizmos", "kind": "Gizmo"},
                 "versions": [{"name": "v1", "served": True, "storage": True,
                               "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]},
    })  # fmt: skip
    await asyncio.sleep(1)
    for name in names:
        metadata = {"name": name, "namespace": "shop", "labels": {"tier": "db"}}
        await bench.cluster.create(
            {"apiVersion": "example.test/v1", "kind": "Gizmo", "metadata": metadata, "spec": {"items": ["a"], "x": 1}}
        )


def test_a_custom_resource_is_merged_as_json():
    async def test(bench):
        await gizmos(bench, "g", "h")
        text = "spec:\n  items: [b]\n  x: null\n"
        target = {"kind": "Gizmo", "apiVersion": "example.test/v1", **labelled()}
        assert (await of(bench, text, **target).attempt()).event.message == "2 objects patched"
        live = await bench.cluster.get(Ref("example.test/v1", "Gizmo", "shop", "h"))
        assert live["spec"] == {"items": ["b"]}
        # The server was asked once, not for each object, whether it knows the other kind of merge.
        assert bench.counts("patch") == 3

    run(test)


@pytest.mark.parametrize(
    ("target", "reason", "message"),
    [
        ({"name": "b"}, "NotFound True", "ConfigMap shop/b does not exist: create it before this action, or correct"),
        (labelled(tier="no"), "NotFound True", "patch.target.selector `tier=no` matches no ConfigMap in shop: label"),
        ({"selector": {}}, "InvalidAction False", "patch.target.selector must not be empty, because it would select"),
        ({"namespace": "shop"}, "InvalidAction False", "patch.target needs either name or selector, and has neither"),
        (
            {"name": "a", **labelled()},
            "InvalidAction False",
            "patch.target needs either name or selector, and has both",
        ),
        (
            {"kind": "Gizmo", "apiVersion": "example.test/v1", "name": "g"},
            "NoSuchKind True",
            "patch.target: the cluster has no kind Gizmo in example.test/v1: correct apiVersion and kind",
        ),
    ],
)
def test_a_target_that_is_missing_or_wrong_is_named(target, reason, message):
    async def test(bench):
        await create(of(bench, **target))
        answer = await bench.attempt()
        assert words(answer) == f"failed {reason}"
        assert answer.event.message.startswith(message)
        assert (bench.reported, bench.counts("patch")) == ([], 0)

    run(test)


def test_too_many_targets_are_refused_before_one_is_touched(monkeypatch):
    monkeypatch.setattr(patch.patch_targets, "TARGETS_MAX", 1)

    async def test(bench):
        await create(bench, "a", "b")
        answer = await of(bench, **labelled()).attempt()
        assert words(answer) == "failed InvalidAction False"
        assert answer.event.message == "patch.target.selector matches 2 objects, and 1 are allowed: narrow it"

    run(test)


def test_the_first_failure_stops_and_the_next_attempt_does_only_the_rest():
    async def test(bench):
        await create(bench, "a", "b", "c")
        await bench.cluster.patch(Ref("v1", "ConfigMap", "shop", "b"), {"metadata": {"finalizers": None}}, type="merge")
        answer = await of(bench, APPEND, **labelled()).attempt()
        assert words(answer) == "failed Invalid False"
        assert answer.event.message.startswith("ConfigMap shop/b: the server rejected our request")
        assert actions(answer) == {"a": "patched", "b": "failed", "c": "skipped"}
        hold = {"metadata": {"finalizers": ["example.test/hold"]}}
        await bench.cluster.patch(Ref("v1", "ConfigMap", "shop", "b"), hold, type="merge")
        assert (await bench.attempt()).event.message == "3 objects patched"
        assert [await marks(bench, name) for name in "abc"] == [1, 1, 1]

    run(test)


def test_with_another_patch_in_its_place_all_are_patched():
    async def test(bench):
        await create(bench, "a", "b")
        bench.faults.add("patch", Conflict("busy"), name="b")
        assert actions(await of(bench, **labelled()).attempt()) == {"a": "patched", "b": "failed"}
        answer = await of(bench, "data: {done: again}", **labelled()).attempt()
        assert answer.outcome == "ok"
        assert [(await bench.get(name))["data"]["done"] for name in "ab"] == ["again", "again"]

    run(test)


def test_when_nothing_is_left_to_patch_the_action_is_done():
    async def test(bench):
        await create(bench, "a", "b")
        bench.faults.add("patch", Conflict("busy"), name="b")
        await of(bench, "metadata: {labels: {tier: null}}", **labelled()).attempt()
        await bench.cluster.patch(Ref("v1", "ConfigMap", "shop", "b"), {"metadata": {"labels": None}}, type="merge")
        answer = await bench.attempt()
        assert (answer.outcome, answer.event.message) == ("ok", "ConfigMap shop/a patched")

    run(test)


def test_with_another_target_in_its_place_only_that_is_patched():
    async def test(bench):
        await create(bench, "a", "b")
        bench.away("patch", times=1)
        assert (await of(bench, APPEND).attempt()).outcome == "failed"
        assert (await of(bench, APPEND, name="b").attempt()).outcome == "ok"
        assert [await marks(bench, name) for name in "ab"] == [0, 1]

    run(test)


def test_an_object_of_the_same_name_that_is_new_is_patched():
    async def test(bench):
        await create(bench, "a", "b")
        bench.faults.add("patch", Conflict("busy"), name="b")
        await of(bench, **labelled()).attempt()
        await bench.cluster.patch(Ref("v1", "ConfigMap", "shop", "a"), {"metadata": {"finalizers": None}}, type="merge")
        await bench.cluster.delete(Ref("v1", "ConfigMap", "shop", "a"))
        await create(bench, "a")
        assert (await bench.attempt()).outcome == "ok"
        assert (await bench.get("a"))["data"]["done"] == "yes"

    run(test)


def test_a_refusal_names_the_object():
    async def test(bench):
        await create(of(bench, "data: [1]"))
        answer = await bench.attempt()
        assert answer.outcome == "failed"
        assert answer.event.retryable is False
        assert answer.event.message.startswith("ConfigMap shop/a: ")
        bench.account = "deployer"
        answer = await bench.attempt()
        assert words(answer) == "failed Forbidden False"

    run(test)


def test_nothing_is_patched_after_the_action_s_time():
    async def test(bench):
        await create(of(bench))
        bench.timeout_s = 1
        bench.away("get", times=2)
        answer = await bench.attempt()
        assert words(answer) == "failed ActionTimeout True"
        assert (
            answer.event.message == "the action's time was over before ConfigMap shop/a was patched: raise its timeout"
        )
        assert actions(answer) == {"a": "skipped"}
        assert bench.counts("patch") == 0

    run(test)


def test_an_object_that_is_gone_before_it_is_patched_is_missing():
    async def test(bench):
        await of(bench).cluster.create(config_map("a"))
        report = bench.report

        async def then_gone(items, message):
            await report(items, message)
            await bench.cluster.delete(Ref("v1", "ConfigMap", "shop", "a"))

        bench.report = then_gone
        answer = await bench.attempt()
        assert (words(answer), actions(answer)) == ("failed NotFound True", {"a": "failed"})
        assert answer.event.message.startswith("ConfigMap shop/a does not exist: create it")

    run(test)
