"""A patch that may have been sent: looked for, sent again where twice is once, and held where looking does not tell."""

from __future__ import annotations

import pytest

from reconciler.adapters.memory import faults
from reconciler.errors import Unavailable
from reconciler.ports.cluster import Ref
from tests.reconciler.adapters.hands.actions.patch_bench import (
    APPEND,
    MERGE,
    SET,
    STEP,
    create,
    labelled,
    marks,
    of,
)
from tests.reconciler.adapters.hands.actions.verb_bench import actions, run, words
from tests.reconciler.adapters.hands.rollout import config_map


@pytest.mark.parametrize("text", [MERGE, SET, APPEND, STEP])
def test_killed_before_the_request_it_is_patched_once(text):
    async def test(bench):
        await create(of(bench, text))
        await bench.crashing("patch", when="before")
        assert (await bench.attempt(first=False)).outcome == "ok"
        assert bench.reported == ["planned a"]
        if text is APPEND:
            assert await marks(bench) == 1

    run(test)


@pytest.mark.parametrize("text", [MERGE, SET])
def test_killed_after_the_request_a_dry_run_shows_that_it_is_done(text):
    async def test(bench):
        await create(of(bench, text))
        await bench.crashing("patch", when="after")
        version = (await bench.get("a"))["metadata"]["resourceVersion"]
        answer = await bench.attempt(first=False)
        assert (answer.outcome, actions(answer)) == ("ok", {"a": "patched"})
        assert (await bench.get("a"))["metadata"]["resourceVersion"] == version
        assert answer.event.objects[0].rv == version

    run(test)


def test_killed_after_the_request_a_patch_that_would_do_more_is_held():
    async def test(bench):
        await create(of(bench, APPEND))
        version = (await bench.get("a"))["metadata"]["resourceVersion"]
        await bench.crashing("patch", when="after")
        now = (await bench.get("a"))["metadata"]["resourceVersion"]
        answer = await bench.attempt(first=False)
        assert words(answer) == "indeterminate Indeterminate False"
        assert answer.event.message == (
            f"ConfigMap shop/a had resourceVersion {version} before the patch and has {now} now; the patch would "
            "change it, which may be the second time"
        )
        assert actions(answer) == {"a": "planned"}
        assert await marks(bench) == 1

    run(test)


def test_killed_after_the_request_a_patch_that_is_refused_the_second_time_is_held():
    async def test(bench):
        await create(of(bench, STEP))
        await bench.crashing("patch", when="after")
        answer = await bench.attempt(first=False)
        assert words(answer) == "indeterminate Indeterminate False"
        assert "and a dry run of the patch was refused: the server rejected our request" in answer.event.message

    run(test)


def test_a_state_that_already_is_as_the_patch_wants_it_is_done():
    async def test(bench):
        step = [{"op": "test", "path": "/data/state", "value": "one"}, *SET]
        await create(of(bench, step))
        await bench.crashing("patch", when="after")
        assert (await bench.attempt(first=False)).outcome == "ok"

    run(test)


@pytest.mark.parametrize(("text", "outcome"), [(MERGE, "ok"), (APPEND, "indeterminate")])
def test_an_object_that_somebody_else_changed_is_patched_only_where_twice_is_once(text, outcome):
    async def test(bench):
        await create(of(bench, text))
        await bench.crashing("patch", when="before")
        await bench.change("a", other="1")
        answer = await bench.attempt(first=False)
        assert answer.outcome == outcome
        assert await marks(bench) == 0

    run(test)


@pytest.mark.parametrize(
    ("again", "why"), [(True, "was about to be patched (UID {old}) and has UID {new} now"), (False, "and is gone")]
)
def test_an_object_that_is_gone_or_replaced_is_held(again, why):
    async def test(bench):
        append = [{"op": "add", "path": "/metadata/annotations", "value": {}}, {"op": "remove", "path": "/data/x"}]
        uid = (await of(bench, append).cluster.create(config_map("a", x="1")))["metadata"]["uid"]
        await bench.crashing("patch", when="before")
        await bench.cluster.delete(Ref("v1", "ConfigMap", "shop", "a"))
        new = (await bench.cluster.create(config_map("a", x="1")))["metadata"]["uid"] if again else ""
        answer = await bench.attempt(first=False)
        assert answer.outcome == "indeterminate"
        assert why.format(old=uid, new=new) in answer.event.message

    run(test)


def test_a_replaced_object_is_patched_where_twice_is_once_and_a_missing_one_is_a_failure():
    async def test(bench):
        await of(bench).cluster.create(config_map("a"))
        await bench.crashing("patch", when="before")
        await bench.cluster.delete(Ref("v1", "ConfigMap", "shop", "a"))
        assert words(await bench.attempt(first=False)) == "failed NotFound True"
        await bench.cluster.create(config_map("a"))
        assert (await bench.attempt(first=False)).outcome == "ok"
        assert (await bench.get("a"))["data"] == {"done": "yes"}

    run(test)


def test_of_several_objects_only_the_one_that_was_under_way_is_in_doubt():
    async def test(bench):
        await create(of(bench, APPEND, **labelled()), "a", "b", "c")
        await bench.crashing("patch", when="before", number=2)
        # Changed by others meanwhile: that would be a doubt, if anything could have been done to it.
        await bench.change("c", other="1")
        bench.items = dict(reversed(bench.items.items()))
        answer = await bench.attempt(first=False)
        assert answer.outcome == "ok"
        assert [await marks(bench, name) for name in "abc"] == [1, 1, 1]

    run(test)


def test_a_doubt_leaves_the_objects_behind_it_untouched_and_says_so():
    async def test(bench):
        await create(of(bench, APPEND, **labelled()), "a", "b", "c")
        await bench.crashing("patch", when="after", number=2)
        answer = await bench.attempt(first=False)
        assert answer.outcome == "indeterminate"
        assert actions(answer) == {"a": "patched", "b": "planned", "c": "skipped"}
        assert [await marks(bench, name) for name in "abc"] == [1, 1, 0]

    run(test)


def test_a_patch_that_takes_its_targets_out_of_the_selector_is_finished_all_the_same():
    async def test(bench):
        await create(of(bench, "metadata: {labels: {tier: null}}", **labelled()), "a", "b")
        await bench.crashing("patch", when="after")
        answer = await bench.attempt(first=False)
        assert (answer.outcome, actions(answer)) == ("ok", {"a": "patched", "b": "patched"})
        assert "labels" not in (await bench.get("b"))["metadata"]

    run(test)


def test_killed_before_anything_was_planned_it_starts_over():
    async def test(bench):
        await create(of(bench, APPEND))
        await bench.crashing("get", when="before")
        assert (await bench.attempt(first=False)).outcome == "ok"
        assert await marks(bench) == 1

    run(test)


def test_a_lost_answer_is_looked_for():
    async def test(bench):
        await create(of(bench))
        bench.faults.add("patch", faults.timed_out(), when="after")
        assert (await bench.attempt()).outcome == "ok"

    run(test)


@pytest.mark.parametrize("text", [MERGE, APPEND])
def test_a_request_that_did_not_arrive_is_a_failure_and_is_sent_by_the_next_attempt(text):
    async def test(bench):
        await create(of(bench, text))
        bench.away("patch", times=1)
        answer = await bench.attempt()
        assert (words(answer), actions(answer)) == ("failed ServiceUnavailable True", {"a": "planned"})
        assert (await bench.attempt()).outcome == "ok"
        assert await marks(bench) == (text is APPEND)

    run(test)


def test_a_lost_answer_of_a_patch_that_would_do_more_is_held():
    async def test(bench):
        await create(of(bench, APPEND))
        bench.faults.add("patch", faults.timed_out(), when="after")
        answer = await bench.attempt()
        assert (answer.outcome, actions(answer)) == ("indeterminate", {"a": "planned"})
        assert await marks(bench) == 1

    run(test)


def late(bench):
    """The request of the attempt before, which was lost on the way."""
    (item,) = bench.items.values()
    operations = [{"op": "test", "path": "/metadata/resourceVersion", "value": item.rv}, *APPEND]
    return bench.cluster.patch(Ref("v1", "ConfigMap", "shop", "a"), operations, type="json")


def test_a_request_that_arrived_late_is_seen_by_the_next_attempt():
    async def test(bench):
        await create(of(bench, APPEND))
        bench.away("patch", times=1)
        assert (await bench.attempt()).outcome == "failed"
        await late(bench)
        assert (await bench.attempt()).outcome == "indeterminate"
        assert await marks(bench) == 1

    run(test)


def test_a_doubt_about_another_patch_is_none_about_this_one():
    async def test(bench):
        await create(of(bench, STEP))
        bench.away("patch", times=1)
        assert (await bench.attempt()).outcome == "failed"
        await bench.change("a", other="1")
        assert (await of(bench, APPEND).attempt()).outcome == "ok"
        assert await marks(bench) == 1

    run(test)


def test_a_request_that_arrives_late_does_not_make_it_two():
    async def test(bench):
        """The first request is sent, nothing is heard of it, and it takes effect while the next attempt is at work."""
        await create(of(bench, APPEND))
        bench.away("patch", times=1)
        assert (await bench.attempt()).outcome == "failed"
        request = late(bench)

        def arrives(verb, ref):
            if verb == "patch":
                bench.cluster.hooks.before.remove(arrives)
                with pytest.raises(StopIteration):
                    request.send(None)

        bench.cluster.hooks.before.append(arrives)
        answer = await bench.attempt()
        assert await marks(bench) == 1
        assert (answer.outcome, actions(answer)) == ("indeterminate", {"a": "planned"})

    run(test)


def test_an_object_that_changes_all_the_time_is_planned_anew():
    async def test(bench):
        await create(of(bench, APPEND))
        report, changes = bench.report, [1, 1]

        async def then_changed(items, message):
            await report(items, message)
            if changes:
                changes.pop()
                await bench.change("a", n=str(len(changes)))

        bench.report = then_changed
        answer = await bench.attempt()
        assert (answer.outcome, await marks(bench)) == ("ok", 1)
        assert bench.reported == ["planned a"] * 3
        changes.extend([1] * 20)
        answer = await bench.attempt()
        assert (words(answer), actions(answer)) == ("failed Conflict True", {"a": "failed"})
        assert answer.event.message.startswith("ConfigMap shop/a changes faster than it can be patched")

    run(test)


@pytest.mark.parametrize(("text", "outcome"), [(MERGE, "failed"), (APPEND, "indeterminate")])
def test_where_nothing_can_be_read_a_doubt_stays_one(text, outcome):
    async def test(bench):
        await create(of(bench, text))
        await bench.crashing("patch", when="after")
        bench.away("get", times=5)
        answer = await bench.attempt(first=False)
        assert answer.outcome == outcome
        assert bench.items["shop_a__ConfigMap"].action == "planned"
        if outcome == "indeterminate":
            assert answer.event.message.startswith("ConfigMap shop/a may have been patched and cannot be read: ")

    run(test)


def test_a_dry_run_that_is_refused_is_no_reason_to_hold_what_may_be_repeated():
    async def test(bench):
        await create(of(bench))
        await bench.crashing("patch", when="after")
        await bench.change("a", other="1")
        bench.faults.add("patch", Unavailable("no dry run"))
        assert (await bench.attempt(first=False)).outcome == "ok"

    run(test)
