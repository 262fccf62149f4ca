"""What is gone, what was replaced and what belongs to others is neither repeated nor adopted."""

from __future__ import annotations

import asyncio

import pytest

from ledger.events import Item
from reconciler.adapters.hands.actions.job_look import judged
from reconciler.adapters.hands.actions.job_names import marks_of
from reconciler.ports.cluster import Ref, Scope
from tests.reconciler.adapters.hands.actions.job_bench import Through, a_job, actions, copy_of, run, words


def test_a_running_job_that_is_gone_is_not_repeated():
    async def test(bench):
        await bench.crashing(2)
        live = await bench.the_job()
        await bench.remove(live)
        for _ in range(2):
            answer = await bench.attempt()
            name, uid = live["metadata"]["name"], live["metadata"]["uid"]
            assert words(answer) == "indeterminate Indeterminate False"
            said = f"Job shop/{name} was seen running (UID {uid}) and is gone: whether it ended well is not known"
            assert answer.event.message == said
            assert actions(answer) == ["gone"]
        assert [effect.split()[0] for effect in bench.effects] == ["create", "delete"]

    run(test)


def test_a_job_that_disappears_while_it_is_watched_is_not_repeated():
    async def test(bench):
        bench.objects = [a_job(after="1m")]
        work = asyncio.ensure_future(bench.perform(first=True))
        await bench.under_way()
        await bench.remove(await bench.the_job())
        answer = await work
        assert words(answer) == "indeterminate Indeterminate False"
        assert "is gone: whether it ended well is not known" in answer.event.message

    run(test)


@pytest.mark.parametrize("foreign", [False, True])
def test_another_job_in_its_place_is_not_taken_for_it(foreign):
    async def test(bench):
        bench.objects = [a_job(after="1m")]
        work = asyncio.ensure_future(bench.perform(first=True))
        await bench.under_way()
        live = await bench.the_job()
        await bench.remove(live)
        copy = copy_of(live)
        if foreign:
            copy["metadata"]["labels"] = {}
        new = await bench.admin.create(copy)
        answer = await work
        assert words(answer) == "indeterminate Indeterminate False"
        said = (
            f"was seen with UID {live['metadata']['uid']} and has UID {new['metadata']['uid']} now: somebody replaced"
        )
        assert said in answer.event.message

    run(test)


class Lagging(Through):
    """Its watches tell everything late."""

    async def watch(self, scope, *, resource_version):
        async for event in self.cluster.watch(scope, resource_version=resource_version):
            await asyncio.sleep(3)
            yield event


def test_a_watch_that_lags_behind_does_not_make_it_gone():
    async def test(bench):
        bench.cluster = Lagging(bench.admin)
        hand = bench.hand()
        # From here on the watch is open, and shows the time before the Job was there.
        hand.watches.subscribe(Scope("batch/v1", "Job", "shop"))
        await asyncio.sleep(1)
        answer = await bench.perform(bench.acting(first=True)._replace(hand=hand))
        assert answer.outcome == "ok"

    run(test)


# ── what belongs to others ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("labels", "owner", "whose"),
    [
        ({}, "", "it has no owner labels"),
        ({"app.kubernetes.io/managed-by": "Helm"}, "", "it is managed by Helm"),
        ({}, "nightly", "it belongs to CronJob nightly"),
        ({"name": "other", "namespace": "shop"}, "", "its labels name StageSet shop/other"),
        ({"name": "rel", "namespace": "shop", "stage": "app"}, "", "its labels name stage app of this StageSet"),
        ({"name": "other", "namespace": "shop", "stage": "db"}, "ours", "its labels name StageSet shop/other"),
        (
            {"name": "rel", "namespace": "shop", "stage": "db"},
            "",
            "its annotation stages.metio.wtf/action is missing",
        ),
    ],
)
def test_a_job_of_somebody_else_is_refused(labels, owner, whose):
    async def test(bench):
        planned = await _name(bench)
        marks = {key if "/" in key else f"stages.metio.wtf/{key}": value for key, value in labels.items()}
        foreign = a_job(planned)
        foreign["metadata"]["labels"] = marks
        if owner == "ours":
            foreign["metadata"]["annotations"]["stages.metio.wtf/action"] = bench.key
        elif owner:
            bench_owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": owner, "uid": "u"}
            foreign["metadata"]["ownerReferences"] = [bench_owner]
            foreign["metadata"]["finalizers"] = ["example.com/keep"]
        before = await bench.admin.create(foreign)
        answer = await bench.attempt(first=True)
        assert words(answer) == "failed ForeignJob False"
        assert answer.event.message == (
            f"Job shop/{planned} exists already and was not created by this action: {whose}; it is left alone: delete "
            "it or let it have another name, then try again"
        )
        assert (await bench.the_job())["metadata"]["uid"] == before["metadata"]["uid"]
        # It is never adopted by a later attempt either.
        assert words(await bench.attempt()) == "failed ForeignJob False"

    run(test)


async def _name(bench) -> str:
    """The name that the Job is going to have."""
    try:
        await bench.crashing(1)
    finally:
        (item,) = bench.items.values()
        bench.items, bench.reported = {}, []
    return item.id.split("_")[1]


def test_a_job_that_is_ours_is_met_when_the_record_of_it_is_lost():
    async def test(bench):
        await bench.crashing(2)
        bench.items = {}
        answer = await bench.attempt(first=True)
        assert answer.outcome == "ok"
        assert len(bench.effects) == 1

    run(test)


# ── all of it, as a table ────────────────────────────────────────────────────────────────────────────────────────

NOTHING = None


@pytest.mark.parametrize(
    ("recorded", "live", "state"),
    [
        (None, NOTHING, "absent"),
        (("planned", ""), NOTHING, "absent"),
        (("created", "u1"), NOTHING, "lost"),
        (("running", "u1"), NOTHING, "lost"),
        (("gone", "u1"), NOTHING, "lost"),
        (("failed", "u1"), NOTHING, "absent"),
        (("planned", ""), ("u1", True, ""), "running"),
        (("planned", ""), ("u1", True, "Complete"), "complete"),
        (("planned", ""), ("u1", True, "Failed"), "failed"),
        (("planned", ""), ("u1", False, "Complete"), "foreign"),
        (None, ("u1", False, ""), "foreign"),
        (("created", "u1"), ("u1", True, ""), "running"),
        (("running", "u1"), ("u1", True, "Complete"), "complete"),
        (("running", "u1"), ("u1", True, "Failed"), "failed"),
        # Its UID is on record: whoever took its labels off has not made it another one.
        (("created", "u1"), ("u1", False, "Complete"), "complete"),
        (("created", "u1"), ("u2", True, "Complete"), "lost"),
        (("created", "u1"), ("u2", False, "Complete"), "lost"),
        (("failed", "u1"), ("u1", True, "Failed"), "again"),
        (("failed", "u1"), ("u2", True, "Complete"), "lost"),
        (("failed", "u1"), ("u2", False, "Complete"), "foreign"),
    ],
)
def test_what_record_and_world_say_together(recorded, live, state):
    async def test(bench):
        acting = bench.acting()
        labels, annotations = marks_of(acting)
        obj = None
        if live is not None:
            uid, ours, end = live
            marks = {"labels": labels, "annotations": annotations} if ours else {}
            conditions = [{"type": end, "status": "True"}] if end else []
            meta = {"name": "x", "namespace": "shop", "uid": uid, **marks}
            obj = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "status": {"conditions": conditions}}
        item = Item(id="shop_x_batch_Job", v="v1", action=recorded[0], uid=recorded[1]) if recorded else None
        found = judged(acting, Ref("batch/v1", "Job", "shop", "x"), recorded=item, live=obj)
        assert found.state == state
        assert bool(found.words) == (state in ("lost", "foreign"))

    run(test)
