"""A delete action: the one object that was recorded, whatever happens in between; what is missing is deleted."""

from __future__ import annotations

from reconciler.adapters.hands.actions import delete
from reconciler.adapters.memory import faults
from reconciler.errors import Conflict
from reconciler.ports.cluster import Ref, Scope
from tests.reconciler.adapters.hands.actions.verb_bench import actions, run, words
from tests.reconciler.adapters.hands.rollout import config_map


def of(bench, *, kind: str = "ConfigMap", name: str = "a", cascade: str = "", **target: str):
    bench.verb = delete.perform
    more = {"cascade": cascade} if cascade else {}
    bench.action = {"delete": {"target": {"kind": kind, "name": name, **target}, **more}}
    return bench


async def replaced(bench, name: str = "a") -> str:
    """Somebody deletes the object and makes another of the name; its UID."""
    await bench.cluster.delete(Ref("v1", "ConfigMap", "shop", name))
    return (await bench.cluster.create(config_map(name)))["metadata"]["uid"]


def test_the_object_is_planned_with_its_uid_and_deleted():
    async def test(bench):
        live = await of(bench).cluster.create(config_map("a"))
        answer = await bench.attempt()
        assert (words(answer), answer.event.message) == ("ok  False", "ConfigMap shop/a deleted")
        assert [(item.action, item.uid) for item in answer.event.objects] == [("deleted", live["metadata"]["uid"])]
        assert bench.reported == ["planned a"]
        assert await bench.gone("a")

    run(test)


def test_what_is_missing_is_deleted():
    async def test(bench):
        answer = await of(bench, namespace="elsewhere").attempt()
        assert (answer.outcome, answer.event.message) == ("ok", "ConfigMap elsewhere/a does not exist")
        assert actions(answer) == {"a": "gone"}
        assert (bench.reported, bench.counts("delete")) == ([], 0)

    run(test)


def test_a_kind_that_the_cluster_does_not_have_is_no_success():
    async def test(bench):
        answer = await of(bench, kind="Gizmo", apiVersion="example.test/v1").attempt()
        assert words(answer) == "failed NoSuchKind True"
        assert answer.event.message.startswith(
            "delete.target: the cluster has no kind Gizmo in example.test/v1: correct"
        )
        answer = await of(bench, name="").attempt()
        assert (words(answer), answer.event.message) == (
            "failed InvalidAction False",
            "delete.target.name is empty: name the object",
        )

    run(test)


def test_a_kind_with_a_well_known_version_needs_none_and_a_cluster_scoped_one_no_namespace():
    async def test(bench):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "old"}}
        await bench.cluster.create(namespace)
        assert (await of(bench, kind="Namespace", name="old").attempt()).event.message == "Namespace old deleted"
        answer = await of(bench, kind="Deployment", name="web").attempt()
        assert answer.event.objects[0].id == "shop_web_apps_Deployment"

    run(test)


def test_dependents_go_or_stay_as_told():
    async def left(bench, cascade: str) -> int:
        labels = {"app": "web"}
        web = {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
                "containers": [{"name": "c", "image": "i"}]}}},
        }  # fmt: skip
        await bench.cluster.create(web)
        await settle(bench)
        assert (await of(bench, kind="Deployment", name="web", cascade=cascade).attempt()).outcome == "ok"
        await settle(bench)
        found = (await bench.cluster.list(Scope("apps/v1", "ReplicaSet", "shop"))).items
        for one in found:
            await bench.cluster.delete(Ref("apps/v1", "ReplicaSet", "shop", one["metadata"]["name"]))
        return len(found)

    async def test(bench):
        assert await left(bench, "") == 0
        assert await left(bench, "Foreground") == 0
        assert await left(bench, "Orphan") == 1

    run(test)


async def settle(bench) -> None:
    for _ in range(10):
        await bench.cluster.tick()


def test_finalizers_are_not_waited_for():
    async def test(bench):
        obj = config_map("a")
        obj["metadata"]["finalizers"] = ["example.test/hold"]
        await of(bench).cluster.create(obj)
        assert (await bench.attempt()).outcome == "ok"
        assert "deletionTimestamp" in (await bench.get("a"))["metadata"]

    run(test)


def test_killed_before_the_request_it_deletes_when_it_comes_back():
    async def test(bench):
        await of(bench).cluster.create(config_map("a"))
        await bench.crashing("delete", when="before")
        assert not await bench.gone("a")
        answer = await bench.attempt(first=False)
        assert (answer.outcome, await bench.gone("a"), bench.reported) == ("ok", True, ["planned a"])

    run(test)


def test_killed_after_the_request_it_is_done_and_leaves_the_next_object_of_the_name_alone():
    async def test(bench):
        await of(bench).cluster.create(config_map("a"))
        await bench.crashing("delete", when="after")
        uid = (await bench.cluster.create(config_map("a")))["metadata"]["uid"]
        answer = await bench.attempt(first=False)
        assert (answer.outcome, actions(answer)) == ("ok", {"a": "deleted"})
        assert (await bench.get("a"))["metadata"]["uid"] == uid

    run(test)


def test_killed_before_anything_was_planned_it_starts_over():
    async def test(bench):
        await of(bench).cluster.create(config_map("a"))
        await bench.crashing("get", when="before")
        assert (await bench.attempt(first=False)).outcome == "ok"
        assert await bench.gone("a")

    run(test)


def test_an_object_that_is_replaced_in_the_last_moment_is_left_alone():
    async def test(bench):
        await of(bench).cluster.create(config_map("a"))
        report, uids = bench.report, []

        async def then_replaced(items, message):
            await report(items, message)
            uids.append(await replaced(bench))

        bench.report = then_replaced
        answer = await bench.attempt()
        assert (answer.outcome, (await bench.get("a"))["metadata"]["uid"]) == ("ok", uids[0])

    run(test)


def test_an_object_that_goes_by_itself_in_the_last_moment_is_deleted():
    async def test(bench):
        await of(bench).cluster.create(config_map("a"))
        report = bench.report

        async def then_gone(items, message):
            await report(items, message)
            await bench.cluster.delete(Ref("v1", "ConfigMap", "shop", "a"))

        bench.report = then_gone
        answer = await bench.attempt()
        assert (answer.outcome, actions(answer)) == ("ok", {"a": "deleted"})

    run(test)


def test_a_lost_answer_is_looked_for():
    async def test(bench):
        await of(bench).cluster.create(config_map("a"))
        bench.faults.add("delete", faults.timed_out(), when="after")
        assert (await bench.attempt()).outcome == "ok"
        await bench.cluster.create(config_map("a"))
        bench.away("delete", times=1)
        answer = await bench.attempt()
        assert (words(answer), actions(answer)) == ("failed ServiceUnavailable True", {"a": "planned"})
        # The request may still be on its way: whatever has the name by now is not the one that was planned.
        uid = await replaced(bench)
        assert (await bench.attempt()).outcome == "ok"
        assert (await bench.get("a"))["metadata"]["uid"] == uid

    run(test)


def test_a_conflict_about_the_object_itself_is_a_failure_that_is_tried_again():
    async def test(bench):
        await of(bench).cluster.create(config_map("a"))
        bench.faults.add("delete", Conflict("try again"))
        answer = await bench.attempt()
        assert words(answer) == "failed Conflict True"
        assert (await bench.attempt()).outcome == "ok"

    run(test)


def test_a_refusal_names_the_object_and_what_is_missing():
    async def test(bench):
        await of(bench).cluster.create(config_map("a"))
        bench.account = "deployer"
        answer = await bench.attempt()
        assert words(answer) == "failed Forbidden False"
        assert answer.event.message.startswith('ConfigMap shop/a: configmaps "a" is forbidden')
        assert "give system:serviceaccount:shop:deployer a Role that allows get on configmaps" in answer.event.message
        assert answer.event.evidence["status"]["code"] == 403

    run(test)


def test_a_refused_deletion_is_settled_and_starts_over():
    async def test(bench):
        await of(bench).cluster.create(config_map("a"))
        bench.faults.add("delete", faults.too_many_requests())
        answer = await bench.attempt()
        assert (words(answer), actions(answer)) == ("failed TooManyRequests True", {"a": "failed"})
        uid = await replaced(bench)
        answer = await bench.attempt()
        assert (answer.outcome, answer.event.objects[0].uid, await bench.gone("a")) == ("ok", uid, True)

    run(test)


def test_nothing_is_deleted_after_the_action_s_time():
    async def test(bench):
        await of(bench).cluster.create(config_map("a"))
        bench.timeout_s = 1
        bench.away("get", times=2)
        answer = await bench.attempt()
        assert (words(answer), await bench.gone("a")) == ("failed ActionTimeout True", False)
        assert bench.reported == []
        assert (
            answer.event.message == "the action's time was over before ConfigMap shop/a was deleted: raise its timeout"
        )

    run(test)
